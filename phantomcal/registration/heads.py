"""What of a CT and of an MR image is head, and the two brought to contrasts and resolutions that can be compared."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError

FixedKind = Literal["magnitude", "qsm"]

AIR_HU = -1024.0
# Air and dense bone say little about where tissue lies; between these every step counts.
CT_WINDOW_HU = (-200.0, 600.0)

_MASK_MM = 4.0
_SHADING_MM = 35.0
_MARGIN_MM = 10.0


@dataclass(frozen=True)
class Head:
    """A prepared image: air outside the head, robust range, with the mask and its centre (world LPS mm)."""

    image: sitk.Image
    mask: sitk.Image
    centre_mm: NDArray[np.float64]


def ct_head(ct: sitk.Image) -> Head:
    """CT without table and holder, within the window that matters, at about 1 mm in the plane.

    Parameters
    ----------
    ct : SimpleITK.Image
        HU, 3-D.

    Returns
    -------
    Head

    Raises
    ------
    InputError
        If nothing in the CT is denser than -300 HU.
    """
    low, high = CT_WINDOW_HU
    fine = shrink(sitk.Clamp(ct, sitk.sitkFloat32, AIR_HU, 2000.0), 1.0)
    coarse = shrink(fine, _MASK_MM)
    dense = coarse > -300.0
    radius = [max(1, round(6.0 / s)) for s in dense.GetSpacing()]
    opened = sitk.BinaryMorphologicalOpening(dense, radius)  # cuts off table, holder and straps
    body = _largest(opened, "no body denser than -300 HU", "the CT")
    mask = sitk.BinaryFillhole(sitk.BinaryDilate(body, [1, 1, 1]) & dense)
    near = _spread(mask, _MARGIN_MM, fine)
    image = sitk.Clamp(sitk.Mask(fine, near, AIR_HU), sitk.sitkFloat32, low, high)
    return Head(image, mask, centroid_mm(mask))


def mr_head(fixed: sitk.Image, kind: FixedKind) -> Head:
    """Magnitude, or the QSM map standing in for it, with the head (or brain) and a margin as the region that counts.

    Of a QSM map little more than the outline of the brain is seen on CT, so everything outside it gets one value below
    all tissue: the alignment then rests on the brain filling the skull.

    Raises
    ------
    InputError
        If the image has no signal.
    """
    if kind == "magnitude":
        coarse = shrink(fixed, _MASK_MM)
        values = sitk.GetArrayViewFromImage(coarse)
        positive = values[values > 0]
        if not positive.size:
            raise InputError("no signal", "the magnitude image", "give the gradient-echo magnitude")
        signal = sitk.OtsuThreshold(_compress(coarse), 0, 1, 128)
        # The skull is dark: closing joins scalp and brain before the largest part is taken.
        mask = _largest(_closed(signal, 12.0), "no head found", "the magnitude image")
        even = fixed / sitk.Resample(_shading(coarse, signal), fixed, sitk.Transform(), sitk.sitkLinear, 1.0)
        shown = sitk.GetArrayViewFromImage(shrink(even, _MASK_MM))[sitk.GetArrayViewFromImage(mask) > 0]
        image = sitk.Clamp(even, sitk.sitkFloat32, 0.0, float(np.percentile(shown, 99)))
    else:
        brain = fixed != 0
        mask = _largest(shrink(sitk.Cast(brain, sitk.sitkFloat32), _MASK_MM) > 0.5, "no brain found", "the QSM map")
        inside = sitk.GetArrayViewFromImage(fixed)
        spread = float(np.percentile(np.abs(inside[inside != 0]), 95))
        tissue = sitk.Clamp(fixed, sitk.sitkFloat32, -spread, spread)
        image = sitk.Mask(tissue, brain, -3.0 * spread)
    return Head(image, mask, centroid_mm(mask))


def shrink(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """Average whole blocks of voxels so that no side gets longer than about `spacing_mm`; never interpolates."""
    factors = [
        max(1, min(round(spacing_mm / s), n // 4)) for s, n in zip(image.GetSpacing(), image.GetSize(), strict=True)
    ]
    return image if max(factors) == 1 else sitk.BinShrink(image, factors)


def region_around(head: Head, grid: sitk.Image) -> sitk.Image:
    """Mask on `grid` of the head with a margin, so that its outline against air counts too."""
    return _spread(head.mask, _MARGIN_MM, grid)


def centroid_mm(mask: sitk.Image) -> NDArray[np.float64]:
    """Centre of a mask, world LPS mm."""
    index = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0).mean(axis=0)[::-1]
    return np.array(mask.TransformContinuousIndexToPhysicalPoint(index.tolist()))


def points_mm(mask: sitk.Image, count: int) -> NDArray[np.float64]:
    """About `count` evenly chosen voxel centres of a mask, shape (count, 3), world LPS mm."""
    index = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)[:, ::-1]
    index = index[:: max(1, len(index) // count)]
    axes = np.array(mask.GetDirection()).reshape(3, 3) * mask.GetSpacing()
    return np.array(index @ axes.T + mask.GetOrigin())


def _largest(mask: sitk.Image, what: str, where: str) -> sitk.Image:
    parts = sitk.RelabelComponent(sitk.ConnectedComponent(mask), sortByObjectSize=True)
    if not sitk.GetArrayViewFromImage(parts).any():
        raise InputError(what, where, "check that the right volume is given and its values are right")
    return sitk.BinaryFillhole(parts == 1)


def _closed(mask: sitk.Image, radius_mm: float) -> sitk.Image:
    radius = [max(1, round(radius_mm / s)) for s in mask.GetSpacing()]
    padded = sitk.ConstantPad(mask, radius, radius, 0)  # else the border counts as signal
    return sitk.Crop(sitk.BinaryMorphologicalClosing(padded, radius), radius, radius)


def _shading(image: sitk.Image, signal: sitk.Image) -> sitk.Image:
    """Slow variation of a coil's sensitivity: mean of the signal around, relative to the whole.

    Left in, the same tissue has many values, and the mutual information of the true pose drops below that of others.
    """
    share = sitk.Cast(signal, sitk.sitkFloat32)
    level = sitk.SmoothingRecursiveGaussian(image * share, _SHADING_MM)
    weight = sitk.SmoothingRecursiveGaussian(share, _SHADING_MM)
    values, weights = sitk.GetArrayFromImage(level), np.maximum(sitk.GetArrayFromImage(weight), 1e-3)
    local = values / weights
    inside = sitk.GetArrayViewFromImage(signal) > 0
    typical = float(np.median(local[inside]))
    shading = sitk.GetImageFromArray(np.clip(local, 0.1 * typical, 10.0 * typical) / np.float32(typical))
    shading.CopyInformation(image)
    return shading


def _compress(image: sitk.Image) -> sitk.Image:
    # The logarithm keeps Otsu's threshold between air and tissue when a coil makes part of the head very bright.
    return sitk.Log(sitk.Clamp(image, sitk.sitkFloat32, 0.0) + 1.0)


def _spread(mask: sitk.Image, margin_mm: float, grid: sitk.Image) -> sitk.Image:
    wide = sitk.BinaryDilate(mask, [max(1, round(margin_mm / s)) for s in mask.GetSpacing()])
    return sitk.Resample(wide, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
