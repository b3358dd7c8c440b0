"""The fields of a submitted page, and answers to responses.

This is the Python home of the field names; ``hit_templates/`` is the other end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mturk_eval.errors import UnreadableAnswerError
from mturk_eval.trials import CHOICES, RATINGS, Response, SatisfactionTrial, Trial


def answer_field(trial: Trial) -> str:
    """The form field that holds a trial's answer: ``<id>.rating`` or ``<id>.choice``."""
    return f"{trial.id}.{'rating' if isinstance(trial, SatisfactionTrial) else 'choice'}"


def valid_answers(trial: Trial) -> tuple[str, ...]:
    """What a trial can be answered with, as a page sends it."""
    return RATINGS if isinstance(trial, SatisfactionTrial) else CHOICES


def answer_fields(
    trial: Trial,
    answer: str,
    *,
    first_paint_ms: float | None = None,
    answered_ms: float | None = None,
    magnifier_ms: float | None = None,
) -> dict[str, str]:
    """The fields that a page sends for one trial; the inverse of `read_responses`."""
    times = {
        "first_paint_ms": first_paint_ms,
        "answered_ms": answered_ms,
        "magnifier_ms": magnifier_ms,
    }
    sent = {f"{trial.id}.{name}": str(time) for name, time in times.items() if time is not None}
    return {answer_field(trial): answer, **sent}


def read_responses(answers: Mapping[str, str], trials: Sequence[Trial]) -> list[Response]:
    """Read the answers of one submitted page.

    Parameters
    ----------
    answers : mapping
        Field names to texts, as `mturk_eval.wire.answers.read_answers` gives them. Fields of no
        trial are ignored.
    trials : sequence
        The trials of the HIT.

    Returns
    -------
    list of Response
        One per trial, in their order. Times that are missing or no numbers are None: an odd
        browser is no reason to lose a rating.

    Raises
    ------
    UnreadableAnswerError
        If a trial has no answer, or one that its page does not offer; names trial and field.
    """
    return [_read_response(answers, trial) for trial in trials]


def _read_response(answers: Mapping[str, str], trial: Trial) -> Response:
    field = answer_field(trial)
    text = answers.get(field, "").strip()
    if not text:
        raise UnreadableAnswerError(trial.id, field, "is missing")
    if text not in valid_answers(trial):
        expected = "1 to 10" if isinstance(trial, SatisfactionTrial) else ", ".join(CHOICES)
        raise UnreadableAnswerError(trial.id, field, f"is {text[:80]!r}, not one of {expected}")
    return Response(
        trial_id=trial.id,
        answer=text,
        first_paint_ms=_read_ms(answers.get(f"{trial.id}.first_paint_ms")),
        answered_ms=_read_ms(answers.get(f"{trial.id}.answered_ms")),
        magnifier_ms=_read_ms(answers.get(f"{trial.id}.magnifier_ms")),
    )


def _read_ms(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
