"""The voxels around one vial, with their distance from its axis: masks of any radius without interpolation."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.phantom.finding.locate import Located

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Patch:
    """Voxels of a box around a vial.

    Attributes
    ----------
    values : ndarray, shape (z, y, x), float32
        HU or ppm; empty when the vial lies outside the image.
    across_x, across_y : ndarray, same shape
        Distance from the vial's axis along the frame's first two axes, mm.
    within : ndarray of bool, same shape
        Between the ends of the range to measure in.
    spacing_mm : tuple of float
        Of the array's axes: z, y, x.
    box : tuple of slice
        Where the patch lies in the image's array.
    """

    values: NDArray[np.float32]
    across_x: NDArray[np.float32]
    across_y: NDArray[np.float32]
    within: Mask
    spacing_mm: tuple[float, float, float]
    box: tuple[slice, slice, slice]

    def disc(self, radius_mm: float, shift_mm: tuple[float, float] = (0.0, 0.0)) -> Mask:
        """Voxels inside a cylinder of a radius about the axis, or about one moved in plane."""
        return self.within & (self._squared(shift_mm) <= radius_mm**2)

    def ring(self, inner_mm: float, outer_mm: float) -> Mask:
        """Voxels between two radii."""
        squared = self._squared()
        return self.within & (squared > inner_mm**2) & (squared <= outer_mm**2)

    def _squared(self, shift_mm: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float32]:
        squared: NDArray[np.float32] = (self.across_x - np.float32(shift_mm[0])) ** 2
        squared += (self.across_y - np.float32(shift_mm[1])) ** 2
        return squared


def patch_around(image: sitk.Image, located: Located, centre_mm: Array, reach_mm: float) -> Patch:
    """Cut the voxels around a vial out of an image.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D volume.
    located : Located
        Frame and range along the vials.
    centre_mm : ndarray, shape (2,)
        Vial centre in the frame's plane.
    reach_mm : float
        Largest radius that will be asked for.
    """
    frame, (low, high) = located.frame, located.along_mm
    ends = frame.to_world(np.array([[*centre_mm, low], [*centre_mm, high]]))
    index = np.array([image.TransformPhysicalPointToContinuousIndex(e.tolist()) for e in ends])
    spacing = np.array(image.GetSpacing())
    reach = reach_mm / spacing + 1.0
    first = np.maximum(np.floor(index.min(axis=0) - reach), 0).astype(int)
    last = np.minimum(np.ceil(index.max(axis=0) + reach), np.array(image.GetSize()) - 1).astype(int)
    last = np.maximum(last, first - 1)
    matrix = np.array(image.GetDirection()).reshape(3, 3) * spacing
    # index -> world -> frame is affine, so it is applied to the three index ranges and added up.
    to_frame = frame.axes @ matrix
    offset = frame.axes @ (np.array(image.GetOrigin()) - frame.origin_mm)
    offset[:2] -= centre_mm
    i, j, k = (np.arange(first[a], last[a] + 1) for a in range(3))
    x, y, z = (
        (
            offset[r]
            + to_frame[r, 0] * i[None, None, :]
            + to_frame[r, 1] * j[None, :, None]
            + to_frame[r, 2] * k[:, None, None]
        ).astype(np.float32)
        for r in range(3)
    )
    box = (
        slice(int(first[2]), int(last[2]) + 1),
        slice(int(first[1]), int(last[1]) + 1),
        slice(int(first[0]), int(last[0]) + 1),
    )
    values = sitk.GetArrayViewFromImage(image)[box].astype(np.float32)
    return Patch(values, x, y, (z >= low) & (z <= high), (float(spacing[2]), float(spacing[1]), float(spacing[0])), box)
