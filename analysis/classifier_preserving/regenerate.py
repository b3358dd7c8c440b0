"""Run the classifier-preserving compressor of "Silly Image Compression Idea" (2022) as published.

    python analysis/classifier_preserving/regenerate.py [--out DIR] [--classifier FILE.onnx]

Trains a small classifier on the sample photographs (about a minute; it needs the extra `metric`),
unless one is given, and writes where the post's two loops and ours end, under its rule and others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from experiments import monotone_table, rules_table, run_all, sizes_table, synonyms_table
from figures import WIDTHS_IN, draw_pictures, draw_traces
from quadrants import quadrants

from mturk_eval.compressors.classifier_preserving import OnnxClassifier, trace_csv
from mturk_eval.report.style import svg_bytes

HERE = Path(__file__).parent
TRACED = "cat, top left"
PICTURED = ("astronaut, top left", "cat, top left", "coffee, bottom right", "galaxies, top left")


def regenerate(out: Path, classifier_path: Path | None, *, steps: int, seeds: int) -> None:
    """Write everything into the folder ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    pictures = quadrants()
    labels = list(pictures)
    (out / "labels.txt").write_text("\n".join(labels) + "\n")
    superclass = "".join(f'"{label}",{label.split(",")[0]}\n' for label in labels)
    (out / "superclasses.csv").write_text("class,superclass\n" + superclass)
    if classifier_path is None:
        from train import accuracy, train, write_onnx

        model = train(pictures, steps=steps, seed=1)
        classifier_path = out / "classifier.onnx"
        write_onnx(model, classifier_path)
        share = accuracy(model, pictures, crops=40, seed=2)
        (out / "accuracy.csv").write_text(f"crops,share_right\n{40 * len(labels)},{share:.4f}\n")
    classifier = OnnxClassifier.load(classifier_path)

    runs = run_all(pictures, classifier, seeds=seeds)
    tables = {
        "sizes": sizes_table(runs),
        "synonyms": synonyms_table(runs, labels),
        "monotone": monotone_table(runs),
        "rules": rules_table(pictures, classifier, labels),
    }
    for name, table in tables.items():
        table.to_csv(out / f"{name}.csv", index=False, float_format="%.4g")
    for run in runs:
        if run.image == TRACED and run.seed == 0 and run.search.startswith("post"):
            kind = "shrink" if "shrink" in run.search else "jpeg"
            (out / f"trace_{kind}.csv").write_text(trace_csv(run.made.trace, labels))
    for name, width_in in WIDTHS_IN.items():
        (out / f"{name}.svg").write_bytes(svg_bytes(draw_traces(runs, TRACED, width_in)))
    draw_pictures(runs, PICTURED).save(out / "pictures.webp", quality=80, method=6)
    pd.set_option("display.width", 160, "display.max_columns", None, "display.max_colwidth", 50)
    for table in tables.values():
        print(table.to_string(index=False), end="\n\n")


def main() -> None:
    """Read the options and regenerate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "results", help="default: results/ here")
    parser.add_argument("--classifier", type=Path, help="of the 24 quadrants; default: train one")
    parser.add_argument("--steps", type=int, default=1200, help="of training")
    parser.add_argument("--seeds", type=int, default=2, help="runs of the random loop on a picture")
    options = parser.parse_args()
    regenerate(options.out, options.classifier, steps=options.steps, seeds=options.seeds)
    print(f"Everything is in {options.out}.")


if __name__ == "__main__":
    main()
