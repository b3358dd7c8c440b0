"""Every error a user can meet.

Each message says what was wrong, where (file, row, field) and what to do. The command line prints
an `MturkEvalError` without a traceback and exits with its ``exit_code``.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import ClassVar


class MturkEvalError(Exception):
    """Base of all errors a user can meet; the work failed (exit code 1)."""

    exit_code: ClassVar[int] = 1


class InvalidInputError(MturkEvalError):
    """What the user gave is wrong: an option, a file, a row (exit code 2)."""

    exit_code: ClassVar[int] = 2


class MissingExtraError(InvalidInputError):
    """What was asked for takes a library of an extra that is not installed."""

    def __init__(self, library: str, purpose: str, *, extra: str) -> None:
        self.library, self.extra = library, extra
        super().__init__(
            f"{purpose} needs {library}, which is not installed: "
            f"run `pip install 'mturk-eval[{extra}]'`."
        )


# --- settings and files the user wrote ----------------------------------------------------------


class SettingsError(InvalidInputError):
    """A setting is misspelt, missing or out of range."""


class ImageError(InvalidInputError):
    """A file is not an image that can be shown as it should be."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}")


class StimuliError(InvalidInputError):
    """Originals and reconstructions do not fit together."""


class BatchError(InvalidInputError):
    """A batch folder is not what it says; holds every problem found, one line each."""

    def __init__(self, folder: Path, problems: Sequence[str]) -> None:
        self.folder, self.problems = folder, tuple(problems)
        shown = "\n".join(f"  {problem}" for problem in self.problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"{folder}: {count}\n{shown}")


class TableError(InvalidInputError):
    """A table of responses has a wrong column, row or cell."""


class TemplateError(InvalidInputError):
    """A HIT template is missing or does not render."""


# --- talking to an endpoint ---------------------------------------------------------------------


class EndpointUnreachableError(MturkEvalError):
    """Nothing answers at the endpoint."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        advice = (
            'Amazon Mechanical Turk closed on 2026-09-30; set `endpoint = "local"` and run '
            "`mturk-eval serve` to use our own server."
            if ".amazonaws.com" in endpoint
            else "Run `mturk-eval serve` in another terminal, or give the right `--endpoint`."
        )
        super().__init__(f"Nothing answers at {endpoint}. {advice}")


class CredentialsError(MturkEvalError):
    """The endpoint refuses the key, or there is none."""


class MarketplaceError(MturkEvalError):
    """The endpoint refused an operation."""

    def __init__(self, operation: str, message: str, *, code: str = "") -> None:
        self.operation, self.code = operation, code
        super().__init__(f"{operation}: {message}")


class HostingError(MturkEvalError):
    """Images could not be put where raters can see them."""


class PageTooLargeError(InvalidInputError):
    """A HIT page exceeds the size MTurk's API allows."""

    def __init__(self, hit: str, size: int, limit: int) -> None:
        super().__init__(
            f"The page of {hit} has {size:,} bytes; MTurk's API allows {limit:,}. "
            "Generate the batch with a smaller --trials-per-hit, or shorten the template."
        )


class UnreadableAnswerError(MturkEvalError):
    """A submitted page lacks the answer to a trial, or holds one that is none."""

    def __init__(self, trial_id: str, field: str, problem: str) -> None:
        self.trial_id, self.field = trial_id, field
        super().__init__(f"Trial {trial_id}: the field `{field}` {problem}.")


class BudgetExceededError(MturkEvalError):
    """Publishing would commit more money than the study's budget."""

    def __init__(self, *, cost_usd: Decimal, committed_usd: Decimal, budget_usd: Decimal) -> None:
        self.cost_usd, self.committed_usd, self.budget_usd = cost_usd, committed_usd, budget_usd
        super().__init__(
            f"This batch would cost ${cost_usd:.2f} on top of ${committed_usd:.2f} already "
            f"committed, over the study's budget of ${budget_usd:.2f}. Nothing was published. "
            "Lower --assignments or the reward, or raise payment.budget_usd."
        )


class LedgerError(MturkEvalError):
    """The study's database cannot be used for this."""


class LedgerUrlError(InvalidInputError):
    """The ledger's setting is no database URL."""


class StoppedError(MturkEvalError):
    """The user stopped the command; the message says what is kept and how to go on."""


class UnknownBatchError(InvalidInputError):
    """A batch's name is not in the ledger."""


class NoDataError(MturkEvalError):
    """There is nothing to analyze or export."""


# --- statistics ---------------------------------------------------------------------------------


class StatisticsError(MturkEvalError):
    """A model cannot be fitted to these data."""


# --- the server ---------------------------------------------------------------------------------


class ServerError(MturkEvalError):
    """The server cannot start or keep its database."""


class SimulationError(MturkEvalError):
    """Simulated raters could not do their work."""
