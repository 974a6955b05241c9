"""The pictures of one alignment: bone outlines and checkerboard, both images by turns, joint histogram."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.report.alignment_joint import flicker, joint_histogram
from phantomcal.report.blocks import alignment_picture, embedded, mid_slices
from phantomcal.report.numerals import listed
from phantomcal.report.page import Figure

_THIN_OUT_MM = 2.0
Slices = dict[str, NDArray[Any]]


def alignment_pictures(
    fixed: sitk.Image,
    ct: sitk.Image,
    transform: sitk.Transform,
    *,
    fixed_kind: str = "magnitude",
    nats: tuple[float | None, float | None] = (None, None),
    of_phantom: bool = False,
) -> list[Figure]:
    """Everything there is to look at, for the report of one alignment.

    Parameters
    ----------
    fixed, ct : SimpleITK.Image
        Magnitude or QSM map, and CT (HU), each on its own grid.
    transform : SimpleITK.Transform
        MR to CT points.
    fixed_kind : {"magnitude", "qsm"}
        What `fixed` is.
    nats : tuple of float
        Information shared before and after.
    of_phantom : bool
        Phantoms have no bone: only the images by turns.

    Returns
    -------
    list of Figure
        Panels, flicker, histogram.
    """
    shown = sitk.DICOMOrient(fixed, "LPS")
    headers = sitk.Transform(3, sitk.sitkIdentity)
    slices, spacing = mid_slices(sitk.GetArrayViewFromImage(shown), shown.GetSpacing())
    after = _ct_slices(ct, shown, transform)
    by_turns = _by_turns(slices, after, spacing)
    if of_phantom:
        return [by_turns]
    before = _ct_slices(ct, shown, headers)
    panels = alignment_picture(
        slices,
        before,
        after,
        spacing,
        "",
        "Bone of the CT outlined on the MR: where the headers put it, and after alignment; below, tiles of both.",
    )
    thin = sitk.Shrink(shown, [max(1, round(_THIN_OUT_MM / s)) for s in shown.GetSpacing()])
    ct_before, ct_after = (sitk.GetArrayFromImage(_resampled(ct, thin, way)) for way in (headers, transform))
    name = "Susceptibility (ppm)" if fixed_kind == "qsm" else "MR magnitude"
    joint = embedded(
        joint_histogram(sitk.GetArrayViewFromImage(thin), ct_before, ct_after, name, nats),
        "How often each CT value lies on each MR value, before and after alignment.",
        "How often each CT value lies on each MR value (logarithmic shades). Alignment gathers them: each tissue has "
        "one pair of values.",
    )
    return [panels, by_turns, joint]


def _by_turns(slices: Slices, after: Slices, spacing: Mapping[str, tuple[float, float]]) -> Figure:
    moving, width = flicker(slices, after, spacing)
    return Figure(
        moving,
        f"{listed(list(slices))} slices of the MR and of the aligned CT, shown by turns in the same place.",
        "MR and aligned CT by turns. What is aligned stays where it is; what jumps is not. (Print shows one "
        "of the two.)",
        width,
    )


def _ct_slices(ct: sitk.Image, grid: sitk.Image, transform: sitk.Transform) -> Slices:
    """The CT in the three planes that `mid_slices` shows, NaN where it was not scanned."""
    x, y, z = (n // 2 for n in grid.GetSize())
    planes = {"axial": grid[:, :, z : z + 1], "coronal": grid[:, y : y + 1, :], "sagittal": grid[x : x + 1, :, :]}
    arrays = {name: sitk.GetArrayFromImage(_resampled(ct, plane, transform)) for name, plane in planes.items()}
    return {
        "axial": arrays["axial"][0],
        "coronal": np.flipud(arrays["coronal"][:, 0]),
        "sagittal": np.flipud(arrays["sagittal"][:, :, 0]),
    }


def _resampled(ct: sitk.Image, grid: sitk.Image, transform: sitk.Transform) -> sitk.Image:
    return sitk.Resample(ct, grid, transform, sitk.sitkLinear, float("nan"), sitk.sitkFloat32)
