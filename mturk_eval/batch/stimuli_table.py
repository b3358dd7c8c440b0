"""A stimulus as a row of stimuli.csv, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mturk_eval.batch.cells import filled, one_of, optional_float, whole
from mturk_eval.trials import Stimulus

STIMULI_COLUMNS: Final = (
    "stimulus_id", "role", "image", "method", "target_bpp", "bpp", "bytes", "encoded_path",
    "width", "height", "sha256", "path", "encoder", "settings", "state",
)  # fmt: skip


def stimulus_row(s: Stimulus) -> tuple[object, ...]:
    """The cells of `STIMULI_COLUMNS`."""
    return (
        s.id, s.role, s.image, s.method, number_cell(s.target_bpp), number_cell(s.bpp),
        "" if s.bytes is None else s.bytes, s.encoded_path, s.width_px, s.height_px, s.sha256,
        s.path, s.encoder, s.settings, s.state,
    )  # fmt: skip


def read_stimulus(row: Mapping[str, str]) -> Stimulus:
    """The stimulus of a row that has all columns; an unreachable one shows no image.

    Raises
    ------
    ValueError
        Names the column whose cell is wrong.
    """
    state = one_of(row, "state", ("ok", "unreachable"))
    is_shown = state == "ok"
    return Stimulus(
        id=row["stimulus_id"],
        role=one_of(row, "role", ("original", "reconstruction")),
        image=filled(row, "image"),
        method=filled(row, "method"),
        target_bpp=optional_float(row, "target_bpp"),
        bpp=optional_float(row, "bpp"),
        bytes=whole(row, "bytes") if row["bytes"] else None,
        encoded_path=row["encoded_path"],
        width_px=whole(row, "width"),
        height_px=whole(row, "height"),
        sha256=filled(row, "sha256") if is_shown else row["sha256"],
        path=filled(row, "path") if is_shown else row["path"],
        encoder=row["encoder"],
        settings=row["settings"],
        state=state,
    )


def number_cell(value: float | None) -> str:
    """A number of six digits, or an empty cell."""
    return "" if value is None else f"{value:.6g}"
