"""Image files in, a folder of stimuli with their traces out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import PIL

from mturk_eval.compressors.classifier_preserving.classifiers import (
    Classifier,
    classifier_digest,
    load_classifier,
)
from mturk_eval.compressors.classifier_preserving.preserving import (
    MOST_ITERATIONS,
    Preserved,
    preserve,
    trace_csv,
)
from mturk_eval.compressors.classifier_preserving.rules import Rule
from mturk_eval.compressors.classifier_preserving.searches import Search
from mturk_eval.parallel import Progress
from mturk_eval.stimuli.folder import (
    Entry,
    Reconstruction,
    StimuliFolder,
    Target,
    request_digest,
    safe_name,
)
from mturk_eval.stimuli.images import open_still
from mturk_eval.stimuli.making import FAILURES, Failure, make_each, problem_of
from mturk_eval.stimuli.whole_file import write_whole

METHOD: Final = "classifier-preserving"
TRACE_SUFFIX: Final = ".trace.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A classifier by name, which every process loads for itself; see `load_classifier`.

    Attributes
    ----------
    name : str
        ``FILE.onnx`` or ``MODULE:FUNCTION``.
    preprocessing : Path, optional
    folder : Path
        Where both are looked for, so that other processes find them; better absolute.
    """

    name: str
    preprocessing: Path | None = None
    folder: Path = Path()

    @property
    def label(self) -> str:
        """The file or function, without the folders that are nobody else's business."""
        return Path(self.name).name

    def load(self) -> Classifier:
        """The classifier; loaded once in each process."""
        return load_classifier(self.name, self.preprocessing, self.folder)

    def digest(self) -> str:
        """Changes with the classifier's file."""
        return classifier_digest(self.name, self.preprocessing, self.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is done to every image.

    Attributes
    ----------
    out : Path
        Folder of stimuli.
    source : Source
    labels : tuple of str
        Of the classifier's classes, in its order.
    search : Search
    rule : Rule
    method : str
        Name in the folder's table.
    max_iterations : int
    seed : int
        Each image draws with a seed of its own, made of this and its name.
    background : (int, int, int)
        Under transparent pixels.
    """

    out: Path
    source: Source
    labels: tuple[str, ...]
    search: Search
    rule: Rule
    method: str = METHOD
    max_iterations: int = MOST_ITERATIONS
    seed: int = 0
    background: tuple[int, int, int] = (128, 128, 128)

    @property
    def target(self) -> Target:
        """Named by the rule; there is no rate to meet."""
        return Target(label=self.rule.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One image that is done.

    Attributes
    ----------
    image : str
    entry : Entry
        Its row of the folder's table.
    original_class : str
        Label of the class that is preserved.
    coded_size : (int, int)
        Width and height in pixels of the coded picture, which is shown at its original's size.
    iterations : int
        Pictures shown to the classifier after the original.
    ending : str
    trace : Path
    """

    image: str
    entry: Entry
    original_class: str
    coded_size: tuple[int, int]
    iterations: int
    ending: str
    trace: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What `preserve_files` did: made now, done before, failed."""

    made: tuple[Made, ...]
    done_before: tuple[str, ...]
    failures: tuple[Failure, ...]


def preserve_files(
    job: Job,
    originals: Mapping[str, Path],
    *,
    workers: int = 1,
    dask: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Preserve every original, and add what comes out to a folder of stimuli.

    Images that are in the folder already, made from the same file by the same request, are left
    as they are. One image that fails does not stop the others. What is done is kept at once, so
    that after Ctrl-C or a crash the same call does the rest.

    Parameters
    ----------
    job : Job
    originals : mapping of str to Path
        By name, as `mturk_eval.stimuli.matching.find_originals` gives them.
    workers, dask, progress
        As in `mturk_eval.stimuli.making.make_each`.

    Raises
    ------
    ClassifierError
        If the classifier cannot be loaded; nothing is done then.
    StimuliError
        If the folder's table is not one, holds files that trials could not tell from these, or
        cannot be written.
    """
    job = replace(job, out=job.out.absolute())  # processes elsewhere do not start here
    folder = StimuliFolder(job.out)
    done = folder.begin((image, job.method, job.target) for image in originals)
    digest = job.source.digest()
    tasks: list[_Task] = []
    before: list[str] = []
    failures: list[Failure] = []
    for image, path in originals.items():
        try:
            request = _request(job, image, path, digest)
        except OSError as error:
            failures.append(Failure(image=image, problem=f"{path}: {error.strerror or error}."))
            continue
        if request in done and _trace_path(job, image).is_file():
            before.append(image)
        else:
            tasks.append(_Task(image=image, path=path.absolute(), request=request))
    results = make_each(
        partial(_preserve_file, job),
        tasks,
        folder,
        workers=workers,
        dask=dask,
        progress=progress,
    )
    failures += [result for result in results if isinstance(result, Failure)]
    return Outcome(
        made=tuple(result for result in results if isinstance(result, Made)),
        done_before=tuple(before),
        failures=tuple(failures),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    image: str
    path: Path
    request: str


def _preserve_file(job: Job, task: _Task) -> Made | Failure:
    """One image, from its file to files; run where the work is done."""
    try:
        original = open_still(task.path, job.background)
        preserved = preserve(
            original,
            job.source.load(),
            search=job.search,
            rule=job.rule,
            max_iterations=job.max_iterations,
            seed=[job.seed, *task.image.encode()],
        )
        folder = StimuliFolder(job.out)
        entry = folder.write(_reconstruction(job, task, preserved), original.size)
        trace = _trace_path(job, task.image)
        write_whole(trace, trace_csv(preserved.trace, job.labels).encode())
        folder.leave(entry)
    except FAILURES as error:
        return Failure(image=task.image, problem=problem_of(task.path, error))
    return Made(
        image=task.image,
        entry=entry,
        original_class=job.labels[preserved.original_class],
        coded_size=preserved.shown.size,
        iterations=len(preserved.trace) - 1,
        ending=str(preserved.ending),
        trace=trace,
    )


def _reconstruction(job: Job, task: _Task, preserved: Preserved) -> Reconstruction:
    kept = preserved.kept
    way = (
        f"{job.search.label}; {job.rule.label} of {job.source.label}: "
        f"{job.labels[preserved.original_class]} ({kept.original_class_probability:.3f}); "
        f"iteration {kept.number} of {len(preserved.trace) - 1}, {preserved.ending}"
    )
    made = preserved.candidate
    return Reconstruction(
        image=task.image,
        method=job.method,
        target=job.target,
        coded=made.coded,
        suffix=made.suffix,
        shown=made.shown,
        encoder=made.encoder,
        settings=f"{made.settings}; {way}",
        request=task.request,
    )


def _request(job: Job, image: str, path: Path, classifier: str) -> str:
    return request_digest(
        path.read_bytes(),
        image,
        job.method,
        job.target,
        classifier,
        job.labels,
        job.search,
        _encoder(job.search),
        job.rule,
        job.max_iterations,
        job.seed,
        job.background,
    )


def _encoder(search: Search) -> str:
    """What codes, with its version: another one's work is not taken for done."""
    part: object = search
    for name in ("step", "ladder", "coding", "codec"):
        part = getattr(part, name, part)
    return f"{part.encoder() if hasattr(part, 'encoder') else ''}, Pillow {PIL.__version__}"


def _trace_path(job: Job, image: str) -> Path:
    """Beside the coded file."""
    place = job.out / safe_name(job.method) / safe_name(job.target.label)
    return place / f"{safe_name(image)}{TRACE_SUFFIX}"
