"""Vials on a gradient-echo magnitude: dark walls, dark contents and voids made into discs."""

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import OUTSIDE
from phantomcal.volumes import Volume, describe_grid, same_grid

_SMOOTH_MM = 25.0  # coil sensitivity varies over this length, vials do not
_RIM_MM = 3.0  # the body's own edge is dark and no vial


def check_magnitude(magnitude: Volume, qsm: Volume) -> None:
    """Make sure a magnitude belongs to a map.

    Raises
    ------
    InputError
        They do not share their voxels.
    """
    if not same_grid(magnitude.image, qsm.image):
        raise InputError(
            f"the magnitude is not on the grid of the QSM map ({describe_grid(magnitude.image)} "
            f"against {describe_grid(qsm.image)})",
            magnitude.source.name,
            "give the magnitude the map was made from",
        )


def darkness(image: sitk.Image, axis: int) -> sitk.Image:
    """How dark a magnitude is against its surroundings, 0 to 1, with the inside of dark rings filled.

    A vial shows by its wall (no signal), by what it holds (paramagnetic contents decay faster) or as a void (air). In
    each plane across `axis` the picture is inverted and its holes are filled up to the level of the rim around them, so
    that all three become discs.

    Parameters
    ----------
    image : SimpleITK.Image
        Magnitude, arbitrary units.
    axis : int
        Index axis the vials run along.

    Returns
    -------
    SimpleITK.Image
        Float, on the same grid; -1 outside the body.
    """
    values = sitk.GetArrayFromImage(image).astype(np.float32)
    along = 2 - axis
    spacing = [image.GetSpacing()[2 - k] for k in range(3)]
    bright = values > _threshold(values)
    body = _filled_planes(bright, along)
    depth = [0.0 if k == along else _RIM_MM / s for k, s in enumerate(spacing)]
    body = (
        ndimage.distance_transform_edt(
            body, sampling=[1e9 if d == 0 else s for d, s in zip(depth, spacing, strict=True)]
        )
        > _RIM_MM
    )
    if not body.any():
        return sitk.Cast(image * 0.0 + OUTSIDE, sitk.sitkFloat32)
    full = body & bright
    sigma = [_SMOOTH_MM / s for s in spacing]
    weight = ndimage.gaussian_filter(full.astype(np.float32), sigma, mode="nearest", truncate=2.0)
    level = ndimage.gaussian_filter(np.where(full, values, 0.0), sigma, mode="nearest", truncate=2.0)
    level = level / np.maximum(weight, 1e-3)
    dark = np.where(body, np.clip(1.0 - values / np.maximum(level, 1e-6), 0.0, 1.0), 0.0).astype(np.float32)
    planes = np.moveaxis(dark, along, 0)
    filled = np.stack([sitk.GetArrayFromImage(sitk.GrayscaleFillhole(sitk.GetImageFromArray(p))) for p in planes])
    filled = np.where(body, np.moveaxis(filled, 0, along), np.float32(OUTSIDE))
    result = sitk.GetImageFromArray(np.ascontiguousarray(filled))
    result.CopyInformation(image)
    return result


def _threshold(values: NDArray[np.float32]) -> float:
    """Between air and the phantom (Otsu on the values)."""
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.GetImageFromArray(values))
    return 0.6 * float(otsu.GetThreshold())  # a dark vial in the body is body still


def _filled_planes(bright: NDArray[np.bool_], along: int) -> NDArray[np.bool_]:
    """Largest bright part with the holes of each plane filled."""
    labels, n = ndimage.label(bright)
    if n > 1:
        bright = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    planes = [ndimage.binary_fill_holes(p) for p in np.moveaxis(bright, along, 0)]
    filled: NDArray[np.bool_] = np.moveaxis(np.stack(planes), 0, along)
    return filled
