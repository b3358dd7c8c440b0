"""Figures of a learned metric: what they show, that it can be read, and the files they come in."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from matplotlib.backend_bases import RendererBase
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from mturk_eval.metric.architectures import LayerSlices
from mturk_eval.metric.backbones import random_backbone
from mturk_eval.metric.compared import ComparedMetric
from mturk_eval.metric.comparison import MetricComparison
from mturk_eval.metric.difference_maps import DifferenceMaps, difference_maps, scale_end
from mturk_eval.metric.evaluation import compare_metrics
from mturk_eval.metric.split import split_by_original
from mturk_eval.metric.weights_file import BackboneRecord
from mturk_eval.report.metric import files
from mturk_eval.report.metric.files import (
    NumberedFigure,
    png_bytes,
    score_by_rate_table,
    score_table,
    weight_table,
    write_figure,
)
from mturk_eval.report.metric.footers import RANDOM_BACKBONE, rate_footer, score_footer
from mturk_eval.report.metric.maps import maps_figure
from mturk_eval.report.metric.scores import score_by_rate_figure, score_figure
from mturk_eval.report.metric.weights import ChannelWeights, weights_figure
from mturk_eval.report.style import NARROW_IN, WIDE_IN, paper_style, svg_bytes
from mturk_eval.report.text.metric_comparison import metric_comparison_text
from tests.cli.conftest import Cli, cli
from tests.metric.pictures import noisy, photograph, save
from tests.metric.simulated_triplets import simulated_study

__all__ = ["cli"]  # the fixture

RANDOM = BackboneRecord(
    name="alexnet", digest="0" * 64, random_seed=1, file_name=None, file_digest=None,
    published=False,
)  # fmt: skip
LAYERS = LayerSlices(names=("features.1", "features.4", "features.9"), sizes=(8, 12, 20))
NAMES = (
    "LPIPS-Comp", "one weight per layer", "equal weights", "PSNR", "MS-SSIM", "LPIPS-Comp + PSNR",
    "LPIPS-Comp + PSNR (RANSAC)", "LPIPS-Comp + MS-SSIM", "LPIPS-Comp + MS-SSIM (RANSAC)",
    "LPIPS-Comp + PSNR + MS-SSIM", "LPIPS-Comp + PSNR + MS-SSIM (RANSAC)",
    "a metric of somebody else with a very long name in version 1.2.3",
)  # fmt: skip

every_width = pytest.mark.parametrize("width_in", [WIDE_IN, NARROW_IN], ids=["wide", "phone"])


def _comparison(names: tuple[str, ...] = NAMES, *, rates: int = 4) -> MetricComparison:
    """Metrics of growing noise on a simulated study; the fifth has no values."""
    study = simulated_study(originals=12)
    d = (study.first - study.second).astype(float) @ study.weights
    rng = np.random.default_rng(1)
    metrics = [
        ComparedMetric(name=name, difference=d + rng.normal(0, d.std() * (place % 6 + 0.1), len(d)))
        for place, name in enumerate(names)
    ]
    if len(names) > 4:
        metrics[4] = replace(metrics[4], difference=np.full(len(d), np.nan))
    triplets = study.triplets
    if rates == 1:
        triplets = replace(triplets, bpp=np.full(len(triplets), 0.5))
    if rates == 0:
        triplets = replace(triplets, bpp=np.full(len(triplets), np.nan))
    split = split_by_original(triplets, test_share=0.5)
    return compare_metrics(triplets, metrics, split=split, resamples=50)


@pytest.fixture(scope="module")
def result() -> MetricComparison:
    return _comparison()


def _drawn(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that is drawn, and where. Axes also hold texts that are not, such as far ticks."""
    found: list[Text] = []
    draw = Text.draw

    def noted(text: Text, renderer: RendererBase) -> None:
        found.append(text)
        draw(text, renderer)

    with paper_style(), mock.patch.object(Text, "draw", noted):
        figure.draw_without_rendering()
    return [
        (text.get_text().replace("\n", " "), text.get_window_extent())
        for text in found
        if text.get_text().strip() and text.get_visible()
    ]


def _texts(figure: Figure) -> list[str]:
    return [text for text, _ in _drawn(figure)]


def _refuse_overlaps(figure: Figure) -> None:
    """No text lies on another, or leaves the figure."""
    drawn = _drawn(figure)
    for text, box in drawn:
        assert min(box.x0, box.y0) >= -2, f"{text!r} leaves the figure"
        assert (np.asarray(box.max) <= np.asarray(figure.bbox.max) + 2).all(), (
            f"{text!r} leaves the figure"
        )
    for (one, a), (other, b) in itertools.combinations(drawn, 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), f"{one!r} lies on {other!r}"


# 1: the paper's Figure 3


def test_bars_begin_at_guessing_and_end_at_the_score(result: MetricComparison) -> None:
    figure = score_figure(result, "")
    bars = [bar for part in figure.axes[0].containers for bar in part]
    assert all(isinstance(part, BarContainer) for part in figure.axes[0].containers)
    ends = sorted(bar.get_x() + bar.get_width() for bar in bars)
    scores = sorted(row.score.value for row in result.rows if row.score.value is not None)
    np.testing.assert_allclose(ends, scores)
    assert all(bar.get_x() == 0.5 for bar in bars)


def test_every_metric_and_all_three_human_lines_are_named(result: MetricComparison) -> None:
    shown = _texts(score_figure(result, score_footer(result, [RANDOM])))
    for name in NAMES[:-1]:
        assert name in shown
    lines = ("human, as published", "human, unbiased", "majority of these votes")
    assert all(line in shown for line in lines)
    assert shown.count("n/a") == 1
    assert any("p² + (1 − p)²" in text for text in shown)


def test_figures_say_that_the_backbone_is_random(result: MetricComparison) -> None:
    for figure in (
        score_figure(result, score_footer(result, [RANDOM])),
        score_by_rate_figure(result, rate_footer(result, [RANDOM])),
    ):
        assert figure is not None
        note = next(text for text in _texts(figure) if "Backbone" in text)
        assert "alexnet (random weights, seed 1)" in note
        assert RANDOM_BACKBONE in note
    trained = RANDOM.model_copy(update={"random_seed": None})
    assert "random" not in score_footer(result, [trained])


@every_width
def test_scores_can_be_read(result: MetricComparison, width_in: float) -> None:
    _refuse_overlaps(score_figure(result, score_footer(result, [RANDOM]), width_in=width_in))


# 2: by bit-rate


@every_width
def test_scores_by_rate_can_be_read(result: MetricComparison, width_in: float) -> None:
    figure = score_by_rate_figure(result, rate_footer(result, [RANDOM]), width_in=width_in)
    assert figure is not None
    assert sum(axes.get_visible() for axes in figure.axes) == len(NAMES) - 1  # one is n/a
    _refuse_overlaps(figure)


@pytest.mark.parametrize("rates", [0, 1])
def test_without_rates_there_is_nothing_to_draw_by_rate(rates: int) -> None:
    found = _comparison(NAMES[:2], rates=rates)
    assert score_by_rate_figure(found, "") is None
    assert score_by_rate_table(found).empty
    _refuse_overlaps(score_figure(found, score_footer(found, [RANDOM])))


# 3: weights


def _weights() -> ChannelWeights:
    rng = np.random.default_rng(1)
    drawn = np.exp(rng.normal(0, 2, LAYERS.total)) * (rng.random(LAYERS.total) < 0.6)
    return ChannelWeights(layers=LAYERS, weights=drawn, mean_features=rng.random(LAYERS.total))


def test_shares_are_of_the_mean_distance() -> None:
    weights = _weights()
    table = weight_table(weights)
    np.testing.assert_allclose(table.groupby("layer")["share"].sum(), weights.shares())
    assert table["share"].sum() == pytest.approx(1)
    assert weights.equal_shares().sum() == pytest.approx(1)
    assert list(table.groupby("layer").size()) == list(LAYERS.sizes)
    assert list(weights.of_layer(0)) == sorted(weights.weights[:8], reverse=True)


@every_width
@pytest.mark.parametrize("zeros", ["none", "a layer", "all"])
def test_weights_can_be_read(width_in: float, zeros: str) -> None:
    weights = _weights()
    if zeros != "none":
        kept = np.arange(LAYERS.total) >= (8 if zeros == "a layer" else LAYERS.total)
        weights = replace(weights, weights=weights.weights * kept)
    figure = weights_figure(weights, "Weights of m.safetensors", width_in=width_in)
    _refuse_overlaps(figure)
    above = (weights.weights[:8] > 0).sum()
    assert f"8 channels {above} above 0" in _texts(figure)


# 4: maps


@pytest.mark.parametrize("backbone", ["alexnet", "squeezenet1_1"])
def test_maps_add_up_to_the_distance(backbone: str) -> None:
    pytest.importorskip("torch")
    from mturk_eval.metric.model import LPIPSComp

    metric = LPIPSComp.unweighted(random_backbone(backbone, 1))
    original = photograph(80, 96, 1)
    coded = noisy(original, 12, 2)
    maps = difference_maps(metric, original, coded)
    assert maps.layers.shape[1:] == (80, 96)
    assert (maps.layers >= 0).all()
    assert maps.distance == pytest.approx(metric.distances(original, [coded])[0], rel=1e-5)
    # Enlarging keeps means nearly.
    np.testing.assert_allclose(maps.layers.mean(axis=(1, 2)), maps.layer_distances, rtol=0.15)
    assert difference_maps(metric, original, original).distance == 0


def test_a_map_shows_where_the_pictures_differ() -> None:
    pytest.importorskip("torch")
    from mturk_eval.metric.model import LPIPSComp

    original = photograph(96, 96, 1)
    coded = original.copy()
    coded[:40, :40] = noisy(original, 40, 2)[:40, :40]
    total = difference_maps(
        LPIPSComp.unweighted(random_backbone("squeezenet1_1", 1)), original, coded
    ).total
    assert total[:40, :40].mean() > 20 * total[60:, 60:].mean()


@pytest.mark.parametrize(
    ("shape", "layers", "equal"),
    [((60, 90), 5, False), ((90, 60), 7, False), ((64, 64), 5, True)],
    ids=["wide", "tall", "even and equal"],
)
def test_all_maps_have_the_size_of_the_pictures(
    shape: tuple[int, int], layers: int, equal: bool
) -> None:
    values = np.random.default_rng(1).random((layers, *shape), dtype=np.float32) * (not equal)
    maps = DifferenceMaps(
        layer_names=tuple(f"features.{k}" for k in range(layers)),
        layers=values,
        layer_distances=tuple(map(float, values.mean(axis=(1, 2)))),
    )
    original = photograph(*shape, seed=1)
    figure = maps_figure(original, original, maps, "a footer")
    with paper_style():
        figure.draw_without_rendering()
    images = [axes for axes in figure.axes if any(isinstance(i, AxesImage) for i in axes.images)]
    assert len(images) == 3 + layers
    sizes = {tuple(np.round(axes.get_window_extent().size)) for axes in images}
    assert len(sizes) == 1
    width, height = sizes.pop()
    assert width / height == pytest.approx(shape[1] / shape[0], rel=0.03)
    ends = {round(axes.images[0].get_clim()[1] or 0.0, 5) for axes in images[2:]}
    expected = {1.0} if equal else {round(scale_end(v), 5) for v in (maps.total, values)}
    assert ends == expected
    _refuse_overlaps(figure)


# Files


def test_a_figure_comes_with_its_numbers_and_always_the_same(
    result: MetricComparison, tmp_path: Path
) -> None:
    one = NumberedFigure(
        name="metric-scores", figure=score_figure(result, ""), table=score_table(result)
    )
    written = write_figure(one, tmp_path / "figures")
    assert [path.suffix for path in written] == [".svg", ".png", ".csv"]
    first = [path.read_bytes() for path in written]
    again = replace(one, figure=score_figure(result, ""))
    assert [path.read_bytes() for path in write_figure(again, tmp_path / "figures")] == first
    table = pd.read_csv(written[2])
    assert list(table["name"][:3]) == ["plug_in", "unbiased", "majority"]
    by_name = table.set_index("name")["score"]
    for row in result.rows:
        assert by_name[row.metric] == pytest.approx(row.score.value, nan_ok=True) or (
            row.score.value is None and np.isnan(by_name[row.metric])
        )


def test_a_figure_that_fails_leaves_the_one_before(
    result: MetricComparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = NumberedFigure(name="f", figure=score_figure(result, ""), table=score_table(result))
    before = {path: path.read_bytes() for path in write_figure(one, tmp_path)}

    def no_room(_figure: Figure) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "png_bytes", no_room)
    changed = replace(one, table=pd.DataFrame({"name": ["other"]}))
    with pytest.raises(OSError, match="No space"):
        write_figure(changed, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_pictures_open(result: MetricComparison) -> None:
    figure = score_figure(result, "")
    assert png_bytes(figure).startswith(b"\x89PNG")
    assert svg_bytes(figure).startswith(b"<?xml")


# The comparison as text


@pytest.mark.parametrize("names", [NAMES, NAMES[:1], NAMES * 2], ids=["many", "one", "too many"])
def test_the_comparison_fits_100_columns(names: tuple[str, ...]) -> None:
    names = tuple(f"{name} {k}" if k >= len(NAMES) else name for k, name in enumerate(names))
    text = metric_comparison_text(_comparison(names))
    assert max(map(len, text.splitlines())) <= 100
    assert "\n".join(text.splitlines()[:6]).count(" 1  LPIPS-Comp") <= 1
    assert all(f"\n{place:>2}  " in text or len(names) < 10 for place in range(1, len(names) + 1))


# The commands


@pytest.fixture
def study(cli: Cli, tmp_path: Path) -> Cli:
    """`mturk-eval metric`, in a folder with four photographs, two methods, two rates and votes."""
    pytest.importorskip("torch")
    (tmp_path / "originals").mkdir()
    rows = []
    for image, rate in itertools.product(range(4), (0.25, 0.5)):
        original = photograph(40, 48, seed=image)
        save(tmp_path / "originals" / f"photo-{image}.png", original)
        for method, deviation in (("fine", 4.0), ("rough", 30.0)):
            place = tmp_path / "coded" / method / f"{rate:g}"
            place.mkdir(parents=True, exist_ok=True)
            save(place / f"photo-{image}.png", noisy(original, deviation / rate / 2, image))
        rows += [
            (f"r{k}", f"photo-{image}", rate, "fine", "rough", "left" if k else "right")
            for k in range(4)
        ]
    columns = ["rater", "image", "bpp", "method_left", "method_right", "choice"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "votes.csv", index=False)
    return lambda *arguments: cli("metric", *arguments)


TRAIN = (
    *("--votes", "votes.csv", "--originals", "originals", "--reconstructions", "coded"),
    *("--no-classical", "--resamples", 20),
)
RANDOM_TRAIN = ("train", *TRAIN, "--backbone", "squeezenet1_1", "--random-backbone", 1)


def test_figures_and_maps_of_the_commands(study: Cli, tmp_path: Path) -> None:
    """Training draws, evaluation draws the same, and a map of a pair says its distance."""
    out = ("--out", "m.safetensors", "--test-share", 0.5)
    trained = study(*RANDOM_TRAIN, *out, "--figures", "drawn/train", "--json")
    assert trained.code == 0, trained.err
    names = {"metric-scores", "metric-scores-by-rate", "metric-weights"}
    assert {Path(path).stem for path in trained.json["figures"]} == names
    assert all((tmp_path / path).is_file() for path in trained.json["figures"])
    evaluated = study("evaluate", "m.safetensors", *TRAIN, "--figures", "again", "--json")
    assert evaluated.code == 0, evaluated.err
    one, other = (
        pd.read_csv(tmp_path / folder / "metric-weights.csv") for folder in ("drawn/train", "again")
    )
    pd.testing.assert_frame_equal(one, other, rtol=1e-5)

    pair = ("originals/photo-1.png", "coded/rough/0.5/photo-1.png")
    mapped = study("map", "m.safetensors", *pair, "--out", "maps/m.png", "--json")
    assert mapped.code == 0, mapped.err
    assert (tmp_path / "maps" / "m.png").read_bytes().startswith(b"\x89PNG")
    scored = json.loads(study("score", "m.safetensors", *pair, "--json").out)
    assert mapped.json["distance"] == pytest.approx(scored["rows"][0]["distance"], rel=1e-4)
    assert sum(part["distance"] for part in mapped.json["layers"]) == pytest.approx(
        mapped.json["distance"]
    )
    assert mapped.json["random_backbone"] is True

    save(tmp_path / "small.png", photograph(30, 30, 1))
    for arguments, told in (
        (("m.safetensors", *pair, "--out", "m.gif"), ".png or .svg"),
        (("m.onnx", *pair, "--out", "m.png"), ".safetensors"),
        (("m.safetensors", pair[0], "none.png", "--out", "m.png"), "none.png"),
        (("m.safetensors", pair[0], "small.png", "--out", "m.png"), "(30, 30, 3)"),
    ):
        refused = study("map", *arguments)
        assert refused.code == 2
        assert told in refused.err
        assert not (tmp_path / "m.png").exists()


def test_a_file_in_the_place_of_the_figures_is_refused_before_the_work(
    study: Cli, tmp_path: Path
) -> None:
    (tmp_path / "drawn").write_text("mine")
    done = study(*RANDOM_TRAIN, "--out", "m.safetensors", "--figures", "drawn")
    assert done.code == 2
    assert "drawn" in done.err
    assert not (tmp_path / "m.safetensors").exists()
    assert (tmp_path / "drawn").read_text() == "mine"
