"""A study's settings as one frozen, validated record.

Order of authority: command-line option > environment (``MTURK_EVAL_…``, nested with ``__``) >
``--config`` file, else ``./mturk_eval.toml`` > the defaults here.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mturk_eval.errors import SettingsError
from mturk_eval.trials import Kind

DEFAULT_FILE: Final = Path("mturk_eval.toml")
ENVIRONMENT_PREFIX: Final = "MTURK_EVAL_"

ENDPOINTS: Final[Mapping[str, str]] = {
    "local": "http://127.0.0.1:8765",
    "sandbox": "https://mturk-requester-sandbox.us-east-1.amazonaws.com",
    "production": "https://mturk-requester.us-east-1.amazonaws.com",
}

FeeSchedule = Literal["none", "mturk"]


def _exact(value: object) -> object:
    """Read a TOML float as the decimal its author typed."""
    return str(value) if isinstance(value, float) else value


def _to_cents(value: Decimal) -> Decimal:
    """0.3 and 0.30 are one amount, also in a batch's id."""
    return value.quantize(Decimal("0.01"))


Usd = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(ge=0, decimal_places=2, max_digits=12),
    AfterValidator(_to_cents),
]


class _Record(BaseModel):
    # A misspelt key is an error, not a default.
    model_config = ConfigDict(extra="forbid", frozen=True)


class Wording(_Record):
    """Every word a rater reads that belongs to the study and not to the page's mechanics."""

    title: str = Field(min_length=1, max_length=128)
    description: str = Field(min_length=1, max_length=2000)
    keywords: str = Field(default="", max_length=1000)
    instructions: str = Field(min_length=1)
    question: str = Field(min_length=1)
    low_anchor: str = ""
    high_anchor: str = ""
    not_sure: bool = False
    contact: str = ""


SATISFACTION_WORDING: Final = Wording(
    title="Rate how well pictures are reproduced",
    description="Look at pairs of pictures and rate each reproduction from 1 to 10.",
    keywords="image, picture, rating, quality",
    instructions=(
        "You will see an original picture and a reconstruction of it. Look at both, then rate how "
        "satisfied you are with the reconstruction. There is no right or wrong answer: we want to "
        "know what you see."
    ),
    question="How satisfied are you with this reconstruction of the original?",
    low_anchor="completely unsatisfied",
    high_anchor="completely satisfied",
)
TWO_AFC_WORDING: Final = Wording(
    title="Which picture is closer to the original?",
    description="Compare two reproductions of a picture with the original and pick the closer one.",
    keywords="image, picture, comparison, quality",
    instructions=(
        "You will see an original picture in the middle and two reconstructions beside it. Choose "
        "the one that is closer to the original. Move over the pictures to magnify all three at "
        "once; when you are unsure, look over the whole picture."
    ),
    question="Which one is closer to the original?",
)
DEFAULT_WORDING: Final[Mapping[Kind, Wording]] = {
    "satisfaction": SATISFACTION_WORDING,
    "2afc": TWO_AFC_WORDING,
}


class Payment(_Record):
    """What a HIT pays and what the study may cost, in US dollars."""

    reward_usd: Usd = Decimal("0.30")
    budget_usd: Usd | None = None
    expected_seconds_per_trial: float | None = Field(default=None, gt=0)


class HitSettings(_Record):
    """How HITs are posted; durations in seconds."""

    assignments: int = Field(default=10, ge=1, le=1_000_000_000)
    assignment_duration_s: int = Field(default=3600, ge=30, le=31_536_000)
    lifetime_s: int = Field(default=7 * 24 * 3600, ge=30, le=31_536_000)
    auto_approval_delay_s: int = Field(default=3 * 24 * 3600, ge=0, le=2_592_000)
    # QualificationRequirements exactly as MTurk's API takes them.
    qualifications: tuple[dict[str, Any], ...] = Field(default=(), max_length=10)


class Design(_Record):
    """How trials are drawn and arranged; ``catch``, ``repeats`` are shares of the main trials."""

    trials_per_hit: int = Field(default=10, ge=1)
    seed: int = Field(default=0, ge=0)
    catch: float = Field(default=0.0, ge=0, le=1)
    repeats: float = Field(default=0.0, ge=0, le=1)
    rate_tolerance: float = Field(default=0.05, ge=0)
    background: str = "#808080"


class WordingChanges(_Record):
    """What a study changes in the default wording of one kind of trial."""

    title: str | None = Field(default=None, min_length=1, max_length=128)
    description: str | None = Field(default=None, min_length=1, max_length=2000)
    keywords: str | None = Field(default=None, max_length=1000)
    instructions: str | None = Field(default=None, min_length=1)
    question: str | None = Field(default=None, min_length=1)
    low_anchor: str | None = None
    high_anchor: str | None = None
    not_sure: bool | None = None
    contact: str | None = None


class Settings(_Record):
    """All settings of a study."""

    endpoint: str = "local"
    hosting: str = "server"
    ledger: str = "sqlite:///mturk_eval.db"
    fees: FeeSchedule | None = None
    payment: Payment = Payment()
    hit: HitSettings = HitSettings()
    design: Design = Design()
    satisfaction: WordingChanges = WordingChanges()
    two_afc: WordingChanges = WordingChanges()

    @property
    def endpoint_url(self) -> str:
        """The endpoint as a URL without a trailing slash.

        Raises
        ------
        SettingsError
            If ``endpoint`` is neither a known name nor an http(s) URL.
        """
        url = ENDPOINTS.get(self.endpoint, self.endpoint).rstrip("/")
        if not url.startswith(("http://", "https://")):
            raise SettingsError(
                f"endpoint = {self.endpoint!r} is neither local, sandbox, production nor an "
                "http(s) URL."
            )
        # One server, one name: a study published to `localhost` is collected at 127.0.0.1.
        return re.sub(r"^(https?://)localhost(?=[:/]|$)", r"\g<1>127.0.0.1", url)

    @property
    def fee_schedule(self) -> FeeSchedule:
        """The fees in force: as set, else MTurk's for AWS's endpoints and none elsewhere."""
        if self.fees is not None:
            return self.fees
        return "mturk" if self.endpoint in ("sandbox", "production") else "none"

    def wording(self, kind: Kind) -> Wording:
        """The wording of one kind of trial: the defaults with the study's changes."""
        changes = self.satisfaction if kind == "satisfaction" else self.two_afc
        changed = changes.model_dump(exclude_none=True)
        return Wording.model_validate({**DEFAULT_WORDING[kind].model_dump(), **changed})


def load_settings(
    file: Path | None = None,
    options: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read a study's settings from all their sources.

    Parameters
    ----------
    file : Path, optional
        A TOML file that must exist; without it ``./mturk_eval.toml`` is read if it is there.
    options : mapping, optional
        What the command line says, nested like the file; None values are ignored.
    environment : mapping, optional
        Instead of ``os.environ``.

    Raises
    ------
    SettingsError
        If a source cannot be read, has an unknown key, or a value out of range.
    """
    path = file if file is not None else DEFAULT_FILE
    values: dict[str, Any] = {}
    settings = Settings()
    # Each source is checked as it comes in, so that a mistake is told of the source it stands in.
    for where, source in (
        (str(path), _read_toml(path) if file is not None or path.exists() else {}),
        ("environment", _from_environment(os.environ if environment is None else environment)),
        ("options", options or {}),
    ):
        values = _merge(values, source)
        try:
            settings = Settings.model_validate(values)
        except ValidationError as error:
            raise SettingsError(describe_validation_error(where, error)) from error
    return settings


def describe_validation_error(where: str, error: ValidationError) -> str:
    """One line per wrong field: place, field, what is wrong, what was given."""
    lines = []
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"{where}: unknown key `{field}`; is it misspelt?")
        elif problem["type"] == "missing":
            lines.append(f"{where}: `{field}` is missing")
        else:
            lines.append(f"{where}: `{field}` = {problem['input']!r}: {problem['msg']}")
    return "\n".join(lines)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path} does not exist.") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} is not a readable TOML file: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    names = {*Settings.model_fields}
    for variable, text in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        *parents, leaf = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        # Other variables share the prefix (server keys, backbone files): they are not settings.
        if (parents or [leaf])[0] not in names:
            continue
        table = values
        for parent in parents:
            below = table.setdefault(parent, {})
            if not isinstance(below, dict):
                raise SettingsError(
                    f"environment: {variable} and {ENVIRONMENT_PREFIX}{parent.upper()} do not go "
                    "together; unset one."
                )
            table = below
        table[leaf] = text
    return values


def _merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in upper.items():
        if isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = _merge(below if isinstance(below, Mapping) else {}, value)
        elif value is not None:
            merged[key] = value
    return merged
