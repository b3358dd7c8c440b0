"""What a classifier is here: a picture in, a probability for each class out."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mturk_eval.compressors.classifier_preserving.errors import ClassifierError

Probabilities = NDArray[np.float64]

SUM_TOLERANCE: Final = 1e-3  # of probabilities that were computed in single precision or less


class Classifier(Protocol):
    """Names what a picture shows."""

    def __call__(self, image: Image.Image) -> Probabilities:
        """Probabilities of the classes, shape (n,), of an RGB picture of any size."""


def classify(classifier: Classifier, image: Image.Image) -> Probabilities:
    """A classifier's answer, checked.

    Returns
    -------
    ndarray of float, shape (n,)
        Probabilities of n ≥ 2 classes.

    Raises
    ------
    ClassifierError
        If the answer is not one list of finite numbers from 0 to 1 that sum to 1.

    Examples
    --------
    >>> classify(lambda image: np.array([0.25, 0.75]), Image.new("RGB", (8, 8)))
    array([0.25, 0.75])
    """
    where = f"The classifier's answer to a picture of {image.width}×{image.height} pixels"
    try:
        answer = np.asarray(classifier(image), dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: a tensor with gradient
        raise ClassifierError(f"{where} is not a list of numbers ({error}).") from error
    if answer.ndim != 1 or answer.size < 2:
        raise ClassifierError(
            f"{where} has the shape {answer.shape}. It should be one probability for each of two "
            "or more classes, shape (n,)."
        )
    if not np.isfinite(answer).all():
        raise ClassifierError(
            f"{where} holds NaN or infinite values. Check the model's normalisation (mean, std)."
        )
    if answer.min() < -SUM_TOLERANCE or abs(answer.sum() - 1) > SUM_TOLERANCE:
        raise ClassifierError(
            f"{where} is no probabilities: the lowest is {answer.min():.4g}, their sum "
            f"{answer.sum():.4g}. If they are logits, apply a softmax to them."
        )
    return answer


def number_of_classes(classifier: Classifier) -> int:
    """How many classes a classifier knows, by its answer to a grey picture.

    Raises
    ------
    ClassifierError
        If that is no answer (see `classify`).
    """
    return int(classify(classifier, Image.new("RGB", (256, 256), (128, 128, 128))).size)


class FunctionClassifier:
    """A Python function of the user's, which takes an RGB picture and returns probabilities."""

    def __init__(self, name: str, function: Callable[[Image.Image], Any]) -> None:
        self.name = name
        self._function = function

    def __call__(self, image: Image.Image) -> Probabilities:
        """See `Classifier`.

        Raises
        ------
        ClassifierError
            If the function fails; names the error.
        """
        try:
            answer: Probabilities = self._function(image.copy())  # which it may draw on
        except (Exception, SystemExit) as error:
            raise ClassifierError(
                f"{self.name} failed on a picture of {image.width}×{image.height} pixels: "
                f"{type(error).__name__}: {error}"
            ) from error
        return answer

    @classmethod
    def load(cls, name: str, folder: Path) -> FunctionClassifier:
        """Import ``MODULE:FUNCTION``; modules are looked for in ``folder`` first.

        Raises
        ------
        ClassifierError
            If there is no such module or function.
        """
        module_name, _, function_name = name.partition(":")
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        try:
            module = importlib.import_module(module_name)
        except (Exception, SystemExit) as error:  # a module of the user's may fail in any way
            raise ClassifierError(
                f"{name}: the module {module_name} cannot be imported from {folder} or from "
                f"what is installed ({type(error).__name__}: {error})."
            ) from error
        function = getattr(module, function_name, None)
        if not callable(function):
            raise ClassifierError(f"{name}: {module_name} has no function {function_name!r}.")
        return cls(name, function)


@lru_cache(maxsize=4)
def load_classifier(name: str, preprocessing: Path | None, folder: Path) -> Classifier:
    """Load ``FILE.onnx`` or ``MODULE:FUNCTION``, once in each process.

    Parameters
    ----------
    name : str
        A file's path is taken from ``folder`` if it is relative.
    preprocessing : Path, optional
        How pictures are prepared for an ONNX file (`preprocessing.read_preprocessing`); default:
        the TOML or JSON file of its name beside it, if there is one.
    folder : Path
        Where modules are looked for first.

    Raises
    ------
    ClassifierError
        If it cannot be loaded.
    MissingExtraError
        If onnxruntime is needed and not installed.
    """
    if not name.lower().endswith(".onnx") and ":" in name:
        if preprocessing is not None:
            raise ClassifierError(
                f"{name}: a function prepares its pictures itself; leave --preprocessing out."
            )
        return FunctionClassifier.load(name, folder)
    if not name.lower().endswith(".onnx"):
        raise ClassifierError(f"--classifier {name}: give FILE.onnx or MODULE:FUNCTION.")
    from mturk_eval.compressors.classifier_preserving.onnx_classifier import OnnxClassifier

    return OnnxClassifier.load(
        folder / name, None if preprocessing is None else folder / preprocessing
    )


def classifier_digest(name: str, preprocessing: Path | None, folder: Path) -> str:
    """Digest of what `load_classifier` loads, so that another one's work is not taken for done."""
    classifier = load_classifier(name, preprocessing, folder)
    if isinstance(classifier, FunctionClassifier):
        source = getattr(sys.modules[name.partition(":")[0]], "__file__", None)
        code = Path(source).read_bytes() if source else b""
        return hashlib.sha256(name.encode() + b"\0" + code).hexdigest()[:16]
    prepared = repr(getattr(classifier, "preprocessing", None)).encode()
    return hashlib.sha256((folder / name).read_bytes() + prepared).hexdigest()[:16]
