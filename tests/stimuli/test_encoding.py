"""Originals to files of a size: each kept when it is made, each failure its own."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mturk_eval.errors import InvalidInputError, MturkEvalError, StimuliError
from mturk_eval.stimuli.codecs.codec import Codec, Knob
from mturk_eval.stimuli.codecs.errors import CodecError
from mturk_eval.stimuli.codecs.with_pillow import WebP
from mturk_eval.stimuli.encoding import Manner, Outcome, encode
from mturk_eval.stimuli.encoding_summary import identical_pictures, summarise
from mturk_eval.stimuli.encoding_targets import (
    Ask,
    ask_bytes,
    ask_listed,
    ask_quality,
    ask_rates,
    target_bytes,
)
from mturk_eval.stimuli.folder import Reconstruction, StimuliFolder, Target
from mturk_eval.stimuli.matching import find_pictures
from mturk_eval.stimuli.rates import unequal_rates
from tests.samples import picture

SIZE = (64, 48)


@pytest.fixture
def originals(tmp_path: Path) -> dict[str, Path]:
    folder = tmp_path / "originals"
    folder.mkdir()
    for number, name in enumerate(("ant", "bee", "cat")):
        picture(number, SIZE).save(folder / f"{name}.png")
    return find_pictures([folder])


@dataclass(frozen=True)
class Counting:
    """A fast codec: PNG of the picture in as many colours as its quality; it notes its calls."""

    log: Path
    name: str = "counting"
    suffix: str = ".png"
    fails_on: tuple[int, int] = (0, 0)
    knob: Knob = field(default_factory=lambda: Knob(lowest=2, highest=250, step=1))

    def encoder(self) -> str:
        return "counting 1"

    def encode(self, image: Image.Image, quality: float) -> bytes:
        with self.log.open("a") as log:
            log.write(f"{quality}\n")
        if image.size == self.fails_on:
            raise CodecError("counting: the encoder ended with 3: no such colour")
        buffer = io.BytesIO()
        image.quantize(int(quality)).save(buffer, "PNG")
        return buffer.getvalue()

    def decode(self, data: bytes) -> Image.Image:
        return Image.open(io.BytesIO(data)).convert("RGB")

    def settings(self, quality: float) -> str:
        return f"{quality:g} colours"

    def aim(self, size: tuple[int, int], n_bytes: int) -> float | None:
        return None

    def calls(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def counting(tmp_path: Path) -> Counting:
    return Counting(tmp_path / "calls")


def by_id(outcomes: tuple[Outcome, ...]) -> dict[str, Outcome]:
    return {outcome.id: outcome for outcome in outcomes}


@pytest.mark.parametrize("workers", [1, 2])
def test_every_original_by_every_codec_at_every_rate(
    originals: dict[str, Path], tmp_path: Path, counting: Counting, workers: int
) -> None:
    codecs: dict[str, Codec] = {"webp": WebP(), "colours": counting}
    rates = ask_rates(originals, [1.5, 3, 1.5])
    told: list[tuple[int, int]] = []
    outcomes = encode(
        originals, codecs, rates, tmp_path / "out", workers=workers,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert [outcome.id for outcome in outcomes] == [
        f"{image}/{method}@{rate}"
        for method in codecs
        for rate in ("1.5", "3")
        for image in originals
    ]
    entries = StimuliFolder(tmp_path / "out").entries()
    assert {outcome.entry for outcome in outcomes} == set(entries)
    for stimulus in (entry.stimulus for entry in entries):
        coded = (tmp_path / "out" / stimulus.encoded_path).read_bytes()
        assert len(coded) == stimulus.bytes
        assert stimulus.target_bpp is not None
        assert stimulus.bpp is not None
        assert 0.85 * stimulus.target_bpp < stimulus.bpp <= stimulus.target_bpp
        with (
            Image.open(tmp_path / "out" / stimulus.path) as shown,
            Image.open(tmp_path / "out" / stimulus.encoded_path) as decoded,
        ):
            if decoded.size == SIZE:
                assert np.array_equal(np.asarray(shown), np.asarray(decoded.convert("RGB")))
    assert told[-1] == (6, 6)


def test_the_same_again_encodes_nothing(
    originals: dict[str, Path], tmp_path: Path, counting: Counting
) -> None:
    def run() -> tuple[Outcome, ...]:
        return encode(
            originals, {"colours": counting}, ask_rates(originals, [1, 3]), tmp_path / "out"
        )

    first, calls = run(), counting.calls()
    again = run()
    assert counting.calls() == calls == sum(outcome.encodes for outcome in first)
    assert [outcome.entry for outcome in again] == [outcome.entry for outcome in first]
    assert sum(outcome.encodes for outcome in again) == 0
    # A file that is gone is made again, and it alone.
    (tmp_path / "out/colours/3/bee.png").unlink()
    redone = [outcome.id for outcome in run() if outcome.encodes]
    assert redone == ["bee/colours@3"]
    # So is one whose original changed.
    picture(9, SIZE).save(originals["cat"])
    assert {o.image for o in run() if o.encodes} == {"cat"}


def test_another_manner_replaces_the_rows(
    originals: dict[str, Path], tmp_path: Path, counting: Counting
) -> None:
    codecs: dict[str, Codec] = {"colours": counting}
    under = encode(originals, codecs, ask_rates(originals, [3]), tmp_path / "out")
    over = encode(
        originals, codecs, ask_rates(originals, [3]), tmp_path / "out", manner=Manner(side="over")
    )
    entries = StimuliFolder(tmp_path / "out").entries()
    assert {entry.request for entry in entries} == {o.entry.request for o in over if o.entry}
    for low, high in zip(under, over, strict=True):
        assert low.entry is not None
        assert high.entry is not None
        assert (low.entry.stimulus.bpp or 9) <= 3 <= (high.entry.stimulus.bpp or 0)


def test_what_cannot_be_reached_is_a_row_with_its_reason(
    originals: dict[str, Path], tmp_path: Path, counting: Counting
) -> None:
    codecs: dict[str, Codec] = {"colours": counting}
    outcomes = encode(
        originals, codecs, ask_bytes(originals, 200), tmp_path / "out",
        manner=Manner(resize=False),
    )  # fmt: skip
    for outcome in outcomes:
        assert outcome.entry is not None
        stimulus = outcome.entry.stimulus
        assert stimulus.state == "unreachable"
        assert "target of 200" in stimulus.settings
        assert stimulus.path == stimulus.encoded_path == ""
    (row,) = summarise(outcomes, "under")
    assert (row.images, row.reached, row.unreachable, row.failed) == (3, 0, 3, 0)
    calls = counting.calls()
    encode(
        originals, codecs, ask_bytes(originals, 200), tmp_path / "out", manner=Manner(resize=False)
    )
    assert counting.calls() == calls


# --- what fails ----------------------------------------------------------------------------------


def broken_originals(folder: Path) -> dict[str, Path]:
    """Files of every kind that may be in a folder of photographs."""
    folder.mkdir()
    good = picture(0, SIZE)
    good.save(folder / "a-good.png")
    frames = [picture(number, SIZE) for number in range(3)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    (folder / "broken.png").write_bytes((folder / "a-good.png").read_bytes()[:200])
    bomb = b"\x00\x00\xff\xff" + b"\x00\x00\xff\xff"
    data = (folder / "a-good.png").read_bytes()
    header = data[12:16] + bomb + data[24:29]
    import zlib

    (folder / "bomb.png").write_bytes(
        data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + data[33:]
    )
    good.convert("CMYK").save(folder / "cmyk.tif")
    deep = np.asarray(good.convert("L"), dtype=np.uint16) * 257
    Image.fromarray(deep).save(folder / "deep.png")
    Image.new("RGB", (1, 1), "red").save(folder / "pixel.png")
    (folder / "text.png").write_text("no picture")
    return find_pictures([folder])


def test_pictures_of_every_kind_are_coded_or_refused_by_name(tmp_path: Path) -> None:
    """The others are unharmed; once the file is right, the same call does the rest."""
    originals = broken_originals(tmp_path / "originals")

    def run() -> dict[str, Outcome]:
        asks = ask_bytes(originals, 900)
        return {o.image: o for o in encode(originals, {"webp": WebP()}, asks, tmp_path / "out")}

    outcomes = run()
    problems = {image: o.problem for image, o in outcomes.items() if o.entry is None}
    assert set(problems) == {"animated", "broken", "bomb", "text"}
    assert "3 frames" in problems["animated"]
    assert "too many pixels" in problems["bomb"]
    assert all(str(originals[image]) in problem for image, problem in problems.items())
    kept = {entry.stimulus.image for entry in StimuliFolder(tmp_path / "out").entries()}
    assert kept == {"a-good", "cmyk", "deep", "pixel"}
    picture(5, SIZE).save(originals["broken"])
    again = run()
    assert again["broken"].entry is not None
    assert [image for image, outcome in again.items() if outcome.encodes] == ["broken"]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_encoder_that_fails_on_one_picture_spoils_no_other(
    originals: dict[str, Path], tmp_path: Path, workers: int
) -> None:
    picture(3, (33, 33)).save(originals["bee"])
    codec = Counting(tmp_path / "calls", fails_on=(33, 33))
    outcomes = by_id(
        encode(
            originals,
            {"colours": codec},
            ask_rates(originals, [3]),
            tmp_path / "out",
            workers=workers,
        )
    )
    assert "ended with 3: no such colour" in outcomes["bee/colours@3"].problem
    assert outcomes["ant/colours@3"].entry is not None
    assert outcomes["cat/colours@3"].entry is not None
    (row,) = summarise(tuple(outcomes.values()), "under")
    assert (row.reached, row.failed) == (2, 1)


def test_a_full_disk_is_told_and_leaves_the_table(
    originals: dict[str, Path], tmp_path: Path, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written before stays, no half file is there, and the rest comes later."""
    out, codecs = tmp_path / "out", {"colours": counting}
    encode({"ant": originals["ant"]}, codecs, ask_rates(["ant"], [3]), out)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", lambda handle, mode: open("/dev/full", "wb"))  # noqa: PTH123, SIM115
        outcomes = by_id(encode(originals, codecs, ask_rates(originals, [3]), out))
    assert outcomes["ant/colours@3"].entry is not None
    assert "No space left on device" in outcomes["bee/colours@3"].problem
    assert len(StimuliFolder(out).entries()) == 1
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]
    assert all(o.entry for o in encode(originals, codecs, ask_rates(originals, [3]), out))


@dataclass(frozen=True)
class Greedy(Counting):
    """An encoder that the system ends for want of memory."""

    def encode(self, image: Image.Image, quality: float) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b""


def test_a_process_that_the_system_ends_is_told(originals: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(MturkEvalError, match="fewer --workers"):
        encode(
            originals,
            {"greedy": Greedy(tmp_path / "calls")},
            ask_rates(originals, [3]),
            tmp_path / "out",
            workers=2,
        )


KILLED = """
import sys, pathlib
sys.path.insert(0, {root!r})
from tests.stimuli.test_encoding import *
class Slow(Counting):
    def encode(self, image, quality):
        time.sleep(0.01)
        return super().encode(image, quality)
folder = pathlib.Path({folder!r})
originals = find_pictures([folder / "originals"])
encode(originals, {{"colours": Slow(folder / "calls")}}, ask_rates(originals, [1, 2, 3, 4]),
       folder / "out")
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_at_any_time_goes_on_from_there(
    originals: dict[str, Path], tmp_path: Path, how: signal.Signals
) -> None:
    """Nothing that was done is done again."""
    root = str(Path(__file__).parents[2])
    script = KILLED.format(root=root, folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    out = tmp_path / "out"
    for _ in range(2_000):
        if len(list(out.rglob("*/*/*.shown.png"))) >= 4:
            break
        time.sleep(0.01)
    process.send_signal(how)
    process.wait(20)
    complete = {path.parent.name for path in out.rglob("[!.]*.shown.png")}
    assert len(list(out.rglob("[!.]*.shown.png"))) < 12, complete
    codec = Counting(tmp_path / "calls")
    outcomes = encode(originals, {"colours": codec}, ask_rates(originals, [1, 2, 3, 4]), out)
    assert all(outcome.entry for outcome in outcomes)
    assert sum(outcome.encodes == 0 for outcome in outcomes) >= 3
    assert len(StimuliFolder(out).entries()) == 12
    rows = {entry.request for entry in StimuliFolder(out).entries()}
    assert rows == set(StimuliFolder(out).begin([]))
    assert not list(out.glob(".row-*"))


# --- what is asked -------------------------------------------------------------------------------


def test_sizes_are_whole_bytes_on_the_side_that_is_allowed() -> None:
    rate = Ask(target=Target.rate(0.15))
    assert target_bytes(rate, 480 * 480, "under") == target_bytes(rate, 480 * 480, "over") == 4_320
    assert target_bytes(rate, 451 * 300, "under") == 2_536
    assert target_bytes(rate, 451 * 300, "over") == 2_537
    assert target_bytes(rate, 1, "under") == 1
    assert target_bytes(Ask(target=Target(label="quality-5"), quality=5), 9, "under") is None


def test_sizes_come_from_a_table_or_from_files(tmp_path: Path) -> None:
    table = tmp_path / "sizes.csv"
    table.write_text("\ufeffimage,note,bytes\ncat,x,120\nant,y, 90 \n")
    asks = ask_listed(["ant", "cat"], table)
    assert {image: ask.n_bytes for image, (ask,) in asks.items()} == {"ant": 90, "cat": 120}
    assert asks["ant"][0].target == Target(label="matched")
    files = tmp_path / "files"
    files.mkdir()
    (files / "ant.txt.bz2").write_bytes(bytes(5))
    (files / "ant.bz2").write_bytes(bytes(70))
    with pytest.raises(StimuliError, match=r"no original named ant\.txt"):
        ask_listed(["ant"], files)
    (files / "ant.txt.bz2").unlink()
    assert ask_listed(["ant"], files)["ant"][0].n_bytes == 70


def test_originals_without_a_size_are_left_out(tmp_path: Path) -> None:
    table = tmp_path / "sizes.csv"
    table.write_text("image,bytes\ncat,120\n")
    assert set(ask_listed(["ant", "cat"], table)) == {"cat"}
    table.write_text("image,bytes\n")
    with pytest.raises(StimuliError, match="holds no size"):
        ask_listed(["ant", "cat"], table)


def test_sizes_come_from_what_a_method_made_before(tmp_path: Path) -> None:
    """Its coded files count: not the pictures beside them, and not another rate's or method's."""
    folder = StimuliFolder(tmp_path / "stimuli")
    picture = Image.new("RGB", (8, 8))
    folder.record(
        folder.write(
            Reconstruction(
                image=image, method=method, target=Target.rate(rate), coded=bytes(size),
                suffix=suffix, shown=picture, encoder="e", settings="s",
                request=f"{image}{method}{rate}",
            ),
            (8, 8),
        )
        for image, method, rate, size, suffix in (
            ("ant", "a", 0.5, 70, ".bin"), ("bee", "a", 0.5, 80, ".png"),
            ("ant", "a", 1.5, 90, ".bin"), ("ant", "b", 0.5, 60, ".bin"),
        )
    )  # fmt: skip
    asks = ask_listed(["ant", "bee", "cow"], folder.path / "a" / "0.5")
    assert {image: ask.n_bytes for image, (ask,) in asks.items()} == {"ant": 70, "bee": 80}
    assert ask_listed(["ant"], folder.path / "b")["ant"][0].n_bytes == 60
    with pytest.raises(StimuliError, match=r"a/1\.5/ant\.bin: .*a/0\.5/ant\.bin is of ant, too"):
        ask_listed(["ant", "bee"], folder.path / "a")
    # The table grows by what is made next: the same command would not find the same sizes.
    for whole in (folder.path, folder.table):
        with pytest.raises(StimuliError, match="Give the folder of the one to match"):
            ask_listed(["ant", "bee"], whole)


def test_every_problem_of_a_table_is_named_by_row(tmp_path: Path) -> None:
    table = tmp_path / "sizes.csv"
    table.write_text("image,bytes\ncat,0\nant,many\n,5\nbee,12\nbee,13\nfox,9\ncow\n")
    with pytest.raises(StimuliError) as refused:
        ask_listed(["ant", "bee", "cat", "cow", "dog"], table)
    message = str(refused.value)
    for part in (
        "row 2, column bytes: '0'",
        "row 3, column bytes: 'many'",
        "row 4, column image: empty",
        "row 6, column image: bee is listed twice",
        "row 7: there is no original named fox",
        "row 8, column bytes: ''",
    ):
        assert part in message, message


@pytest.mark.parametrize(
    ("data", "problem"),
    [(b"image\ncat\n", "column bytes is missing"), (b"\xff\x00", "not a readable CSV file")],
)
def test_what_is_no_table_is_refused(tmp_path: Path, data: bytes, problem: str) -> None:
    table = tmp_path / "sizes.csv"
    table.write_bytes(data)
    with pytest.raises(StimuliError, match=problem):
        ask_listed(["cat"], table)


def test_originals_are_told_apart_by_their_names(tmp_path: Path) -> None:
    for name in ("a/cat.png", "b/cat.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        picture(1).save(path)
    assert list(find_pictures([tmp_path / "a", tmp_path / "a/cat.png"])) == ["cat"]
    with pytest.raises(StimuliError, match=r"a/cat\.png have the same name"):
        find_pictures([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(StimuliError, match="no such file"):
        find_pictures([tmp_path / "none.png"])


def test_a_quality_the_codec_lacks_is_refused_before_any_work(
    originals: dict[str, Path], tmp_path: Path, counting: Counting
) -> None:
    with pytest.raises(InvalidInputError, match="from 2 to 250"):
        encode(
            originals, {"colours": counting}, ask_quality(originals, 300), tmp_path / "out"
        )  # fmt: skip
    assert counting.calls() == 0
    outcomes = encode(
        originals, {"colours": counting}, ask_quality(originals, 16), tmp_path / "out"
    )
    assert outcomes[0].id == "ant/colours@quality-16"
    (row,) = summarise(outcomes, "under")
    assert row.median_gap is None
    assert row.encodes == 3


def test_unfair_pairs_and_equal_pictures_are_found(
    originals: dict[str, Path], tmp_path: Path, counting: Counting
) -> None:
    codecs: dict[str, Codec] = {"one": counting, "two": Counting(tmp_path / "calls")}
    encode(originals, codecs, ask_rates(originals, [3]), tmp_path / "out")
    stimuli = [entry.stimulus for entry in StimuliFolder(tmp_path / "out").entries()]
    assert unequal_rates(stimuli, 0.05) == ()
    assert len(identical_pictures(stimuli)) == 3
    encode(
        originals, {"two": counting}, ask_rates(originals, [3]), tmp_path / "out",
        manner=Manner(side="over"),
    )  # fmt: skip
    stimuli = [entry.stimulus for entry in StimuliFolder(tmp_path / "out").entries()]
    for pair in unequal_rates(stimuli, 1e-9):
        assert (pair.smaller.method, pair.larger.method) == ("one", "two")
        assert pair.smaller.bytes is not None
        assert pair.larger.bytes is not None
        assert pair.difference == pytest.approx(pair.larger.bytes / pair.smaller.bytes - 1, 1e-4)
