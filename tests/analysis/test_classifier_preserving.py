"""A small part of the analysis of the classifier-preserving compressor, run again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("onnxruntime")

FOLDER = Path(__file__).parents[2] / "analysis" / "classifier_preserving"
RESULTS = FOLDER / "results"


def run(code: str) -> str:
    """Run code beside the analysis, in a process of its own: its modules have plain names."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_classifier_names_every_original_and_the_paper_loop_ends_as_committed(
    tmp_path: Path,
) -> None:
    """The trace of one picture is committed; shrinking it again gives the same one."""
    trace = tmp_path / "trace.csv"
    run(
        "from pathlib import Path\n"
        "from experiments import SHRINK\n"
        "from quadrants import quadrants\n"
        "from regenerate import TRACED\n"
        "from mturk_eval.compressors.classifier_preserving import (\n"
        "    OnnxClassifier, preserve, trace_csv)\n"
        "pictures = quadrants()\n"
        "classifier = OnnxClassifier.load(Path('results/classifier.onnx'))\n"
        "for number, picture in enumerate(pictures.values()):\n"
        "    assert classifier(picture).argmax() == number\n"
        "made = preserve(pictures[TRACED], classifier, search=SHRINK)\n"
        f"Path({str(trace)!r}).write_text(trace_csv(made.trace, list(pictures)))\n"
    )
    committed, again = pd.read_csv(RESULTS / "trace_shrink.csv"), pd.read_csv(trace)
    same = ["iteration", "width", "height", "top_1", "kept"]
    pd.testing.assert_frame_equal(again[same], committed[same])
    # PNG's size may differ a little between versions of zlib.
    np.testing.assert_allclose(again["bytes"], committed["bytes"], rtol=0.1)


def test_what_the_page_says_is_in_the_results() -> None:
    sizes = pd.read_csv(RESULTS / "sizes.csv").set_index("search")
    repeated = sizes.loc["post: JPEG at random quality, again and again"]
    assert repeated["share_iteration_limit"] + repeated["share_answer_changed"] == pytest.approx(1)
    bisected, every = (
        sizes.loc[name] for name in ("bisection on JPEG's quality", "every quality of JPEG")
    )
    assert bisected["median_bytes"] >= every["median_bytes"]
    assert bisected["median_pictures_tried"] <= 7 < 101 == every["median_pictures_tried"]


def test_training_gives_a_network_that_onnx_runtime_answers_as_torch_does(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    path = tmp_path / "classifier.onnx"
    run(
        "from pathlib import Path\n"
        "import numpy as np, torch\n"
        "from quadrants import quadrants\n"
        "from train import PREPROCESSING, train, write_onnx\n"
        "from mturk_eval.compressors.classifier_preserving import OnnxClassifier\n"
        "pictures = quadrants()\n"
        "model = train(pictures, steps=2, seed=1)\n"
        f"path = Path({str(path)!r})\n"
        "write_onnx(model, path)\n"
        "picture = next(iter(pictures.values()))\n"
        "framed = PREPROCESSING.framed(picture)\n"
        "batch = torch.from_numpy(PREPROCESSING.normalised(framed).transpose(2, 0, 1)[None])\n"
        "with torch.no_grad():\n"
        "    expected = model(batch).softmax(1)[0].numpy()\n"
        "np.testing.assert_allclose(OnnxClassifier.load(path)(picture), expected, atol=1e-5)\n"
    )
