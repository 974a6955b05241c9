"""The phantom's own frame: a regular grid whose third axis runs along the vials, whatever the scan's orientation."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """Orthonormal frame in world LPS.

    Attributes
    ----------
    origin_mm : ndarray, shape (3,)
        World point at frame coordinates (0, 0, 0).
    axes : ndarray, shape (3, 3)
        Rows are the frame's unit axes in world coordinates; the third runs along the vials.
    image_axis : int
        Index axis of the image nearest to the vials.
    """

    origin_mm: Array
    axes: Array
    image_axis: int

    def to_world(self, points: Array) -> Array:
        """Frame coordinates (..., 3) in mm to world LPS mm."""
        return self.origin_mm + np.asarray(points) @ self.axes

    def from_world(self, points: Array) -> Array:
        """World LPS mm (..., 3) to frame coordinates in mm."""
        return (np.asarray(points) - self.origin_mm) @ self.axes.T

    def tilted(self, slope_xy: Array) -> "Frame":
        """Frame whose third axis leans by `slope_xy` (mm in plane per mm along)."""
        third = self.axes[2] + slope_xy[0] * self.axes[0] + slope_xy[1] * self.axes[1]
        return _orthonormal(self.origin_mm, self.axes[0], third, self.image_axis)


def _orthonormal(origin: Array, first: Array, third: Array, image_axis: int) -> Frame:
    e3 = third / np.linalg.norm(third)
    e1 = first - (first @ e3) * e3
    e1 /= np.linalg.norm(e1)
    return Frame(origin, np.stack([e1, np.cross(e3, e1), e3]), image_axis)


def image_frame(image: sitk.Image, axis: int) -> Frame:
    """Frame at the image's centre with its third axis along index axis `axis`.

    The axes point towards positive world coordinates and follow each other as the world's do, so that rotation and
    handedness of a layout do not depend on the order in which the voxels happen to be stored.
    """
    direction = np.array(image.GetDirection()).reshape(3, 3)
    centre = np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))
    along = direction[:, axis]
    world = int(np.argmax(np.abs(along)))
    # Of the two axes in plane, the first is the one that looks most along the world axis next in cyclic order.
    first, second = sorted((a for a in range(3) if a != axis), key=lambda a: -abs(direction[(world + 1) % 3, a]))
    rows = [direction[:, first], direction[:, second], along]
    signs = [np.sign(row[(world + 1 + k) % 3]) or 1.0 for k, row in enumerate(rows)]
    return _orthonormal(centre, signs[0] * rows[0], signs[2] * rows[2], axis)


def dominant_axis(image: sitk.Image, low: float, high: float) -> int:
    """Index axis along which the image changes least: the one the vials run along.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D volume.
    low, high : float
        Window the values are clamped to, so that one strong edge does not decide.

    Returns
    -------
    int
        0, 1 or 2.
    """
    step = [max(1, round(2.0 / s)) for s in image.GetSpacing()]
    values = sitk.GetArrayViewFromImage(image)[:: step[2], :: step[1], :: step[0]].astype(np.float32)
    values = np.clip(values, low, high)
    energy = []
    for axis in range(3):
        along = 2 - axis
        if values.shape[along] < 3:
            energy.append(np.inf)
            continue
        spacing = image.GetSpacing()[axis] * step[axis]
        difference = np.abs(np.diff(values, axis=along)) / spacing
        energy.append(float(np.mean(np.minimum(difference, (high - low) / 4.0))))
    return int(np.argmin(energy))


def resample_to_frame(image: sitk.Image, frame: Frame, spacing_mm: float) -> tuple[NDArray[np.float32], Array]:
    """Volume on a regular grid of the frame.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D volume.
    frame : Frame
        Where to.
    spacing_mm : float
        Isotropic spacing of the new grid.

    Returns
    -------
    values : ndarray, shape (z, y, x), float32
        Linear interpolation; NaN outside the image.
    start_mm : ndarray, shape (3,)
        Frame coordinates of ``values[0, 0, 0]``, in x, y, z order.
    """
    size = np.array(image.GetSize())
    corners = np.array(
        [
            image.TransformContinuousIndexToPhysicalPoint(
                [float(c * (n - 1)) for c, n in zip(corner, size, strict=True)]
            )
            for corner in np.ndindex(2, 2, 2)
        ]
    )
    inside = frame.from_world(corners)
    low, high = inside.min(axis=0), inside.max(axis=0)
    count = np.maximum(np.floor((high - low) / spacing_mm).astype(int) + 1, 1)
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(n) for n in count])
    resampler.SetOutputSpacing([spacing_mm] * 3)
    resampler.SetOutputOrigin(frame.to_world(low).tolist())
    resampler.SetOutputDirection(frame.axes.T.ravel().tolist())
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(float("nan"))
    # Averaging before thinning out: a fine CT would otherwise alias its noise into the coarse grid.
    sigma = [0.5 * spacing_mm if s < 0.75 * spacing_mm else 0.0 for s in image.GetSpacing()]
    source = sitk.Cast(image, sitk.sitkFloat32)
    shrink = [max(1, int(spacing_mm / s + 0.25)) for s in image.GetSpacing()]
    if any(k > 1 for k in shrink):
        source = sitk.BinShrink(source, shrink)
    elif any(sigma):
        source = sitk.SmoothingRecursiveGaussian(source, [max(s, 1e-3) for s in sigma])
    return sitk.GetArrayFromImage(resampler.Execute(source)), low
