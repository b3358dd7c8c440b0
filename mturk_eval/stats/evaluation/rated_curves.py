"""Ratings at several rates as curves: mean ratings by image, method and rate, under any weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mturk_eval.errors import StatisticsError


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedCurves:
    """Answers as points of curves: a point is image x method x place in the order of rates."""

    images: tuple[str, ...]
    methods: tuple[str, ...]
    anchor: int
    log_rate: NDArray[np.float64]  # (images, methods, points); 0 where there is none
    point: NDArray[np.int64]  # of every answer, flat index into log_rate
    rater: NDArray[np.int64]
    value: NDArray[np.float64]
    n_raters: int

    @classmethod
    def of(cls, ratings: pd.DataFrame, anchor: str) -> RatedCurves:
        _check(ratings, anchor)
        rate = ratings["actual_bpp"] if "actual_bpp" in ratings else ratings["bpp"]
        table = pd.DataFrame(
            {
                "image": pd.Categorical(ratings["image"].astype(str)),
                "method": pd.Categorical(ratings["method"].astype(str)),
                "bpp": ratings["bpp"].to_numpy(np.float64),
                "rate": rate.to_numpy(np.float64),
            }
        )
        images = tuple(map(str, table["image"].cat.categories))
        methods = tuple(map(str, table["method"].cat.categories))
        cells = table.groupby(["image", "method", "bpp"], observed=True)["rate"].mean()
        frame = cells.reset_index().sort_values(["image", "method", "rate"], ignore_index=True)
        frame["place"] = frame.groupby(["image", "method"], observed=True).cumcount()
        points = int(frame["place"].max()) + 1
        frame["point"] = (
            frame["image"].cat.codes.astype(np.int64) * len(methods)
            + frame["method"].cat.codes.astype(np.int64)
        ) * points + frame["place"]
        log_rate = np.zeros(len(images) * len(methods) * points)
        log_rate[frame["point"]] = np.log10(frame["rate"])
        keys = ["image", "method", "bpp"]
        of_answer = table.merge(frame[[*keys, "point"]], on=keys, how="left")["point"]
        rater, raters = pd.factorize(ratings["rater"], sort=True)
        return cls(
            images=images,
            methods=methods,
            anchor=methods.index(anchor),
            log_rate=log_rate.reshape(len(images), len(methods), points),
            point=of_answer.to_numpy(np.int64),
            rater=np.asarray(rater, dtype=np.int64),
            value=ratings["rating"].to_numpy(np.float64),
            n_raters=len(raters),
        )

    def answers(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many answers each point has when rater i counts ``weights[:, i]`` times."""
        return self._summed(np.ones_like(self.value), weights)

    def means(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean rating of each point, shape (m, images, methods, points); 0 where it has none."""
        answers = self.answers(weights)
        total = self._summed(self.value, weights)
        return np.divide(total, answers, out=np.zeros_like(total), where=answers > 0)

    def _summed(
        self, values: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        shape = (self.n_raters, self.log_rate.size)
        table = csr_array((values, (self.rater, self.point)), shape=shape)
        return np.asarray(weights @ table).reshape(len(weights), *self.log_rate.shape)


def _check(ratings: pd.DataFrame, anchor: str) -> None:
    if "bpp" not in ratings or ratings["bpp"].isna().all():
        raise StatisticsError(
            "The ratings have no rates, and a BD-rate compares rates at equal ratings. Give a "
            "table with a column bpp (--column bpp=COLUMN)."
        )
    column = "actual_bpp" if "actual_bpp" in ratings else "bpp"
    for name in dict.fromkeys(("bpp", column)):
        wrong = np.flatnonzero(~(ratings[name].to_numpy(np.float64) > 0))
        if len(wrong):
            raise StatisticsError(
                f"{len(wrong)} answers have no {name} above 0 (the first in row {wrong[0] + 1}). "
                "Leave out methods without a rate, such as the originals."
            )
    missing = np.flatnonzero(~np.isfinite(ratings["rating"].to_numpy(np.float64)))
    if len(missing):
        raise StatisticsError(
            f"{len(missing)} ratings are missing (the first in row {missing[0] + 1}). Leave those "
            "rows out (--drop-missing)."
        )
    methods = sorted(ratings["method"].astype(str).unique())
    if anchor not in methods:
        raise StatisticsError(
            f"The anchor {anchor!r} is no rated method; there are {', '.join(methods)}."
        )
    if len(methods) < 2:
        raise StatisticsError(f"{anchor} is the only method: a BD-rate compares two.")
