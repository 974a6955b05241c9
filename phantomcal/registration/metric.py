"""Mutual information of CT and MR at a pose, with its gradient: sampled joint histogram, B-spline windows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Pose = tuple[NDArray[np.float64], NDArray[np.float64]]  # rotation matrix, where the fixed head's centre goes (mm)

N_BINS = 32
ARM_MM = 60.0  # a turn by 1/60 rad moves a typical point of the head by 1 mm


@dataclass(frozen=True)
class Level:
    """Both images at one resolution, as the metric reads them.

    Attributes
    ----------
    fixed_bins : ndarray of uint8, shape (n,)
        Of the sampled points.
    offsets_mm : ndarray of float32, shape (n, 3)
        Sampled points from the fixed head's centre, world axes.
    moving : ndarray of float32, shape (z, y, x)
        In bins, from 1 to `N_BINS` - 3.
    to_index : ndarray, shape (3, 3)
        World mm to continuous index (x, y, z) of `moving`.
    origin_mm : ndarray, shape (3,)
        World position of its first voxel.
    """

    fixed_bins: NDArray[np.uint8]
    offsets_mm: NDArray[np.float32]
    moving: NDArray[np.float32]
    to_index: NDArray[np.float64]
    origin_mm: NDArray[np.float64]


def mutual_information(level: Level, pose: Pose) -> tuple[float, NDArray[np.float64]]:
    """Mutual information in nats and its gradient [1]_.

    Only samples inside the CT count, and less within its last voxel, so that the gradient is exact.

    Parameters
    ----------
    level : Level
        Images and samples.
    pose : tuple of ndarray
        Rotation matrix, and where the fixed head's centre goes (mm).

    Returns
    -------
    nats : float
        0 where less than 5 % of the samples lie inside the CT.
    gradient : ndarray, shape (6,)
        Nats per mm: of a further turn about the world axes through where the centre goes (times 60 mm), and of a shift.

    References
    ----------
    .. [1] Thevenaz P, Unser M. Optimization of mutual information for multiresolution image registration. IEEE Trans
       Image Process 2000;9:2083-2099. doi:10.1109/83.887976
    """
    from phantomcal.registration import metric_kernel

    rotation, centre_mm = pose
    n = len(level.fixed_bins)
    values, slopes, weights = np.empty(n, np.float32), np.empty((n, 3), np.float32), np.empty(n, np.float32)
    gradient = np.empty(6)
    nats = metric_kernel.information(
        level.fixed_bins, level.offsets_mm, level.moving, level.to_index, level.origin_mm, N_BINS,
        np.ascontiguousarray(rotation), np.ascontiguousarray(centre_mm), values, slopes, weights, gradient,
    )  # fmt: skip
    return float(nats), gradient


def inside_share(level: Level, pose: Pose) -> float:
    """Share of the samples that a pose takes into the moving image."""
    rotation, centre_mm = pose
    index = level.offsets_mm @ (level.to_index @ rotation).T + level.to_index @ (centre_mm - level.origin_mm)
    return float(((index >= 0) & (index <= np.array(level.moving.shape[::-1]) - 1)).all(axis=1).mean())


def stepped(pose: Pose, step_mm: NDArray[np.float64]) -> Pose:
    """A pose turned and shifted further: three turns (mm at 60 mm) about the world axes, three shifts (mm)."""
    return Rotation.from_rotvec(step_mm[:3] / ARM_MM).as_matrix() @ pose[0], pose[1] + step_mm[3:]
