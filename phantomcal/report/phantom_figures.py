"""Phantom pictures with the found vials drawn in, so that a wrong vial is seen at a glance."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from phantomcal.report.labels import place_labels
from phantomcal.report.style import PALETTE, group_colours, house_style, new_canvas, settle

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

_MOST_COLOURS = 5
# Letters on a dark plate stay text in the SVG; letters with a rim would be turned into outlines ten times the size.
_PLATE = {"boxstyle": "round,pad=0.12,rounding_size=0.25", "fc": (0, 0, 0, 0.62), "ec": "none"}
_FLAGGED = "#FF9E4A"
# On grey the palette needs light tones; they differ in lightness too, so grey prints tell them apart from black.
_ON_GREY = {
    "#0072B2": "#6CC4F5",
    "#D55E00": "#FFB08A",
    "#009E73": "#5FE0B7",
    "#CC79A7": "#F0B3D3",
    "#E69F00": "#FFD56B",
    "#56B4E9": "#B5E0FA",
    "#000000": "#FFFFFF",
}
_QUANTITY = {"HU": "CT number (HU)", "ppm": "Susceptibility (ppm)"}


def vial_overlay(
    slice_2d: NDArray[Any],
    extent_mm: tuple[float, float, float, float],
    vials: "pd.DataFrame",
    title: str = "",
    window: tuple[float, float] | None = None,
    unit: str = "",
    crop: bool = True,
) -> Canvas:
    """A slice in grey with every vial's mask outlined and named, flagged vials dashed.

    Parameters
    ----------
    slice_2d : ndarray, shape (rows, columns)
        Row 0 is drawn at the top. NaN is drawn black.
    extent_mm : tuple of float
        Left, right, bottom, top: in-plane positions of the outer pixel edges, as matplotlib's ``imshow`` takes them.
    vials : pandas.DataFrame
        Columns ``x_mm, y_mm`` (in-plane), ``radius_mm`` (of the mask), ``label``, and optionally ``group`` (material),
        ``used`` (bool) and ``flag`` (words; not empty marks the vial).
    title : str
        Short heading.
    window : tuple of float, optional
        Values drawn black and white; by default from the values in and around the vials.
    unit : {"HU", "ppm"} or str
        Unit of the values, for the scale.
    crop : bool
        Show the phantom only: the vials and half as much again around them.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the slice is not two-dimensional.
    """
    picture = np.asarray(slice_2d, dtype=float)
    if picture.ndim != 2:
        raise ValueError(f"a slice has two dimensions, this has {picture.ndim}")
    picture, extent = _cropped(picture, extent_mm, vials) if crop and len(vials) else (picture, extent_mm)
    low, high = window or _window(picture, extent, vials)
    with house_style():
        tall = abs(extent[3] - extent[2]) / abs(extent[1] - extent[0])
        canvas = new_canvas(5.6, min(7.5, 4.55 * tall + 0.75))
        axes = canvas.add_subplot()
        grey = np.nan_to_num(np.clip((picture - low) / (high - low), 0, 1))
        # Quantised here, so that the embedded picture is one small grey image whatever the input.
        axes.imshow(np.round(grey * 255) / 255, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="none")
        axes.set_axis_off()
        if title:
            axes.set_title(title, loc="left", weight="bold", size=10, pad=6)
        _scale(canvas, axes, low, high, unit)
        _bar(axes, extent)
        colours = _outlines(axes, vials)
        _legend(canvas, vials, colours)
        settle(canvas)
        _names(canvas, axes, vials, colours)
    return canvas


def _cropped(
    picture: Floats, extent: tuple[float, float, float, float], vials: "pd.DataFrame"
) -> tuple[Floats, tuple[float, float, float, float]]:
    x, y = vials["x_mm"].to_numpy(float), vials["y_mm"].to_numpy(float)
    middle = np.array([(x.min() + x.max()) / 2, (y.min() + y.max()) / 2])
    reach = float(np.max(np.hypot(x - middle[0], y - middle[1]) + vials["radius_mm"].to_numpy(float))) * 1.5
    left, right, bottom, top = extent
    rows, columns = picture.shape
    step_x, step_y = (right - left) / columns, (bottom - top) / rows
    first_column, last_column = _span((middle[0] - left) / step_x, reach / abs(step_x), columns)
    first_row, last_row = _span((middle[1] - top) / step_y, reach / abs(step_y), rows)
    return picture[first_row:last_row, first_column:last_column], (
        left + first_column * step_x,
        left + last_column * step_x,
        top + last_row * step_y,
        top + first_row * step_y,
    )


def _span(middle: float, reach: float, size: int) -> tuple[int, int]:
    first, last = max(0, int(np.floor(middle - reach))), min(size, int(np.ceil(middle + reach)))
    return (first, last) if last - first > 1 else (0, size)


def _window(picture: Floats, extent: tuple[float, float, float, float], vials: "pd.DataFrame") -> tuple[float, float]:
    # The vials are what must be seen, so contrast is spent on them and their rim, not on air or table.
    rows, columns = picture.shape
    x = extent[0] + (np.arange(columns) + 0.5) * (extent[1] - extent[0]) / columns
    y = extent[3] + (np.arange(rows) + 0.5) * (extent[2] - extent[3]) / rows
    near = np.zeros(picture.shape, dtype=bool)
    for vial_x, vial_y, radius in vials[["x_mm", "y_mm", "radius_mm"]].to_numpy(float):
        near |= (x[None] - vial_x) ** 2 + (y[:, None] - vial_y) ** 2 <= (1.6 * radius) ** 2
    values = picture[np.isfinite(picture) & near]
    if not values.size:
        values = picture[np.isfinite(picture)]
    if not values.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, [1.0, 99.0]))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _flagged(vials: "pd.DataFrame") -> list[bool]:
    used = vials["used"] if "used" in vials else [True] * len(vials)
    flag = vials["flag"] if "flag" in vials else [""] * len(vials)
    return [not bool(u) or bool(isinstance(f, str) and f.strip()) for u, f in zip(used, flag, strict=True)]


def _groups(vials: "pd.DataFrame") -> list[str]:
    return [str(g) for g in vials["group"]] if "group" in vials else [""] * len(vials)


def _palette(groups: list[str]) -> dict[str, str]:
    # Colour sorts vials into a few materials; a colour for each of many tells nothing and is left away.
    if len(set(groups)) > _MOST_COLOURS:
        return dict.fromkeys(groups, PALETTE[0])
    return group_colours(groups)


def _outlines(axes: Any, vials: "pd.DataFrame") -> list[str]:
    palette = _palette(_groups(vials))
    flagged = _flagged(vials)
    colours = []
    for vial, group, bad in zip(vials.itertuples(), _groups(vials), flagged, strict=True):
        colour = _FLAGGED if bad else _ON_GREY[palette[group]]
        circle = Circle(
            (float(vial.x_mm), float(vial.y_mm)),  # type: ignore[arg-type]
            float(vial.radius_mm),  # type: ignore[arg-type]
            fill=False,
            ec=colour,
            lw=1.5,
            ls=(0, (3, 2)) if bad else "solid",
        )
        circle.set_path_effects([withStroke(linewidth=3.0, foreground=(0, 0, 0, 0.55))])
        axes.add_patch(circle)
        colours.append(colour)
    return colours


def _names(canvas: Canvas, axes: Any, vials: "pd.DataFrame", colours: list[str]) -> None:
    if not len(vials):
        return
    x, y, radius = (vials[name].to_numpy(float) for name in ("x_mm", "y_mm", "radius_mm"))
    anchors = axes.transData.transform(np.column_stack([x, y]))
    radii = np.abs(axes.transData.transform(np.column_stack([x + radius, y]))[:, 0] - anchors[:, 0])
    flagged = _flagged(vials)
    texts = [
        axes.text(
            0,
            0,
            f"{label} !" if bad else str(label),
            ha="center",
            va="center",
            size=7.5 if len(vials) > 12 else 8.5,
            weight="bold",
            color=colour,
            transform=axes.transAxes,
            bbox=_PLATE,
        )
        for label, colour, bad in zip(vials["label"], colours, flagged, strict=True)
    ]
    boxes = [text.get_window_extent() for text in texts]
    frame = axes.get_window_extent()
    places = place_labels(
        anchors,
        radii + 1.5,
        np.array([(box.width + 5, box.height + 3) for box in boxes]),  # with the plate around the letters
        (frame.x0, frame.y0, frame.x1, frame.y1),
        centre=anchors.mean(axis=0),
    )
    for text, place, anchor, reach in zip(texts, places, anchors, radii, strict=True):
        text.set_position(axes.transAxes.inverted().transform(place))
        distance = float(np.hypot(*(place - anchor)))
        if distance > reach + 34:  # a label far from its vial needs a leader
            start = anchor + (place - anchor) * reach / distance
            ends = axes.transAxes.inverted().transform(np.vstack([start, place]))
            axes.plot(*ends.T, transform=axes.transAxes, color="white", lw=0.6, alpha=0.8)


def _scale(canvas: Canvas, axes: Any, low: float, high: float, unit: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = canvas.colorbar(
        ScalarMappable(Normalize(low, high), "gray"), ax=axes, fraction=0.04, pad=0.025, aspect=28, shrink=0.92
    )
    bar.outline.set_linewidth(0.5)
    bar.set_label(_QUANTITY.get(unit, unit))


def _bar(axes: Any, extent: tuple[float, float, float, float]) -> None:
    wide = abs(extent[1] - extent[0])
    length = max((c for c in (1, 2, 5, 10, 20, 50, 100) if c <= 0.22 * wide), default=1)
    fraction = length / wide
    tall = 0.012
    axes.add_patch(Rectangle((0.035, 0.035), fraction, tall, transform=axes.transAxes, fc="white", ec="black", lw=0.5))
    axes.text(
        0.035 + fraction / 2,
        0.035 + tall + 0.014,
        f"{length} mm",
        transform=axes.transAxes,
        color="white",
        ha="center",
        size=8,
        bbox=_PLATE,
    )


def _legend(canvas: Canvas, vials: "pd.DataFrame", colours: list[str]) -> None:
    flagged = _flagged(vials)
    sound = dict.fromkeys((g, c) for g, c, bad in zip(_groups(vials), colours, flagged, strict=True) if g and not bad)
    handles = [_ring(colour, "solid", group) for group, colour in sound]
    if len(sound) > _MOST_COLOURS:
        handles = []
    if any(flagged):
        handles.append(_ring(_FLAGGED, "dashed", "flagged"))
    if handles:
        # The light outline colours are drawn on a dark rim here too, as they are in the picture.
        canvas.legend(handles=handles, loc="outside lower center", ncols=min(5, len(handles)), handlelength=1.8)


def _ring(colour: str, style: str, label: str) -> Line2D:
    ring = Line2D([], [], color=colour, ls=style, lw=1.6, label=label)
    ring.set_path_effects([withStroke(linewidth=3.4, foreground="#4a4f55")])
    return ring
