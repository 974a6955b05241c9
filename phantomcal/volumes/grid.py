"""Where the voxels of an image lie in the world, and whether two images share them."""

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray


def same_grid(a: sitk.Image, b: sitk.Image) -> bool:
    """Whether two images have the same voxels: equal size, every corner within 2 % of the smallest voxel side."""
    if a.GetDimension() != b.GetDimension() or a.GetSize() != b.GetSize():
        return False
    tolerance_mm = 0.02 * min(*a.GetSpacing(), *b.GetSpacing())
    return bool(np.linalg.norm(corners_mm(a) - corners_mm(b), axis=1).max() <= tolerance_mm)


def corners_mm(image: sitk.Image) -> NDArray[np.float64]:
    """World LPS positions (8, 3) in mm of the centres of an image's corner voxels."""
    last = [n - 1 for n in image.GetSize()]
    ends = [(i, j, k) for i in (0, last[0]) for j in (0, last[1]) for k in (0, last[2])]
    return np.array([image.TransformIndexToPhysicalPoint(end) for end in ends])


def world_box_mm(image: sitk.Image) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper corner, world LPS mm, of the axis-parallel box around an image's voxels."""
    corners = corners_mm(image)
    direction = np.abs(np.array(image.GetDirection()).reshape(3, 3))
    half_voxel = direction @ np.array(image.GetSpacing()) / 2
    return corners.min(axis=0) - half_voxel, corners.max(axis=0) + half_voxel


def describe_grid(image: sitk.Image) -> str:
    """Size, voxel size and world box of an image in words, for messages."""
    size = " x ".join(str(n) for n in image.GetSize())
    spacing = " x ".join(f"{s:.4g}" for s in image.GetSpacing())
    low, high = world_box_mm(image)
    box = ", ".join(f"{axis} {a:.0f} to {b:.0f}" for axis, a, b in zip("xyz", low, high, strict=True))
    return f"{size} voxels of {spacing} mm at {box} mm"
