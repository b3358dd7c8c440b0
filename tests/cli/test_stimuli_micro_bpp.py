"""`stimuli micro-bpp` as a user meets it, against a stand-in for the models."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from mturk_eval.compressors.micro_bpp import Code
from tests.cli.conftest import Cli, Outcome
from tests.compressors.micro_bpp.stand_in import WRONG_KEY, StandIn, running
from tests.samples import picture

KEY = "sk-secret-of-the-test"
MODELS = ("--text-model", "words", "--vision-model", "eyes", "--image-model", "hands")


@pytest.fixture(scope="module")
def _running() -> Iterator[StandIn]:
    with running() as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(_running: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    _running.asked.clear()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", _running.url)
    return _running


Compress = Callable[..., Outcome]


@pytest.fixture
def compress(cli: Cli, tmp_path: Path, stand_in: StandIn) -> Compress:
    """Run the command on three square photographs, one of them red."""
    (tmp_path / "photos").mkdir()
    for number in range(2):
        picture(number, (64, 64)).save(tmp_path / f"photos/photo{number}.png")
    Image.new("RGB", (64, 64), (200, 30, 30)).save(tmp_path / "photos/red.png")

    def run(*options: object, words: int = 20, models: tuple[str, ...] = MODELS) -> Outcome:
        common = ("--words", words, "--size", 64, "--out", "stimuli", "--retries", 1)
        return cli("stimuli", "micro-bpp", "photos", *common, *models, *options)

    return run


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "stimuli.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_pictures_become_stimuli_that_generate_takes(
    compress: Compress, cli: Cli, tmp_path: Path
) -> None:
    done = compress("--json", "--workers", 2)
    assert done.code == 0
    table = rows(tmp_path / "stimuli")
    assert [row["image"] for row in table] == ["photo0", "photo1", "red"]
    for row, said in zip(table, done.json["rows"], strict=True):
        coded = (tmp_path / "stimuli" / row["encoded_path"]).read_bytes()
        assert Code.read(coded).text == said["text"]
        assert int(row["bytes"]) == len(coded) == said["bytes"]
        assert float(row["bpp"]) * 1e6 == pytest.approx(8e6 * len(coded) / 64**2, rel=1e-5)
        assert said["file_rate_ubpp"] == 8e6 * len(coded) / 64**2
        assert row["method"] == "micro-bpp"
        assert row["encoded_path"] == f"micro-bpp/20-words/{row['image']}.mbpp"
        for stated in ("words", "eyes", "hands", "2 reflections"):
            assert stated in row["settings"]
    made = cli(
        "generate", "satisfaction", "--originals", "photos", "--reconstructions", "stimuli",
        "--out", "batch", "--json",
    )  # fmt: skip
    assert (made.code, made.json["trials"]) == (0, 3)


def test_nothing_is_asked_twice(compress: Compress, tmp_path: Path, stand_in: StandIn) -> None:
    """Not after a success, not after the results are lost, and not for other numbers of words."""
    first = compress("--json").json
    assert len(stand_in.asked) == 3 * (2 + 2 + 2 * 3)
    stand_in.asked.clear()
    assert compress("--json").json["done_before"] == ["photo0", "photo1", "red"]
    (tmp_path / "stimuli" / "stimuli.csv").unlink()
    assert compress("--json").json["rows"] == first["rows"]
    assert not stand_in.asked
    assert compress("--method", "ten", words=10).code == 0
    # No original is described again, and of the red one the same two words are left.
    assert len(stand_in.asked) == 2 * (1 + 2 + 2 * 3) + 1


def test_every_exchange_is_kept_and_the_key_is_not(compress: Compress, tmp_path: Path) -> None:
    outcome = compress()
    exchanges = tmp_path / "stimuli" / "micro-bpp-exchanges"
    records = [json.loads(line) for line in (exchanges / "photo0.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [
        "encode.describe", "encode.select", "decode.expand", "decode.generate",
        "reflect.1.describe", "reflect.1.compare", "reflect.1.change",
        "reflect.2.describe", "reflect.2.compare", "reflect.2.change",
    ]  # fmt: skip
    assert all(record["usage"] for record in records if record["answer"])
    drawn = [record["answer_picture"] for record in records if record["answer_picture"]]
    assert all((exchanges / "pictures" / f"{name}.png").is_file() for name in drawn)
    assert KEY not in outcome.out + outcome.err
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if KEY.encode() in path.read_bytes()]


def test_one_refusal_harms_no_other_image(
    compress: Compress, tmp_path: Path, stand_in: StandIn
) -> None:
    """And the next run, by a braver model, makes what is missing."""
    (tmp_path / "photos" / "broken.png").write_bytes(b"no picture")
    picture(9, (64, 32)).save(tmp_path / "photos" / "wide.png")
    outcome = compress(models=("--text-model", "words", "--vision-model", "shy", *MODELS[4:]))
    assert outcome.code == 1
    assert "red: step encode.describe, model shy: refused (I cannot describe" in outcome.err
    assert "broken.png: not an image" in outcome.err
    assert "wide.png: 64×32 pixels are not a square" in outcome.err
    assert [row["image"] for row in rows(tmp_path / "stimuli")] == ["photo0", "photo1"]
    for name in ("broken", "wide"):
        (tmp_path / "photos" / f"{name}.png").unlink()
    assert compress().code == 0
    assert [row["image"] for row in rows(tmp_path / "stimuli")] == ["photo0", "photo1", "red"]


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (("--text-model", "mute", "--vision-model", "eyes", "--image-model", "hands"),
         "step encode.select, model mute: the answer is empty"),
        (("--text-model", "vowels", "--vision-model", "eyes", "--image-model", "hands"),
         "Nothing is left of 'eye aye I'"),
        (("--text-model", "words", "--image-model", "oblong"),
         "step decode.generate, model oblong: its picture has 64×32 pixels"),
        (("--text-model", "words", "--image-model", "strict"),
         "model strict: refused (Your request was rejected"),
    ],
)  # fmt: skip
def test_answers_that_cannot_be_used_are_named(
    compress: Compress, tmp_path: Path, models: tuple[str, ...], said: str
) -> None:
    outcome = compress(models=models)
    assert outcome.code == 1
    assert all(f"{image}: " in outcome.err for image in ("photo0", "photo1", "red"))
    assert said in outcome.err
    assert not list((tmp_path / "stimuli").rglob("*.mbpp"))


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--image-model", "busy", "no more requests"),
        ("--image-model", "unknown", "has no model 'unknown'"),
        ("--base-url", "http://127.0.0.1:9/v1", "Nothing answers at http://127.0.0.1:9/v1"),
    ],
)
def test_what_concerns_all_images_stops_at_once(
    compress: Compress, stand_in: StandIn, option: str, value: str, said: str
) -> None:
    outcome = compress(option, value)
    assert (outcome.code, outcome.out) == (1, "")
    assert said in outcome.err
    assert sum("eyes" in asked["model"] for asked in stand_in.asked) <= 1
    assert compress().code == 0


def test_a_refused_key_is_not_shown(compress: Compress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", WRONG_KEY)
    outcome = compress("--key-variable", "OTHER_KEY")
    assert outcome.code == 1
    assert "refuses the key in OTHER_KEY" in outcome.err
    assert WRONG_KEY not in outcome.err
    monkeypatch.delenv("OTHER_KEY")
    assert "has no OTHER_KEY" in compress("--key-variable", "OTHER_KEY").err


def test_two_numbers_of_words_need_two_names(compress: Compress, stand_in: StandIn) -> None:
    """A batch could not tell them apart; said before anything is asked."""
    assert compress().code == 0
    stand_in.asked.clear()
    outcome = compress(words=10)
    assert outcome.code == 2
    assert "--method" in outcome.err
    assert not stand_in.asked


def test_pictures_that_are_not_square_are_cropped_on_request(
    compress: Compress, cli: Cli, tmp_path: Path
) -> None:
    """The squares are the originals that raters see."""
    for path in (tmp_path / "photos").iterdir():
        path.unlink()
    picture(3, (90, 60)).save(tmp_path / "photos/wide.png")
    (tmp_path / "photos/broken.png").write_bytes(b"no picture")
    outcome = compress("--squares", "squares")
    assert outcome.code == 1
    assert "broken.png: not an image" in outcome.err
    with Image.open(tmp_path / "squares/wide.png") as square:
        assert square.size == (64, 64)
    assert rows(tmp_path / "stimuli")[0]["width"] == "64"
    (tmp_path / "photos/broken.png").unlink()
    assert compress("--squares", "squares").code == 0
    picture(4, (64, 64)).save(tmp_path / "squares/wide.png")
    refused = compress("--squares", "squares")
    assert refused.code == 2
    assert "is another picture" in refused.err


def test_a_prompt_that_lacks_its_blank_stops_before_anything_is_asked(
    compress: Compress, tmp_path: Path, stand_in: StandIn
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/change.txt").write_text("Change it.")
    outcome = compress("--prompts", "mine")
    assert outcome.code == 2
    assert "${change} is missing" in outcome.err
    assert not stand_in.asked


def test_killed_in_the_middle_it_goes_on_without_asking_again(
    compress: Compress, tmp_path: Path, stand_in: StandIn
) -> None:
    command = [
        sys.executable, "-m", "mturk_eval", "stimuli", "micro-bpp", "photos", "--words", "20",
        "--size", "64", "--out", "stimuli", *MODELS,
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while len(stand_in.asked) < 14 and time.monotonic() < until:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    assert len(stand_in.asked) >= 14
    assert compress().code == 0
    # The one question that was on its way when it was killed may have been asked again.
    assert 30 <= len(stand_in.asked) <= 31
    assert [row["image"] for row in rows(tmp_path / "stimuli")] == ["photo0", "photo1", "red"]
