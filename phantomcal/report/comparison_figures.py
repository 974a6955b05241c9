"""Pictures of comparisons: differences between regions and groups, values against age, agreement of two readers."""

from typing import TYPE_CHECKING, Any

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from phantomcal.correlation.clustered import line_band, subject_codes
from phantomcal.correlation.expected_iron import expected_ppm, iron_region
from phantomcal.report.numerals import fixed, number, p_number, with_unit
from phantomcal.report.style import (
    BLUE,
    HAIR,
    INK,
    MUTED,
    ORANGE,
    VERMILION,
    above_columns,
    beside,
    heading,
    house_style,
    new_canvas,
)
from phantomcal.results import ComparisonRow, RegionAgreement

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

MOST_PANELS = 12
_DECIDED = 0.05


def pair_matrix(rows: list[ComparisonRow]) -> Canvas:
    """Differences of r between all pairs of regions, row minus column; bold where the adjusted p is below 0.05.

    Raises
    ------
    ValueError
        If there is no pair.
    """
    if not rows:
        raise ValueError("no pair of regions to draw")
    names = list(dict.fromkeys([row.roi for row in rows] + [row.other for row in rows]))
    grid = np.full((len(names), len(names)), np.nan)
    words = np.full(grid.shape, "", dtype=object)
    bold = np.zeros(grid.shape, dtype=bool)
    for row in rows:
        # The lower triangle: the later region against the earlier one.
        i, j = names.index(row.other), names.index(row.roi)
        if row.estimate is not None:
            grid[i, j] = -row.estimate
            words[i, j] = fixed(-row.estimate)
            bold[i, j] = row.p_adjusted is not None and row.p_adjusted < _DECIDED
    with house_style():
        side = 0.62 * len(names) + 1.9
        canvas = new_canvas(min(side + 0.6, 8.9), 0.36 * len(names) + 1.5)
        axes = canvas.add_subplot()
        sns.heatmap(
            grid[1:, :-1],
            vmin=-2,
            vmax=2,
            cmap=sns.diverging_palette(240, 25, s=80, l=55, as_cmap=True),
            annot=words[1:, :-1],
            fmt="",
            linewidths=1.0,
            cbar_kws={"label": "difference of r", "shrink": 0.8},
            xticklabels=names[:-1],
            yticklabels=names[1:],
            annot_kws={"size": 7.5},
            ax=axes,
        )
        shown = [(i, j) for i in range(len(names) - 1) for j in range(len(names) - 1) if np.isfinite(grid[i + 1, j])]
        for text, (i, j) in zip(axes.texts, shown, strict=True):
            text.set_fontweight("bold" if bold[i + 1, j] else "normal")
            text.set_color(INK if bold[i + 1, j] else MUTED)
        axes.tick_params(length=0)
        axes.set_xticklabels(axes.get_xticklabels(), rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticklabels(axes.get_yticklabels(), rotation=0)
    return canvas


def difference_forest(rows: list[ComparisonRow], label: str) -> Canvas:
    """Differences of one quantity with 95 % intervals, a row per region; coloured where adjusted p is below 0.05.

    Parameters
    ----------
    rows : list of ComparisonRow
        Of one quantity.
    label : str
        Of the axis, unit included.

    Raises
    ------
    ValueError
        If no row has an estimate.
    """
    shown = [row for row in rows if row.estimate is not None]
    if not shown:
        raise ValueError("no difference to draw")
    several = len({row.other for row in shown}) > 1
    with house_style():
        canvas = new_canvas(8.9, 0.95 + 0.3 * len(shown))
        axes = canvas.add_subplot()
        axes.axvline(0, color=INK, lw=0.9, zorder=1)
        for i, row in enumerate(shown):
            assert row.estimate is not None
            decided = row.p_adjusted is not None and row.p_adjusted < _DECIDED
            colour = VERMILION if decided else MUTED
            if row.ci95_low is not None and row.ci95_high is not None:
                axes.plot([row.ci95_low, row.ci95_high], [i, i], color=colour, lw=1.8)
            axes.plot(row.estimate, i, marker="D" if decided else "o", ms=5.5, color=colour)
            texts = ((8, number(row.estimate, 3)), (70, p_number(row.p_adjusted)), (120, _n(row)))
            beside(axes, i, texts)
        above_columns(axes, ((8, "difference"), (70, "p adj."), (120, "n")), lift=3)
        names = [f"{row.roi}, {row.other}" if several else row.roi for row in shown]
        axes.set_yticks(range(len(shown)), names)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="y", color=HAIR, lw=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel(label)
    return canvas


def age_scatter(
    table: "pd.DataFrame",
    rows: list[ComparisonRow],
    y: str,
    by: str,
    age: str,
    subject: str | None,
    ppb_per_mg: float | None,
) -> Canvas:
    """Values against age, a panel per region, with the regression line, its band, and the iron expected at that age.

    Parameters
    ----------
    table : pandas.DataFrame
        The rows that were compared.
    rows : list of ComparisonRow
        Of the kind ``age`` and the quantity of `y`; the first 12 regions are drawn.
    y, by, age : str
        Columns.
    subject : str, optional
    ppb_per_mg : float, optional
        With it the expected susceptibility is drawn where the region has one.
    """
    if not rows:
        raise ValueError("no region to draw against age")
    shown = rows[:MOST_PANELS]
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    with house_style():
        canvas = new_canvas({1: 5.4, 2: 7.2, 3: 8.9}[columns], 2.3 * lines + 0.6, pad_in=0.075, space=0.05)
        grid = canvas.subplots(lines, columns, squeeze=False)
        for axes, row in zip(grid.flat, shown, strict=False):
            here = table.loc[table[by].astype(str) == row.roi] if by in table else table
            here = here.dropna(subset=[age, y])
            x, values = here[age].to_numpy(float), here[y].to_numpy(float)
            sns.scatterplot(x=x, y=values, s=14, color="#4a5561", linewidth=0.35, edgecolor="white", alpha=0.8, ax=axes)
            at = np.linspace(x.min(), x.max(), 60)
            decided = row.p_adjusted is not None and row.p_adjusted < _DECIDED
            colour = VERMILION if decided else INK
            slope, intercept = np.polyfit(x, values, 1)
            axes.plot(at, intercept + slope * at, color=colour, lw=1.5)
            people = subject_codes(here[subject].astype(str).to_numpy(dtype=object)) if subject in here else None
            band = line_band(x, values, np.arange(x.size) if people is None else people, at)
            if band is not None:
                middle = intercept + slope * at
                axes.fill_between(at, middle - band, middle + band, color=colour, alpha=0.16, lw=0)
            tissue = iron_region(row.roi)
            if tissue is not None and ppb_per_mg is not None:
                scale = 1000.0 if "ppb" in y.lower() else 1.0
                axes.plot(at, scale * expected_ppm(tissue, at, ppb_per_mg), color=BLUE, lw=1.3, ls=(0, (4, 2)))
            axes.set(xlabel="", ylabel="")
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.yaxis.set_major_locator(MaxNLocator(4))
            change = "no line" if row.estimate is None else f"{number(row.estimate, 2)} {row.unit}"
            heading(axes, row.roi, [f"{change}, p {p_number(row.p_adjusted)} adj."])
        for axes in list(grid.flat)[len(shown) :]:
            axes.set_axis_off()
        canvas.supxlabel("Age (years)", size=9)
        canvas.supylabel(with_unit(y), size=9)
    return canvas


def bland_altman_grid(regions: list[RegionAgreement], label: str) -> Canvas:
    """Difference against mean of two readers, with bias and limits of agreement, a panel per region (12 at most).

    Raises
    ------
    ValueError
        If there is no region.
    """
    if not regions:
        raise ValueError("no region to draw")
    shown = regions[:MOST_PANELS]
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    with house_style():
        canvas = new_canvas({1: 5.4, 2: 7.2, 3: 8.9}[columns], 2.3 * lines + 0.6, pad_in=0.075, space=0.05)
        grid = canvas.subplots(lines, columns, squeeze=False)
        for axes, region in zip(grid.flat, shown, strict=False):
            plot = region.bland_altman
            a, b = np.array(region.first), np.array(region.second)
            sns.scatterplot(
                x=(a + b) / 2, y=b - a, s=14, color="#4a5561", linewidth=0.35, edgecolor="white", alpha=0.8, ax=axes
            )
            _level(axes, plot.bias, BLUE, "-")
            for value in (plot.lower, plot.upper):
                _level(axes, value, ORANGE, (0, (4, 2)))
            axes.axhline(0, color=HAIR, lw=0.8, zorder=0)
            axes.set(xlabel="", ylabel="")
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.yaxis.set_major_locator(MaxNLocator(4))
            icc = next((one for one in region.icc if one.form == "ICC(2,1)"), None)
            told = f"bias {number(plot.bias, 2)}, limits {number(plot.lower, 2)} to {number(plot.upper, 2)}"
            heading(axes, region.roi, [told, f"ICC(2,1) {fixed(icc.value) if icc else '–'} · {plot.n} pairs"])
        for axes in list(grid.flat)[len(shown) :]:
            axes.set_axis_off()
        canvas.supxlabel(f"Mean of {plot.first} and {plot.second}{label}", size=9)
        canvas.supylabel(f"{plot.second} − {plot.first}{label}", size=9)
    return canvas


def _level(axes: Any, value: float, colour: str, style: Any) -> None:
    axes.axhline(value, color=colour, lw=1.3, ls=style, zorder=3)


def _n(row: ComparisonRow) -> str:
    return str(row.n_first) if row.n_second is None else f"{row.n_first} / {row.n_second}"
