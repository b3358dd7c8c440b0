"""From a picture of any size to the numbers a network takes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mturk_eval.compressors.classifier_preserving.errors import ClassifierError

IMAGENET_CROP: Final = 224
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
_MOST_PIXELS: Final = 50_000_000  # of a picture once it is resized

Side = Annotated[int, Field(ge=1, le=8192)]
Positive = Annotated[float, Field(gt=0)]


class Preprocessing(BaseModel):
    """How pictures are prepared for a network, and what its output means.

    The defaults are those that networks trained on ImageNet are evaluated with.

    Attributes
    ----------
    crop : (int, int), optional
        Height and width in pixels of what the network takes; default: what the model file says,
        else 224×224.
    resize : int, "stretch" or "none", optional
        The shorter side in pixels before the centre is cropped (default: 256 for a crop of 224,
        and in proportion for others), or the whole picture stretched to ``crop``, or neither.
    resampling : str
        Filter of resizing.
    mean, std : (float, float, float)
        Of the colours as the network takes them, on a scale from 0 to 1: it gets
        ``(value / 255 − mean) / std``. With mean 0 and std 1/255 it gets 0 to 255.
    colours : "RGB" or "BGR"
    output : "auto", "logits" or "probabilities"
        Whether a softmax is still to be applied; ``auto`` looks at the answer to a grey picture.
    output_name : str, optional
        Of the model's outputs; default: the first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    crop: tuple[Side, Side] | None = None
    resize: Side | Literal["stretch", "none"] | None = None
    resampling: Literal["nearest", "box", "bilinear", "bicubic", "lanczos"] = "bilinear"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[Positive, Positive, Positive] = IMAGENET_STD
    colours: Literal["RGB", "BGR"] = "RGB"
    output: Literal["auto", "logits", "probabilities"] = "auto"
    output_name: str | None = None

    @model_validator(mode="after")
    def _crop_fits(self) -> Preprocessing:
        if isinstance(self.resize, int) and self.crop and self.resize < max(self.crop):
            raise ValueError(f"resize {self.resize} is smaller than the crop {self.crop}")
        return self

    def for_input(self, height: int | None, width: int | None) -> Preprocessing:
        """With ``crop`` and ``resize`` settled for a network's input; None where any size goes.

        Raises
        ------
        ClassifierError
            If the network takes another size than ``crop``, or one size only and pictures are
            not to be resized.

        Examples
        --------
        >>> settled = Preprocessing().for_input(299, 299)
        >>> settled.crop, settled.resize
        ((299, 299), 342)
        """
        fixed = (height or width, width or height)
        if self.resize == "none":
            if height is not None or width is not None:
                raise ClassifierError(
                    f'resize = "none", but the network takes {height}×{width} pixels only.'
                )
            return self
        crop = self.crop or (
            (fixed[0], fixed[1]) if fixed[0] and fixed[1] else (IMAGENET_CROP, IMAGENET_CROP)
        )
        if (height not in (None, crop[0])) or (width not in (None, crop[1])):
            raise ClassifierError(
                f"crop = {list(crop)}, but the network takes {height}×{width} pixels."
            )
        resize = self.resize or round(max(crop) * 256 / 224)
        return Preprocessing.model_validate(self.model_dump() | {"crop": crop, "resize": resize})

    def framed(self, image: Image.Image) -> Image.Image:
        """The part and size of an RGB picture that the network sees.

        Raises
        ------
        ClassifierError
            If the picture is so elongated that resizing it would make it huge.
        """
        if self.resize == "none" or self.crop is None or self.resize is None:
            return image
        height, width = self.crop
        resampling = Image.Resampling[self.resampling.upper()]
        if self.resize == "stretch":
            return image.resize((width, height), resampling)
        scale = self.resize / min(image.size)
        sides = [self.resize if s == min(image.size) else int(s * scale) for s in image.size]
        if sides[0] * sides[1] > _MOST_PIXELS:
            raise ClassifierError(
                f"A picture of {image.width}×{image.height} pixels is too elongated to be resized "
                f"to {self.resize} pixels on its shorter side; crop it."
            )
        left, top = round((sides[0] - width) / 2), round((sides[1] - height) / 2)
        resized = image.resize((sides[0], sides[1]), resampling)
        return resized.crop((left, top, left + width, top + height))

    def normalised(self, image: Image.Image) -> NDArray[np.float32]:
        """Colours of an RGB picture as the network takes them, shape (height, width, 3)."""
        colours = np.asarray(image, dtype=np.float32)[..., :: 1 if self.colours == "RGB" else -1]
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return (colours / np.float32(255) - mean) / std


def read_preprocessing(path: Path) -> Preprocessing:
    """Read a TOML or JSON file with the fields of `Preprocessing`.

    Raises
    ------
    ClassifierError
        If it is no such file; names the field.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        fields = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
        return Preprocessing.model_validate(fields)
    except (OSError, UnicodeDecodeError) as error:
        raise ClassifierError(f"{path}: not a readable file ({error}).") from error
    except ValidationError as error:
        listed = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'the file'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise ClassifierError(f"{path}: {listed}.") from error
    except ValueError as error:  # of both parsers
        raise ClassifierError(f"{path}: not readable as TOML or JSON ({error}).") from error


def find_preprocessing(model: Path) -> Preprocessing:
    """What ``NAME.toml`` or ``NAME.json`` beside a model's file says, else the defaults."""
    for suffix in (".toml", ".json"):
        beside = model.with_suffix(suffix)
        if beside.is_file():
            return read_preprocessing(beside)
    return Preprocessing()
