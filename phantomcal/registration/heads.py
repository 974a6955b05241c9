"""What of a CT and of an MR image is head, and the two brought to contrasts and resolutions that can be compared."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.registration.threads import share

FixedKind = Literal["magnitude", "qsm"]

AIR_HU = -1024.0
# Air and dense bone say little about where tissue lies; between these every step counts.
CT_WINDOW_HU = (-200.0, 600.0)
# Finest voxels used. Finer CT than this costs time and gains nothing: its noise and the interpolation at nearly equal
# grids outweigh the detail.
CT_FINE_MM, MR_FINE_MM = 1.5, 1.0

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
    """CT without table and holder, within the window that matters, at about 1.5 mm.

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
    fine = shrink(ct, CT_FINE_MM, (AIR_HU, 2000.0))
    coarse = shrink(fine, _MASK_MM)
    dense = coarse > -300.0
    radius = [max(1, round(6.0 / s)) for s in dense.GetSpacing()]
    opened = sitk.BinaryMorphologicalOpening(dense, radius)  # cuts off table, holder and straps
    body = _largest(opened, "no body denser than -300 HU", "the CT")
    mask = sitk.BinaryFillhole(sitk.BinaryDilate(body, [1, 1, 1]) & dense)
    return Head(_windowed(fine, _wide(mask, _MARGIN_MM), low, high), mask, centroid_mm(mask))


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
        fixed = shrink(fixed, MR_FINE_MM)
        coarse = shrink(fixed, _MASK_MM)
        values = sitk.GetArrayViewFromImage(coarse)
        positive = values[values > 0]
        if not positive.size:
            raise InputError("no signal", "the magnitude image", "give the gradient-echo magnitude")
        signal = sitk.OtsuThreshold(_compress(coarse), 0, 1, 128)
        # The skull is dark: closing joins scalp and brain before the largest part is taken.
        mask = _largest(_closed(signal, 12.0), "no head found", "the magnitude image")
        shading = _shading(coarse, signal)
        shown = sitk.GetArrayViewFromImage(coarse / shading)[sitk.GetArrayViewFromImage(mask) > 0]
        image = _evened(fixed, shading, float(np.percentile(shown, 99)))
    else:
        brain = fixed != 0
        mask = _largest(shrink(sitk.Cast(brain, sitk.sitkFloat32), _MASK_MM) > 0.5, "no brain found", "the QSM map")
        inside = sitk.GetArrayViewFromImage(fixed)
        spread = float(np.percentile(np.abs(inside[inside != 0]), 95))
        tissue = sitk.Clamp(fixed, sitk.sitkFloat32, -spread, spread)
        image = sitk.Mask(tissue, brain, -3.0 * spread)
    return Head(image, mask, centroid_mm(mask))


def shrink(image: sitk.Image, spacing_mm: float, limits: tuple[float, float] | None = None) -> sitk.Image:
    """Average whole blocks of voxels so that no side gets longer than about `spacing_mm`; never interpolates.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D, scalar.
    spacing_mm : float
        Wanted voxel size. At least four voxels a side are kept.
    limits : (float, float), optional
        Values are limited to these before they are averaged.

    Returns
    -------
    SimpleITK.Image
        float32.
    """
    factors = [
        max(1, min(int(spacing_mm / s + 0.5), n // 4)) for s, n in zip(image.GetSpacing(), image.GetSize(), strict=True)
    ]
    low, high = limits or (-np.inf, np.inf)
    if max(factors) == 1:
        image = image if image.GetPixelID() == sitk.sitkFloat32 else sitk.Cast(image, sitk.sitkFloat32)
        return image if limits is None else sitk.Clamp(image, sitk.sitkFloat32, low, high)
    from phantomcal.registration import kernel

    if image.GetPixelID() not in (sitk.sitkFloat32, sitk.sitkInt16):  # what the readers give, and is compiled for
        image = sitk.Cast(image, sitk.sitkFloat32)
    values = sitk.GetArrayViewFromImage(image)
    means = np.empty([n // f for n, f in zip(values.shape, factors[::-1], strict=True)], np.float32)
    blocks = (factors[2], factors[1], factors[0])
    bounds = np.float32(low), np.float32(high)
    share(lambda start, stop: kernel.bin_blocks(values, blocks, *bounds, start, stop, means), len(means))
    small = sitk.GetImageFromArray(means)
    small.SetSpacing([s * f for s, f in zip(image.GetSpacing(), factors, strict=True)])
    small.SetDirection(image.GetDirection())
    small.SetOrigin(image.TransformContinuousIndexToPhysicalPoint([(f - 1) / 2 for f in factors]))
    return small


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
    wide = _wide(mask, margin_mm)
    return sitk.Resample(wide, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)


def _wide(mask: sitk.Image, margin_mm: float) -> sitk.Image:
    return sitk.BinaryDilate(mask, [max(1, round(margin_mm / s)) for s in mask.GetSpacing()])


def _evened(image: sitk.Image, shading: sitk.Image, top: float) -> sitk.Image:
    """An image over its shading (made of it by `shrink`), limited to 0 and `top`."""
    from phantomcal.registration import kernel

    values, slow = sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(shading)
    scale, shift = _along(image, shading)
    even = np.empty(values.shape, np.float32)
    limit = np.float32(top)
    share(lambda start, stop: kernel.evened(values, slow, scale, shift, limit, start, stop, even), len(even))
    return _like(even, image)


def _windowed(image: sitk.Image, near: sitk.Image, low: float, high: float) -> sitk.Image:
    """An image limited to [low, high], and low outside a mask on a grid made of its own by `shrink`."""
    from phantomcal.registration import kernel

    values, mask = sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(near)
    scale, shift = _along(image, near)
    nearest = []
    for axis, (n, m) in enumerate(zip(values.shape, mask.shape, strict=True)):
        index = np.floor(scale[axis] * np.arange(n) + shift[axis] + 0.5).astype(np.int64)
        nearest.append(np.where((index >= 0) & (index < m), index, -1))
    slices, rows, columns = nearest
    shown = np.empty(values.shape, np.float32)
    bounds = np.float32(low), np.float32(high)
    share(
        lambda start, stop: kernel.windowed(values, mask, columns, rows, slices, *bounds, start, stop, shown),
        len(shown),
    )
    return _like(shown, image)


def _along(image: sitk.Image, coarse: sitk.Image) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale and shift, order z, y, x, from the index of an image to that of one with the same axes."""
    first = coarse.TransformPhysicalPointToContinuousIndex(image.GetOrigin())
    return np.array(image.GetSpacing())[::-1] / coarse.GetSpacing()[::-1], np.array(first)[::-1].copy()


def _like(values: NDArray[np.float32], image: sitk.Image) -> sitk.Image:
    made = sitk.GetImageFromArray(values)
    made.CopyInformation(image)
    return made
