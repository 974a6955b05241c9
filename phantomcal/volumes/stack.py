"""Parallel slices, as a scanner places them, on one orthogonal grid."""

from collections import Counter

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

_STEP_TOLERANCE = 0.02  # share of the slice distance by which a position may miss an even grid (rounded headers)
_DRIFT_TOLERANCE_MM = 0.1  # sideways drift over the whole stack below which it stands upright


def place_slices(
    stack: NDArray[np.float32],
    positions_mm: NDArray[np.float64],
    axes: NDArray[np.float64],
    spacing_mm: tuple[float, float],
    outside: float,
) -> tuple[sitk.Image, str]:
    """Image of parallel slices on an orthogonal grid.

    Even, upright stacks are taken as they are. Others (gantry tilt, changing slice distance) are resampled: every slice
    is moved in its plane to its true place, then values are interpolated linearly along the normal.

    Parameters
    ----------
    stack : ndarray, shape (slices, rows, columns)
        In order along the normal.
    positions_mm : ndarray, shape (slices, 3)
        World LPS position of each slice's first pixel.
    axes : ndarray, shape (3, 3)
        Columns: direction along a row, along a column, and their normal.
    spacing_mm : tuple of float
        Pixel size along a row and along a column.
    outside : float
        Value where no slice reaches.

    Returns
    -------
    image : SimpleITK.Image
        float32.
    note : str
        What was done, with the numbers; empty when nothing was.
    """
    words = irregularities(positions_mm, axes)
    depth_mm = positions_mm @ axes[:, 2]
    distance = np.diff(depth_mm)
    mean_step = float(distance.mean())
    if not words:
        return _image(stack, positions_mm[0], (*spacing_mm, mean_step), axes), ""

    shift_mm = _shift(positions_mm, axes)
    is_even = _is_even(depth_mm)
    wanted = mean_step if is_even else _regular_step(distance)
    span = float(depth_mm[-1] - depth_mm[0])
    step = span / np.ceil(span / wanted - 0.05)  # a trifle finer where needed: both end slices stay in the volume
    moved, corner_mm = _resample(stack, shift_mm, depth_mm - depth_mm[0], spacing_mm, step)
    moved[np.isnan(moved)] = np.float32(outside)
    image = _image(moved, positions_mm[0] + axes[:, :2] @ corner_mm, (*spacing_mm, step), axes)
    size = " x ".join(str(n) for n in image.GetSize())
    grid = " x ".join(f"{s:.3g}" for s in image.GetSpacing())
    return image, f"{words}: resampled linearly to a regular upright grid, {size} voxels of {grid} mm"


def irregularities(positions_mm: NDArray[np.float64], axes: NDArray[np.float64]) -> str:
    """What keeps slices at these places from being a regular upright grid, in words; empty when nothing does.

    Parameters
    ----------
    positions_mm, axes : ndarray
        As for `place_slices`.
    """
    depth_mm = positions_mm @ axes[:, 2]
    shift_mm = _shift(positions_mm, axes)
    words = []
    if np.linalg.norm(shift_mm, axis=1).max() > _DRIFT_TOLERANCE_MM:
        tilt = np.degrees(np.arctan2(np.linalg.norm(shift_mm[-1]), depth_mm[-1] - depth_mm[0]))
        words.append(f"slices stacked {tilt:.1f} degrees off their normal (gantry tilt)")
    if not _is_even(depth_mm):
        along = np.linalg.norm(np.diff(positions_mm, axis=0), axis=1)
        counts = Counter(np.round(along, 2).tolist())
        kinds = ", ".join(f"{n} x {d:.2f}" for d, n in counts.items())
        words.append(
            "slice distances " + (kinds if len(counts) <= 4 else f"{along.min():.2f} to {along.max():.2f}") + " mm"
        )
    return "; ".join(words)


def _shift(positions_mm: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each slice lies to the side of the first, in its plane."""
    return np.asarray((positions_mm - positions_mm[0]) @ axes[:, :2])


def _is_even(depth_mm: NDArray[np.float64]) -> bool:
    step = float(np.diff(depth_mm).mean())
    even = depth_mm[0] + step * np.arange(len(depth_mm))
    return bool(np.abs(depth_mm - even).max() <= _STEP_TOLERANCE * step)


def _regular_step(distance_mm: NDArray[np.float64]) -> float:
    """Smallest slice distance that occurs more than once, else the median: a lone overlap sets no grid."""
    counts = Counter(np.round(distance_mm, 2).tolist())
    repeated = [d for d, n in counts.items() if n > 1]
    if not repeated:
        return float(np.median(distance_mm))
    return float(np.median(distance_mm[np.abs(distance_mm - min(repeated)) < 0.01]))


def _resample(
    stack: NDArray[np.float32],
    shift_mm: NDArray[np.float64],
    depth_mm: NDArray[np.float64],
    spacing_mm: tuple[float, float],
    step_mm: float,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Shift every slice in its plane to its true place, then interpolate along the normal; NaN outside.

    Returns the volume (z, y, x) and the in-plane place (mm, from the first slice's corner) of its first voxel.
    """
    rows, columns = stack.shape[1:]
    start = np.floor((shift_mm.min(axis=0)) / spacing_mm).astype(int)
    stop = np.ceil(shift_mm.max(axis=0) / spacing_mm).astype(int)
    canvas_shape = (rows + int(stop[1] - start[1]), columns + int(stop[0] - start[0]))

    def shifted(k: int) -> NDArray[np.float32]:
        offset = shift_mm[k] / spacing_mm - start
        whole = np.floor(offset + 1e-6).astype(int)
        fraction = np.clip(offset - whole, 0.0, 1.0)
        canvas = np.full(canvas_shape, np.nan, dtype=np.float32)
        moved = _delay(_delay(stack[k], 0, float(fraction[1])), 1, float(fraction[0]))
        canvas[whole[1] : whole[1] + moved.shape[0], whole[0] : whole[0] + moved.shape[1]] = moved
        return canvas

    n_out = round(float(depth_mm[-1]) / step_mm) + 1
    out = np.empty((n_out, *canvas_shape), dtype=np.float32)
    below, low, high = -1, np.empty(0, np.float32), np.empty(0, np.float32)
    for k_out in range(n_out):
        depth = min(k_out * step_mm, float(depth_mm[-1]))
        k = int(np.clip(np.searchsorted(depth_mm, depth + 1e-6, side="right") - 1, 0, len(depth_mm) - 2))
        if k != below:
            low = high if k == below + 1 and below >= 0 else shifted(k)
            high = shifted(k + 1)
            below = k
        weight = np.float32(np.clip((depth - depth_mm[k]) / (depth_mm[k + 1] - depth_mm[k]), 0.0, 1.0))
        # 0 times NaN is NaN: a slice lying on the output plane must not lose what its neighbour does not reach.
        out[k_out] = low if weight < 1e-4 else high if weight > 1 - 1e-4 else (1 - weight) * low + weight * high
    return out, start * np.array(spacing_mm)


def _delay(plane: NDArray[np.float32], axis: int, fraction: float) -> NDArray[np.float32]:
    """Move a plane by a fraction of a pixel towards higher indices; what would come from beyond its edge is NaN."""
    if fraction < 1e-4:
        return plane
    before = np.roll(plane, 1, axis=axis)
    before[0 if axis == 0 else (slice(None), 0)] = np.nan
    return np.float32(1 - fraction) * plane + np.float32(fraction) * before


def _image(
    stack: NDArray[np.float32],
    origin_mm: NDArray[np.float64],
    spacing_mm: tuple[float, float, float],
    axes: NDArray[np.float64],
) -> sitk.Image:
    image = sitk.GetImageFromArray(stack)
    image.SetOrigin([float(v) for v in origin_mm])
    image.SetSpacing([float(v) for v in spacing_mm])
    image.SetDirection([float(v) for v in axes.ravel()])
    return image
