"""CT on MR before and after alignment: bone contour on MR, and a checkerboard of the two."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from phantomcal.report.style import ORANGE, SKY, house_style, new_canvas

Floats = NDArray[np.float64]

BONE_HU = 300.0
CT_WINDOW_HU = (-80.0, 220.0)


def alignment_panels(
    mr_slices: Mapping[str, NDArray[Any]],
    ct_before: Mapping[str, NDArray[Any]],
    ct_after: Mapping[str, NDArray[Any]],
    spacing: Mapping[str, tuple[float, float]],
    bone_hu: float = BONE_HU,
    ct_window_hu: tuple[float, float] = CT_WINDOW_HU,
    tile_mm: float = 24.0,
    title: str = "",
) -> Canvas:
    """A column per plane; rows: bone contour of the CT on the MR before, the same after, and a checkerboard after.

    Parameters
    ----------
    mr_slices, ct_before, ct_after : mapping of str to ndarray
        Slices by plane name ("axial", "coronal", "sagittal"), shape (rows, columns), all on the MR grid; row 0 is drawn
        at the top. CT in HU; NaN outside its field of view.
    spacing : mapping of str to (row_mm, column_mm)
        Pixel size of each plane.
    bone_hu : float
        Threshold of the contour.
    ct_window_hu : tuple of float
        CT values drawn black and white in the checkerboard.
    tile_mm : float
        Side of a checkerboard tile.
    title : str
        Short heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If no plane is given, a plane is missing in one of the inputs, or shapes differ.
    """
    planes = list(mr_slices)
    if not planes:
        raise ValueError("no plane to draw")
    for plane in planes:
        shapes = {np.shape(part[plane]) for part in (mr_slices, ct_before, ct_after) if plane in part}
        if plane not in ct_before or plane not in ct_after or plane not in spacing or len(shapes) != 1:
            raise ValueError(f"MR, CT before and CT after must share one grid in the {plane} plane")
    with house_style():
        sizes = {p: (mr_slices[p].shape[0] * spacing[p][0], mr_slices[p].shape[1] * spacing[p][1]) for p in planes}
        widths = [sizes[p][1] for p in planes]
        width_in = {1: 2.8, 2: 5.0}.get(len(planes), 7.2)
        per_mm = (width_in - 0.35) / sum(widths)
        tallest = max(size[0] for size in sizes.values()) * per_mm
        canvas = new_canvas(width_in, 3 * (tallest + 0.08) + 0.4 + (0.25 if title else 0), pad_in=0.03, space=0.01)
        grid = canvas.subplots(3, len(planes), squeeze=False, width_ratios=widths)
        rows: Sequence[tuple[str, Mapping[str, NDArray[Any]] | None, str]] = (
            ("Before", ct_before, SKY),
            ("After", ct_after, ORANGE),
            ("After, MR and CT tiles", None, ""),
        )
        for i, (name, ct, colour) in enumerate(rows):
            for j, plane in enumerate(planes):
                axes = grid[i][j]
                mr = scaled(mr_slices[plane])
                extent = (0.0, sizes[plane][1], sizes[plane][0], 0.0)
                if ct is not None:
                    _show(axes, np.repeat(mr[..., None], 3, axis=2), extent)
                    _contour(axes, np.asarray(ct[plane], dtype=float), extent, bone_hu, colour)
                else:
                    _show(axes, _checkerboard(mr, ct_after[plane], spacing[plane], tile_mm, ct_window_hu), extent)
                if i == 0:
                    axes.set_title(plane.capitalize(), size=9, pad=4)
                if j == 0:
                    axes.text(
                        -0.025,
                        0.5,
                        name,
                        transform=axes.transAxes,
                        rotation=90,
                        va="center",
                        ha="right",
                        size=9,
                        weight="bold",
                    )
        if title:
            canvas.suptitle(title, x=0.01, ha="left", weight="bold", size=10)
    return canvas


def _show(axes: Any, rgb: Floats, extent: tuple[float, float, float, float]) -> None:
    axes.imshow(np.round(rgb * 255) / 255, extent=extent, interpolation="none")
    axes.set_xlim(extent[0], extent[1])
    axes.set_ylim(extent[2], extent[3])
    axes.set_axis_off()


def scaled(picture: NDArray[Any]) -> Floats:
    """MR values from black to white, 0 to 1: robust range of what is not 0, NaN black."""
    values = np.asarray(picture, dtype=float)
    known = values[np.isfinite(values) & (values != 0)]
    if not known.size:
        return np.zeros_like(values)
    low, high = np.percentile(known, [1, 99.3])
    shades: Floats = np.nan_to_num(np.clip((values - low) / max(high - low, 1e-12), 0, 1))
    return shades


def _contour(axes: Any, ct: Floats, extent: tuple[float, float, float, float], level: float, colour: str) -> None:
    filled = np.where(np.isfinite(ct), ct, -1000.0)
    if not filled.min() < level < filled.max():
        axes.text(0.5, 0.04, "no bone in this slice", transform=axes.transAxes, color="white", ha="center", size=7.5)
        return
    rows, columns = filled.shape
    x = (np.arange(columns) + 0.5) * extent[1] / columns
    y = (np.arange(rows) + 0.5) * extent[2] / rows
    axes.contour(x, y, filled, levels=[level], colors=[to_rgb(colour)], linewidths=1.2)


def _checkerboard(
    mr: Floats, ct: NDArray[Any], spacing: tuple[float, float], tile_mm: float, window: tuple[float, float]
) -> Floats:
    rows, columns = mr.shape
    row_tile = np.floor(np.arange(rows) * spacing[0] / tile_mm).astype(int)
    column_tile = np.floor(np.arange(columns) * spacing[1] / tile_mm).astype(int)
    is_ct = ((row_tile[:, None] + column_tile[None]) % 2).astype(bool)
    values = np.asarray(ct, dtype=float)
    grey = np.nan_to_num(np.clip((values - window[0]) / (window[1] - window[0]), 0, 1))
    board = np.repeat(np.where(is_ct, grey, mr)[..., None], 3, axis=2)
    # A faint warm cast tells CT tiles from MR tiles without changing their lightness much.
    board[is_ct] *= np.array([1.0, 0.93, 0.8])
    return board
