"""Take away from a picture until a classifier no longer names it as before."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from mturk_eval.compressors.classifier_preserving.candidates import Candidate, Coding
from mturk_eval.compressors.classifier_preserving.classifiers import (
    Classifier,
    Probabilities,
    classify,
)
from mturk_eval.compressors.classifier_preserving.errors import ClassifierError, RuleError
from mturk_eval.compressors.classifier_preserving.rules import Rule, TopK
from mturk_eval.compressors.classifier_preserving.searches import Ending, Search

MOST_ITERATIONS: Final = 1000
TRACE_COLUMNS: Final = (
    "iteration",
    "bytes",
    "bpp",
    "width",
    "height",
    "quality",
    "top_1",
    "top_1_probability",
    "original_class_probability",
    "kept",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """One picture that was shown to the classifier, and what came of it.

    Attributes
    ----------
    number : int
        0 is the original as a lossless PNG.
    size_bytes : int
        Of the coded file.
    bpp : float
        Bits per pixel of the original.
    width_px, height_px : int
        Of the coded picture.
    quality : float, optional
        The codec's; None for PNG.
    top_1 : int
        Index of the most probable class.
    top_1_probability, original_class_probability : float
        Of that class, and of the class that was most probable for the original.
    kept : bool
        Whether the rule held.
    """

    number: int
    size_bytes: int
    bpp: float
    width_px: int
    height_px: int
    quality: float | None
    top_1: int
    top_1_probability: float
    original_class_probability: float
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preserved:
    """The last picture that still said the same, and the way there.

    Attributes
    ----------
    candidate : Candidate
        The coded file (``coded``), the picture it decodes to (``shown``), and how it was made.
    original_class : int
        Index of the class that the classifier gave the original.
    trace : tuple of Iteration
        Everything that was tried, in order.
    ending : Ending
    """

    candidate: Candidate
    original_class: int
    trace: tuple[Iteration, ...]
    ending: Ending

    @property
    def coded(self) -> bytes:
        """The whole file whose size counts."""
        return self.candidate.coded

    @property
    def shown(self) -> Image.Image:
        """What the coded file decodes to, at its own size."""
        return self.candidate.shown

    @property
    def kept(self) -> Iteration:
        """The iteration whose picture this is."""
        return next(row for row in reversed(self.trace) if row.kept)


def preserve(
    image: Image.Image,
    classifier: Classifier,
    *,
    search: Search,
    rule: Rule | None = None,
    max_iterations: int = MOST_ITERATIONS,
    seed: int | Sequence[int] = 0,
) -> Preserved:
    """Compress a picture as far as a classifier's answer stays the same [1]_.

    Parameters
    ----------
    image : Image
        The original, RGB.
    classifier : callable
        RGB picture to probabilities, shape (n,).
    search : Search
        `Steps` of `Shrink` or of `RandomQuality` are the post's loops; `Bisection` and
        `Exhaustive` go over the sizes or qualities of the original.
    rule : Rule, optional
        What must stay; default: the most probable class (``TopK(1)``), as in the post.
    max_iterations : int, default 1000
        Most pictures shown to the classifier after the original.
    seed : int or sequence of int, default 0
        For searches that draw at random.

    Returns
    -------
    Preserved
        Its file is the last one for which the rule held; the original as PNG if there was none.

    Raises
    ------
    RuleError
        If the rule does not hold for the original itself.
    ClassifierError
        If an answer is no probabilities of the same classes.

    References
    ----------
    .. [1] Silly Image Compression Idea (2022), a post with code; the loop of its ``Compressor``.

    Examples
    --------
    >>> def is_wide(image):
    ...     return np.array([1.0, 0.0] if image.width > 20 else [0.0, 1.0])
    >>> from mturk_eval.compressors.classifier_preserving import Shrink, Steps
    >>> made = preserve(Image.new("RGB", (50, 50)), is_wide, search=Steps(step=Shrink()))
    >>> made.shown.size, [row.width_px for row in made.trace], str(made.ending)
    ((30, 30), [50, 40, 30, 20], 'the answer changed')
    """
    rule = TopK(1) if rule is None else rule
    original = classify(classifier, image)
    if not rule.holds(original, original):
        raise RuleError(
            f"The rule {rule.label} does not hold for the original itself: its most probable "
            f"class has a probability of {original.max():.4g}. Give a weaker rule."
        )
    best = Coding()(image)
    trace = [_iteration(0, best, image, original, original, kept=True)]
    attempts = search.candidates(image, np.random.default_rng(seed))
    passes: bool | None = None  # a coroutine is started by None
    while True:
        try:
            candidate = attempts.send(passes)  # type: ignore[arg-type]
        except StopIteration as stopped:
            ending: Ending = stopped.value
            break
        if len(trace) > max_iterations:
            ending = Ending.iteration_limit
            break
        answer = classify(classifier, candidate.shown)
        if answer.size != original.size:
            raise ClassifierError(
                f"The classifier gave {original.size} classes for the original and {answer.size} "
                f"for a picture of {candidate.shown.width}×{candidate.shown.height} pixels."
            )
        passes = rule.holds(original, answer)
        if passes:
            best = candidate
        trace.append(_iteration(len(trace), candidate, image, original, answer, kept=passes))
    attempts.close()
    return Preserved(
        candidate=best,
        original_class=int(np.argmax(original)),
        trace=tuple(trace),
        ending=ending,
    )


def trace_csv(trace: Sequence[Iteration], labels: Sequence[str]) -> str:
    """A trace as CSV, with the columns `TRACE_COLUMNS` and the classes by their labels."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(TRACE_COLUMNS)
    for row in trace:
        writer.writerow(
            [
                row.number,
                row.size_bytes,
                f"{row.bpp:.6g}",
                row.width_px,
                row.height_px,
                "" if row.quality is None else f"{row.quality:g}",
                labels[row.top_1],
                f"{row.top_1_probability:.6g}",
                f"{row.original_class_probability:.6g}",
                "yes" if row.kept else "no",
            ]
        )
    return buffer.getvalue()


def _iteration(
    number: int,
    candidate: Candidate,
    image: Image.Image,
    original: Probabilities,
    answer: Probabilities,
    *,
    kept: bool,
) -> Iteration:
    top = int(np.argmax(answer))
    return Iteration(
        number=number,
        size_bytes=len(candidate.coded),
        bpp=8 * len(candidate.coded) / (image.width * image.height),
        width_px=candidate.shown.width,
        height_px=candidate.shown.height,
        quality=candidate.quality,
        top_1=top,
        top_1_probability=float(answer[top]),
        original_class_probability=float(answer[int(np.argmax(original))]),
        kept=kept,
    )
