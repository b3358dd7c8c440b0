"""An external encoder by template: a small program here, BPG or a neural codec elsewhere."""

from __future__ import annotations

import pickle
import shlex
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mturk_eval.stimuli.codecs import (
    CodecError,
    CodecMissingError,
    CommandTemplateError,
    find_codec,
)
from mturk_eval.stimuli.codecs.command import parse_command
from tests.stimuli.codecs.pictures import error, picture

PYTHON = shlex.quote(sys.executable)

# Grey levels dropped by a quantiser (0 is best) or padded to a size; deflated.
PROGRAM = """
import sys, time, zlib
from pathlib import Path
from PIL import Image

what, source, target, *numbers = sys.argv[1:]
if what == "fails":
    print("first line"); print("out of range: QP 77", file=sys.stderr); sys.exit(3)
if what == "hangs":
    time.sleep(60)
if what == "silent":
    sys.exit()
if what == "encode":
    image = Image.open(source).convert("RGB")
    step = 1 + int(numbers[0])
    coarse = image.point([value // step * step for value in range(256)] * 3)
    head = f"{image.width} {image.height}\\n".encode()
    Path(target).write_bytes(head + zlib.compress(coarse.tobytes()))
if what == "pad":
    image = Image.open(source).convert("RGB")
    data = zlib.compress(image.resize((2, 2)).resize(image.size).tobytes())
    head = f"{image.width} {image.height}\\n".encode()
    Path(target).write_bytes((head + data).ljust(int(numbers[0]), b"."))
if what == "decode":
    head, data = Path(source).read_bytes().split(b"\\n", 1)
    pixels = zlib.decompressobj().decompress(data)
    Image.frombytes("RGB", tuple(map(int, head.split())), pixels).save(target)
if what == "jpeg":
    Image.open(source).save(target, "JPEG", quality=int(numbers[0]))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the program, where the user stands."""
    (tmp_path / "codec.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_encoder_and_decoder_run_one_after_the_other(here: Path) -> None:
    codec = find_codec(
        f"toy=command:{PYTHON} codec.py encode {{original}} {{coded:.toy}} {{quality:63..0}}"
        f" && {PYTHON} codec.py decode {{coded}} {{shown}}"
    )
    assert (codec.name, codec.suffix, codec.knob.lowest, codec.knob.highest) == (
        "toy", ".toy", 63, 0,
    )  # fmt: skip
    worst, best = (codec.encode(picture(), quality) for quality in (63, 0))
    assert len(worst) < len(best)
    assert error(codec.decode(best), picture()) == 0
    assert 0 < error(codec.decode(worst), picture()) < 64
    assert [path.name for path in here.iterdir()] == ["codec.py"]


def test_a_coded_file_that_pillow_knows_needs_no_decoder(here: Path) -> None:
    codec = find_codec(
        f"command:{PYTHON} codec.py jpeg {{original}} {{coded:.jpg}} {{quality:1..95}}"
    )
    assert error(codec.decode(codec.encode(picture(), 95)), picture()) < 15
    with pytest.raises(CodecError, match=r"Add a step that writes \{shown\}"):
        codec.decode(b"something else")


@pytest.mark.parametrize("placeholder", ["{bytes}", "{bpp}"])
def test_an_encoder_that_takes_a_target_is_told_it(here: Path, placeholder: str) -> None:
    script = f"codec.py pad {{original}} {{coded:.toy}} {placeholder}"
    codec = find_codec(f"command:{PYTHON} {script} && {PYTHON} codec.py decode {{coded}} {{shown}}")
    width, height = picture().size
    aimed = codec.aim(picture().size, 3000)
    assert aimed == 8 * 3000 / (width * height)
    if placeholder == "{bytes}":
        data = codec.encode(picture(), aimed)
        assert len(data) == 3000
        assert codec.decode(data).size == picture().size
    assert "asked" in codec.settings(1.5) or "bpp 1.5" in codec.settings(1.5)


def test_a_codec_travels_to_other_processes_and_folders(
    here: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = find_codec(f"command:{PYTHON} codec.py jpeg {{original}} {{coded}} {{quality:1..95}}")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    again = pickle.loads(pickle.dumps(codec))
    assert again.encode(picture(), 50) == codec.encode(picture(), 50)


def test_another_version_of_the_script_is_another_encoder(here: Path) -> None:
    codec = find_codec(f"command:{PYTHON} codec.py jpeg {{original}} {{coded}} {{quality:1..95}}")
    before = codec.encoder()
    assert "codec.py (sha256 " in before
    assert str(here) not in before + codec.settings(50)
    (here / "codec.py").write_text(PROGRAM + "\n# improved\n")
    assert codec.encoder() != before


def test_a_failing_command_is_told_with_its_last_words(here: Path) -> None:
    codec = find_codec(
        f"toy=command:{PYTHON} codec.py fails {{original}} {{coded}} {{quality:0..1}}"
    )
    with pytest.raises(
        CodecError, match=r"(?s)toy: .* exit code 3: first line\nout of range: QP 77"
    ):
        codec.encode(picture(), 1)


def test_a_hanging_command_is_ended(here: Path) -> None:
    codec = find_codec(
        f"toy=command:{PYTHON} codec.py hangs {{original}} {{coded}} {{quality:0..1}}",
        timeout_s=0.5,
    )
    started = time.monotonic()
    with pytest.raises(CodecError, match=r"toy: .* was ended after 0.5 seconds"):
        codec.encode(picture(), 1)
    assert time.monotonic() - started < 10


def test_what_a_hanging_command_started_is_ended_too(here: Path) -> None:
    """A wrapper script's encoder must not run on when its time is up."""
    (here / "wrapper.sh").write_text("#!/bin/sh\nsleep 60 & echo $! > $1; wait\n")
    (here / "wrapper.sh").chmod(0o755)
    codec = find_codec(
        f"command:./wrapper.sh {here}/pid {{original}} {{coded}} {{quality:0..1}}", timeout_s=0.5
    )
    with pytest.raises(CodecError, match="was ended"):
        codec.encode(picture(), 1)
    child = int((here / "pid").read_text())
    for _ in range(100):
        if not _is_running(child):
            break
        time.sleep(0.05)
    assert not _is_running(child)


def _is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_command_that_writes_nothing_is_an_error(here: Path) -> None:
    codec = find_codec(
        f"toy=command:{PYTHON} codec.py silent {{original}} {{coded}} {{quality:0..1}}"
    )
    with pytest.raises(CodecError, match=r"toy: .* wrote no file to coded\.bin"):
        codec.encode(picture(), 1)


def test_a_program_that_is_gone_is_an_error_of_the_picture(here: Path) -> None:
    (here / "tool").write_text("#!/bin/sh\n")
    (here / "tool").chmod(0o755)
    codec = find_codec("command:./tool {original} {coded} {quality:0..1}")
    (here / "tool").unlink()
    with pytest.raises(CodecError, match="does not start"):
        codec.encode(picture(), 1)


def test_a_missing_program_is_named_before_anything_is_encoded(here: Path) -> None:
    with pytest.raises(CodecMissingError, match="no program bpgenc-that-is-not-there"):
        find_codec("command:bpgenc-that-is-not-there {original} {coded} {quality:51..0}")


def test_no_shell_reads_the_template(here: Path) -> None:
    codec = find_codec(
        f"command:{PYTHON} codec.py jpeg {{original}} {{coded}} {{quality:1..95}}"
        " ;touch sign $(id) >a `id` *"
    )
    codec.encode(picture(), 50)
    assert [path.name for path in here.iterdir()] == ["codec.py"]


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("", "a step is empty"),
        ("true {original} | tee {coded} {quality:1..2}", "no shell reads it, so '|'"),
        ("true {original} {coded} {quality:1..2} &&", "a step is empty"),
        ("true {original} '{coded} {quality:1..2}", "check the quotes"),
        ("true {coded} {quality:1..2}", "{original} is missing"),
        ("true {original} {quality:1..2}", "{coded} is missing"),
        ("true {original} {coded}", "give one of {quality:WORST..BEST}, {bytes} and {bpp}"),
        ("true {original} {coded} {bytes} {quality:1..2}", "give one of"),
        ("true {original} {coded} {quality}", "needs one range from worst to best"),
        ("true {original} {coded} {quality:1..2} {quality:1..3}", "needs one range"),
        ("true {original} {coded} {quality:fine}", "is no range"),
        ("true {original} {coded} {quality:7..7}", "nothing to choose from"),
        ("true {original} {coded} {quality:0..1:2}", "nothing to choose from"),
        ("true {original} {coded} {bpp:2..1}", "nothing to choose from"),
        ("true {original} {coded:.a} {coded:.b} {bytes}", "one suffix"),
        ("true {original} {coded:bpg} {bytes}", "one suffix"),
        ("true {originl} {coded} {bytes}", "{originl} is no placeholder; there are {original}"),
        ("true {original} {coded} {shown} {bytes}", "from the coded file alone"),
        ("true {original} {coded} {bytes} && true {original} {coded} {shown}", "file alone"),
        ("true {original} {coded} {bytes} && true {shown}", "no step makes {shown} from {coded}"),
    ],
)  # fmt: skip
def test_a_template_that_does_not_say_enough_is_refused(template: str, problem: str) -> None:
    import re

    with pytest.raises(CommandTemplateError, match=re.escape(problem)):
        parse_command(template)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("51..0", [51, 50, 0]),
        ("0..51", [0, 1, 51]),
        ("1..10:3", [1, 4, 10]),
        ("1..11:3", [1, 4, 10]),
        ("0.0..1.0", [0, 0.01, 1]),
        ("25..0.1:0.1", [25, 24.9, 0.1]),
        ("-3..3", [-3, -2, 3]),
    ],
)
def test_a_range_goes_from_worst_to_best(text: str, values: list[float]) -> None:
    knob = parse_command(f"true {{original}} {{coded}} {{quality:{text}}}").knob
    assert [knob.at(0), knob.at(1), knob.at(knob.n_steps - 1)] == pytest.approx(values)
    assert all(knob.at(step) in knob for step in range(knob.n_steps))


@given(template=st.text(alphabet="{}:.&- '\"\\aoricdnlequaltybs0195", max_size=60))
def test_any_text_is_a_template_or_an_error_that_says_why(template: str) -> None:
    with suppress(CommandTemplateError, CodecMissingError):
        assert parse_command(template).knob.n_steps > 1


def test_what_a_command_left_running_is_ended_with_it(here: Path) -> None:
    """An encoder that starts a helper and forgets it, a hundred times in a search."""
    (here / "forgetful.py").write_text(
        "import subprocess, sys\n"
        "helper = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(here / 'helper')!r}, 'w').write(str(helper.pid))\n"
        "open(sys.argv[1], 'w').write('coded')\n"
    )
    codec = find_codec(f"command:{PYTHON} forgetful.py {{coded}} {{original}} {{quality:1..2}}")
    assert codec.encode(picture(), 1) == b"coded"
    helper = int((here / "helper").read_text())
    for _ in range(100):
        if not _is_running(helper):
            break
        time.sleep(0.02)
    assert not _is_running(helper)


def test_a_file_that_would_fill_the_memory_is_not_read(here: Path) -> None:
    (here / "huge.py").write_text(
        "import sys\nwith open(sys.argv[1], 'wb') as file: file.truncate(10**10)\n"
    )
    codec = find_codec(f"command:{PYTHON} huge.py {{coded}} {{original}} {{quality:1..2}}")
    with pytest.raises(CodecError, match=r"coded\.bin has 10,000,000,000 bytes; at most"):
        codec.encode(picture(), 1)
