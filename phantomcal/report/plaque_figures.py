"""Pictures of plaque components: every section with the mean and its interval, and measures against grades."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from phantomcal.report.numerals import count, interval, number, p_number, with_interval, with_unit
from phantomcal.report.style import (
    BLACK,
    BLUE,
    GREEN,
    HAIR,
    INK,
    MARKERS,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    above_columns,
    beside,
    heading,
    house_style,
    new_canvas,
)
from phantomcal.results.plaque import GradeCorrelation, PlaqueMeasure

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

_KNOWN = {"haemorrhage": VERMILION, "calcification": BLUE, "lipid core": ORANGE, "fibrous": GREEN}
_OTHERS = (PURPLE, SKY, BLACK)
# Beyond this many points in a row they are drawn lighter, so that their density shows.
_MANY = 150
_PHOTOGRAPHED = 2000
_GOLDEN = 0.6180339887498949


def component_colours(components: Sequence[str]) -> dict[str, str]:
    """A colour for each component; the four known ones always have the same."""
    others = [name for name in components if name not in _KNOWN]
    return {name: _KNOWN.get(name) or _OTHERS[others.index(name) % len(_OTHERS)] for name in components}


def component_strips(frame: "pd.DataFrame", measure: PlaqueMeasure) -> Canvas:
    """Every row as a point, a line of points per component, with the mean and its 95 % interval beneath.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns ``component`` and the measure's, as `phantomcal.lesions.plaque.rows.sections_of` makes them.
    measure : PlaqueMeasure

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = [row for row in measure.components if row.n]
    colours = component_colours([row.component for row in measure.components])
    with house_style():
        canvas = new_canvas(8.9, 1.0 + 0.62 * len(rows))
        axes = canvas.add_subplot()
        axes.axvline(0, color=HAIR, lw=1, zorder=0)
        for i, row in enumerate(rows):
            values = np.sort(frame.loc[frame["component"] == row.component, measure.measure].dropna().to_numpy())
            axes.scatter(
                values,
                i - 0.1 + 0.4 * (_spread(values.size) - 0.5),
                s=14,
                color=colours[row.component],
                alpha=0.7 if values.size <= _MANY else 0.35,
                linewidths=0,
                zorder=1,
                rasterized=values.size > _PHOTOGRAPHED,
            )
            if row.ci95 is not None:
                axes.plot(row.ci95, [i + 0.27] * 2, color=INK, lw=2, zorder=3)
            assert row.mean is not None
            axes.plot(row.mean, i + 0.27, marker="D", ms=5, color=INK, mec="white", mew=0.6, zorder=4)
            texts = ((10, number(row.mean, 3)), (62, interval(row.ci95)), (156, f"{row.n} / {row.n_patients}"))
            beside(axes, i, texts)
        above_columns(axes, ((10, "mean"), (62, "95 % interval"), (156, "n / patients")))
        axes.set_yticks(range(len(rows)), [f"{row.component[:1].upper()}{row.component[1:]}" for row in rows])
        axes.set_ylim(len(rows) - 0.45, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(with_unit(measure.measure))
    return canvas


def grade_panels(frame: "pd.DataFrame", measure: PlaqueMeasure, columns: dict[str, str]) -> Canvas:
    """A measure against each histology grade, coloured by component.

    Parameters
    ----------
    frame : pandas.DataFrame
        As for `component_strips`, with a column per grade.
    measure : PlaqueMeasure
        With at least one grade.
    columns : dict of str to str
        Column of `frame` by the grade's name in the table.

    Raises
    ------
    ValueError
        If there is no grade.
    """
    grades = [row for row in measure.grades if row.n]
    if not grades:
        raise ValueError("no grade to draw")
    names = [row.component for row in measure.components if row.n]
    colours = component_colours([row.component for row in measure.components])
    across = min(2, len(grades))
    down = -(-len(grades) // across)
    with house_style():
        canvas = new_canvas(4.5 * across if across == 2 else 5.4, 2.9 * down + 0.45, pad_in=0.08, space=0.05)
        panels = canvas.subplots(down, across, squeeze=False, sharey=True).ravel()
        for axes, row in zip(panels, grades, strict=False):
            column = columns[row.grade]
            here = frame[frame[column].notna() & frame[measure.measure].notna()]
            for k, name in enumerate(names):
                mine = here[here["component"] == name].sort_values([column, measure.measure])
                x = mine[column].to_numpy(dtype=np.float64)
                shift = 0.5 * (_spread(x.size) - 0.5) * _step(here[column].to_numpy(dtype=np.float64))
                axes.scatter(
                    x + shift,
                    mine[measure.measure],
                    s=16,
                    color=colours[name],
                    marker=MARKERS[k % len(MARKERS)],
                    alpha=0.75,
                    linewidths=0,
                    rasterized=x.size > _PHOTOGRAPHED,
                )
            axes.set_xticks(np.unique(here[column]))
            axes.set_xlabel(f"{row.grade}, grade")
            heading(axes, row.grade, [_grade_words(row)])
        for axes in panels[::across]:
            axes.set_ylabel(with_unit(measure.measure))
        for axes in panels[len(grades) :]:
            axes.set_visible(False)
        handles = [
            Line2D([], [], ls="none", marker=MARKERS[k % len(MARKERS)], color=colours[name], ms=5, label=name)
            for k, name in enumerate(names)
        ]
        canvas.legend(handles=handles, loc="outside upper left", ncols=min(4, len(handles)))
    return canvas


def _grade_words(row: GradeCorrelation) -> str:
    if row.spearman_rho is None:
        return f"no correlation ({row.note}), n {row.n}"
    text = f"rho {with_interval(row.spearman_rho, row.spearman_ci95)}"
    if row.p_adjusted is not None:
        text += f", p adj. {p_number(row.p_adjusted)}"
    return f"{text}, n {row.n} of {count(row.n_patients, 'patient')}"


def _spread(n: int) -> Floats:
    """Places between 0 and 1, far from their neighbours', the same every time."""
    return np.asarray((0.5 + _GOLDEN * np.arange(n)) % 1.0, dtype=np.float64)


def _step(grades: Floats) -> float:
    levels = np.unique(grades)
    return float(np.diff(levels).min()) if levels.size > 1 else 1.0
