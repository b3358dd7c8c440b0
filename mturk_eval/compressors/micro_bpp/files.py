"""Originals to entries of a folder of stimuli, one after the other or several at once."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps
from pydantic import SecretStr

from mturk_eval.compressors.micro_bpp.consonants import Code, Rate
from mturk_eval.compressors.micro_bpp.decoder import DecoderSettings, decode
from mturk_eval.compressors.micro_bpp.encoder import EncoderSettings, encode
from mturk_eval.compressors.micro_bpp.errors import ModelAnswerError, ModelServerError
from mturk_eval.compressors.micro_bpp.exchanges import ExchangeLog, remembering
from mturk_eval.compressors.micro_bpp.models import Models, Server
from mturk_eval.errors import CredentialsError, ImageError, StimuliError
from mturk_eval.parallel import Progress
from mturk_eval.stimuli.folder import (
    Entry,
    Reconstruction,
    StimuliFolder,
    Target,
    request_digest,
    safe_name,
)
from mturk_eval.stimuli.images import open_still, png_bytes, resize_to
from mturk_eval.stimuli.making import FAILURES, Failure, make_each, problem_of
from mturk_eval.stimuli.whole_file import write_whole

METHOD: Final = "micro-bpp"
SUFFIX: Final = ".mbpp"
EXCHANGES: Final = "micro-bpp-exchanges"
ENCODER: Final = "mturk-eval micro-bpp 1"

Background = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBpp:
    """All that is asked of every original, but for the original itself."""

    out: Path
    method: str
    server: Server
    encoder: EncoderSettings
    decoder: DecoderSettings
    background: Background

    @property
    def target(self) -> Target:
        """The number of words; a rate only follows from it."""
        return Target(label=f"{self.encoder.words}-words")

    @property
    def described(self) -> str:
        """The settings for a person to read, and for the digest of a request."""
        encoder, decoder = self.encoder, self.decoder
        parts = [
            f"{encoder.words} words by {encoder.text_model}",
            f"pictures seen by {encoder.vision_model}, made by {decoder.image_model} "
            f"at {decoder.size_px}×{decoder.size_px}",
            f"{decoder.iterations} reflections by {decoder.reflect_by}",
            f"shortened by {encoder.shorten_by}",
            f"prompts {encoder.prompts.digest}",
            self.server.name,
        ]
        if encoder.seed is not None:
            parts.append(f"seed {encoder.seed}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One original that has its reconstruction."""

    entry: Entry
    text: str
    rate: Rate
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """What came of all originals; ``unchanged`` were there already."""

    made: tuple[Made, ...]
    failed: tuple[Failure, ...]
    unchanged: tuple[str, ...]


def compress_files(
    originals: Mapping[str, Path],
    settings: MicroBpp,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Compressed:
    """Make the reconstructions of originals that a folder of stimuli does not have yet.

    Every exchange with a model is stored in the folder as it happens, so that a run that was
    stopped goes on without asking again.

    Parameters
    ----------
    originals : mapping
        Square pictures by name.
    settings : MicroBpp
    workers : int
        Originals at once, each in a process of its own.
    progress : callable, optional

    Raises
    ------
    StimuliError
        If the folder has the method at another number of words, or cannot be written.
    CredentialsError, ModelServerError
        If the server refuses the key or what any image would ask of it.
    """
    settings = replace(settings, out=settings.out.absolute())
    folder = StimuliFolder(settings.out)
    # Before anything is paid.
    done = folder.begin((image, settings.method, settings.target) for image in originals)
    key = settings.server.key()
    Models(settings.server, key)
    waiting, unchanged, failed = [], [], []
    for image, path in originals.items():
        try:
            request = _request(image, path, settings)
        except ImageError as error:
            failed.append(Failure(image=image, problem=str(error)))
            continue
        if request in done:
            unchanged.append(image)
        else:
            waiting.append((image, path.absolute()))  # processes elsewhere do not start here
    outcomes = make_each(
        functools.partial(_compress_one, settings=settings, key=key),
        waiting,
        folder,
        workers=workers,
        progress=progress,
    )
    made = tuple(outcome for outcome in outcomes if isinstance(outcome, Made))
    failed += [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    return Compressed(made=made, failed=tuple(failed), unchanged=tuple(unchanged))


def write_squares(
    originals: Mapping[str, Path], folder: Path, *, size_px: int, background: Background
) -> tuple[dict[str, Path], tuple[Failure, ...]]:
    """Crop originals to their middle squares, as the paper did, and keep those as PNG.

    Raters must see these as the originals.

    Returns
    -------
    squares : dict
        The files in ``folder``, by name.
    failed : tuple of Failure
        Originals that are no pictures.

    Raises
    ------
    StimuliError
        If the folder cannot be written, or holds another picture of that name.
    """
    squares, failed = {}, []
    for image, path in originals.items():
        try:
            picture = open_still(path, background)
        except ImageError as error:
            failed.append(Failure(image=image, problem=str(error)))
            continue
        square = ImageOps.fit(picture, (size_px, size_px), Image.Resampling.LANCZOS)
        squares[image] = folder / f"{safe_name(image)}.png"
        _write_once(squares[image], png_bytes(square))
    return squares, tuple(failed)


def _compress_one(task: tuple[str, Path], settings: MicroBpp, key: SecretStr) -> Made | Failure:
    image, path = task
    try:
        original = open_still(path, settings.background)
        request = _request(image, path, settings)
        if original.width != original.height:
            raise ImageError(
                path,
                f"{original.width}×{original.height} pixels are not a square, as pictures by this "
                "method are; crop the originals (--squares DIR) and rate against those",
            )
        log = ExchangeLog(settings.out / EXCHANGES, safe_name(image), server=settings.server.name)
        ask = remembering(Models(settings.server, key).answer, log)
        side = settings.decoder.size_px
        encoded = encode(png_bytes(resize_to(original, (side, side))), settings.encoder, ask)
        coded = encoded.code.file
        decoded = decode(Code.read(coded), settings.decoder, ask)
    except (CredentialsError, ModelServerError, StimuliError):
        raise  # no other image would fare better, and each would be paid for
    except ModelAnswerError as error:
        return Failure(image=image, problem=str(error))
    except FAILURES as error:
        return Failure(image=image, problem=problem_of(path, error))
    with Image.open(BytesIO(decoded.picture)) as picture:
        shown = picture.convert("RGB")
    folder = StimuliFolder(settings.out)
    entry = folder.write(
        Reconstruction(
            image=image,
            method=settings.method,
            target=settings.target,
            coded=coded,
            suffix=SUFFIX,
            shown=shown,
            encoder=ENCODER,
            settings="; ".join([settings.described, *encoded.notes]),
            request=request,
        ),
        original.size,
    )
    return Made(
        entry=folder.leave(entry),
        text=encoded.code.text,
        rate=encoded.code.rate(original.width * original.height),
        notes=encoded.notes,
    )


def _request(image: str, path: Path, settings: MicroBpp) -> str:
    try:
        original = path.read_bytes()
    except OSError as error:
        raise ImageError(path, f"cannot be read ({error.strerror})") from error
    return request_digest(
        original, image, settings.method, settings.target, settings.described, settings.background
    )


def _write_once(path: Path, data: bytes) -> None:
    """Write a file whole; one that is there already must be the same."""
    try:
        if path.exists():
            if path.read_bytes() != data:
                raise StimuliError(
                    f"{path} is another picture than would be written there. Give another folder "
                    "(--squares)."
                )
            return
    except OSError as error:
        raise StimuliError(f"{path} cannot be read: {error.strerror or error}.") from error
    write_whole(path, data)
