"""The nouns of a study: stimuli, trials, HITs and responses. Values only; no files, no network.

A catch trial's right answer is not in a trial: pages are rendered from trials alone, and what a
trial does not hold cannot leak to a rater.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

Kind = Literal["satisfaction", "2afc"]
Role = Literal["practice", "main", "catch", "repeat", "identical"]
Choice = Literal["left", "right", "not_sure"]

ORIGINAL_METHOD: Final = "original"
"""The method of an original where it is shown like a reconstruction."""

LOWEST_RATING: Final = 1
HIGHEST_RATING: Final = 10

# What a trial can be answered with, as a page sends it.
RATINGS: Final = tuple(str(rating) for rating in range(LOWEST_RATING, HIGHEST_RATING + 1))
CHOICES: Final[tuple[Choice, ...]] = get_args(Choice)
ROLES: Final[tuple[Role, ...]] = get_args(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stimulus:
    """An image that can be shown: an original, or a reconstruction of it by some method.

    Attributes
    ----------
    id : str
        Unique in its batch.
    image : str
        The content's name, shared by an original and its reconstructions.
    method : str
        How it was made (codec, model); ``original`` for an original.
    target_bpp, bpp : float or None
        Bits per pixel aimed at (groups trials), and those of the coded file: 8·bytes / pixels of
        the original.
    bytes : int or None
        Size of the coded file.
    width_px, height_px : int
        Size of the image shown.
    sha256, path : str
        Digest and place (relative to the batch folder) of the lossless file shown.
    encoded_path, encoder, settings : str
        The coded file, what wrote it, and what was done to show it.
    """

    id: str
    role: Literal["original", "reconstruction"]
    image: str
    method: str
    width_px: int
    height_px: int
    sha256: str
    path: str
    target_bpp: float | None = None
    bpp: float | None = None
    bytes: int | None = None
    encoded_path: str = ""
    encoder: str = ""
    settings: str = ""
    state: Literal["ok", "unreachable"] = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class SatisfactionTrial:
    """One rating from 1 to 10: how well does the reconstruction stand for the original?"""

    id: str
    role: Role
    original: Stimulus
    reconstruction: Stimulus

    @property
    def stimuli(self) -> tuple[Stimulus, ...]:
        """The images shown, in reading order."""
        return (self.original, self.reconstruction)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoAfcTrial:
    """One two-alternative forced choice: which reconstruction is closer to the original?"""

    id: str
    role: Role
    original: Stimulus
    left: Stimulus
    right: Stimulus

    @property
    def stimuli(self) -> tuple[Stimulus, ...]:
        """The images shown, in reading order."""
        return (self.left, self.original, self.right)


Trial = SatisfactionTrial | TwoAfcTrial


@dataclass(frozen=True, slots=True, kw_only=True)
class HitSpec:
    """The trials of one HIT in the order shown; ``name`` is the HIT's name within its batch."""

    name: str
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer of one worker to one trial, as the page sent it.

    ``answer`` is the text that arrived: ``"1"``…``"10"``, or ``left``, ``right``, ``not_sure``.
    Times are milliseconds since the page was opened; None where the page did not say.
    """

    trial_id: str
    answer: str
    first_paint_ms: float | None = None
    answered_ms: float | None = None
    magnifier_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One worker's submitted copy of a HIT, as the marketplace tells it. ``answer_xml`` is raw."""

    id: str
    hit_id: str
    worker_id: str
    status: Literal["Submitted", "Approved", "Rejected"]
    accepted_at: datetime
    submitted_at: datetime
    answer_xml: str
