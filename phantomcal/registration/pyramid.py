"""Two heads at one resolution: sampled points of one, the other's values in bins, ready for the metric."""

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.registration.heads import CT_WINDOW_HU, Head, region_around, shrink
from phantomcal.registration.metric import N_BINS, Level
from phantomcal.registration.threads import share

# Share of the bins below each CT value: brain, CSF and blood differ by tens of HU and get more than their even share.
_HU_KNOTS = (CT_WINDOW_HU[0], -20.0, 80.0, CT_WINDOW_HU[1])
_HU_SHARES = (0.0, 0.2, 0.6, 1.0)
# Irrational steps that fill a box evenly without ever repeating a grid: at voxel centres of nearly equal grids the
# metric has false tops. Powers of the root of x^4 = x + 1 (Roberts 2018, a generalised golden ratio).
_STEPS = 1.2207440846057596 ** -np.arange(1.0, 4.0)


@dataclass(frozen=True)
class Contrast:
    """A prepared head and how its values are put into bins: `knots` at `shares` of all bins, straight between."""

    head: Head
    knots: tuple[float, ...]
    shares: tuple[float, ...]


def ct_contrast(head: Head) -> Contrast:
    """Bins for a prepared CT, fine for soft tissue and coarse for bone."""
    return Contrast(head, _HU_KNOTS, _HU_SHARES)


def mr_contrast(head: Head) -> Contrast:
    """Bins for a prepared MR image, even over its values."""
    values = sitk.GetArrayViewFromImage(head.image)
    return Contrast(head, (float(values.min()), float(values.max())), (0.0, 1.0))


def make_level(
    fixed: Contrast, moving: Contrast, spacing_mm: tuple[float, float], samples: int, *, seed: int = 0
) -> Level:
    """Sample one head and bin the other.

    Parameters
    ----------
    fixed, moving : Contrast
        The head whose points are sampled, within its mask and a margin, and the one whose values are looked up.
    spacing_mm : (float, float)
        Voxels wanted of both.
    samples : int
        About how many points.
    seed : int
        Of where the even sequence of points begins.

    Returns
    -------
    Level
    """
    from phantomcal.registration import kernel

    image = shrink(fixed.head.image, spacing_mm[0])
    points = _points_mm(region_around(fixed.head, fixed.head.mask), samples, seed)
    axes = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    index = (points - image.GetOrigin()) @ np.linalg.inv(axes).T
    array = sitk.GetArrayViewFromImage(image)
    values = np.empty(len(points), np.float32)
    share(lambda start, stop: kernel.trilinear(array, index, start, stop, values), len(points), least=10_000)
    inside = ~np.isnan(values)
    heights = np.interp(values[inside], fixed.knots, fixed.shares)
    fixed_bins = np.minimum(heights * N_BINS, N_BINS - 1).astype(np.uint8)

    other = shrink(moving.head.image, spacing_mm[1])
    axes = np.array(other.GetDirection()).reshape(3, 3) * other.GetSpacing()
    others = sitk.GetArrayViewFromImage(other)
    knots = np.array(moving.knots, np.float32)
    bins = (1.0 + (N_BINS - 4) * np.array(moving.shares)).astype(np.float32)
    binned = np.empty(others.shape, np.float32)
    share(lambda start, stop: kernel.along_knots(others, knots, bins, start, stop, binned), len(binned))
    return Level(
        fixed_bins=fixed_bins,
        offsets_mm=(points[inside] - fixed.head.centre_mm).astype(np.float32),
        moving=binned,
        to_index=np.linalg.inv(axes),
        origin_mm=np.array(other.GetOrigin()),
    )


def parts(level: Level, count: int) -> list[Level]:
    """The same images with every `count`-th sample each: independent, and each as even as the whole."""
    return [
        replace(
            level,
            fixed_bins=np.ascontiguousarray(level.fixed_bins[k::count]),
            offsets_mm=np.ascontiguousarray(level.offsets_mm[k::count]),
        )
        for k in range(count)
    ]


def _points_mm(region: sitk.Image, count: int, seed: int) -> NDArray[np.float64]:
    """About `count` points spread evenly over a mask, off any grid, shape (n, 3), world LPS mm."""
    mask = sitk.GetArrayViewFromImage(region).transpose(2, 1, 0) > 0
    low, high = [], []
    for axis in range(3):
        filled = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        low.append(filled[0] - 0.5)
        high.append(filled[-1] + 0.5)
    size = np.subtract(high, low)
    tries = int(count * size.prod() / mask.sum())
    offset = np.random.default_rng(seed).random(3)
    spots = np.arange(1.0, tries + 1)[:, None] * _STEPS
    spots += offset
    spots -= np.floor(spots)
    index = spots * size + low
    nearest = np.minimum((index + 0.5).astype(np.intp), np.array(mask.shape) - 1)
    within = mask[nearest[:, 0], nearest[:, 1], nearest[:, 2]]
    index, nearest = index[within], nearest[within]
    # Neighbours in space one after the other: the processor then finds most voxels in its cache.
    index = index[np.argsort(np.ravel_multi_index(nearest.T[::-1], mask.shape[::-1]), kind="stable")]
    axes = np.array(region.GetDirection()).reshape(3, 3) * region.GetSpacing()
    return np.asarray(index @ axes.T + region.GetOrigin())
