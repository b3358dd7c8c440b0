"""From directories of images to a batch folder: prepare, schedule, write."""

from __future__ import annotations

import hashlib
import math
import os
import random
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

from PIL import Image
from pydantic import ValidationError

from mturk_eval.batch import Batch, BatchPayment, BatchSettings, read_batch, write_batch
from mturk_eval.config import Settings, describe_validation_error
from mturk_eval.design import satisfaction_schedule, two_afc_schedule
from mturk_eval.design.schedule import CatchSource
from mturk_eval.errors import BatchError, SettingsError, StimuliError
from mturk_eval.stimuli.images import (
    RESIZE_FILTER,
    degrade,
    open_for_display,
    parse_background,
    png_bytes,
    resize_to,
)
from mturk_eval.stimuli.matching import (
    ReconstructionFile,
    find_originals,
    find_reconstructions,
    match,
)
from mturk_eval.stimuli.rates import extreme_rates, unequal_rates
from mturk_eval.trials import ORIGINAL_METHOD, Kind, Stimulus

CATCH_METHOD: Final = "catch-degraded"
LARGE_BYTES: Final = 8 * 2**20
_STRETCH: Final = 0.02  # a difference of shape that is worth a word
EXPECTED_SECONDS: Final = {"satisfaction": 15.0, "2afc": 30.0}

Progress = Callable[[int, int], None]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Generated:
    """A batch that was written, and what its maker should know."""

    batch: Batch
    notes: tuple[str, ...]
    unchanged: bool


def generate(
    kind: Kind,
    *,
    originals: Path,
    reconstructions: Path,
    out: Path,
    name: str,
    settings: Settings,
    generator: str,
    resize: bool = True,
    progress: Progress = lambda _done, _all: None,
) -> Generated:
    """Make a batch folder from image files.

    Parameters
    ----------
    kind : {"satisfaction", "2afc"}
    originals, reconstructions : Path
        A folder of originals; a folder of ``METHOD/IMAGE`` or ``METHOD/BPP/IMAGE``, or a
        stimuli.csv.
    out : Path
        The folder to make. If it holds this very batch already, nothing changes.
    name : str
        The batch's name, unique in a ledger.
    settings : Settings
        Wording, payment, HIT settings and design are taken from here.
    generator : str
        Name and version of the program, recorded.
    resize : bool, default True
        Whether a reconstruction of another size than its original is shown at the original's size
        (Lanczos) or refused.
    progress : callable
        Called with the number of images done and of all.

    Raises
    ------
    StimuliError, ImageError
        If files do not fit together or cannot be shown; rates that differ too much.
    BatchError
        If ``out`` holds something else.
    """
    batch_settings = _batch_settings(kind, name, settings, generator)
    design = settings.design
    background = parse_background(design.background)
    found = find_reconstructions(reconstructions)
    original_files, notes = match(find_originals(originals), found)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside the goal, so that the finished folder is moved there in one step.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as work:
        folder = Path(work) / "batch"
        images = _Images(folder / "images", background)
        total = len(original_files) + len(found)
        shown = images.originals(original_files, lambda done: progress(done, total))
        by_image = {stimulus.image: stimulus for stimulus in shown}
        reconstructed, resized = images.reconstructions(
            found, by_image, resize, lambda done: progress(len(shown) + done, total)
        )
        rate_notes = _check_rates(reconstructed, design.rate_tolerance) if kind == "2afc" else ()
        n_main = _main_count(kind, reconstructed)
        catch_sources = images.catch_sources(
            original_files, shown, _share(design.catch, n_main), design.seed
        )
        schedule = (satisfaction_schedule if kind == "satisfaction" else two_afc_schedule)(
            shown,
            reconstructed,
            batch=name,
            trials_per_hit=design.trials_per_hit,
            seed=design.seed,
            catch_sources=catch_sources,
            n_repeats=_share(design.repeats, n_main),
        )
        degraded = {source.degraded.id: source.degraded for source in catch_sources}
        batch = Batch(
            settings=batch_settings.model_copy(
                update={"resize_filter": RESIZE_FILTER if resized else ""}
            ),
            stimuli=(*shown, *reconstructed, *degraded.values()),
            hits=schedule.hits,
            catch_answers=schedule.catch_answers,
        )
        write_batch(batch, folder)
        unchanged = _move_into_place(folder, out, batch)
    large = sum(path.stat().st_size > LARGE_BYTES for path in (out / "images").iterdir())
    weight_note = (
        (
            f"{large} of the images that raters download are larger than "
            f"{LARGE_BYTES // 2**20} MiB; smaller originals load faster.",
        )
        if large
        else ()
    )
    return Generated(
        batch=batch,
        notes=(*notes, *_resizing_notes(resized, len(reconstructed)), *rate_notes, *weight_note),
        unchanged=unchanged,
    )


def _resizing_notes(resized: dict[Path, str], n_reconstructions: int) -> list[str]:
    """How many reconstructions are shown larger or smaller than they are, and which stretched."""
    if not resized:
        return []
    notes = [
        f"Shown at their original's size ({RESIZE_FILTER}): {len(resized)} of "
        f"{n_reconstructions} reconstructions."
    ]
    stretched = [f"{path} is {shape}" for path, shape in resized.items() if shape]
    if stretched:
        notes.append(
            f"{len(stretched)} of these have another shape than their original and are stretched: "
            f"{stretched[0]}. Crop such pictures, or make them from these originals."
        )
    return notes


def _batch_settings(kind: Kind, name: str, settings: Settings, generator: str) -> BatchSettings:
    payment, design = settings.payment, settings.design
    if design.repeats and design.trials_per_hit < 2:
        raise SettingsError(
            "A repeat stands in the HIT of its first showing, so --repeats needs --trials-per-hit "
            "of at least 2."
        )
    try:
        return BatchSettings(
            name=name,
            kind=kind,
            generator=generator,
            wording=settings.wording(kind),
            payment=BatchPayment(
                reward_usd=payment.reward_usd,
                expected_seconds_per_trial=payment.expected_seconds_per_trial
                or EXPECTED_SECONDS[kind],
            ),
            hit=settings.hit,
            design=settings.design,
        )
    except ValidationError as error:
        message = describe_validation_error("batch", error)
        if "`name`" in message:
            message = (
                f"A batch cannot be named {name!r}. Give a --name of at most 100 letters, digits, "
                "spaces and . _ + -"
            )
        raise SettingsError(message) from error


def _share(share: float, n: int) -> int:
    """How many of n make a share, rounded up; 7 % of 100 are 7, whatever floats say."""
    return math.ceil(Decimal(str(share)) * n)


class _Images:
    """Writes display copies under content-hash names and describes them."""

    def __init__(self, folder: Path, background: tuple[int, int, int]) -> None:
        self.folder, self.background = folder, background
        folder.mkdir(parents=True)

    def originals(self, files: dict[str, Path], done: Callable[[int], None]) -> list[Stimulus]:
        def prepare(item: tuple[str, Path]) -> Stimulus:
            image, path = item
            picture = open_for_display(path, self.background)
            sha256, place = self._write(picture)
            return Stimulus(
                id=image,
                role="original",
                image=image,
                method=ORIGINAL_METHOD,
                width_px=picture.width,
                height_px=picture.height,
                sha256=sha256,
                path=place,
            )

        return _in_parallel(prepare, list(files.items()), done)

    def reconstructions(
        self,
        files: Sequence[ReconstructionFile],
        originals: dict[str, Stimulus],
        resize: bool,
        done: Callable[[int], None],
    ) -> tuple[list[Stimulus], dict[Path, str]]:
        """Prepare reconstructions; also those of another size than their original, and why odd.

        The word beside a file is empty where only the number of pixels differs.
        """

        def prepare(file: ReconstructionFile) -> tuple[Stimulus, tuple[Path, str] | None]:
            original = originals[file.image]
            size = (original.width_px, original.height_px)
            picture = open_for_display(file.path, self.background)
            own_size = picture.size
            if own_size != size and not resize:
                raise StimuliError(
                    f"{file.path} is {own_size[0]}×{own_size[1]}, its original {size[0]}×{size[1]}."
                    " Without --no-resize it is shown at the original's size."
                )
            sha256, place = self._write(resize_to(picture, size))
            changed = f"shown at {size[0]}×{size[1]} from {own_size[0]}×{own_size[1]}"
            settings = [file.settings] * bool(file.settings) + [changed] * (own_size != size)
            rate = "" if file.target_bpp is None else f"@{file.target_bpp:g}"
            coded = file.coded_bytes
            stimulus = Stimulus(
                id=f"{file.image}/{file.method}{rate}",
                role="reconstruction",
                image=file.image,
                method=file.method,
                target_bpp=file.target_bpp,
                # As it will stand in stimuli.csv, so that reading it back gives the same value.
                bpp=None if coded is None else float(f"{8 * coded / (size[0] * size[1]):.6g}"),
                bytes=coded,
                encoded_path=file.encoded_path,
                width_px=size[0],
                height_px=size[1],
                sha256=sha256,
                path=place,
                encoder=file.encoder,
                settings="; ".join(settings),
            )
            if own_size == size:
                return stimulus, None
            stretch = abs(own_size[0] * size[1] / (own_size[1] * size[0]) - 1)
            # A picture of few pixels cannot keep the exact shape.
            odd = stretch > max(_STRETCH, 1 / min(own_size))
            shape = f"{own_size[0]}×{own_size[1]} for an original of {size[0]}×{size[1]}"
            return stimulus, (file.path, shape if odd else "")

        prepared = _in_parallel(prepare, files, done)
        resized = dict(item for _, item in prepared if item is not None)
        return [stimulus for stimulus, _ in prepared], resized

    def catch_sources(
        self, files: dict[str, Path], originals: Sequence[Stimulus], n: int, seed: int
    ) -> list[CatchSource]:
        """Degrade as many originals as there are catch trials; more trials use them in turn."""
        order = list(originals)
        random.Random(f"catch {seed}").shuffle(order)  # noqa: S311  # a schedule, not a secret
        sources = []
        for original in order[:n]:
            picture = degrade(open_for_display(files[original.image], self.background))
            sha256, place = self._write(picture)
            degraded = Stimulus(
                id=f"{original.image}/{CATCH_METHOD}",
                role="reconstruction",
                image=original.image,
                method=CATCH_METHOD,
                width_px=picture.width,
                height_px=picture.height,
                sha256=sha256,
                path=place,
            )
            sources.append(CatchSource(original=original, degraded=degraded))
        return [sources[number % len(sources)] for number in range(n)]

    def _write(self, picture: Image.Image) -> tuple[str, str]:
        data = png_bytes(picture)
        sha256 = hashlib.sha256(data).hexdigest()
        name = f"{sha256}.png"
        (self.folder / name).write_bytes(data)
        return sha256, f"images/{name}"


def _in_parallel(
    work: Callable[[Item], Result], items: Sequence[Item], done: Callable[[int], None]
) -> list[Result]:
    """Map in threads (Pillow releases the interpreter lock), in order, telling the progress."""
    results = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        try:
            for number, result in enumerate(pool.map(work, items), start=1):
                results.append(result)
                done(number)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return results


def _main_count(kind: Kind, reconstructions: Sequence[Stimulus]) -> int:
    if kind == "satisfaction":
        return len(reconstructions)
    cells: dict[tuple[str, float | None], int] = defaultdict(int)
    for stimulus in reconstructions:
        cells[stimulus.image, stimulus.target_bpp] += 1
    return sum(math.comb(n, 2) for n in cells.values())


def _check_rates(reconstructions: Sequence[Stimulus], tolerance: float) -> tuple[str, ...]:
    """Refuse pairs at one target rate whose real rates differ too much; else say how much.

    Raises
    ------
    StimuliError
        With both rows of each pair that differs by more than the tolerance.
    """
    refused = unequal_rates(reconstructions, tolerance)
    if refused:
        raise StimuliError(
            f"Reconstructions of one target rate differ by more than {100 * tolerance:g} %:\n"
            + "\n".join(
                f"  {pair.smaller.id}: {pair.smaller.bpp:.4g} bpp ({pair.smaller.bytes} bytes), "
                f"{pair.larger.id}: {pair.larger.bpp:.4g} bpp ({pair.larger.bytes} bytes): "
                f"{100 * pair.difference:.1f} % apart"
                for pair in refused
            )
            + "\nEncode them again closer to the target, or raise --rate-tolerance."
        )
    without_target = [s for s in reconstructions if s.target_bpp is None]
    largest = max((pair.difference for pair in extreme_rates(without_target)), default=0.0)
    notes = []
    if largest:
        notes.append(f"Rates compared within one original differ by up to {100 * largest:.1f} %.")
    unknown = sum(s.bpp is None for s in reconstructions)
    if unknown:
        notes.append(
            f"The rate of {unknown} reconstructions is not known (decoded copies, not coded "
            "files), so it could not be compared."
        )
    return tuple(notes)


def _move_into_place(folder: Path, out: Path, batch: Batch) -> bool:
    """Move a finished folder to its goal; True if the goal held the same batch already."""
    if out.exists():
        if out.is_dir() and not any(out.iterdir()):
            out.rmdir()
        else:
            try:
                same = read_batch(out).id == batch.id
            except BatchError:
                same = False
            if same:
                return True
            raise BatchError(
                out, ["holds something else already; remove it, or give another --out"]
            )
    shutil.move(folder, out)
    return False
