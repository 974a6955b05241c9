"""Region scatter plots with their regression, and correlations with intervals as a forest."""

from typing import TYPE_CHECKING, Any

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from phantomcal.correlation.clustered import line_band, subject_codes
from phantomcal.report.numerals import correlation_interval, count, fixed, missing, p_number, with_unit
from phantomcal.report.style import (
    BEHAVIOUR_COLOURS,
    BEHAVIOUR_MARKERS,
    BEHAVIOUR_MARKS,
    BLACK,
    GREEN,
    HAIR,
    INK,
    MARKERS,
    MUTED,
    ORANGE,
    PURPLE,
    SKY,
    above_columns,
    beside,
    heading,
    house_style,
    new_canvas,
)
from phantomcal.results import Correlation, RegionCorrelation

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

MOST_PANELS = 24
# Verdicts own blue and vermilion, so groups take the others.
_GROUP_COLOURS = (GREEN, PURPLE, ORANGE, SKY, BLACK)
_NO_GROUP = "#4a5561"


def region_scatter(
    table: "pd.DataFrame",
    correlation: Correlation,
    x: str,
    y: str,
    by: str,
    group: str | None = None,
    subject: str | None = None,
) -> Canvas:
    """A panel per region: points, regression line with its 95 % band, correlation and verdict.

    Parameters
    ----------
    table : pandas.DataFrame
        The rows that were correlated.
    correlation : Correlation
        Its result; regions are drawn in its order, the first 24 of them.
    x, y, by : str
        Columns of the two measurements and of the region.
    group : str, optional
        Column that colours the points (patient, volunteer).
    subject : str, optional
        Column of the person. When few people give many points and no group is asked for, points show the person.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the correlation has no region.
    """
    regions = correlation.regions[:MOST_PANELS]
    if not regions:
        raise ValueError("a correlation without regions cannot be drawn")
    key = group if group in table else _person_key(table, subject)
    names = [str(name) for name in dict.fromkeys(table[key].dropna())] if key else []
    colours = {name: _GROUP_COLOURS[i % len(_GROUP_COLOURS)] for i, name in enumerate(names)}
    columns = min(3, len(regions))
    rows = -(-len(regions) // columns)
    with house_style():
        canvas = new_canvas(
            {1: 5.4, 2: 7.2, 3: 8.9}[columns], (2.75 if columns == 3 else 3.3) * rows + 0.6, pad_in=0.075, space=0.05
        )
        grid = canvas.subplots(rows, columns, squeeze=False)
        for axes, region in zip(grid.flat, regions, strict=False):
            # Without a column of regions all rows are one region.
            chosen = table.loc[table[by].astype(str) == region.roi] if by in table else table
            people: NDArray[Any] | None = None
            # The line at the covariates' means has no band among points that still carry the covariates.
            if not correlation.covariates:
                known = subject is not None and subject in chosen
                people = chosen[subject].to_numpy() if known else np.arange(len(chosen))
            _panel(
                axes, region, chosen[x].to_numpy(float), chosen[y].to_numpy(float), _kinds(chosen, key), colours, people
            )
        for axes in list(grid.flat)[len(regions) :]:
            axes.set_axis_off()
        canvas.supxlabel(with_unit(x), size=9)
        canvas.supylabel(with_unit(y), size=9)
        if len(names) > 1:
            handles = [
                Line2D([], [], ls="none", marker=MARKERS[i % len(MARKERS)], color=colours[name], ms=5, label=name)
                for i, name in enumerate(names)
            ]
            canvas.legend(handles=handles, loc="outside upper right", ncols=min(6, len(names)), title=None)
    return canvas


def forest(correlation: Correlation) -> Canvas:
    """Pearson's r (filled) and Spearman's rho (hollow) with 95 % intervals, a row per region, coloured by verdict.

    Raises
    ------
    ValueError
        If the correlation has no region.
    """
    regions = correlation.regions
    if not regions:
        raise ValueError("a correlation without regions cannot be drawn")
    with house_style():
        canvas = new_canvas(8.9, 1.25 + 0.4 * len(regions))
        axes = canvas.add_subplot()
        axes.axvline(0, color=INK, lw=0.9, zorder=1)
        for i, region in enumerate(regions):
            colour = BEHAVIOUR_COLOURS[region.behaviour]
            marker = BEHAVIOUR_MARKERS[region.behaviour]
            _estimate(
                axes,
                i - 0.12,
                region.pearson_r,
                region.pearson_ci95_low,
                region.pearson_ci95_high,
                colour,
                marker,
                True,
            )
            _estimate(
                axes,
                i + 0.2,
                region.spearman_rho,
                region.spearman_ci95_low,
                region.spearman_ci95_high,
                colour,
                marker,
                False,
            )
            r = correlation_interval(region.pearson_r, region.pearson_ci95_low, region.pearson_ci95_high)
            beside(axes, i, ((8, r), (116, p_number(region.pearson_p_adjusted)), (166, str(region.n))))
        above_columns(axes, ((8, "r [95 % interval]"), (116, "p adj."), (166, "n")))
        axes.set_xlim(-1.02, 1.02)
        axes.set_ylim(len(regions) - 0.5, -0.5)
        axes.set_yticks(range(len(regions)), [region.roi for region in regions])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="y", color=HAIR, lw=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel("Correlation of CT with QSM")
        axes.set_xticks(np.arange(-1, 1.01, 0.5))
        handles = [
            Line2D([], [], ls="none", marker=BEHAVIOUR_MARKERS[b], color=BEHAVIOUR_COLOURS[b], ms=6, label=b)
            for b in BEHAVIOUR_COLOURS
            if any(region.behaviour == b for region in regions)
        ]
        handles += [
            Line2D([], [], color=MUTED, marker="o", ms=5.5, lw=2, label="Pearson r"),
            Line2D([], [], color=MUTED, marker="o", mfc="white", ms=4.5, lw=1, alpha=0.8, label="Spearman ρ"),
        ]
        canvas.legend(handles=handles, loc="outside lower center", ncols=len(handles), columnspacing=1.5)
    return canvas


def _person_key(table: "pd.DataFrame", subject: str | None) -> str | None:
    if subject is None or subject not in table:
        return None
    people = table[subject].nunique()
    return subject if 1 < people <= 6 and len(table) > 3 * people else None


def _kinds(rows: "pd.DataFrame", key: str | None) -> list[str]:
    return [str(kind) for kind in rows[key]] if key else [""] * len(rows)


def _panel(
    axes: Any,
    region: RegionCorrelation,
    x: Floats,
    y: Floats,
    kinds: list[str],
    colours: dict[str, str],
    people: NDArray[Any] | None,
) -> None:
    known = np.isfinite(x) & np.isfinite(y)
    shown = np.array(kinds, dtype=object)[known]
    x, y = x[known], y[known]
    colour = BEHAVIOUR_COLOURS[region.behaviour]
    markers = {name: MARKERS[i % len(MARKERS)] for i, name in enumerate(colours)}
    sns.scatterplot(
        x=x,
        y=y,
        hue=shown if colours else None,
        style=shown if colours else None,
        palette=colours or None,
        markers=markers or True,
        color=None if colours else _NO_GROUP,
        s=15,
        linewidth=0.35,
        edgecolor="white",
        alpha=0.8,
        legend=False,
        zorder=2,
        ax=axes,
    )
    axes.set(xlabel="", ylabel="")
    if region.slope is not None and region.intercept is not None and len(x) > 1:
        line = INK if region.behaviour == "undetermined" else colour
        _regression(axes, region.slope, region.intercept, x, y, line, None if people is None else people[known])
    axes.margins(0.07)
    axes.xaxis.set_major_locator(_ticks())
    axes.yaxis.set_major_locator(_ticks())
    several = region.n_subjects is not None and region.n_subjects != region.n
    told = f" from {region.n_subjects} subjects" if several else ""
    lines = [f"{BEHAVIOUR_MARKS[region.behaviour]} {region.behaviour} · n = {region.n}{told}"]
    r = correlation_interval(region.pearson_r, region.pearson_ci95_low, region.pearson_ci95_high)
    lines.append(
        f"r = {r} · ρ = {fixed(region.spearman_rho)}" if not missing(region.pearson_r) else "no correlation computed"
    )
    heading(axes, region.roi, lines)


def _regression(
    axes: Any, slope: float, intercept: float, x: Floats, y: Floats, colour: str, people: NDArray[Any] | None
) -> None:
    at = np.linspace(x.min(), x.max(), 80)
    fit = intercept + slope * at
    axes.plot(at, fit, color=colour, lw=1.5, zorder=4)
    band = None if people is None else line_band(x, y, subject_codes(people.astype(str).astype(object)), at)
    if band is not None:
        axes.fill_between(at, fit - band, fit + band, color=colour, alpha=0.18, lw=0, zorder=3)


def _estimate(
    axes: Any,
    row: float,
    value: float | None,
    low: float | None,
    high: float | None,
    colour: str,
    marker: str,
    main: bool,
) -> None:
    if missing(value):
        return
    if not missing(low) and not missing(high):
        axes.plot([low, high], [row, row], color=colour, lw=2.0 if main else 0.9, alpha=1 if main else 0.6, zorder=2)
    axes.plot(
        value,
        row,
        marker=marker,
        ms=6.5 if main else 4.6,
        mfc=colour if main else "white",
        mec=colour,
        mew=0.9,
        alpha=1 if main else 0.75,
        zorder=3,
    )


def _ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])


def left_out_panels(correlation: Correlation) -> str:
    """What the scatter plot leaves out, in words; empty when nothing."""
    more = len(correlation.regions) - MOST_PANELS
    return (
        f"The first {MOST_PANELS} regions are drawn; {count(more, 'more region')} in the table only."
        if more > 0
        else ""
    )
