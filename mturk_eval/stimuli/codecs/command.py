"""Any external encoder as a codec, by a template of its command line.

``command:bpgenc -q {quality:51..0} -o {coded:.bpg} {original} && bpgdec -o {shown} {coded}``
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from PIL import Image

from mturk_eval.stimuli.codecs.codec import Knob
from mturk_eval.stimuli.codecs.errors import CodecError, CodecMissingError, CommandTemplateError
from mturk_eval.stimuli.codecs.processes import TIMEOUT_S, convert
from mturk_eval.stimuli.codecs.with_pillow import open_pixels, without_metadata
from mturk_eval.stimuli.images import png_bytes

Turned = Literal["quality", "bpp", "bytes"]
"""What a command is told: a quality to search, or the rate or the size to meet."""

Step = tuple[str, ...]

_TURNED: Final = get_args(Turned)
_PLACEHOLDERS: Final = ("original", "coded", "shown", *_TURNED, "width", "height", "folder")
_PLACEHOLDER: Final = re.compile(r"\{([a-z]+)(?::([^{}]*))?\}")
_NUMBER: Final = r"[-+]?\d+(?:\.\d+)?"
_RANGE: Final = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?::({_NUMBER}))?")
_SHELL: Final = frozenset({"|", "||", ";", "&", "<", ">", ">>", "2>", "2>&1"})
_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]+")
_RATES: Final = Knob(lowest=0.001, highest=24, step=0.0001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An external encoder and decoder (`parse_command`).

    Attributes
    ----------
    name, suffix : str
    knob : Knob
        The template's range; for encoders that take a target, its rate in bits per pixel.
    turned : {"quality", "bpp", "bytes"}
    template : str
        As the user wrote it.
    encoding, decoding : tuple of tuples of str
        Programs with their arguments, in order. Without ``decoding``, Pillow decodes.
    timeout_s : float
        Seconds that each program has.
    """

    name: str
    suffix: str
    knob: Knob
    turned: Turned
    template: str
    encoding: tuple[Step, ...]
    decoding: tuple[Step, ...]
    timeout_s: float

    def encoder(self) -> str:
        """Name the programs, and scripts among their arguments, by digests of their files."""
        files = dict.fromkeys(
            word for step in (*self.encoding, *self.decoding) for word in step if _is_file(word)
        )
        return ", ".join(f"{Path(file).name} (sha256 {_digest_of(file)})" for file in files)

    def encode(self, image: Image.Image, quality: float) -> bytes:
        """Run the template up to the step that makes the coded file."""
        pixels = image.width * image.height
        value = max(round(quality * pixels / 8), 1) if self.turned == "bytes" else quality
        return self._convert(
            self.encoding,
            {
                self.turned: self._number(value),
                "width": str(image.width),
                "height": str(image.height),
            },
            given=("original.png", png_bytes(without_metadata(image))),
            wanted=f"coded{self.suffix}",
        )

    def decode(self, data: bytes) -> Image.Image:
        """Run the rest of the template on the coded file, or let Pillow decode it."""
        if not self.decoding:
            try:
                return open_pixels(self.name, data)
            except CodecError as error:
                raise CodecError(f"{error}. Add a step that writes {{shown}}.") from error
        shown = self._convert(
            self.decoding, {}, given=(f"coded{self.suffix}", data), wanted="shown.png"
        )
        return open_pixels(self.name, shown)

    def settings(self, quality: float) -> str:
        """Give the template, and what was turned."""
        asked = "bpp asked" if self.turned == "bytes" else self.turned
        return f"{asked} {self._number(quality)}: {self.template}"

    def aim(self, size: tuple[int, int], n_bytes: int) -> float | None:
        """Give the rate of the target where the encoder takes one."""
        if self.turned == "quality":
            return None
        width, height = size
        return 8 * n_bytes / (width * height)

    def _number(self, value: float) -> str:
        is_whole = self.turned == "quality" and float(self.knob.step).is_integer()
        return str(round(value)) if is_whole else f"{value:.10g}"

    def _convert(
        self,
        steps: tuple[Step, ...],
        values: Mapping[str, str],
        given: tuple[str, bytes],
        wanted: str,
    ) -> bytes:
        known = {
            "original": "{folder}/original.png",
            "coded": "{folder}/coded" + self.suffix,
            "shown": "{folder}/shown.png",
            "folder": "{folder}",
            **values,
        }
        programs = [
            [_PLACEHOLDER.sub(lambda found: known[found[1]], word) for word in step]
            for step in steps
        ]
        return convert(
            programs, given=given, wanted=wanted, label=self.name, timeout_s=self.timeout_s
        )


def parse_command(
    template: str,
    *,
    name: str | None = None,
    timeout_s: float = TIMEOUT_S,
    folder: Path | None = None,
) -> Command:
    """Read the template of an external encoder.

    Parameters
    ----------
    template : str
        Steps separated by `` && ``, run one after the other, without a shell, in a temporary
        folder. Placeholders: ``{original}``, a PNG file; ``{coded:.bpg}``, where the coded file
        goes, once with its suffix; one of ``{quality:51..0}`` (from worst to best, with an optional
        step: ``{quality:0..1:0.01}``), ``{bytes}`` and ``{bpp}``, for encoders that take the size
        or the rate to meet (optionally with a range of rates in bits per pixel); ``{shown}``, the
        decoded PNG; ``{width}`` and ``{height}`` in pixels; ``{folder}``, the temporary folder.
        With ``{shown}``, the steps after the first that names ``{coded}`` decode: they get the
        coded file and nothing else. Words that name a file where the command is started are given
        by their full path.
    name : str, optional
        The method's name; default: the first program's.
    timeout_s : float
        Seconds that each program has.
    folder : Path, optional
        Where the files are that words name; default: the current folder.

    Raises
    ------
    CommandTemplateError
        If the template cannot be read; says which part.
    CodecMissingError
        If a program is not installed.

    Examples
    --------
    >>> parse_command("true {original} -q {quality:51..0} {coded:.bpg}").knob
    Knob(lowest=51.0, highest=0.0, step=-1.0)
    """
    here = folder if folder is not None else Path.cwd()
    steps = _split(template)
    used = [found for step in steps for word in step for found in _PLACEHOLDER.findall(word)]
    for placeholder, _ in used:
        if placeholder not in _PLACEHOLDERS:
            raise CommandTemplateError(
                f"command:{template}: {{{placeholder}}} is no placeholder; there are "
                + ", ".join(f"{{{known}}}" for known in _PLACEHOLDERS)
                + "."
            )
    for needed in ("original", "coded"):
        if needed not in dict(used):
            raise CommandTemplateError(f"command:{template}: {{{needed}}} is missing.")
    turned, knob = _knob(template, used)
    encoding, decoding = _halves(template, steps)
    return Command(
        name=name or Path(steps[0][0]).stem,
        suffix=_suffix(template, used),
        knob=knob,
        turned=turned,
        template=template,
        encoding=tuple(_located(step, here, template) for step in encoding),
        decoding=tuple(_located(step, here, template) for step in decoding),
        timeout_s=timeout_s,
    )


def _split(template: str) -> list[Step]:
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise CommandTemplateError(f"command:{template}: {error} (check the quotes).") from error
    steps: list[list[str]] = [[]]
    for word in words:
        if word in _SHELL:
            raise CommandTemplateError(
                f"command:{template}: no shell reads it, so {word!r} means nothing. Put what needs "
                "a shell into a script, and give that."
            )
        if word == "&&":
            steps.append([])
        else:
            steps[-1].append(word)
    if not all(steps):
        raise CommandTemplateError(f"command:{template}: a step is empty.")
    return [tuple(step) for step in steps]


def _knob(template: str, used: list[tuple[str, str]]) -> tuple[Turned, Knob]:
    kinds = [kind for kind in _TURNED if kind in dict(used)]
    if len(kinds) != 1:
        raise CommandTemplateError(
            f"command:{template}: give one of {{quality:WORST..BEST}}, {{bytes}} and {{bpp}}, so "
            "that its size can be set."
        )
    turned: Turned = kinds[0]
    ranges = {text for placeholder, text in used if placeholder == turned and text}
    if not ranges and turned != "quality":
        return turned, _RATES
    if len(ranges) != 1:
        raise CommandTemplateError(
            f"command:{template}: {{{turned}}} needs one range from worst to best, such as "
            f"{{{turned}:{'51..0' if turned == 'quality' else '0.01..8'}}}."
        )
    return turned, _range(template, turned, ranges.pop())


def _range(template: str, turned: Turned, text: str) -> Knob:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise CommandTemplateError(
            f"command:{template}: {{{turned}:{text}}} is no range such as 0..51, 51..0 or "
            "0..1:0.01 (with a step)."
        )
    lowest, highest = float(found[1]), float(found[2])
    span = abs(highest - lowest)
    step = span / 100 if "." in found[1] + found[2] else 1.0
    if turned != "quality":
        step = _RATES.step
    if found[3] is not None:
        step = abs(float(found[3]))
    if not 0 < step <= span or (turned != "quality" and not 0 < lowest < highest):
        raise CommandTemplateError(
            f"command:{template}: {{{turned}:{text}}} leaves nothing to choose from."
        )
    # The search goes in whole steps from the worst: the best is the last of them.
    n_steps = math.floor(span / step + 1e-9)
    signed = math.copysign(step, highest - lowest)
    return Knob(lowest=lowest, highest=round(lowest + n_steps * signed, 9), step=signed)


def _suffix(template: str, used: list[tuple[str, str]]) -> str:
    suffixes = {text for placeholder, text in used if placeholder == "coded" and text}
    if len(suffixes) > 1 or not all(_SUFFIX.fullmatch(suffix) for suffix in suffixes):
        raise CommandTemplateError(
            f"command:{template}: give the coded file one suffix, such as {{coded:.bpg}}."
        )
    return suffixes.pop() if suffixes else ".bin"


def _halves(template: str, steps: list[Step]) -> tuple[list[Step], list[Step]]:
    """Encoding, and decoding if the template shows how."""
    names = [{found[0] for word in step for found in _PLACEHOLDER.findall(word)} for step in steps]
    if not any("shown" in used for used in names):
        return steps, []
    split = 1 + next(index for index, used in enumerate(names) if "coded" in used)
    encodes, decodes = set[str]().union(*names[:split]), set[str]().union(*names[split:])
    allowed = {"coded", "shown", "folder"}
    if "shown" in encodes or "shown" not in decodes or not decodes <= allowed:
        raise CommandTemplateError(
            f"command:{template}: what raters see must come from the coded file alone. Let the "
            "steps after the first with {coded} write {shown}, from {coded} and nothing else."
        )
    if "coded" not in decodes:
        raise CommandTemplateError(f"command:{template}: no step makes {{shown}} from {{coded}}.")
    return steps[:split], steps[split:]


def _located(step: Step, here: Path, template: str) -> Step:
    """The step with the full paths of its program and of the files it names.

    It runs in another folder than the one the user wrote it in.
    """
    program = shutil.which(step[0])
    if program is None and os.sep in step[0]:
        program = shutil.which(here / step[0])
    if program is None:
        raise CodecMissingError(
            f"command:{template}: there is no program {step[0]}. Install it, or give its path."
        )
    return (str(Path(program).absolute()), *(_full_path(word, here) for word in step[1:]))


def _full_path(word: str, here: Path) -> str:
    if _PLACEHOLDER.search(word) or not word:
        return word
    path = here / word
    # A word such as `slow` is an option's value, even where a folder has that name.
    return str(path.absolute()) if path.is_file() or (os.sep in word and path.exists()) else word


def _is_file(word: str) -> bool:
    return Path(word).is_absolute() and Path(word).is_file()


def _digest_of(file: str) -> str:
    stat = Path(file).stat()
    return _digest(file, stat.st_mtime_ns, stat.st_size)


@functools.cache
def _digest(file: str, _changed_ns: int, _size: int) -> str:
    with Path(file).open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:12]
