"""Calibration lines with their points, bands and residuals, and how the slopes compare with what physics expects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy import stats

from phantomcal.report.labels import place_labels
from phantomcal.report.numerals import number, p_value, share, unit_words, with_interval, with_uncertainty
from phantomcal.report.style import (
    BLUE,
    HAIR,
    INK,
    MUTED,
    ORANGE,
    VERMILION,
    fixed_canvas,
    heading,
    house_style,
    modality_name,
    new_canvas,
)
from phantomcal.results import Calibration, Line, VialMeasurement

Floats = NDArray[np.float64]

_MODALITY_COLOURS = {"ct": BLUE, "qsm": VERMILION}
_QUANTITY = {"HU": "CT number (HU)", "ppm": "Susceptibility (ppm)"}
_WIDTH_IN = 8.9
# Around a panel: labels to the left, headings above, tick labels below; the legend under all.
_LEFT_IN, _RIGHT_IN, _TOP_IN, _BELOW_IN, _LEGEND_IN = 0.78, 0.14, 0.62, 0.5, 0.42


@dataclass(frozen=True)
class _Points:
    """The vials of one line as arrays, used and excluded."""

    names: list[str]
    x: Floats
    y: Floats
    error: Floats
    used: NDArray[np.bool_]


def _share(size_in: float, panels: int, gap_in: float, aside_in: float) -> float:
    """Gap between panels as a share of a panel's own size, as a grid wants it; the outer margins are one gap too."""
    return panels * gap_in / (size_in - aside_in - panels * gap_in)


def calibration_lines(calibration: Calibration) -> Canvas:
    """A panel per line: points with 95 % intervals, fit with its band, expected slope, and residuals beneath.

    The expected slope is drawn through the centroid of the fitted points, so that only the slope is compared. Vials
    left out are hollow and named; the line with them is dotted.

    Parameters
    ----------
    calibration : Calibration
        One or more lines, with the vials when they are known.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the calibration has no line.
    """
    if not calibration.lines:
        raise ValueError("a calibration without lines cannot be drawn")
    grid = _arranged(calibration.lines)
    rows, columns = len(grid), max(len(row) for row in grid)
    with house_style():
        width, height = _WIDTH_IN if columns > 1 else 6.2, 3.45 * rows + 0.45
        canvas = fixed_canvas(width, height)
        frames = canvas.add_gridspec(
            rows,
            columns,
            left=_LEFT_IN / width,
            right=1 - _RIGHT_IN / width,
            top=1 - _TOP_IN / height,
            bottom=(_BELOW_IN + _LEGEND_IN) / height,
            wspace=_share(width, columns, _LEFT_IN + _RIGHT_IN, 0.0),
            hspace=_share(height, rows, _TOP_IN + _BELOW_IN, _LEGEND_IN),
        )
        named: list[tuple[Any, _Points]] = []
        for i, row in enumerate(grid):
            for j, line in enumerate(row):
                if line is None:
                    continue
                inner = frames[i, j].subgridspec(2, 1, height_ratios=(3.1, 1), hspace=0.04)
                upper = canvas.add_subplot(inner[0])
                lower = canvas.add_subplot(inner[1], sharex=upper)
                points = _points(calibration.vials, line)
                _draw_line(upper, line, points)
                _draw_residuals(lower, line, points)
                named.append((upper, points))
        canvas.legend(
            handles=_legend(calibration.lines),
            loc="outside lower center",
            ncols=5 if columns > 1 else 3,
            handlelength=2.2,
            columnspacing=1.6,
        )
        for axes, points in named:
            _name_excluded(canvas, axes, points)
    return canvas


def slope_ratios(calibration: Calibration) -> Canvas:
    """Measured over expected slope with its 95 % interval, a row per line that has an expected slope.

    Parameters
    ----------
    calibration : Calibration
        Lines without an expected slope are left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If no line has an expected slope.
    """
    lines = [line for line in calibration.lines if line.slope_ratio is not None]
    if not lines:
        raise ValueError("no line has an expected slope to compare with")
    with house_style():
        canvas = new_canvas(7.4, 0.95 + 0.36 * len(lines))
        axes = canvas.add_subplot()
        bounds = [1.0]
        for i, line in enumerate(lines):
            colour = _MODALITY_COLOURS.get(line.modality, INK)
            ratio = float(line.slope_ratio or 0.0)
            bounds.append(ratio)
            if line.slope_ratio_ci95:
                axes.plot(line.slope_ratio_ci95, [i, i], color=colour, lw=2, solid_capstyle="butt", zorder=2)
                bounds += line.slope_ratio_ci95
            axes.plot(ratio, i, marker="o" if line.modality == "ct" else "s", color=colour, ms=6, zorder=3)
            text = with_interval(ratio, line.slope_ratio_ci95)
            axes.annotate(
                text,
                (1, i),
                xycoords=("axes fraction", "data"),
                xytext=(10, 0),
                textcoords="offset points",
                va="center",
            )
        margin = 0.06 * (max(bounds) - min(bounds)) or 0.1
        axes.set_xlim(min(bounds) - margin, max(bounds) + margin)
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.axvline(1.0, color=INK, lw=0.9, dashes=(5, 3), zorder=1)
        axes.set_yticks(range(len(lines)), [_name(line) for line in lines])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="y", color=HAIR, lw=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel("Measured over expected slope, with 95 % interval (1 = as expected)")
    return canvas


def confidence_band(line: Line, x: Floats) -> Floats | None:
    """Half width of the 95 % confidence band of a line at `x`, or None where the record does not determine it.

    Parameters
    ----------
    line : Line
        Needs standard errors of slope and intercept and their covariance.
    x : ndarray
        Abscissa in the line's unit.

    Returns
    -------
    ndarray or None
        t(0.975, n - 2) sqrt(se_a^2 + x^2 se_b^2 + 2 x cov_ab), in the unit of the measured value.
    """
    if (
        line.slope_se is None
        or line.intercept_se is None
        or line.covariance_slope_intercept is None
        or line.n_vials < 3
    ):
        return None
    variance = line.intercept_se**2 + x**2 * line.slope_se**2 + 2 * x * line.covariance_slope_intercept
    band: Floats = stats.t.ppf(0.975, line.degrees_of_freedom or line.n_vials - 2) * np.sqrt(np.maximum(variance, 0.0))
    return band


def _arranged(lines: Sequence[Line]) -> list[list[Line | None]]:
    # Materials measured in both modalities stand side by side; everything else fills two columns in order.
    materials = list(dict.fromkeys(line.material for line in lines))
    modalities = list(dict.fromkeys(line.modality for line in lines))
    cells = {(line.material, line.modality): line for line in lines}
    if len(modalities) == 2 and len(cells) == len(lines) and len(lines) > len(materials):
        return [[cells.get((material, modality)) for modality in modalities] for material in materials]
    columns = min(2, len(lines))
    padded: list[Line | None] = [*lines, *[None] * (-len(lines) % columns)]
    return [padded[i : i + columns] for i in range(0, len(padded), columns)]


def _points(vials: Sequence[VialMeasurement], line: Line) -> _Points:
    rows = [
        v
        for v in vials
        if v.series == line.material and v.modality == line.modality and np.isfinite([v.abscissa, v.value]).all()
    ]
    return _Points(
        names=[v.vial_id for v in rows],
        x=np.array([v.abscissa for v in rows], dtype=float),
        y=np.array([v.value for v in rows], dtype=float),
        error=np.array([_half_interval(v) for v in rows], dtype=float),
        used=np.array([v.used and v.vial_id not in line.excluded for v in rows], dtype=bool),
    )


def _half_interval(vial: VialMeasurement) -> float:
    if vial.sem is None or not np.isfinite(vial.sem):
        return 0.0
    n = vial.n_effective or vial.n_voxels
    # A table may give a standard error without the n behind it; then the normal quantile is all there is.
    quantile = stats.t.ppf(0.975, n - 1) if n is not None and n > 1 else stats.norm.ppf(0.975)
    return float(quantile * vial.sem)


def _draw_line(axes: Any, line: Line, points: _Points) -> None:
    colour = _MODALITY_COLOURS.get(line.modality, INK)
    used, left_out = points.used, ~points.used
    low, high = line.abscissa_range
    if left_out.any():
        low, high = min(low, points.x[left_out].min()), max(high, points.x[left_out].max())
    margin = 0.04 * (high - low)
    x = np.linspace(low - margin, high + margin, 121)
    fit = line.intercept + line.slope * x
    band = confidence_band(line, x)
    if band is not None:
        axes.fill_between(x, fit - band, fit + band, color=colour, alpha=0.16, lw=0, zorder=1)
    axes.plot(x, fit, color=colour, lw=1.5, zorder=3)
    if line.expected_slope is not None:
        middle = points.x[used].mean() if used.any() else (low + high) / 2
        axes.plot(
            x,
            line.intercept + line.slope * middle + line.expected_slope * (x - middle),
            color=INK,
            lw=1.0,
            dashes=(6, 3),
            zorder=2,
        )
    if line.all_vials is not None and line.excluded:
        axes.plot(x, line.all_vials.intercept + line.all_vials.slope * x, color=ORANGE, lw=1.2, ls=":", zorder=2)
    _scatter(axes, points.x, points.y, points, colour)
    axes.margins(y=0.09)
    axes.tick_params(labelbottom=False)
    axes.set_ylabel(_QUANTITY.get(line.unit, line.unit))
    axes.yaxis.set_major_locator(_nice_ticks(5))
    statistics = [f"n = {line.n_vials}"]
    if line.residual_sd is not None:
        statistics.append(f"residual SD {number(line.residual_sd, 2)} {line.unit}")
    if line.r2 is not None:
        statistics.append(f"R² {share(line.r2)}" if line.r2 > 0.9999 else f"R² = {share(line.r2)}")
    if line.p_value is not None:
        statistics.append(p_value(line.p_value))
    if line.slope_se is None:
        statistics.append("no standard error")
    heading(
        axes,
        _name(line),
        ["slope " + with_uncertainty(line.slope, line.slope_se, line.slope_unit), " · ".join(statistics)],
    )


def _draw_residuals(axes: Any, line: Line, points: _Points) -> None:
    colour = _MODALITY_COLOURS.get(line.modality, INK)
    axes.axhline(0, color=MUTED, lw=0.8, zorder=1)
    residual = points.y - (line.intercept + line.slope * points.x)
    _scatter(axes, points.x, residual, points, colour, size=3.8)
    if len(residual):
        # A failed vial must not flatten the others: the strip is scaled by the vials in use.
        inside = points.used if points.used.any() else np.ones(len(residual), dtype=bool)
        reach = float(np.max(np.abs(residual[inside]) + points.error[inside])) * 1.3
        # Residuals of two points are rounding errors: drawn as the zeros they are.
        reach = reach if reach > 1e-9 * float(np.abs(points.y).max()) else 0.01 * float(np.abs(points.y).max() or 1.0)
        axes.set_ylim(-reach, reach)
        beyond = np.abs(residual) > reach
        for x, value in zip(points.x[beyond & ~inside], residual[beyond & ~inside], strict=True):
            axes.plot(
                x,
                np.sign(value) * reach * 0.86,
                marker="^" if value > 0 else "v",
                ms=5,
                mfc="white",
                mec=VERMILION,
                mew=1.1,
            )
    axes.yaxis.set_major_locator(_nice_ticks(3))
    axes.xaxis.set_major_locator(_nice_ticks(6))
    axes.set_ylabel("Residual")
    unit = unit_words(line.abscissa_unit)
    axes.set_xlabel(f"Concentration ({unit})" if unit == "mmol/L" else f"Nominal value ({unit})")


def _scatter(axes: Any, x: Floats, y: Floats, points: _Points, colour: str, size: float = 5.0) -> None:
    for chosen, face, edge in ((points.used, colour, "white"), (~points.used, "white", VERMILION)):
        if not chosen.any():
            continue
        bars = points.error[chosen]
        if (bars > 0).any():
            axes.errorbar(
                x[chosen],
                y[chosen],
                bars,
                fmt="none",
                ecolor=colour if face == colour else edge,
                elinewidth=0.9,
                zorder=4,
            )
        axes.plot(
            x[chosen],
            y[chosen],
            "o",
            ms=size,
            mfc=face,
            mec=edge,
            mew=0.7 if face == colour else 1.3,
            zorder=5,
            ls="none",
        )


def _name_excluded(canvas: Canvas, axes: Any, points: _Points) -> None:
    left_out = ~points.used
    if not left_out.any():
        return
    names = [name for name, out in zip(points.names, left_out, strict=True) if out]
    to_display = axes.transData.transform
    anchors = to_display(np.column_stack([points.x, points.y]))
    scale = canvas.dpi / 72
    texts = [
        axes.text(0, 0, name, transform=axes.transAxes, ha="center", va="center", size=8, color="#a83c00")
        for name in names
    ]
    boxes = [text.get_window_extent() for text in texts]
    frame = axes.get_window_extent()
    # Besides the points, labels keep clear of the fitted line, sampled densely enough to leave no gap for a letter.
    drawn = np.vstack([to_display(line.get_xydata())[::2] for line in axes.get_lines() if len(line.get_xdata()) == 121])
    obstacles = np.vstack(
        [
            np.column_stack([anchors[points.used], np.full(points.used.sum(), 5 * scale)]),
            np.column_stack([drawn, np.full(len(drawn), 2 * scale)]),
        ]
    )
    centres = place_labels(
        anchors[left_out],
        np.full(len(names), 4.5 * scale),
        np.array([(box.width, box.height) for box in boxes]),
        (frame.x0, frame.y0, frame.x1, frame.y1),
        obstacles,
    )
    for text, centre in zip(texts, centres, strict=True):
        text.set_position(axes.transAxes.inverted().transform(centre))


def _legend(lines: Sequence[Line]) -> list[Any]:
    modality = lines[0].modality if len({line.modality for line in lines}) == 1 else ""
    colour = _MODALITY_COLOURS.get(modality, MUTED)
    handles: list[Any] = [
        Line2D([], [], marker="o", ls="none", color=colour, mec="white", ms=5.5, label="Vial, 95 % interval"),
    ]
    banded = any(confidence_band(line, np.zeros(1)) is not None for line in lines)
    handles.append(
        Patch(color=colour, alpha=0.25, lw=0, label="Fit, 95 % band")
        if banded
        else Line2D([], [], color=colour, label="Fit")
    )
    if any(line.expected_slope is not None for line in lines):
        handles.append(Line2D([], [], color=INK, lw=1.0, dashes=(6, 3), label="Expected slope"))
    if any(line.excluded for line in lines):
        handles.append(
            Line2D([], [], marker="o", ls="none", mfc="white", mec=VERMILION, mew=1.3, ms=5.5, label="Left out")
        )
    if any(line.excluded and line.all_vials for line in lines):
        handles.append(Line2D([], [], color=ORANGE, ls=":", lw=1.4, label="Line with all vials"))
    return handles


def _nice_ticks(most: int) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(most, steps=[1, 2, 2.5, 5, 10])


def _name(line: Line) -> str:
    return " · ".join(part for part in (line.material, modality_name(line.modality)) if part)
