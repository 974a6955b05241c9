"""Agreement of repeated runs drawn after Bland and Altman, and differences of slopes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from phantomcal.report.numerals import number
from phantomcal.report.style import BLUE, HAIR, INK, MUTED, SKY, VERMILION, heading, house_style, new_canvas
from phantomcal.results.history import Comparison
from phantomcal.results.repeatability import Agreement, BlandAltman


def bland_altman_plot(
    names: Sequence[str], first: Sequence[float], second: Sequence[float], limits: BlandAltman, group: Agreement
) -> Canvas:
    """Difference of two runs against their mean, with bias and limits of agreement.

    Parameters
    ----------
    names : sequence of str
        The vials.
    first, second : sequence of float
        Their values in the two runs.
    limits : BlandAltman
        What was computed from them.
    group : Agreement
        Modality and unit.

    Returns
    -------
    matplotlib.figure.Figure
    """
    a, b = np.asarray(first), np.asarray(second)
    middle, difference = (a + b) / 2, b - a
    with house_style():
        canvas = new_canvas(8.9, 3.6)
        axes = canvas.add_subplot()
        axes.axhline(0, color=HAIR, lw=0.8, zorder=0)
        for value, bounds, colour, text in (
            (limits.bias, limits.bias_ci95, INK, "bias"),
            (limits.lower, limits.lower_ci95, BLUE, "−1.96 SD"),
            (limits.upper, limits.upper_ci95, BLUE, "+1.96 SD"),
        ):
            if bounds is not None:
                axes.axhspan(*bounds, color=SKY if colour == BLUE else MUTED, alpha=0.16, lw=0, zorder=0)
            axes.axhline(value, color=colour, lw=1.0, ls="-" if text == "bias" else (0, (5, 2)), zorder=1)
            axes.annotate(
                f"{text} {number(value, 3)}", (1, value), xycoords=("axes fraction", "data"), xytext=(5, 0),
                textcoords="offset points", va="center", color=colour, size=7.8,
            )  # fmt: skip
        outside = (difference < limits.lower) | (difference > limits.upper)
        axes.plot(middle[~outside], difference[~outside], ls="none", marker="o", ms=5, mfc=BLUE, mec="white", mew=0.4)
        axes.plot(
            middle[outside], difference[outside], ls="none", marker="D", ms=5.5, mfc=VERMILION, mec="white", mew=0.4
        )
        for k in np.flatnonzero(outside).tolist():
            right = middle[k] > middle.min() + 0.8 * np.ptp(middle)  # the words at the right edge need their room
            axes.annotate(
                names[k], (middle[k], difference[k]), xytext=(-6 if right else 6, 4), textcoords="offset points",
                ha="right" if right else "left", size=7.8,
            )  # fmt: skip
        axes.set_xlabel(f"Mean of the two runs ({group.unit})")
        axes.set_ylabel(f"{limits.second} − {limits.first} ({group.unit})" if _short(limits) else
                        f"Second − first run ({group.unit})")  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        heading(
            axes,
            f"{limits.second} against {limits.first}",
            [f"{group.modality.upper()} · {limits.n} vials · shaded: 95 % intervals".strip(" ·")],
        )
    return canvas


def _short(limits: BlandAltman) -> bool:
    return len(limits.first) + len(limits.second) <= 24


def difference_forest(comparison: Comparison, tolerances: dict[str, float]) -> Canvas:
    """Difference of the slopes of two calibrations or scanners, percent, a row per line.

    Parameters
    ----------
    comparison : Comparison
        Of two; lines without an interval get a point only.
    tolerances : dict of str to float
        By modality, percent; drawn as a grey bar behind the row.

    Returns
    -------
    matplotlib.figure.Figure
    """
    lines = [line for line in comparison.lines if line.difference_percent is not None]
    with house_style():
        canvas = new_canvas(8.9, 1.0 + 0.42 * len(lines))
        axes = canvas.add_subplot()
        axes.axvline(0, color=INK, lw=0.9, zorder=1)
        for row, line in enumerate(lines):
            limit = tolerances.get(line.modality)
            if limit:
                axes.fill_betweenx([row - 0.32, row + 0.32], -limit, limit, color=HAIR, alpha=0.7, lw=0, zorder=0)
            colour = VERMILION if line.verdict == "differ" else MUTED if line.verdict == "undetermined" else BLUE
            if line.difference_ci95 is not None:
                axes.plot(line.difference_ci95, [row, row], color=colour, lw=2.0, zorder=2)
            marker = {"differ": "D", "undetermined": "o"}.get(line.verdict, "s")
            face = "white" if line.verdict == "undetermined" else colour
            axes.plot([line.difference_percent or 0.0], [row], marker=marker, ms=6.5, mfc=face, mec=colour, zorder=3)
            axes.annotate(
                line.verdict, (1, row), xycoords=("axes fraction", "data"), xytext=(8, 0), textcoords="offset points",
                va="center",
            )  # fmt: skip
        axes.set_yticks(range(len(lines)), [f"{line.material} {line.modality.upper()}".strip() for line in lines])
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.08)
        axes.set_xlabel(f"Slope, {comparison.names[1]} against {comparison.names[0]} (%)")
    return canvas
