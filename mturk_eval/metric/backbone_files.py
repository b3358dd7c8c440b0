"""Where a backbone's weights are found, how their files are read, and how they are fetched."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import tempfile
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.architectures import DIGEST_IN_NAME, architecture_of
from mturk_eval.metric.backbones import Backbone, backbone_from_parameters, random_backbone
from mturk_eval.metric.errors import BackboneError, MetricInputError, import_extra

WEIGHTS_VARIABLE: Final = "MTURK_EVAL_BACKBONE_WEIGHTS"
_URL: Final = "https://download.pytorch.org/models/"
_SECONDS_TO_CONNECT: Final = 20
_BLOCK: Final = 1 << 20


def open_backbone(
    name: str,
    *,
    weights: Path | None = None,
    digest: str | None = None,
    random_seed: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Backbone:
    """Give a backbone from a file, wherever it is, or from a seed.

    Parameters
    ----------
    name : str
        ``vgg16_bn``, ``vgg16``, ``alexnet`` or ``squeezenet1_1``.
    weights : Path, optional
        A file, or a folder of files named as torchvision names them; without it see
        `find_weights`.
    digest : str, optional
        At least 8 hex digits with which the SHA-256 of the file, or the backbone's own digest,
        must begin.
    random_seed : int, optional
        Draw the numbers instead.

    Raises
    ------
    BackboneError
        If no file is found, or it is not what it should be; see `read_backbone`.
    MetricInputError
        If the name is unknown, or both a file and a seed are given.
    """
    if random_seed is None:
        return read_backbone(name, find_weights(name, weights, environment), digest=digest)
    if weights is not None:
        raise MetricInputError(
            f"A random backbone (seed {random_seed}) needs no weights file ({weights}): give one "
            "of the two."
        )
    backbone = random_backbone(name, random_seed)
    if digest is not None and not backbone.digest.startswith(_hex_digits(digest)):
        raise BackboneError(
            f"{backbone.label} has digest {backbone.digest[:16]}, not {digest}: it was drawn by "
            "another version of NumPy, or the seed is another."
        )
    return backbone


def find_weights(
    name: str, weights: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Path:
    """Look for a backbone's file; nothing is downloaded.

    In this order: ``weights``, the environment variable MTURK_EVAL_BACKBONE_WEIGHTS (each a file,
    or a folder of files named as torchvision names them, or ending in ``.safetensors`` instead),
    and the folder where torch keeps its downloads.

    Raises
    ------
    BackboneError
        If it is nowhere; the message has the address to fetch it from.
    """
    architecture = architecture_of(name)
    stated = weights
    if stated is None and environment.get(WEIGHTS_VARIABLE):
        stated = Path(environment[WEIGHTS_VARIABLE])
    if stated is not None and stated.is_file():
        return stated
    places = [hub_folder(environment)] if stated is None else [stated]
    for place in places:
        for file in architecture.files:
            for candidate in (place / file, place / Path(file).with_suffix(".safetensors")):
                if candidate.is_file():
                    return candidate
    origin = "" if weights is not None or stated is None else f" ({WEIGHTS_VARIABLE})"
    raise BackboneError(
        f"No weights of the backbone {name} at {places[0]}{origin}. Fetch "
        f"{_URL}{architecture.files[0]} and put it there, name it by --backbone-weights or "
        f"{WEIGHTS_VARIABLE}, or try the steps with --random-backbone SEED."
    )


def hub_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder where torch and torchvision keep the files they download."""
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("TORCH_HOME") or f"{cache}/torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def read_backbone(name: str, path: Path, *, digest: str | None = None) -> Backbone:
    """Read torchvision's state dict, or a ``.safetensors`` file of `write_backbone`, strictly.

    Pickled code is never run, arrays are read to the CPU, ``classifier.*`` is dropped.

    Parameters
    ----------
    digest : str, optional
        At least 8 hex digits with which the SHA-256 of the file, or the backbone's own digest,
        must begin. Digits in the file's name, as in torchvision's, are always checked.

    Raises
    ------
    BackboneError
        If the file cannot be read, has another digest, or its arrays are not those of ``name``.
    MissingExtraError
        If torch (for ``.pth``) or safetensors is not installed.
    """
    architecture = architecture_of(name)
    try:
        file_digest = _sha256(path)
    except OSError as error:
        raise BackboneError(f"{path}: cannot be read ({error.strerror}).") from error
    in_name = DIGEST_IN_NAME.search(path.name)
    # A safetensors copy keeps the name of the file it was made of, not its bytes.
    if in_name and path.suffix != ".safetensors" and not file_digest.startswith(in_name[1]):
        raise BackboneError(
            f"{path}: its SHA-256 begins with {file_digest[:8]}, not {in_name[1]} as its name "
            f"says: the download broke off or it is another file. Fetch it again from "
            f"{_URL}{architecture.files[0]}, or rename it if it is your own."
        )
    arrays = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    backbone = backbone_from_parameters(
        architecture, arrays, source=str(path), path=path, file_digest=file_digest
    )
    if digest is not None:
        stated = _hex_digits(digest)
        if not (file_digest.startswith(stated) or backbone.digest.startswith(stated)):
            raise BackboneError(
                f"{path}: the digest is {file_digest[:16]} (file) or {backbone.digest[:16]} "
                f"(numbers), not {digest} as stated. Give the file that was meant."
            )
    return backbone


def write_backbone(backbone: Backbone, path: Path) -> None:
    """Write only what the taps need, as safetensors: 59 MB for VGG-16 in place of 528.

    The file is read without torch and has the same `Backbone.digest`. It appears whole or not.
    """
    safetensors = import_extra("safetensors.numpy", "Writing a backbone")
    write_atomically(path, safetensors.save(dict(backbone.parameters)))


def download_backbone(
    name: str,
    folder: Path | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    address: str = _URL,
) -> Path:
    """Fetch torchvision's file of a backbone, because the user asked for it, and check its digest.

    Parameters
    ----------
    folder : Path, optional
        Default: where torch keeps its downloads.
    progress : callable, optional
        Called with bytes so far and bytes in all (0 where the server does not say).

    Raises
    ------
    BackboneError
        If the network does not allow it, or what came has another digest; nothing is left behind.
    """
    file = architecture_of(name).files[0]
    folder = hub_folder() if folder is None else folder
    url = address + file
    advice = f"Fetch {url} with another machine and put it into {folder}."
    if not url.startswith("https://"):
        raise MetricInputError(f"{address}: weights are fetched over https only.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as part:
        try:
            with urllib.request.urlopen(url, timeout=_SECONDS_TO_CONNECT) as answer:  # noqa: S310  # https, checked above
                total = int(answer.headers.get("Content-Length") or 0)
                done = 0
                while block := answer.read(_BLOCK):
                    part.write(block)
                    done += len(block)
                    if progress is not None:
                        progress(done, total)
            part.close()
            found, expected = _sha256(Path(part.name)), DIGEST_IN_NAME.search(file)
            if expected is None or not found.startswith(expected[1]):
                raise BackboneError(
                    f"What came from {url} has SHA-256 {found[:8]}…, not what its name says. "
                    f"Nothing was kept. {advice}"
                )
            Path(part.name).replace(folder / file)
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise BackboneError(f"{url} cannot be fetched ({reason}). {advice}") from error
        finally:
            Path(part.name).unlink(missing_ok=True)
    return folder / file


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        try:
            part.write(data)
            part.flush()
            os.fsync(part.fileno())
            # Temporary files are private; a result is readable as the user's other files are.
            mask = os.umask(0)
            os.umask(mask)
            Path(part.name).chmod(0o666 & ~mask)
            Path(part.name).replace(path)
        finally:
            Path(part.name).unlink(missing_ok=True)


def load_tensors(path: Path, purpose: str) -> dict[str, Any]:
    """Read a dictionary of tensors that torch saved, to the CPU, without running pickled code.

    Raises
    ------
    BackboneError
        If the file holds anything but named tensors.
    """
    torch = import_extra("torch", purpose)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a pickle that is refused anyway
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, pickle.UnpicklingError) as error:
        # Torch's own words advise to run what the file holds.
        raise BackboneError(
            f"{path}: not a file of tensors alone: it is damaged, or it holds code, which was not "
            "run. Save `model.state_dict()`, or get the file again."
        ) from error
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise BackboneError(f"{path}: not a file of tensors saved by torch ({reason}).") from error
    if not isinstance(content, Mapping) or not all(
        isinstance(value, torch.Tensor) for value in content.values()
    ):
        raise BackboneError(
            f"{path}: holds something other than named tensors. Save `model.state_dict()` alone."
        )
    return dict(content)


def _read_pickle(path: Path) -> dict[str, NDArray[np.generic]]:
    tensors = load_tensors(path, f"Reading {path.name}")
    return {
        key: tensor.float().numpy()
        for key, tensor in tensors.items()
        if not key.startswith("classifier.")
    }


def _read_safetensors(path: Path) -> dict[str, NDArray[np.generic]]:
    safetensors = import_extra("safetensors", f"Reading {path.name}")
    numpy_files = import_extra("safetensors.numpy", f"Reading {path.name}")
    try:
        loaded: dict[str, NDArray[np.generic]] = numpy_files.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise BackboneError(f"{path}: not a safetensors file ({error}).") from error
    return loaded


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hex_digits(stated: str) -> str:
    digits = stated.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{8,64}", digits):
        raise MetricInputError(
            f"The stated digest {stated!r} is not 8 to 64 hex digits of a SHA-256."
        )
    return digits
