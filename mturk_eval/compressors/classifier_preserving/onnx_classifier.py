"""A classifier in an ONNX file, run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mturk_eval.compressors.classifier_preserving.classifiers import (
    SUM_TOLERANCE,
    Probabilities,
    number_of_classes,
)
from mturk_eval.compressors.classifier_preserving.errors import ClassifierError
from mturk_eval.compressors.classifier_preserving.preprocessing import (
    Preprocessing,
    find_preprocessing,
    read_preprocessing,
)
from mturk_eval.extras import import_extra

Layout = Literal["channels first", "channels last"]

_INPUT_TYPES: Final = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
_NO_COLOUR: Final = 1
_COLOURS: Final = 3


class OnnxClassifier:
    """A network that takes one picture, and how pictures are prepared for it.

    Parameters
    ----------
    path : Path
        For messages.
    session : onnxruntime.InferenceSession
    preprocessing : Preprocessing
        Its ``crop`` and ``resize`` are settled by what the network takes.
    """

    def __init__(self, path: Path, session: Any, preprocessing: Preprocessing) -> None:
        self.path, self._session = path, session
        inputs = session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(i.name for i in inputs)
            raise ClassifierError(
                f"{path}: the network has {len(inputs)} inputs ({names}); a classifier has one."
            )
        self._input = inputs[0]
        if self._input.type not in _INPUT_TYPES:
            raise ClassifierError(
                f"{path}: its input is {self._input.type}; float, float16, double or uint8 goes."
            )
        self._layout, self._channels, height, width = _shape_of(path, self._input.shape)
        try:
            self.preprocessing = preprocessing.for_input(height, width)
        except ClassifierError as error:
            raise ClassifierError(f"{path}: {error}") from error
        outputs = [output.name for output in session.get_outputs()]
        self._output = preprocessing.output_name or outputs[0]
        if self._output not in outputs:
            raise ClassifierError(
                f"{path}: the network has no output {self._output!r}, but {', '.join(outputs)}."
            )
        self._applies_softmax = preprocessing.output == "logits" or (
            preprocessing.output == "auto" and self._answers_grey_with_logits()
        )

    @classmethod
    def load(cls, path: Path, preprocessing: Path | None = None) -> OnnxClassifier:
        """Open a file for one core of the CPU, so that its answers are the same on any number.

        Parameters
        ----------
        preprocessing : Path, optional
            Default: the file of the model's name and suffix ``.toml`` or ``.json`` beside it, else
            ImageNet's.

        Raises
        ------
        ClassifierError
            If it is no ONNX file, or its network takes or gives something else than a classifier.
        MissingExtraError
            If onnxruntime is not installed.
        """
        if not path.is_file():
            raise ClassifierError(f"{path}: the file does not exist.")
        runtime = import_extra("onnxruntime", f"The classifier {path.name}", extra="classifier")
        prepared = (
            find_preprocessing(path) if preprocessing is None else read_preprocessing(preprocessing)
        )
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # what fails is raised
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors share no base but Exception
            raise ClassifierError(
                f"{path}: no ONNX file that can be run ({_first_line(error)})."
            ) from error
        classifier = cls(path, session, prepared)
        number_of_classes(classifier)  # what no picture could pass is told before the first
        return classifier

    def __call__(self, image: Image.Image) -> Probabilities:
        """Probabilities of the classes, shape (n,).

        Raises
        ------
        ClassifierError
            If the network cannot be run on the picture, or its output is not one number for
            each class.
        """
        values = self._run(image)
        if not self._applies_softmax:
            return values
        weights = np.exp(values - values.max())
        probabilities: Probabilities = weights / weights.sum()
        return probabilities

    def _run(self, image: Image.Image) -> Probabilities:
        try:
            answer = self._session.run([self._output], {self._input.name: self._tensor(image)})[0]
        except ClassifierError:
            raise
        except Exception as error:  # likewise
            raise ClassifierError(
                f"{self.path}: the network fails on a picture of {image.width}×{image.height} "
                f"pixels ({_first_line(error)})."
            ) from error
        values = np.asarray(answer)
        numeric = np.issubdtype(values.dtype, np.floating)
        if not numeric or values.size != max(values.shape, default=0) or values.size < 2:
            raise ClassifierError(
                f"{self.path}: the output {self._output} is {values.dtype} of shape "
                f"{values.shape}; a classifier gives one number for each class, shape (1, n). "
                "Another output is chosen by output_name (--preprocessing)."
            )
        return values.reshape(-1).astype(np.float64)

    def _tensor(self, image: Image.Image) -> NDArray[Any]:
        kind = _INPUT_TYPES[self._input.type]
        framed = self.preprocessing.framed(image.convert("RGB"))
        if self._channels == _NO_COLOUR:
            framed = framed.convert("L").convert("RGB")
        if kind is np.uint8:  # such a network normalises by itself
            flip = 1 if self.preprocessing.colours == "RGB" else -1
            values: NDArray[Any] = np.asarray(framed)[..., ::flip]
        else:
            values = self.preprocessing.normalised(framed)
        values = values[..., : self._channels]
        if self._layout == "channels first":
            values = values.transpose(2, 0, 1)
        return np.ascontiguousarray(values[np.newaxis], dtype=kind)

    def _answers_grey_with_logits(self) -> bool:
        values = self._run(_grey())
        return bool(values.min() < 0 or abs(values.sum() - 1) > SUM_TOLERANCE)


def _grey() -> Image.Image:
    return Image.new("RGB", (256, 256), (128, 128, 128))


def _shape_of(
    path: Path, shape: list[int | str | None]
) -> tuple[Layout, int, int | None, int | None]:
    """Layout, channels, height and width of what a network takes; None where any size goes."""
    sizes = [side if isinstance(side, int) and side > 0 else None for side in shape]
    counts = (_COLOURS, _NO_COLOUR)
    if len(sizes) == 4 and sizes[0] in (None, 1):
        _, second, third, fourth = sizes
        if second in counts:
            return "channels first", second, third, fourth
        if fourth in counts:
            return "channels last", fourth, second, third
        if second is None:
            return "channels first", _COLOURS, third, fourth
    raise ClassifierError(
        f"{path}: the network takes the shape {tuple(shape)}; a classifier of pictures takes "
        "(1, 3, height, width) or (1, height, width, 3)."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
