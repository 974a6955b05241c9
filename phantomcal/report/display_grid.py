"""The grid that volumes are looked at on: along the body, cropped to what there is, no finer than a page can hold."""

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

_THIN_OUT_MM = 3.0


@dataclass(frozen=True)
class Box:
    """A part of an image: first index and number of voxels along its three axes."""

    start: tuple[int, int, int]
    size: tuple[int, int, int]


def upright(image: sitk.Image) -> sitk.Image:
    """The image with its axes nearest to left, back and head, without resampling."""
    is_upright = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection()) == "LPS"
    return image if is_upright else sitk.DICOMOrient(image, "LPS")


def cropped(image: sitk.Image, box: Box) -> sitk.Image:
    """The part of an image in a box."""
    x, y, z = (slice(first, first + n) for first, n in zip(box.start, box.size, strict=True))
    return image[x, y, z]


def content_box(image: sitk.Image, above: float, margin_mm: float = 6.0) -> Box:
    """The smallest box around all voxels above a value, with a margin; the whole image when there are none.

    Parameters
    ----------
    image : SimpleITK.Image
    above : float
    margin_mm : float
    """
    step = [max(1, round(_THIN_OUT_MM / s)) for s in image.GetSpacing()]
    seen = sitk.GetArrayViewFromImage(image)[:: step[2], :: step[1], :: step[0]] > above
    return _box_of(seen, step, image, margin_mm)


def point_box(image: sitk.Image, points_mm: NDArray[np.float64], margin_mm: float) -> Box:
    """The part of an image around points of the world (shape (n, 3), LPS mm), with a margin."""
    index = np.array([image.TransformPhysicalPointToContinuousIndex(p) for p in np.atleast_2d(points_mm).tolist()])
    margin = margin_mm / np.array(image.GetSpacing())
    size = np.array(image.GetSize())
    low = np.clip(np.floor(index.min(axis=0) - margin), 0, size - 1).astype(int)
    high = np.clip(np.ceil(index.max(axis=0) + margin) + 1, low + 1, size).astype(int)
    x, y, z = low.tolist()
    nx, ny, nz = (high - low).tolist()
    return Box((x, y, z), (nx, ny, nz))


def _box_of(seen: NDArray[np.bool_], step: list[int], image: sitk.Image, margin_mm: float) -> Box:
    start, size = [], []
    for axis in range(3):
        hit = np.flatnonzero(seen.any(axis=tuple(k for k in range(3) if k != 2 - axis)))
        n = image.GetSize()[axis]
        margin = math.ceil(margin_mm / image.GetSpacing()[axis])
        first = max(0, int(hit[0]) * step[axis] - margin) if hit.size else 0
        last = min(n, (int(hit[-1]) + 1) * step[axis] + margin) if hit.size else n
        start.append(first)
        size.append(last - first)
    return Box((start[0], start[1], start[2]), (size[0], size[1], size[2]))


def display_grid(image: sitk.Image, most_voxels: int) -> sitk.Image:
    """An empty image over `image` with square voxels in the slices, and its slices where they are thicker.

    Parameters
    ----------
    image : SimpleITK.Image
        LPS-oriented.
    most_voxels : int
        Voxels are made larger than those of the image where these would be too many.

    Returns
    -------
    SimpleITK.Image
        uint8, all 0.
    """
    spacing = image.GetSpacing()
    extent = [n * s for n, s in zip(image.GetSize(), spacing, strict=True)]
    side = min(spacing[0], spacing[1])
    # Isotropic voxels of this volume; where slices are thicker than that, they stay and the slices' pixels are smaller.
    cube = (math.prod(extent) / most_voxels) ** (1 / 3)
    square = (math.prod(extent) / spacing[2] / most_voxels) ** 0.5
    side, thick = (max(side, square), spacing[2]) if spacing[2] >= cube else (max(side, cube), cube)
    steps = (side, side, max(thick, spacing[2]))
    size = [max(1, round(e / s)) for e, s in zip(extent, steps, strict=True)]
    first = np.array(image.GetOrigin())
    direction = np.array(image.GetDirection()).reshape(3, 3)
    # The new voxels fill the same box: their centres lie half a voxel inside its edges.
    inset = [(e - (n - 1) * s) / 2 - old / 2 for e, n, s, old in zip(extent, size, steps, spacing, strict=True)]
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(steps)
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin([float(v) for v in first + direction @ np.array(inset)])
    return grid


def on_display_grid(
    image: sitk.Image, grid: sitk.Image, transform: sitk.Transform | None = None
) -> NDArray[np.float32]:
    """Values of an image on a grid: means over blocks of voxels smaller than the grid's, then linear interpolation.

    Parameters
    ----------
    image, grid : SimpleITK.Image
    transform : SimpleITK.Transform, optional
        Maps points of the grid to the image; the same place if left out.

    Returns
    -------
    ndarray of float32, shape (z, y, x)
        NaN outside the image.
    """
    coarse = np.array(grid.GetSpacing())
    turn = abs(np.array(grid.GetDirection()).reshape(3, 3).T @ np.array(image.GetDirection()).reshape(3, 3))
    per_axis = coarse[np.argmax(turn, axis=0)]
    blocks = [max(1, int(c / s + 1e-6)) for c, s in zip(per_axis, image.GetSpacing(), strict=True)]
    if max(blocks) > 1:
        image = sitk.BinShrink(_near(image, grid, blocks) if transform is None else image, blocks)
    way = transform if transform is not None else sitk.Transform(3, sitk.sitkIdentity)
    shown = sitk.Resample(image, grid, way, sitk.sitkLinear, float("nan"), sitk.sitkFloat32)
    array: NDArray[np.float32] = sitk.GetArrayFromImage(shown)
    return array


def _near(image: sitk.Image, grid: sitk.Image, blocks: list[int]) -> sitk.Image:
    """The part of an image that a grid reaches, so that the rest is not averaged in vain."""
    corners = np.array(np.meshgrid(*([-0.5, n - 0.5] for n in grid.GetSize()), indexing="ij")).reshape(3, -1).T
    there = np.array(
        [
            image.TransformPhysicalPointToContinuousIndex(grid.TransformContinuousIndexToPhysicalPoint(c.tolist()))
            for c in corners
        ]
    )
    size = np.array(image.GetSize())
    low = np.clip(np.floor(there.min(axis=0)) - 2 * np.array(blocks), 0, size - 1).astype(int)
    high = np.clip(np.ceil(there.max(axis=0)) + 2 * np.array(blocks) + 1, low + 1, size).astype(int)
    if np.any(high - low < np.array(blocks)):
        return image
    (x0, y0, z0), (x1, y1, z1) = low.tolist(), high.tolist()
    return image[x0:x1, y0:y1, z0:z1]


def finer(grid: sitk.Image, factor: int) -> sitk.Image:
    """A grid over the same box with voxels `factor` times smaller along every axis."""
    spacing = np.array(grid.GetSpacing())
    direction = np.array(grid.GetDirection()).reshape(3, 3)
    fine = sitk.Image([n * factor for n in grid.GetSize()], sitk.sitkUInt8)
    fine.SetSpacing((spacing / factor).tolist())
    fine.SetDirection(grid.GetDirection())
    fine.SetOrigin((np.array(grid.GetOrigin()) - direction @ (spacing / 2 - spacing / factor / 2)).tolist())
    return fine
