"""Uncertainty budgets as pictures: a bar for each source, in percent of the slope."""

from typing import Any

from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch

from phantomcal.report.numerals import number, percent
from phantomcal.report.style import BLUE, HAIR, INK, MUTED, ORANGE, heading, house_style, modality_name, new_canvas
from phantomcal.results import Budget, Calibration, Line

_COLOURS = {"A": BLUE, "B": ORANGE}
_HATCHES = {"A": "", "B": "////"}  # told apart without colour too
_WIDTH_IN = 8.9
_ROW_IN = 0.24
_NAMES_IN, _HEAD_IN = 1.4, 0.45  # room for the names of sources, and for the heading of a panel


def budget_bars(calibration: Calibration) -> Canvas:
    """A panel per line: contributions of all sources in percent of the slope, and the combined uncertainty.

    Parameters
    ----------
    calibration : Calibration
        Lines without a budget are left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If no line has a budget.
    """
    lines = [line for line in calibration.lines if line.budget is not None and line.slope]
    if not lines:
        raise ValueError("no line has an uncertainty budget")
    columns = min(2, len(lines))
    rows = -(-len(lines) // columns)
    most = max(len(_drawn(line.budget)) for line in lines if line.budget is not None)
    with house_style():
        width = _WIDTH_IN if columns > 1 else 6.2
        tall = _ROW_IN * (most + 1) + 0.95
        height = rows * tall + 0.35
        canvas = new_canvas(width, height)
        # Every panel has the same parts, so its place is known; the layout solver would take most of the time.
        canvas.set_layout_engine(None)
        for i, line in enumerate(lines):
            row, column = divmod(i, columns)
            n_bars = len(_drawn(line.budget)) + 1 if line.budget else 1
            top = height - row * tall - _HEAD_IN
            box = (
                (column * width / columns + _NAMES_IN) / width,
                (top - _ROW_IN * n_bars) / height,
                (width / columns - _NAMES_IN - 0.12) / width,
                _ROW_IN * n_bars / height,
            )
            _panel(canvas.add_axes(box), line)
        canvas.legend(handles=_legend(lines), loc="lower center", ncols=3)
    return canvas


def _legend(lines: list[Line]) -> list[Patch]:
    kinds = {entry.evaluation for line in lines if line.budget for entry in _drawn(line.budget)}
    words = {"A": "Type A: from repeated observation", "B": "Type B: from other knowledge"}
    handles = [
        Patch(fc=_COLOURS[kind], hatch=_HATCHES[kind], ec="white", label=words[kind])
        for kind in ("A", "B")
        if kind in kinds
    ]
    return [*handles, Patch(fc=INK, label="Combined")]


def _drawn(budget: Budget) -> list[Any]:
    return [entry for entry in budget.entries if entry.contribution > 0]


def _panel(axes: Any, line: Line) -> None:
    budget = line.budget
    if budget is None:
        return
    entries = _drawn(budget)
    scale = 100 / abs(budget.value)
    names = [entry.source for entry in entries] + ["combined"]
    values = [entry.contribution * scale for entry in entries] + [budget.combined * scale]
    for i, value in enumerate(values):
        kind = entries[i].evaluation if i < len(entries) else ""
        axes.barh(
            i,
            value,
            height=0.62,
            fc=_COLOURS.get(kind, INK),
            hatch=_HATCHES.get(kind, ""),
            ec="white",
            lw=0.4,
            zorder=2,
        )
        axes.annotate(
            f"{number(value, 2)} %",
            (value, i),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            size=7.8,
            bbox={"boxstyle": "square,pad=0.12", "fc": "white", "ec": "none"},
        )
    axes.axvline(values[-1], color=INK, lw=0.9, dashes=(4, 3), zorder=1)
    axes.set_xlim(0, max(values) * 1.22)
    axes.set_ylim(len(values) - 0.45, -0.55)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_color(MUTED)
    axes.grid(axis="x", color=HAIR, lw=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("Standard uncertainty (% of the slope)")
    name = " · ".join(part for part in (line.material, modality_name(line.modality)) if part)
    heading(axes, name, [f"expanded (k = {budget.coverage_factor:g}): {percent(abs(budget.expanded / budget.value))}"])
