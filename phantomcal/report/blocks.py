"""Drawn figures as blocks of the page, with the words that belong to them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phantomcal.report.alignment_figures import alignment_panels
from phantomcal.report.numerals import count, listed
from phantomcal.report.page import Figure
from phantomcal.report.phantom_figures import vial_overlay
from phantomcal.report.style import as_svg, width_px

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame


def embedded(canvas: "Canvas", alt: str, caption: str = "") -> Figure:
    """A drawn figure as a block of the page, at its natural size.

    Parameters
    ----------
    canvas : matplotlib.figure.Figure
        From any function of `phantomcal.report.figures`.
    alt, caption : str
        What it shows, for those who cannot see it; what to see in it, for those who can.

    Returns
    -------
    Figure
    """
    return Figure(as_svg(canvas), alt, caption, width_px(canvas))


def vial_picture(
    slice_2d: NDArray[Any],
    extent_mm: tuple[float, float, float, float],
    vials: "DataFrame",
    title: str,
    window: tuple[float, float] | None = None,
    unit: str = "",
    caption: str = "",
) -> Figure:
    """`vial_overlay` as a block of the page; the alternative text names the vials and those that are flagged.

    Parameters
    ----------
    slice_2d, extent_mm, vials, title, window, unit
        As `phantomcal.report.figures.vial_overlay` takes them.
    caption : str
        Beneath the picture.

    Returns
    -------
    Figure
    """
    canvas = vial_overlay(slice_2d, extent_mm, vials, title, window, unit)
    flags = vials["flag"] if "flag" in vials else [""] * len(vials)
    used = vials["used"] if "used" in vials else [True] * len(vials)
    suspect = [
        str(name) for name, f, u in zip(vials["label"], flags, used, strict=True) if not u or (isinstance(f, str) and f)
    ]
    alt = f"{title}: {count(len(vials), 'vial')} outlined ({listed([str(v) for v in vials['label']], most=30)})"
    alt += f"; flagged: {listed(suspect)}." if suspect else "; none flagged."
    return embedded(canvas, alt, caption)


def alignment_picture(
    mr_slices: Mapping[str, NDArray[Any]],
    ct_before: Mapping[str, NDArray[Any]],
    ct_after: Mapping[str, NDArray[Any]],
    spacing: Mapping[str, tuple[float, float]],
    title: str,
    caption: str = "",
) -> Figure:
    """`alignment_panels` as a block of the page.

    Parameters
    ----------
    mr_slices, ct_before, ct_after, spacing, title
        As `phantomcal.report.figures.alignment_panels` takes them.
    caption : str
        Beneath the picture.

    Returns
    -------
    Figure
    """
    canvas = alignment_panels(mr_slices, ct_before, ct_after, spacing, title=title)
    planes = listed(list(mr_slices))
    alt = f"{title}: " if title else ""
    alt += (
        f"{planes} MR slices with the bone contour of the CT before and after alignment, and a checkerboard of the two."
    )
    return embedded(canvas, alt, caption)


def mid_slices(
    volume: NDArray[Any], spacing_mm: tuple[float, float, float]
) -> tuple[dict[str, NDArray[Any]], dict[str, tuple[float, float]]]:
    """Axial, coronal and sagittal slices through the middle of a volume, head up and front left or up.

    Parameters
    ----------
    volume : ndarray, shape (z, y, x)
        On an LPS-oriented grid: x to the left, y to the back, z to the head.
    spacing_mm : tuple of float
        Spacing along x, y and z.

    Returns
    -------
    slices : dict of str to ndarray
        "axial", "coronal", "sagittal"; row 0 is the top of the picture.
    spacing : dict of str to (row_mm, column_mm)
    """
    z, y, x = (size // 2 for size in volume.shape)
    dx, dy, dz = spacing_mm
    slices = {"axial": volume[z], "coronal": np.flipud(volume[:, y]), "sagittal": np.flipud(volume[:, :, x])}
    return slices, {"axial": (dy, dx), "coronal": (dz, dx), "sagittal": (dz, dy)}
