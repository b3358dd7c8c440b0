"""PSNR and MS-SSIM of 8-bit pictures, and metrics from the user's table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from mturk_eval.errors import TableError
from mturk_eval.metric.classical import Colours, classical_metrics, ms_ssim, psnr
from mturk_eval.metric.compared import ComparedMetric, metrics_from_table
from mturk_eval.metric.errors import MetricInputError
from mturk_eval.metric.triplets import picture_pairs
from tests.metric.simulated_triplets import bare_triplets, simulated_study


def _picture(side: int = 176, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 216, (side // 8, side // 8, 3))
    return coarse.repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)


def _noisy(picture: NDArray[np.uint8], sd: float) -> NDArray[np.uint8]:
    noise = np.random.default_rng(1).normal(0, sd, picture.shape)
    return np.clip(picture + noise, 0, 255).round().astype(np.uint8)


def test_psnr_is_its_definition() -> None:
    picture = _picture()
    other = picture.copy()
    other[:2, :, 1] += 10
    mean_square = 100 * 2 / (3 * 176)
    assert psnr(picture, other) == pytest.approx(10 * np.log10(255**2 / mean_square))
    assert psnr(other, picture) == psnr(picture, other)


def test_more_noise_is_a_lower_psnr_and_ms_ssim() -> None:
    pytest.importorskip("pytorch_msssim")
    picture = _picture()
    noisy = [_noisy(picture, sd) for sd in (2, 10, 40)]
    for values in ([psnr(picture, one) for one in noisy], [ms_ssim(picture, one) for one in noisy]):
        assert sorted(values, reverse=True) == values


@pytest.mark.parametrize("colours", ["RGB", "luma"])
def test_ms_ssim_of_equal_pictures_is_one_and_colours_matter(colours: Colours) -> None:
    pytest.importorskip("pytorch_msssim")
    picture = _picture()
    assert ms_ssim(picture, picture, colours=colours) == pytest.approx(1)
    red_only = picture.copy()
    red_only[..., 0] = _noisy(picture, 60)[..., 0]
    values = {one: ms_ssim(picture, red_only, colours=one) for one in ("RGB", "luma")}
    assert values["luma"] > values["RGB"]


def test_ms_ssim_is_not_defined_below_161_px() -> None:
    pytest.importorskip("pytorch_msssim")
    picture = _picture(176)
    assert np.isnan(ms_ssim(picture[:160], picture[:160]))
    assert np.isfinite(ms_ssim(picture[:161, :161], picture[:161, :161]))


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises(MetricInputError, match="two RGB pictures of one size"):
        psnr(_picture(16), _picture(24))


def test_every_pair_of_a_study_is_computed_once_from_its_digests() -> None:
    pytest.importorskip("pytorch_msssim")
    triplets = simulated_study(originals=1, layer_sizes=(1,)).triplets.take(np.arange(6))
    pairs = picture_pairs(triplets)
    read = []

    def by_digest(digest: str) -> NDArray[np.uint8]:
        read.append(digest)
        return _noisy(_picture(16), 5.0 * int(digest[-1]) if digest[-1].isdigit() else 0)

    psnrs, ms_ssims = classical_metrics(pairs, by_digest)
    assert len(read) == 1 + 4
    assert (psnrs.difference > 0).all() != (psnrs.difference < 0).all()
    assert (psnrs.name, ms_ssims.name) == ("PSNR", "MS-SSIM")
    assert ms_ssims.n_missing == 6
    assert ms_ssims.note == "of RGB, five scales, n/a below 161 px"


def test_a_reconstruction_equal_to_its_original_wins_and_two_of_them_tie() -> None:
    first, second = np.array([np.inf, np.inf, 30.0]), np.array([40.0, np.inf, 32.0])
    found = ComparedMetric.of("PSNR", first, second, "higher").difference
    assert found.tolist() == [-2.0, 0.0, 2.0]


# --- the user's own -----------------------------------------------------------------------------


def _table() -> pd.DataFrame:
    triplets = simulated_study(originals=2, layer_sizes=(1,)).triplets
    keys = {
        key
        for methods in (triplets.method_first, triplets.method_second)
        for key in zip(triplets.image, methods, triplets.bpp, strict=True)
    }
    table = pd.DataFrame(sorted(keys), columns=["image", "method", "bpp"])
    return table.assign(mine=range(len(table)), theirs=lambda t: -t["mine"])


def test_a_table_s_values_are_found_by_image_method_and_rate() -> None:
    triplets, table = simulated_study(originals=2, layer_sizes=(1,)).triplets, _table()
    mine, theirs = metrics_from_table(
        table.sample(frac=1, random_state=1), triplets, {"mine": "higher", "theirs": "lower"}
    )
    value = table.set_index(["image", "method", "bpp"])["mine"]
    keys = zip(
        triplets.image, triplets.method_first, triplets.method_second, triplets.bpp, strict=True
    )
    wanted = [value[i, two, r] - value[i, one, r] for i, one, two, r in keys]
    assert mine.difference.tolist() == theirs.difference.tolist() == wanted


def test_a_study_without_rates_needs_no_rates() -> None:
    triplets = bare_triplets([1], [1])
    table = pd.DataFrame({"image": ["i0", "i0"], "method": ["a", "b"], "d": [1.0, 3.0]})
    for given_table in (table, table.assign(bpp=np.nan)):
        (found,) = metrics_from_table(given_table, triplets, {"d": "lower"})
        assert found.difference.tolist() == [-2.0]


def test_a_table_that_does_not_fit_is_refused_with_its_row() -> None:
    triplets, table = simulated_study(originals=2, layer_sizes=(1,)).triplets, _table()
    with pytest.raises(TableError, match=r"no row for image image000, method bpg at 0\.15 bpp"):
        metrics_from_table(table.iloc[1:], triplets, {"mine": "higher"})
    with pytest.raises(TableError, match=r"Row 0 of the table of metrics: image image000.*already"):
        metrics_from_table(pd.concat([table, table.iloc[:1]]), triplets, {"mine": "higher"})
    spoilt = table.astype({"mine": object})
    spoilt.loc[4, "mine"] = "good"
    with pytest.raises(TableError, match=r"Row 4 .* column mine: 'good' is no number"):
        metrics_from_table(spoilt, triplets, {"mine": "higher"})
    with pytest.raises(TableError, match="no column yours"):
        metrics_from_table(table, triplets, {"yours": "higher"})
    with pytest.raises(MetricInputError, match="direction of mine is 'up'"):
        metrics_from_table(table, triplets, {"mine": "up"})  # type: ignore[dict-item]
