"""The learned metric of Patel et al. (2021) on the paper's design, with simulated voters.

    python analysis/lpips_comp/regenerate.py [--out DIR] [--work DIR] [--backbone-weights FILE]

Draws 200 originals, codes them by four codecs at four rates, lets voters with known tastes vote,
trains and compares, and writes tables and figures. It shows that the way from votes to a metric is
the paper's and works; of people it shows nothing: see README.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tables
from pipeline import TASTES, Pictures, Reproduced, make_pictures, reproduce, simulate_votes

from mturk_eval.metric.backbone_files import open_backbone
from mturk_eval.metric.backbones import Backbone
from mturk_eval.metric.difference_maps import difference_maps
from mturk_eval.metric.model import LPIPSComp
from mturk_eval.metric.pictures import read_pixels
from mturk_eval.metric.weights_file import BackboneRecord, Provenance
from mturk_eval.report.metric.files import png_bytes
from mturk_eval.report.metric.footers import map_footer, rate_footer, score_footer, weight_footer
from mturk_eval.report.metric.maps import maps_figure
from mturk_eval.report.metric.scores import score_by_rate_figure, score_figure
from mturk_eval.report.metric.weights import ChannelWeights, weights_figure
from mturk_eval.report.style import NARROW_IN, svg_bytes

HERE = Path(__file__).parent
SEED = 0
_MAPPED = ("leaves000", "jpeg2000", 0.3)


def regenerate(
    out: Path, work: Path, backbone: Backbone, *, n_originals: int, workers: int, resamples: int
) -> dict[str, float]:
    """Write everything into the folder ``out``; seconds by stage."""
    out.mkdir(parents=True, exist_ok=True)
    layers = backbone.architecture.layer_slices
    started = time.perf_counter()
    pictures = make_pictures(work, n_originals, backbone, workers=workers)
    seconds = {"pictures and features": time.perf_counter() - started}
    studies: dict[str, Reproduced] = {}
    for taste in TASTES:
        started = time.perf_counter()
        votes = simulate_votes(pictures, taste, SEED)
        votes.table.to_csv(work / f"votes-{taste.replace(' ', '-')}.csv", index=False)
        studies[taste] = reproduce(pictures, votes, layers.sizes, resamples=resamples, seed=SEED)
        seconds[f"study, taste {taste}"] = time.perf_counter() - started
    (out / "published_against_reproduced.md").write_text(tables.comparison(studies, backbone.label))
    (out / "scores.md").write_text(tables.scores(studies))
    tables.score_rows(studies).to_csv(out / "scores.csv", index=False, float_format="%.6f")
    tables.rates(pictures).to_csv(out / "rates.csv", index=False, float_format="%.4f")
    draw(out, pictures, studies, backbone)
    return seconds


def draw(
    out: Path, pictures: Pictures, studies: Mapping[str, Reproduced], backbone: Backbone
) -> None:
    """Figure 3 and its parts under every taste, and one pair's maps."""
    record = BackboneRecord.of(backbone)
    for taste, one in studies.items():
        name, result = taste.replace(" ", "_"), one.study.comparison
        weights = ChannelWeights(
            layers=backbone.architecture.layer_slices,
            weights=one.study.trained.weights,
            mean_features=np.concatenate(
                [one.first[one.split.test], one.second[one.split.test]]
            ).mean(axis=0, dtype=np.float64),
        )
        voters = f"Votes are simulated, taste: {taste}."
        footer = f"{voters} {score_footer(result, [record])}"
        figures = {
            f"figure_3_{name}": score_figure(result, footer),
            f"figure_3_{name}_phone": score_figure(result, footer, width_in=NARROW_IN),
            f"by_rate_{name}": score_by_rate_figure(
                result, f"{voters} {rate_footer(result, [record])}"
            ),
            f"weights_{name}": weights_figure(
                weights, f"{voters} {weight_footer('LPIPS-Comp', result, record)}"
            ),
        }
        for file, figure in figures.items():
            if figure is not None:
                (out / f"{file}.svg").write_bytes(svg_bytes(figure))
    trained = studies[TASTES[0]].study.trained.weights
    metric = LPIPSComp.from_weights(
        trained,
        backbone,
        provenance=Provenance(recipe="logistic", scale="mean distance of the training pairs = 1"),
    )
    image, method, rate = _MAPPED
    original = pictures.original(image)
    coded = pictures.folder / "reconstructions" / method / f"{rate:g}" / f"{image}.png"
    pixels = read_pixels(original), read_pixels(coded)
    maps = difference_maps(metric, *pixels)
    footer = map_footer(
        "LPIPS-Comp (taste: channels)", original.name, f"{method} at {rate:g} bpp", maps,
        metric.metric,
    )  # fmt: skip
    (out / "maps.png").write_bytes(png_bytes(maps_figure(*pixels, maps, footer)))


def main() -> None:
    """Read the options and regenerate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "results", help="default: results/ here")
    parser.add_argument(
        "--work", type=Path, help="keep pictures, votes and features in this folder"
    )
    parser.add_argument("--backbone", default="alexnet", help="default: alexnet")
    parser.add_argument(
        "--backbone-weights", type=Path, help="torchvision's file; default: drawn with seed 1"
    )
    parser.add_argument("--originals", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=2_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    drawn = None if options.backbone_weights else 1
    backbone = open_backbone(options.backbone, weights=options.backbone_weights, random_seed=drawn)
    with tempfile.TemporaryDirectory() as folder:
        seconds = regenerate(
            options.out,
            options.work or Path(folder),
            backbone,
            n_originals=options.originals,
            workers=options.workers,
            resamples=options.resamples,
        )
    print((options.out / "published_against_reproduced.md").read_text())
    print((options.out / "scores.md").read_text())
    print("\n".join(f"{stage}: {value:.0f} s" for stage, value in seconds.items()))
    print(f"Everything is in {options.out}.")


if __name__ == "__main__":
    main()
