"""The originals: the four quadrants of each sample photograph, each of which is a class."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from PIL import Image

from mturk_eval.stimuli.images import open_for_display
from mturk_eval.stimuli.matching import find_originals

PLACES = ("top left", "top right", "bottom left", "bottom right")


def quadrants() -> dict[str, Image.Image]:
    """24 pictures by label, such as ``cat, top left``, in the classifier's order."""
    with as_file(files("mturk_eval.demo") / "photographs") as folder:
        photographs = {
            name: open_for_display(path, (128, 128, 128))
            for name, path in find_originals(Path(folder)).items()
        }
    return {
        f"{name}, {place}": _quadrant(image, number)
        for name, image in photographs.items()
        for number, place in enumerate(PLACES)
    }


def superclasses(labels: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """The photograph that each quadrant is from: classes of one photograph are near-synonyms."""
    return tuple(label.split(",")[0] for label in labels)


def _quadrant(image: Image.Image, number: int) -> Image.Image:
    width, height = image.width // 2, image.height // 2
    left, top = (number % 2) * width, (number // 2) * height
    return image.crop((left, top, left + width, top + height))
