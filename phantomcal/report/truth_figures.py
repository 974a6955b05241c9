"""Estimates against known truth, for simulated studies."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from phantomcal.report.numerals import missing, number, percent, unit_words
from phantomcal.report.style import BLUE, HAIR, INK, MUTED, VERMILION, above_columns, beside, house_style, new_canvas

if TYPE_CHECKING:
    import pandas as pd


_COLUMNS = (8, 62, 142)


def truth_comparison(table: "pd.DataFrame") -> Canvas:
    """Relative error of each estimate as a dot, with its interval and the error that is allowed.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``quantity, estimate, truth, unit``; optionally ``ci95_low, ci95_high`` (of the estimate) and
        ``tolerance_percent``. A truth of zero has no relative error: its row shows the numbers without a dot.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the table is empty or lacks a column.
    """
    absent = [name for name in ("quantity", "estimate", "truth", "unit") if name not in table]
    if absent or not len(table):
        raise ValueError(f"no column {absent[0]!r}" if absent else "nothing to compare")
    rows = table.to_dict("records")
    with house_style():
        canvas = new_canvas(8.6, 1.0 + 0.34 * len(rows))
        axes = canvas.add_subplot()
        axes.axvline(0, color=INK, lw=0.9, zorder=1)
        reach = 5.0
        for i, row in enumerate(rows):
            reach = max(reach, _draw_row(axes, i, row))
            beside(axes, i, list(zip(_COLUMNS, _texts(row), strict=True)))
        above_columns(axes, list(zip(_COLUMNS, ("error", "estimate", "truth"), strict=True)))
        axes.set_xlim(-1.12 * reach, 1.12 * reach)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), [str(row["quantity"]) for row in rows])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="y", color=HAIR, lw=0.6)
        axes.set_axisbelow(True)
        allowed = " · grey bar: allowed" if any(not missing(row.get("tolerance_percent")) for row in rows) else ""
        axes.set_xlabel(f"Error relative to truth (%), with 95 % interval{allowed}")
    return canvas


def _texts(row: dict[Any, Any]) -> tuple[str, str, str]:
    truth = f"{number(row['truth'])} {unit_words(str(row['unit'] or ''))}".strip()
    return percent(relative_error(row["estimate"], row["truth"]), signed=True), number(row["estimate"]), truth


def relative_error(estimate: float | None, truth: float | None) -> float | None:
    """Estimate over truth, minus one; None where either is missing or the truth is zero."""
    if missing(estimate) or missing(truth) or truth == 0:
        return None
    return float(estimate) / float(truth) - 1.0  # type: ignore[arg-type]


def _draw_row(axes: Any, i: int, row: dict[Any, Any]) -> float:
    truth: Any = row["truth"]
    tolerance: Any = row.get("tolerance_percent")
    relative = relative_error(row["estimate"], truth)
    if relative is None:
        axes.annotate(
            "no relative error" if not missing(row["estimate"]) else "no estimate",
            (0, i),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=MUTED,
            size=7.5,
        )
        return 0.0
    error = 100.0 * relative
    largest = abs(error)
    inside = missing(tolerance) or abs(error) <= tolerance
    colour = BLUE if inside else VERMILION
    if not missing(tolerance):
        axes.barh(i, 2 * tolerance, left=-tolerance, height=0.62, color="#ecebe6", lw=0, zorder=0)
        largest = max(largest, float(tolerance))
    bounds = [row.get("ci95_low"), row.get("ci95_high")]
    if not any(missing(bound) for bound in bounds):
        ends = 100.0 * (np.array(bounds, dtype=float) - truth) / abs(truth)
        axes.plot(ends, [i, i], color=colour, lw=1.8, zorder=2)
        largest = max(largest, float(np.abs(ends).max()))
    axes.plot(error, i, marker="o" if inside else "X", color=colour, ms=6.5, mec="white", mew=0.6, zorder=3)
    return largest
