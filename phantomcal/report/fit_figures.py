"""The slope of each line by every fit, in percent of the main one."""

from typing import Any

from matplotlib.figure import Figure as Canvas

from phantomcal.report.fit_tables import method_words
from phantomcal.report.numerals import percent
from phantomcal.report.style import BLUE, HAIR, INK, MUTED, VERMILION, house_style, modality_name, new_canvas
from phantomcal.results import Calibration, Line

_COLOURS = {"ct": BLUE, "qsm": VERMILION}
_ROW_IN = 0.21


def slope_alternatives(calibration: Calibration) -> Canvas:
    """A row per fit, grouped by line: slope over that of the main fit, with its 95 % interval.

    Parameters
    ----------
    calibration : Calibration
        Lines without alternatives are left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If no line has another fit beside its main one.
    """
    lines = [line for line in calibration.lines if line.alternatives and line.slope]
    if not lines:
        raise ValueError("no line was fitted in more than one way")
    n_rows = sum(1 + len(line.alternatives) for line in lines) + len(lines)
    with house_style():
        canvas = new_canvas(7.4, 0.75 + _ROW_IN * n_rows)
        axes = canvas.add_subplot()
        ticks: list[tuple[float, str]] = []
        bounds = [0.0]
        row = 0.0
        for line in lines:
            _heading(axes, row, line)
            row += 1
            fits = [(f"{method_words(line.method)}, main", line.slope, line.slope_ci95)]
            fits += [(method_words(other.method), other.slope, other.slope_ci95) for other in line.alternatives]
            for i, (name, slope, interval) in enumerate(fits):
                bounds += _draw(axes, row, line, slope, interval, main=i == 0)
                ticks.append((row, name))
                row += 1
        margin = 0.05 * (max(bounds) - min(bounds)) or 5.0
        axes.set_xlim(min(bounds) - margin, max(bounds) + margin)
        axes.set_ylim(row - 0.4, -0.7)
        axes.axvline(0, color=INK, lw=0.9, dashes=(5, 3), zorder=1)
        axes.set_yticks([y for y, _ in ticks], [name for _, name in ticks])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=HAIR, lw=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel("Slope against that of the main fit (%), with 95 % interval")
    return canvas


def _heading(axes: Any, row: float, line: Line) -> None:
    name = " · ".join(part for part in (line.material, modality_name(line.modality)) if part)
    axes.annotate(
        name,
        (0, row),
        xycoords=("axes fraction", "data"),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        weight="bold",
        size=8.5,
    )


def _draw(
    axes: Any, row: float, line: Line, slope: float, interval: tuple[float, float] | None, main: bool
) -> list[float]:
    """Draw one fit and return what must be inside the axes."""
    colour = _COLOURS.get(line.modality, INK)
    at = 100 * (slope / line.slope - 1)
    drawn = [at]
    if interval is not None:
        ends = sorted(100 * (bound / line.slope - 1) for bound in interval)
        axes.plot(ends, [row, row], color=colour, lw=1.8 if main else 1.1, solid_capstyle="butt", zorder=2)
        drawn += ends
    axes.plot(
        at, row, "o" if line.modality == "ct" else "s", mfc=colour if main else "white", mec=colour, ms=5, zorder=3
    )
    if not main:
        axes.annotate(
            percent(at / 100, signed=True),
            (1, row),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            size=7.8,
            color=MUTED,
        )
    return drawn
