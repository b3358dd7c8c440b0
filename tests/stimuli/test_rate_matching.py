"""The search finds the best file, staggering sizes or not, and makes no file twice."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from mturk_eval.errors import InvalidInputError
from mturk_eval.stimuli.codecs.codec import Knob
from mturk_eval.stimuli.codecs.with_pillow import WebP
from mturk_eval.stimuli.rate_matching import Match, Miss, PictureFiles, Side, search_step
from tests.samples import picture

SIDES = st.sampled_from(["under", "over"])


def is_allowed(size: int, target: int, side: Side) -> bool:
    return size <= target if side == "under" else size >= target


@st.composite
def growing(draw: st.DrawFn) -> list[int]:
    """Sizes that grow with the step, evenly or in leaps."""
    leaps = draw(st.lists(st.integers(0, 400), min_size=1, max_size=300))
    return list(itertools.accumulate(leaps, initial=draw(st.integers(1, 500))))


@given(sizes=growing(), target=st.integers(1, 30_000), side=SIDES, first=st.none() | st.integers())
def test_growing_sizes_give_the_very_best(
    sizes: list[int], target: int, side: Side, first: int | None
) -> None:
    """As trying every step would, by each step once at most."""
    tried: list[int] = []

    def size_of(step: int) -> int:
        tried.append(step)
        return sizes[step]

    found = search_step(size_of, len(sizes), target, side=side, first=first)
    allowed = [size for size in sizes if is_allowed(size, target, side)]
    nearest = min(allowed or sizes, key=lambda size: abs(size - target))
    assert (found.size, found.is_feasible) == (nearest, bool(allowed))
    assert sizes[found.step] == found.size
    assert len(tried) == len(set(tried))


@given(sizes=growing(), target=st.integers(1, 30_000), side=SIDES, data=st.data())
@example(sizes=[100, 200], target=150, side="under", data=None)
def test_staggering_sizes_cost_no_more_than_their_stagger(
    sizes: list[int], target: int, side: Side, data: st.DataObject | None
) -> None:
    """Whatever is reachable with the stagger to spare is reached, and missed by it at most."""
    stagger = 0 if data is None else data.draw(st.integers(0, 200))
    noise = (
        [0] * len(sizes)
        if data is None
        else data.draw(
            st.lists(st.integers(-stagger, stagger), min_size=len(sizes), max_size=len(sizes))
        )
    )
    real = [max(size + shift, 1) for size, shift in zip(sizes, noise, strict=True)]
    found = search_step(real.__getitem__, len(real), target, side=side)
    spared = target - stagger if side == "under" else target + stagger
    safe = [size for size in sizes if is_allowed(size, spared, side)]
    if found.is_feasible:
        assert is_allowed(found.size, target, side)
    else:
        assert not safe
    if safe:
        best = min(abs(size - target) for size in safe)
        assert abs(found.size - target) <= best + stagger


def test_the_neighbours_of_the_best_are_tried() -> None:
    """A dent two steps beyond the edge is found."""
    sizes = [100, 200, 300, 400, 500, 445, 700, 800]
    assert search_step(sizes.__getitem__, 8, 450).size == 445


@pytest.mark.parametrize("first", [None, 5_200])
def test_few_files_are_made(first: int | None) -> None:
    """Of ten thousand steps, fewer than bisection would try."""
    tried = set()

    def size_of(step: int) -> int:
        tried.add(step)
        return round(1_000 * 1.0007**step)

    found = search_step(size_of, 10_000, 38_127, first=first)
    assert 0 < 38_127 - found.size < 30
    assert len(tried) <= 12


def test_earlier_targets_help_later_ones() -> None:
    known = {step: 100 * (step + 1) for step in range(0, 1000, 10)}
    tried = []

    def size_of(step: int) -> int:
        tried.append(step)
        return 100 * (step + 1)

    assert search_step(size_of, 1000, 50_250, known=known).step == 501
    assert len(tried) <= 6
    assert not set(tried) & set(known)


# --- with a codec --------------------------------------------------------------------------------


@dataclass
class Blocks:
    """A codec whose files have 20 bytes and as many for each pixel as its quality says."""

    name: str = "blocks"
    suffix: str = ".blocks"
    knob: Knob = field(default_factory=lambda: Knob(lowest=1, highest=4, step=0.5))
    made: list[tuple[tuple[int, int], float]] = field(default_factory=list)

    def encoder(self) -> str:
        return "blocks 1"

    def encode(self, image: Image.Image, quality: float) -> bytes:
        self.made.append((image.size, quality))
        return bytes(20 + int(image.width * image.height * quality))

    def decode(self, data: bytes) -> Image.Image:
        return Image.new("RGB", (1, 1))

    def settings(self, quality: float) -> str:
        return f"quality {quality:g}"

    def aim(self, size: tuple[int, int], n_bytes: int) -> float | None:
        return None


@pytest.fixture
def blocks() -> PictureFiles:
    """A picture of 40 × 20 pixels: 820 bytes at the lowest quality, 3,220 at the highest."""
    return PictureFiles(Image.new("RGB", (40, 20)), Blocks())


@pytest.mark.parametrize(
    ("target", "side", "settings", "size"),
    [
        (2_000, "under", "quality 2", 1_620),
        (2_000, "over", "quality 2.5", 2_020),
        (1_620, "under", "quality 2", 1_620),
        (1_620, "over", "quality 2", 1_620),
        (9_999, "under", "quality 4", 3_220),
        (820, "over", "quality 1", 820),
    ],
)
def test_the_best_quality_is_taken(
    blocks: PictureFiles, target: int, side: Side, settings: str, size: int
) -> None:
    match = blocks.match(target, side=side)
    assert isinstance(match, Match)
    assert (match.settings, len(match.coded)) == (settings, size)
    assert match.coded_size == (40, 20)


@pytest.mark.parametrize(("side", "size"), [("under", (20, 10)), ("over", (21, 10))])
def test_too_large_at_the_lowest_quality_codes_fewer_pixels(
    blocks: PictureFiles, side: Side, size: tuple[int, int]
) -> None:
    """Of the same aspect, at that quality, just under the target or just over it."""
    match = blocks.match(225, side=side)
    assert isinstance(match, Match)
    assert match.coded_size == size
    assert match.settings == "quality 1"
    assert len(match.coded) == 20 + size[0] * size[1]


def test_what_cannot_be_reached_is_said_with_the_nearest_size(blocks: PictureFiles) -> None:
    missed = blocks.match(500, resize=False)
    assert isinstance(missed, Miss)
    assert "500" in missed.reason
    assert "820 bytes (quality 1, 40×20 pixels)" in missed.reason
    assert "--no-resize" in missed.reason
    one_pixel = blocks.match(9)
    assert isinstance(one_pixel, Miss)
    assert "21 bytes (quality 1, 1×1 pixels)" in one_pixel.reason
    too_small = blocks.match(9_999, side="over")
    assert isinstance(too_small, Miss)
    assert "no more than 3220 bytes (quality 4)" in too_small.reason


def test_over_without_resizing_takes_the_lowest_quality(blocks: PictureFiles) -> None:
    match = blocks.match(500, side="over", resize=False)
    assert isinstance(match, Match)
    assert len(match.coded) == 820


def test_no_file_is_made_twice(blocks: PictureFiles) -> None:
    encodes = 0
    for target in (300, 900, 2_000, 2_500, 300):
        match = blocks.match(target)
        encodes += match.encodes
    made = blocks.codec.made  # type: ignore[attr-defined]
    assert len(made) == len(set(made)) == encodes


def test_an_aim_is_where_the_search_begins(blocks: PictureFiles) -> None:
    class Aiming(Blocks):
        def aim(self, size: tuple[int, int], n_bytes: int) -> float | None:
            return (n_bytes - 20) / (size[0] * size[1])

    codec = Aiming()
    PictureFiles(blocks.image, codec).match(2_420)
    assert codec.made == [((40, 20), 3.0)]


def test_a_quality_beyond_the_knob_is_refused(blocks: PictureFiles) -> None:
    with pytest.raises(InvalidInputError, match="from 1 to 4"):
        blocks.at_quality(5)
    assert len(blocks.at_quality(1.25).coded) == 1_020


def test_a_number_that_falls_as_quality_grows() -> None:
    """As quantisers do: 51 is the worst, 0 the best."""

    class Quantiser(Blocks):
        def encode(self, image: Image.Image, quality: float) -> bytes:
            return super().encode(image, 60 - quality)

    codec = Quantiser(knob=Knob(lowest=51, highest=0, step=-1))
    files = PictureFiles(Image.new("RGB", (10, 10)), codec)
    match = files.match(2_000)
    assert isinstance(match, Match)
    assert match.settings == "quality 41"
    assert len(files.at_quality(30).coded) == 3_020
    with pytest.raises(InvalidInputError, match="from 51 to 0"):
        files.at_quality(52)


def test_one_pixel_is_a_picture() -> None:
    match = PictureFiles(Image.new("RGB", (1, 1), "red"), WebP()).match(500)
    assert isinstance(match, Match)
    assert len(match.coded) <= 500


@pytest.mark.parametrize("side", ["under", "over"])
def test_the_papers_rule_on_a_real_codec(side: Side) -> None:
    """WebP at quality 0 in fewer pixels, just at the side that is allowed."""
    match = PictureFiles(picture(3, (300, 200)), WebP()).match(600, side=side)
    assert isinstance(match, Match)
    assert match.settings.startswith("quality 0,")
    assert match.coded_size[0] < 300
    assert abs(match.coded_size[0] / match.coded_size[1] - 1.5) < 0.05
    assert is_allowed(len(match.coded), 600, side)
    assert abs(len(match.coded) - 600) < 0.061 * 600  # as near as the paper came
