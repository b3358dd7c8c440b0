"""Folders as BAPPS publishes them: shares become votes, and every bad file is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mturk_eval.metric.bapps import read_bapps
from mturk_eval.metric.errors import MetricInputError
from mturk_eval.metric.pictures import pixel_digest, read_pixels


def _write(folder: Path, shares: list[float], *, seed: int = 0, side: int = 8) -> Path:
    rng = np.random.default_rng(seed)
    for part in ("ref", "p0", "p1", "judge"):
        (folder / part).mkdir(parents=True)
    for k, share in enumerate(shares):
        for part in ("ref", "p0", "p1"):
            pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / part / f"{k:06d}.png")
        np.save(folder / "judge" / f"{k:06d}.npy", np.array([share]))
    return folder


def test_shares_are_counts_of_2_votes_in_train_and_5_in_val(tmp_path: Path) -> None:
    _write(tmp_path / "2afc" / "train" / "cnn", [0.0, 0.5, 1.0])
    _write(tmp_path / "2afc" / "val" / "cnn", [0.2, 0.8], seed=1)
    found = read_bapps(tmp_path).triplets
    assert found.votes_second.tolist() == [0, 1, 2, 1, 4]
    assert found.n_votes.tolist() == [2, 2, 2, 5, 5]
    np.testing.assert_allclose(found.share_second, [0, 0.5, 1, 0.2, 0.8])
    assert found.image[0] == "2afc/train/cnn/000000"
    assert found.method_second[-1] == "2afc/val/cnn/p1"


def test_keys_are_the_digests_of_the_decoded_pictures(tmp_path: Path) -> None:
    _write(tmp_path / "val" / "cnn", [0.4])
    found = read_bapps(tmp_path)
    path = tmp_path / "val" / "cnn" / "p1" / "000000.png"
    digest = pixel_digest(read_pixels(path))
    assert found.triplets.second.tolist() == [digest]
    assert found.pictures[digest].path == path


def test_triplets_of_the_same_reference_pixels_are_of_one_image(tmp_path: Path) -> None:
    folder = _write(tmp_path / "val" / "cnn", [0.4, 0.6])
    (folder / "ref" / "000001.png").write_bytes((folder / "ref" / "000000.png").read_bytes())
    found = read_bapps(folder).triplets
    assert found.image.tolist() == ["000000", "000000"]
    assert found.method_first.tolist() == ["cnn/p0", "cnn/p0"]


def test_other_folders_need_a_number_of_votes_and_half_a_vote_is_not_sure(tmp_path: Path) -> None:
    _write(tmp_path / "mine", [0.75, 0.5])
    with pytest.raises(MetricInputError, match="how many raters judged each triplet"):
        read_bapps(tmp_path)
    found = read_bapps(tmp_path, votes=6).triplets
    assert found.votes_first.tolist() == [1, 3]
    assert found.votes_second.tolist() == [4, 3]
    assert found.votes_not_sure.tolist() == [1, 0]


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(MetricInputError, match="no folder `judge`"):
        read_bapps(tmp_path)
    folder = _write(tmp_path / "val" / "cnn", [0.4])
    judge = folder / "judge" / "000000.npy"
    np.save(judge, np.array([0.33]))
    with pytest.raises(MetricInputError, match=r"000000\.npy: 0.33 is no share of 5 votes"):
        read_bapps(tmp_path)
    np.save(judge, np.array([0.2, 0.4]))
    with pytest.raises(MetricInputError, match="one number from 0"):
        read_bapps(tmp_path)
    judge.write_bytes(b"nothing")
    with pytest.raises(MetricInputError, match=r"000000\.npy: not a judgement"):
        read_bapps(tmp_path)
    np.save(judge, np.array([0.4]))
    Image.new("RGB", (9, 8)).save(folder / "p1" / "000000.png")
    with pytest.raises(MetricInputError, match=r"p1.*it has 9 x 8 px, its reference"):
        read_bapps(tmp_path)
    (folder / "p0" / "000000.png").unlink()
    with pytest.raises(MetricInputError, match="p0: there is no picture 000000"):
        read_bapps(tmp_path)
