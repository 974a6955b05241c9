"""Which voxels belong to which region, and which of them lie deep enough inside it?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from phantomcal.errors import InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Labels up to here are counted in a table of their own size; larger ones are renumbered first.
_LARGEST_TABLE = 1 << 24


@dataclass(frozen=True)
class Voxels:
    """Voxels sorted by region.

    Attributes
    ----------
    flat : ndarray of int32 or int64, shape (n,)
        Flat indices into the (z, y, x) grid, ascending within a region.
    offsets : ndarray of int64, shape (regions + 1,)
        Region r has the slots ``offsets[r]`` to ``offsets[r + 1]``.
    shape : tuple of int
        The grid, (z, y, x).
    """

    flat: npt.NDArray[Any]
    offsets: IntArray
    shape: tuple[int, int, int]

    @property
    def counts(self) -> IntArray:
        """Voxels of each region."""
        return np.diff(self.offsets)

    def only(self, keep: BoolArray) -> "Voxels":
        """Those that `keep` (n,) says."""
        if keep.all():
            return self
        return Voxels(self.flat[keep], _kept_before(keep)[self.offsets], self.shape)


def _kept_before(keep: BoolArray) -> IntArray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(keep, dtype=np.int64)])


@dataclass(frozen=True)
class LabelMap:
    """The labels of an image as plain whole numbers, and how many voxels each has."""

    array: npt.NDArray[np.integer]
    labels: IntArray
    counts: IntArray
    original: IntArray
    """The image's own label of each of `labels` (they differ when very large ones were renumbered)."""


def read_label_map(image: sitk.Image) -> LabelMap:
    """Labels of an image and their sizes, in one pass.

    Raises
    ------
    InputError
        Several values a voxel; labels that are no whole numbers, negative, or all 0.
    """
    from phantomcal.correlation.kernels import count_labels

    array = sitk.GetArrayViewFromImage(image)
    if array.ndim != 3:
        raise InputError("the label map has several values per voxel", "the label map", "give one label per voxel")
    if array.dtype.kind == "f":
        if not np.array_equal(array, np.round(array)):
            raise InputError(
                "labels that are no whole numbers",
                "the label map",
                "it was probably resampled with linear interpolation: use nearest neighbour",
            )
        array = array.astype(np.int64)
    if array.dtype.kind == "i" and array.min() < 0:
        raise InputError(f"a negative label ({array.min():g})", "the label map", "labels count from 1, background is 0")
    largest = int(array.max())
    if largest == 0:
        raise InputError("no label in it", "the label map", "every voxel is 0: check the file")
    own: IntArray | None = None
    if largest >= _LARGEST_TABLE:
        own, codes = np.unique(array, return_inverse=True)
        # 0 must stay background, whether or not there is any.
        shift = int(own[0] != 0)
        array = (codes.reshape(array.shape) + shift).astype(np.uint32)
        own = np.concatenate([np.zeros(shift, np.int64), own.astype(np.int64)])
        largest = own.size - 1
    counts = np.zeros(largest + 1, np.int64)
    count_labels(array.reshape(-1), counts)
    labels = 1 + np.flatnonzero(counts[1:])
    return LabelMap(array, labels, counts[labels], labels if own is None else own[labels])


def sort_voxels(found: LabelMap, region_of: IntArray, n_regions: int) -> Voxels:
    """Voxels of each region by a counting sort.

    Parameters
    ----------
    found : LabelMap
    region_of : ndarray of int64
        The region of each of ``found.labels``; -1 leaves the label out.
    n_regions : int

    Returns
    -------
    Voxels
    """
    from phantomcal.correlation.kernels import sort_by_region

    used = region_of >= 0
    sizes = np.bincount(region_of[used], weights=found.counts[used], minlength=n_regions).astype(np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    table = np.full(int(found.labels[-1]) + 1, -1, np.int32)
    table[found.labels] = region_of
    flat = np.empty(int(offsets[-1]), np.int32 if found.array.size < 2**31 else np.int64)
    sort_by_region(found.array.reshape(-1), table, offsets[:-1].copy(), flat)
    depth, height, width = found.array.shape
    return Voxels(flat, offsets, (depth, height, width))


def deep_inside(
    voxels: Voxels, found: LabelMap, spacing_mm: tuple[float, ...], layers: int, distance_mm: float
) -> BoolArray:
    """Which voxels stay when regions are eroded, each on its own.

    Parameters
    ----------
    voxels : Voxels
    found : LabelMap
    spacing_mm : tuple of float
        Voxel size (x, y, z).
    layers : int
        Layers of face neighbours peeled off.
    distance_mm : float
        A voxel stays when no voxel centre within this distance has another label.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    from phantomcal.correlation.kernels import lies_deep

    size = np.array(spacing_mm[::-1])
    reach = np.maximum(layers, np.floor(distance_mm / size + 1e-9).astype(int))
    steps = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    distance = np.linalg.norm(steps * size, axis=1)
    # Peeling by faces n times takes what lies within n steps along the axes.
    near = (np.abs(steps).sum(axis=1) <= layers) | (distance <= distance_mm + 1e-9)
    near &= distance > 0
    keep = np.ones(voxels.flat.size, dtype=np.bool_)
    if near.any():
        # The nearest first: most voxels at a border are told by a face neighbour.
        order = np.argsort(distance[near], kind="stable")
        lies_deep(found.array, voxels.flat, np.ascontiguousarray(steps[near][order]), keep)
    return keep
