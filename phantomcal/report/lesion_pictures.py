"""Pictures of lesions for their cards: the same slice of map and CT, with the lesion outlined."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.report.page import Figure
from phantomcal.report.style import INK, fixed_canvas, house_style

Array = NDArray[np.float64]

MOST_PICTURES = 60
_HALF_MM = 18.0
_PPM_WINDOW, _HU_WINDOW = (-0.3, 0.3), (0.0, 100.0)
_OUTLINE = "#E69F00"


@dataclass(frozen=True)
class LesionPicture:
    """One axial slice through the middle of a lesion.

    Attributes
    ----------
    ppm, hu : ndarray or None, shape (rows, columns)
        Of one grid; row 0 is the front.
    outline : ndarray of bool
        The lesion.
    spacing_mm : (float, float)
        Of rows and columns.
    """

    ppm: Array | None
    hu: Array | None
    outline: NDArray[np.bool_]
    spacing_mm: tuple[float, float]


def lesion_pictures(
    labels: sitk.Image,
    names: Mapping[int, str],
    *,
    qsm: sitk.Image | None = None,
    ct: sitk.Image | None = None,
    transform: sitk.Transform | None = None,
    most: int = MOST_PICTURES,
) -> dict[str, LesionPicture]:
    """Axial crops of 36 mm about the lesions.

    Parameters
    ----------
    labels : SimpleITK.Image
        A label per lesion.
    names : mapping of int to str
        What each label is called; the first `most` are pictured.
    qsm, ct : SimpleITK.Image, optional
    transform : SimpleITK.Transform, optional
        Points of the label space to points of the CT.
    most : int

    Returns
    -------
    dict of str to LesionPicture
        By name.
    """
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(sitk.Cast(labels, sitk.sitkUInt32))
    step = min(min(labels.GetSpacing()), 1.0)
    n = round(2 * _HALF_MM / step)
    found = {}
    for label, name in list(names.items())[:most]:
        if not shape.HasLabel(label):
            continue
        # An axial plane of the world, however the volume lies.
        centre = shape.GetCentroid(label)
        grid = sitk.Image([n, n, 1], sitk.sitkUInt8)
        grid.SetSpacing((step, step, step))
        grid.SetOrigin((centre[0] - (n - 1) / 2 * step, centre[1] - (n - 1) / 2 * step, centre[2]))
        found[name] = LesionPicture(
            None if qsm is None else _slice(qsm, grid, None, sitk.sitkLinear),
            None if ct is None else _slice(ct, grid, transform, sitk.sitkLinear),
            np.asarray(_slice(labels, grid, None, sitk.sitkNearestNeighbor) == label),
            (step, step),
        )
    return found


def lesion_figure(picture: LesionPicture, name: str) -> Figure:
    """Map and CT side by side, the lesion outlined, with a bar of 10 mm.

    Parameters
    ----------
    picture : LesionPicture
    name : str
        Of the lesion, for those who cannot see it.

    Returns
    -------
    phantomcal.report.page.Figure
    """
    from phantomcal.report.blocks import embedded

    panels = [
        (values, window, title)
        for values, window, title in (
            (picture.ppm, _PPM_WINDOW, f"QSM, ±{_PPM_WINDOW[1]:g} ppm"),
            (picture.hu, _HU_WINDOW, f"CT, {_HU_WINDOW[0]:g} to {_HU_WINDOW[1]:g} HU"),
        )
        if values is not None
    ]
    rows, columns = picture.outline.shape
    extent = (0.0, columns * picture.spacing_mm[1], rows * picture.spacing_mm[0], 0.0)
    with house_style():
        canvas = fixed_canvas(3.3 if len(panels) > 1 else 1.78, 1.78)
        for k, (values, window, title) in enumerate(panels):
            axes = canvas.add_axes((k / len(panels) + 0.005, 0.0, 1 / len(panels) - 0.01, 0.9))
            axes.imshow(values, cmap="gray", vmin=window[0], vmax=window[1], extent=extent, interpolation="nearest")
            if picture.outline.any():
                axes.contour(
                    picture.outline.astype(float), levels=[0.5], colors=[_OUTLINE], linewidths=0.9, extent=extent,
                    origin="upper",
                )  # fmt: skip
            axes.plot([2.0, 12.0], [extent[2] - 2.0] * 2, color="white", lw=1.6, solid_capstyle="butt")
            axes.set_xlim(extent[0], extent[1])
            axes.set_ylim(extent[2], extent[3])
            axes.set_axis_off()
            axes.set_title(title, fontsize=7.5, pad=3, color=INK, loc="left")
    shown = " and ".join(title.split(",")[0] for *_, title in panels)
    return embedded(canvas, f"Axial slice of {shown} through lesion {name}, outlined; the bar is 10 mm.")


def _slice(image: sitk.Image, grid: sitk.Image, transform: sitk.Transform | None, kind: int) -> Array:
    outside = 0.0 if kind == sitk.sitkNearestNeighbor else float("nan")
    moved = transform or sitk.Transform(3, sitk.sitkIdentity)
    plane = sitk.Resample(image, grid, moved, kind, outside, sitk.sitkFloat32)
    return np.asarray(sitk.GetArrayViewFromImage(plane)[0], dtype=np.float64)
