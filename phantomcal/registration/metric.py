"""Mutual information of CT and MR at a pose, with its gradient: sampled joint histogram, B-spline windows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from phantomcal.registration.threads import share

Pose = tuple[NDArray[np.float64], NDArray[np.float64]]  # rotation matrix, where the fixed head's centre goes (mm)

N_BINS = 32
ARM_MM = 60.0  # a turn by 1/60 rad moves a typical point of the head by 1 mm
_PIECES = 16  # of the samples: sums of pieces are added in one order, whichever thread made them
_LEAST_SAMPLES = 10_000
_LEAST_INSIDE = 0.05


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
    from phantomcal.registration import kernel

    rotation, centre_mm = pose
    n = len(level.fixed_bins)
    matrix = level.to_index @ rotation
    shift = level.to_index @ (centre_mm - level.origin_mm)
    edges = [n * k // _PIECES for k in range(_PIECES + 1)]
    values, slopes, weights = np.empty(n, np.float32), np.empty((n, 3), np.float32), np.empty(n, np.float32)
    joints = np.empty((_PIECES, N_BINS, N_BINS))

    def count(start: int, stop: int) -> None:
        for k in range(start, stop):
            kernel.joint_counts(
                level.fixed_bins, level.offsets_mm, level.moving, matrix, shift, edges[k], edges[k + 1], values,
                slopes, weights, joints[k],
            )  # fmt: skip

    least = -(-_PIECES * _LEAST_SAMPLES // n)  # pieces below which another thread costs more than it saves
    share(count, _PIECES, least=least)
    joint = joints.sum(axis=0)
    inside = float(joint.sum())
    if inside < _LEAST_INSIDE * n:
        return 0.0, np.zeros(6)
    p = joint / inside
    apart = p.sum(axis=1)[:, None] * p.sum(axis=0)
    gain = np.zeros_like(p)
    np.log(p / np.where(apart > 0, apart, 1.0), out=gain, where=p > 0)
    nats = float((p * gain).sum())
    gain32 = gain.astype(np.float32)
    sums = np.empty((_PIECES, 3, 4))

    def gather(start: int, stop: int) -> None:
        for k in range(start, stop):
            kernel.pull(
                level.fixed_bins, level.offsets_mm, level.moving.shape, matrix, shift, values, slopes, weights,
                gain32, nats, edges[k], edges[k + 1], sums[k],
            )  # fmt: skip

    share(gather, _PIECES, least=least)
    force = level.to_index.T @ sums.sum(axis=0) / inside  # per mm: of the shift, and times the offsets before the turn
    moment = force[:, 1:] @ rotation.T
    torque = np.array([moment[2, 1] - moment[1, 2], moment[0, 2] - moment[2, 0], moment[1, 0] - moment[0, 1]])
    return nats, np.concatenate([torque / ARM_MM, force[:, 0]])


def inside_share(level: Level, pose: Pose) -> float:
    """Share of the samples that a pose takes into the moving image."""
    rotation, centre_mm = pose
    index = level.offsets_mm @ (level.to_index @ rotation).T + level.to_index @ (centre_mm - level.origin_mm)
    return float(((index >= 0) & (index <= np.array(level.moving.shape[::-1]) - 1)).all(axis=1).mean())


def stepped(pose: Pose, step_mm: NDArray[np.float64]) -> Pose:
    """A pose turned and shifted further: three turns (mm at 60 mm) about the world axes, three shifts (mm)."""
    return Rotation.from_rotvec(step_mm[:3] / ARM_MM).as_matrix() @ pose[0], pose[1] + step_mm[3:]
