"""The encoder: describe the original, keep its most important words, shorten them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mturk_eval.compressors.micro_bpp.consonants import Code, shorten, split_words
from mturk_eval.compressors.micro_bpp.errors import CodeError, ModelAnswerError
from mturk_eval.compressors.micro_bpp.exchanges import Ask, Question
from mturk_eval.compressors.micro_bpp.prompts import Prompts

_TOLERANCE = 0.1  # models miss a number of words by less than 10 % (the paper's appendix B)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """How originals become text.

    Attributes
    ----------
    words : int
        K, how many words are kept; it sets the rate.
    text_model, vision_model : str
    prompts : Prompts
    seed : int, optional
    shorten_by : {"rule", "model"}
        Leave out vowels and plurals by rule, the same text every time; or ask the model, which may
        take synonyms (as the paper does), and then apply the rule to its answer.
    """

    words: int
    text_model: str
    vision_model: str
    prompts: Prompts
    seed: int | None = None
    shorten_by: Literal["rule", "model"] = "rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """An original as text, and how it got there.

    Attributes
    ----------
    code : Code
        All that the decoder gets.
    description : str
        The whole description, from which words were chosen.
    words : tuple of str
        The words that were kept.
    notes : tuple of str
        What a person should know, e.g. that words were cut.
    """

    code: Code
    description: str
    words: tuple[str, ...]
    notes: tuple[str, ...]


def encode(original: bytes, settings: EncoderSettings, ask: Ask) -> Encoded:
    """Turn a picture into a few bytes of text.

    Parameters
    ----------
    original : bytes
        The original as PNG.
    settings : EncoderSettings
    ask : callable
        Where questions go.

    Raises
    ------
    ModelAnswerError
        If an answer cannot be used, or has no word that can be coded.
    """
    prompts = settings.prompts

    def words_of(step: str, prompt: str) -> tuple[str, ...]:
        question = Question(step=step, model=settings.text_model, prompt=prompt, seed=settings.seed)
        words = split_words(ask(question).text)
        if not words:
            raise ModelAnswerError(step, settings.text_model, "the answer has no words")
        return words

    description = ask(
        Question(
            step="encode.describe",
            model=settings.vision_model,
            prompt=prompts.fill("describe"),
            picture=original,
            seed=settings.seed,
        )
    ).text
    chosen = words_of(
        "encode.select", prompts.fill("select", words=settings.words, description=description)
    )
    kept, notes = _cut(chosen, settings.words)
    sent = kept
    if settings.shorten_by == "model":
        sent = words_of("encode.shorten", prompts.fill("shorten", words=" ".join(kept)))
    try:
        code, lost = shorten(sent)
    except CodeError as error:
        raise ModelAnswerError("encode.select", settings.text_model, str(error)) from error
    if lost:
        notes = (*notes, f"nothing is left of {', '.join(lost)} without vowels")
    return Encoded(code=code, description=description, words=kept, notes=notes)


def _cut(chosen: tuple[str, ...], words: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All words within 10 % of the number asked for; the first ``words`` of more than that."""
    said = f"the model chose {len(chosen)} words where {words} were asked for"
    if len(chosen) > words * (1 + _TOLERANCE):
        return chosen[:words], (f"{said}; cut to {words}",)
    return chosen, ((said,) if len(chosen) < words * (1 - _TOLERANCE) else ())
