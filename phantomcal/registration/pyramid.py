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

Samples = tuple[NDArray[np.uint8], NDArray[np.float32]]
Lookup = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]


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
    region = region_around(fixed.head, fixed.head.mask)
    return level_of(sampled(fixed, region, spacing_mm[0], samples, seed), binned(moving, spacing_mm[1]))


def level_of(samples: Samples, lookup: Lookup) -> Level:
    """Samples of one head with the lookup of the other."""
    (bins, offsets), (values, to_index, origin) = samples, lookup
    return Level(fixed_bins=bins, offsets_mm=offsets, moving=values, to_index=to_index, origin_mm=origin)


def sampled(contrast: Contrast, region: sitk.Image, spacing_mm: float, count: int, seed: int) -> Samples:
    """About `count` points of a head, evenly over a region and off any grid: bins, and offsets from its centre (mm)."""
    from phantomcal.registration import kernel

    image = shrink(contrast.head.image, spacing_mm)
    mask = sitk.GetArrayViewFromImage(region)
    low, size = [], []
    for axis in (2, 1, 0):
        filled = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        low.append(filled[0] - 0.5)
        size.append(filled[-1] + 1.0 - filled[0])
    tries = int(count * np.prod(size) / np.count_nonzero(mask))
    offset = np.random.default_rng(seed).random(3)
    axes, image_axes = _axes(region), _axes(image)
    origin = np.array(region.GetOrigin())
    to_centre = np.column_stack([axes, origin - contrast.head.centre_mm])
    to_index = np.linalg.solve(image_axes, np.column_stack([axes, origin - image.GetOrigin()]))
    bins, offsets = kernel.sampled(
        mask, np.array(low), np.array(size), _STEPS, offset, tries, to_centre, np.ascontiguousarray(to_index),
        sitk.GetArrayViewFromImage(image), np.array(contrast.knots), np.array(contrast.shares), N_BINS,
    )  # fmt: skip
    return bins, offsets


def binned(contrast: Contrast, spacing_mm: float) -> Lookup:
    """Values of a head in bins, with the matrix from world mm to their index and the position of the first voxel."""
    from phantomcal.registration import kernel

    image = shrink(contrast.head.image, spacing_mm)
    values = sitk.GetArrayViewFromImage(image)
    knots = np.array(contrast.knots, np.float32)
    bins = (1.0 + (N_BINS - 4) * np.array(contrast.shares)).astype(np.float32)
    found = np.empty(values.shape, np.float32)
    share(lambda start, stop: kernel.along_knots(values, knots, bins, start, stop, found), len(found))
    return found, np.asarray(np.linalg.inv(_axes(image)), np.float64), np.array(image.GetOrigin())


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


def _axes(image: sitk.Image) -> NDArray[np.float64]:
    """Index (x, y, z) to mm, without the origin."""
    return np.asarray(np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing())
