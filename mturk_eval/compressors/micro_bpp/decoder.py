"""The decoder: expand the text, make a picture, reflect. It never sees the original.

Its only way to the original is a `Code`; each question has a context of its own, and nothing here
imports the encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mturk_eval.compressors.micro_bpp.consonants import Code
from mturk_eval.compressors.micro_bpp.errors import ModelAnswerError
from mturk_eval.compressors.micro_bpp.exchanges import Ask, Question
from mturk_eval.compressors.micro_bpp.prompts import Prompts


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderSettings:
    """How text becomes a picture.

    Attributes
    ----------
    iterations : int
        How often the picture is described, compared and changed; the paper's 2 are worth it above
        about 500 µbpp.
    size_px : int
        Side of the square picture.
    text_model, vision_model, image_model : str
    prompts : Prompts
    seed : int, optional
        For models of words; the API has none for pictures.
    reflect_by : {"edit", "text"}
        Give the picture back to be edited; or make a new one from the description with the changes
        behind it, for servers without editing.
    """

    text_model: str
    vision_model: str
    image_model: str
    prompts: Prompts
    iterations: int = 2
    size_px: int = 1024
    seed: int | None = None
    reflect_by: Literal["edit", "text"] = "edit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What the text became.

    Attributes
    ----------
    description : str
        The expanded text.
    pictures : tuple of bytes
        PNGs: the first picture, then one for each iteration.
    changes : tuple of str
        What each iteration asked to change.
    """

    description: str
    pictures: tuple[bytes, ...]
    changes: tuple[str, ...]

    @property
    def picture(self) -> bytes:
        """The reconstruction: the last picture, as PNG."""
        return self.pictures[-1]


def decode(code: Code, settings: DecoderSettings, ask: Ask) -> Decoded:
    """Make a picture of a coded text.

    Raises
    ------
    ModelAnswerError
        If an answer cannot be used.
    """
    prompts = settings.prompts

    def words(step: str, model: str, prompt: str, picture: bytes | None = None) -> str:
        question = Question(
            step=step, model=model, prompt=prompt, picture=picture, seed=settings.seed
        )
        return ask(question).text

    def draw(step: str, prompt: str, previous: bytes | None = None) -> bytes:
        question = Question(
            step=step,
            model=settings.image_model,
            prompt=prompt,
            picture=previous,
            size_px=settings.size_px,
            seed=settings.seed,
        )
        drawn = ask(question).picture
        if drawn is None:
            raise ModelAnswerError(step, settings.image_model, "no picture came")
        return drawn

    description = words(
        "decode.expand", settings.text_model, prompts.fill("expand", text=code.text)
    )
    generate = prompts.fill("generate", description=description)
    pictures = [draw("decode.generate", generate)]
    changes: list[str] = []
    for iteration in range(1, settings.iterations + 1):
        step = f"reflect.{iteration}"
        seen = words(
            f"{step}.describe", settings.vision_model, prompts.fill("describe"), pictures[-1]
        )
        compare = prompts.fill("compare", seen=seen, wanted=description)
        changes.append(words(f"{step}.compare", settings.text_model, compare))
        if settings.reflect_by == "edit":
            change = prompts.fill("change", change=changes[-1])
            pictures.append(draw(f"{step}.change", change, pictures[-1]))
        else:
            pictures.append(draw(f"{step}.change", "\n".join([generate, *changes])))
    return Decoded(description=description, pictures=tuple(pictures), changes=tuple(changes))
