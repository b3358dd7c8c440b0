"""Encode originals at target sizes, in parallel: what is done is kept, what fails is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mturk_eval.errors import StimuliError
from mturk_eval.parallel import Progress
from mturk_eval.stimuli.codecs.codec import Codec
from mturk_eval.stimuli.encoding_targets import Ask, Asks, target_bytes
from mturk_eval.stimuli.folder import (
    Entry,
    Reconstruction,
    StimuliFolder,
    Unreachable,
    request_digest,
    stimulus_id,
)
from mturk_eval.stimuli.images import open_still
from mturk_eval.stimuli.making import FAILURES, make_each, problem_of
from mturk_eval.stimuli.rate_matching import Match, Miss, PictureFiles, Side, check_quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How files are matched to their targets.

    Attributes
    ----------
    side : {"under", "over"}
        Where a file may lie that does not hit its target.
    resize : bool
        Whether fewer pixels are coded where the lowest quality is too large.
    background : (int, int, int)
        RGB colour behind transparent originals.
    """

    side: Side = "under"
    resize: bool = True
    background: tuple[int, int, int] = (128, 128, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one thing asked for.

    Attributes
    ----------
    image, method : str
    ask : Ask
    entry : Entry or None
        Its row of stimuli.csv; None if it failed.
    problem : str
        Why it failed.
    encodes : int
        Files made on the way; 0 for what was done before.
    seconds : float
        Of one core.
    """

    image: str
    method: str
    ask: Ask
    entry: Entry | None
    problem: str = ""
    encodes: int = 0
    seconds: float = 0.0

    @property
    def id(self) -> str:
        """As in stimuli.csv."""
        return stimulus_id(self.image, self.method, self.ask.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One original by one codec: it is decoded once, whatever the number of sizes."""

    image: str
    path: Path
    method: str
    codec: Codec
    asks: tuple[tuple[Ask, str], ...]  # with their request digests
    manner: Manner
    out: Path


def encode(
    originals: Mapping[str, Path],
    codecs: Mapping[str, Codec],
    asks: Asks,
    out: Path,
    *,
    manner: Manner | None = None,
    workers: int = 1,
    dask: str | None = None,
    progress: Progress | None = None,
) -> tuple[Outcome, ...]:
    """Encode every original by every codec at every size that is asked for.

    What is done is kept at once, so that after Ctrl-C or a crash the same call does the rest; what
    fails for one original leaves the others unharmed.

    Parameters
    ----------
    originals : mapping
        Files by image name.
    codecs : mapping
        Codecs by method name.
    asks : mapping
        By image name (`ask_rates` and the like).
    out : Path
        A folder of stimuli (`StimuliFolder`); it may hold others already.
    manner : Manner, optional
    workers, dask
        As in `make_each`.
    progress : callable, optional
        Called with the number of original-codec pairs done, and of all.

    Returns
    -------
    tuple of Outcome
        In the order of codecs, targets, images; what was done before is among them.

    Raises
    ------
    StimuliError
        If the folder holds files that trials could not tell from these, or cannot be written.
    InvalidInputError
        If a quality that is asked for is none of a codec's.
    MturkEvalError
        If a process was ended from outside.
    """
    manner = manner or Manner()
    folder = StimuliFolder(out.absolute())
    every = [(image, ask) for image in originals for ask in asks[image]]
    for codec in codecs.values():
        for quality in {ask.quality for _, ask in every if ask.quality is not None}:
            check_quality(codec, quality)
    done = folder.begin((image, method, ask.target) for method in codecs for image, ask in every)
    identities = {
        # The settings of one quality tell those that are the same for all.
        method: (codec.encoder(), codec.settings(codec.knob.lowest), codec.knob)
        for method, codec in codecs.items()
    }
    outcomes: list[Outcome] = []
    jobs: list[_Job] = []
    for image, path in originals.items():
        try:
            data = path.read_bytes()
        except OSError as error:
            problem = f"{path} cannot be read: {error.strerror or error}"
            outcomes += [
                Outcome(image=image, method=method, ask=ask, entry=None, problem=problem)
                for method in codecs
                for ask in asks[image]
            ]
            continue
        for method, codec in codecs.items():
            missing = []
            for ask in asks[image]:
                request = request_digest(
                    data, image, method, ask.target, ask, identities[method], manner
                )
                if request in done:
                    entry = done[request]
                    outcomes.append(Outcome(image=image, method=method, ask=ask, entry=entry))
                else:
                    missing.append((ask, request))
            if missing:
                jobs.append(
                    _Job(
                        image=image,
                        path=path.absolute(),
                        method=method,
                        codec=codec,
                        asks=tuple(missing),
                        manner=manner,
                        out=folder.path,
                    )
                )
    made = make_each(_encode_job, jobs, folder, workers=workers, dask=dask, progress=progress)
    outcomes += [outcome for job in made for outcome in job]
    return tuple(sorted(outcomes, key=_order(list(codecs), list(originals))))


def _order(
    methods: Sequence[str], images: Sequence[str]
) -> Callable[[Outcome], tuple[object, ...]]:
    def key(outcome: Outcome) -> tuple[object, ...]:
        target = outcome.ask.target
        return (
            methods.index(outcome.method),
            target.bpp or 0.0,
            target.label,
            images.index(outcome.image),
        )

    return key


def _encode_job(job: _Job) -> list[Outcome]:
    """All sizes of one original by one codec; each is kept before the next begins."""
    try:
        files = PictureFiles(open_still(job.path, job.manner.background), job.codec)
    except FAILURES as error:
        return [_failed(job, ask, error) for ask, _ in job.asks]
    return [_encode_one(job, files, ask, request) for ask, request in job.asks]


def _encode_one(job: _Job, files: PictureFiles, ask: Ask, request: str) -> Outcome:
    started = time.monotonic()
    try:
        entry, encodes = _make(job, files, ask, request)
    except FAILURES as error:
        return _failed(job, ask, error)
    return Outcome(
        image=job.image,
        method=job.method,
        ask=ask,
        entry=entry,
        encodes=encodes,
        seconds=time.monotonic() - started,
    )


def _make(job: _Job, files: PictureFiles, ask: Ask, request: str) -> tuple[Entry, int]:
    """Encode, decode and write; give the row, and how many files were encoded."""
    folder, codec, original = StimuliFolder(job.out), job.codec, files.image
    n_bytes = target_bytes(ask, original.width * original.height, job.manner.side)
    if n_bytes is None:
        assert ask.quality is not None  # noqa: S101  # an ask has a rate, a size or a quality
        match: Match | Miss = files.at_quality(ask.quality)
    else:
        match = files.match(n_bytes, side=job.manner.side, resize=job.manner.resize)
    if isinstance(match, Miss):
        missed = Unreachable(
            image=job.image,
            method=job.method,
            target=ask.target,
            encoder=codec.encoder(),
            reason=match.reason,
            request=request,
        )
        return folder.leave(missed), match.encodes
    shown = codec.decode(match.coded)
    if shown.size != match.coded_size:
        raise StimuliError(
            f"{codec.name} decodes its own file to {shown.width}×{shown.height} pixels instead of "
            f"{match.coded_size[0]}×{match.coded_size[1]}."
        )
    made = Reconstruction(
        image=job.image,
        method=job.method,
        target=ask.target,
        coded=match.coded,
        suffix=codec.suffix,
        shown=shown,
        encoder=codec.encoder(),
        settings=match.settings,
        request=request,
    )
    return folder.leave(folder.write(made, original.size)), match.encodes


def _failed(job: _Job, ask: Ask, error: Exception) -> Outcome:
    return Outcome(
        image=job.image,
        method=job.method,
        ask=ask,
        entry=None,
        problem=problem_of(job.path, error),
    )
