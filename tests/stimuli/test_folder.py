"""A folder of stimuli: whole files, one table that many commands add to, nothing lost."""

from __future__ import annotations

import multiprocessing
import os
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mturk_eval.errors import StimuliError
from mturk_eval.stimuli.folder import (
    Reconstruction,
    StimuliFolder,
    Target,
    Unreachable,
    is_resized,
    request_digest,
    safe_name,
)
from mturk_eval.stimuli.whole_file import write_whole
from tests.samples import picture


def made(
    image: str = "cat",
    method: str = "webp",
    target: Target | None = None,
    *,
    coded: bytes = b"coded",
    size: tuple[int, int] = (48, 32),
    request: str = "r1",
) -> Reconstruction:
    return Reconstruction(
        image=image,
        method=method,
        target=target or Target.rate(0.3),
        coded=coded,
        suffix=".webp",
        shown=picture(1, size),
        encoder="libwebp 1",
        settings="quality 5",
        request=request,
    )


def unreachable(image: str = "cat", request: str = "r9") -> Unreachable:
    return Unreachable(
        image=image, method="webp", target=Target.rate(0.1), encoder="libwebp 1",
        reason="no less than 900 bytes", request=request,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> StimuliFolder:
    return StimuliFolder(tmp_path / "stimuli")


def test_what_is_written_is_what_the_table_says(folder: StimuliFolder) -> None:
    entry = folder.write(made(), (48, 32))
    folder.record([entry])
    assert folder.entries() == (entry,)
    stimulus = entry.stimulus
    assert (folder.path / stimulus.encoded_path).read_bytes() == b"coded"
    assert (stimulus.encoded_path, stimulus.path) == ("webp/0.3/cat.webp", "webp/0.3/cat.png")
    assert stimulus.bytes == 5
    assert stimulus.bpp == pytest.approx(40 / (48 * 32), rel=1e-5)
    with Image.open(folder.path / stimulus.path) as shown:
        assert shown.tobytes() == picture(1).tobytes()
    assert not is_resized(stimulus)


def test_fewer_pixels_are_shown_at_the_originals_size(folder: StimuliFolder) -> None:
    stimulus = folder.write(made(size=(12, 8)), (48, 32)).stimulus
    assert is_resized(stimulus)
    assert "coded at 12×8 and shown at 48×32" in stimulus.settings
    with Image.open(folder.path / stimulus.path) as shown:
        assert shown.size == (48, 32)
    assert stimulus.bpp == pytest.approx(40 / (48 * 32), rel=1e-5)  # of the original's pixels


def test_rows_of_other_commands_stay_and_equal_ones_are_replaced(folder: StimuliFolder) -> None:
    folder.record([folder.write(made(), (48, 32)), folder.write(made("dog"), (48, 32))])
    folder.record([folder.write(made(coded=b"better", request="r2"), (48, 32)), unreachable()])
    rows = {entry.stimulus.id: entry for entry in folder.entries()}
    assert set(rows) == {"cat/webp@0.3", "dog/webp@0.3", "cat/webp@0.1"}
    assert rows["cat/webp@0.3"].request == "r2"
    assert rows["cat/webp@0.3"].stimulus.bytes == 6
    assert rows["cat/webp@0.1"].stimulus.state == "unreachable"


def test_done_is_what_is_whole_or_unreachable(folder: StimuliFolder) -> None:
    folder.record([folder.write(made(), (48, 32)), unreachable()])
    assert set(folder.begin([])) == {"r1", "r9"}
    coded, shown = folder.path / "webp/0.3/cat.webp", folder.path / "webp/0.3/cat.png"
    coded.write_bytes(b"another size")
    assert set(folder.begin([])) == {"r9"}
    coded.write_bytes(b"coded")
    shown.write_bytes(b"not what was shown")
    assert set(folder.begin([])) == {"r9"}
    shown.unlink()
    assert set(folder.begin([])) == {"r9"}


def test_two_sizes_without_a_rate_need_two_method_names(folder: StimuliFolder) -> None:
    """Trials could not tell them apart; the check before the work says the same."""
    small, large = Target(label="90-bytes"), Target(label="900-bytes")
    folder.record([folder.write(made(target=small), (48, 32))])
    with pytest.raises(StimuliError, match="--method"):
        folder.record([folder.write(made(target=large), (48, 32))])
    with pytest.raises(StimuliError, match="--method"):
        folder.begin([("cat", "webp", large)])
    folder.begin([("cat", "webp", small), ("cat", "webp-large", large), ("dog", "webp", large)])
    assert len(folder.entries()) == 1


def test_what_an_ended_run_left_is_seen_before_any_work(folder: StimuliFolder) -> None:
    small, large = Target(label="90-bytes"), Target(label="900-bytes")
    folder.leave(folder.write(made(target=small), (48, 32)))
    with pytest.raises(StimuliError, match="--method"):
        folder.begin([("cat", "webp", large)])
    assert set(folder.begin([("cat", "webp", small)])) == {"r1"}


def test_two_commands_at_once_that_do_not_fit_leave_a_folder_to_work_with(
    folder: StimuliFolder,
) -> None:
    """Neither could see the other; the second is told, and nothing of the first is lost."""
    small, large = Target(label="90-bytes"), Target(label="900-bytes")
    for number, target in enumerate((small, large)):
        folder.leave(folder.write(made(target=target, request=f"r{number}"), (48, 32)))
    folder.leave(unreachable())
    with pytest.raises(StimuliError, match="--method"):
        folder.gather()
    assert len(folder.gather()) == 2
    assert len({"r0", "r1"} & set(folder.begin([]))) == 1
    assert "r9" in folder.begin([])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a:b", "webp"), ("a_b", "webp")),
        (("cat", "best/of two"), ("cat", "best_of two")),
        (("cat", ".webp"), ("cat", "webp")),
    ],
)
def test_names_that_would_share_a_file_are_refused(
    folder: StimuliFolder, first: tuple[str, str], second: tuple[str, str]
) -> None:
    """In one command, and in two."""
    target = Target.rate(0.3)
    with pytest.raises(StimuliError, match="would be written to the same file"):
        folder.begin([(*first, target), (*second, target)])
    folder.record([folder.write(made(*first), (48, 32))])
    folder.begin([(*first, target)])
    with pytest.raises(StimuliError, match="the same file"):
        folder.begin([(*second, target)])


@pytest.mark.parametrize(
    ("image", "method", "problem"),
    [
        ("bad\udcff", "webp", r"bad.udcff.*not UTF-8"),
        (" ", "webp", "rename the file"),
        ("a\nb", "webp", "rename the file"),
        ("cat", "", "--method '' cannot name"),
        ("cat", " ", "--method ' ' cannot name"),
        ("cat", "we\nbp", "cannot name"),
    ],
)
def test_a_name_that_no_table_holds_is_refused_before_any_work(
    folder: StimuliFolder, image: str, method: str, problem: str
) -> None:
    """Its row would make the whole folder one that cannot be read."""
    with pytest.raises(StimuliError, match=problem):
        folder.begin([(image, method, Target.rate(1))])


def test_rates_are_told_apart_by_six_digits_as_in_the_table() -> None:
    assert Target.rate(0.1234567) == Target.rate(0.12345678) == Target.rate(0.123457)


def test_the_longest_name_a_file_can_have_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".png")
    write_whole(path, b"data")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"data"]


def test_ctrl_c_while_a_file_is_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "cat.png", b"data")
    assert list(tmp_path.iterdir()) == []


def test_rows_that_were_left_are_gathered(folder: StimuliFolder) -> None:
    """From any process, and once each."""
    entry = folder.leave(folder.write(made(), (48, 32)))
    folder.leave(unreachable())
    assert folder.entries() == ()
    assert {row.request for row in folder.gather()} == {"r1", "r9"}
    assert entry in folder.entries()
    assert [path.name for path in folder.path.iterdir() if path.name.startswith(".")] == []
    assert folder.gather() == folder.entries()


def _add(path: Path, worker: int) -> None:
    folder = StimuliFolder(path)
    for number in range(8):
        name = f"image{worker}-{number}"
        folder.record([unreachable(name, request=name)])


def test_two_commands_at_once_lose_no_row(folder: StimuliFolder) -> None:
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=_add, args=(folder.path, worker)) for worker in range(3)]
    for other in others:
        other.start()
    for other in others:
        other.join(20)
    assert len(folder.entries()) == 24


@pytest.fixture
def small_disk() -> object:
    """Files cannot grow past 4 KiB in this process, as if the disk were full."""
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_what_was_there(folder: StimuliFolder, small_disk: object) -> None:
    folder.record([unreachable()])
    with pytest.raises(StimuliError, match=r"dog\.webp cannot be written: File too large"):
        folder.write(made("dog", coded=bytes(9_000)), (48, 32))
    with pytest.raises(StimuliError, match=r"stimuli\.csv cannot be written"):
        folder.record(unreachable(f"image{n}") for n in range(100))
    assert [entry.stimulus.image for entry in folder.entries()] == ["cat"]
    left = [path for path in folder.path.rglob("*") if path.is_file()]
    assert left == [folder.table]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("image,bytes\ncat,3\n", "column stimulus_id is missing"),
        ("\0", "column stimulus_id is missing"),
        (b"\xff\xfe", "not a readable CSV file"),
    ],
)
def test_another_table_is_refused_and_kept(
    folder: StimuliFolder, text: str | bytes, problem: str
) -> None:
    folder.path.mkdir()
    data = text if isinstance(text, bytes) else text.encode()
    folder.table.write_bytes(data)
    with pytest.raises(StimuliError, match=problem):
        folder.record([unreachable()])
    assert folder.table.read_bytes() == data


def test_a_row_that_is_wrong_is_named(folder: StimuliFolder) -> None:
    folder.record([folder.write(made(), (48, 32)), unreachable()])
    text = folder.table.read_text()
    folder.table.write_text(text.replace(",5,webp/0.3", ",five,webp/0.3"))
    with pytest.raises(StimuliError, match=r"row 3, .*bytes"):
        folder.entries()
    folder.table.write_text(text.rpartition(",")[0])
    with pytest.raises(StimuliError, match="row 3: not as many cells"):
        folder.entries()


@given(name=st.text(min_size=1, max_size=30))
def test_any_name_is_one_part_of_a_path(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert Path("folder", safe).parent == Path("folder")
    assert os.sep not in safe
    assert not safe.startswith(".")


def test_a_digest_is_of_all_that_was_asked() -> None:
    asked = (b"file", "cat", "webp", Target.rate(0.3), "under")
    digests = {
        request_digest(*asked),
        request_digest(b"file2", *asked[1:]),
        request_digest(*asked[:4], "over"),
        request_digest(*asked[:3], Target.rate(0.31), "under"),
        request_digest(*asked, None),
    }
    assert len(digests) == 5
    assert request_digest(*asked) in digests
