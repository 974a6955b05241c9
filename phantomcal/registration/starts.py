"""Where to start a rigid alignment: many poses scored quickly on few points, the best climbed on a coarse grid."""

from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from phantomcal.registration.heads import Head
from phantomcal.registration.metric import N_BINS, Level, Pose, inside_share
from phantomcal.registration.optimise import COARSE_GAIN, climb
from phantomcal.registration.threads import share, together

_SCREEN_POINTS, _SEARCH_POINTS = 1000, 1500
_N_SCORE_BINS = 16
_FULL_OVERLAP = 0.6  # share of the largest overlap any pose has, below which a pose counts for less
_SLIDE_MM = 20.0
_N_SEARCHED = 48
Poses = tuple[NDArray[np.float64], NDArray[np.float64]]  # of many: rotation matrices, where the centre goes (mm)
_STEPS = ((10.0, 12.0), (10.0, 12.0), (7.0, 8.0), (5.0, 6.0), (3.0, 4.0))  # degrees and mm, one after the other


def scores(level: Level, poses: Poses, points: int = _SEARCH_POINTS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Normalised mutual information at many poses, from nearest neighbours and about so many points.

    Parameters
    ----------
    level : Level
        Images and samples.
    poses : tuple of ndarray, shapes (poses, 3, 3) and (poses, 3)
        Rotation matrices, and where the fixed head's centre goes (mm).
    points : int
        About how many samples count.

    Returns
    -------
    gains : ndarray, shape (poses,)
        Studholme's (H(a) + H(b)) / H(a, b) - 1: 0 for independent images.
    shares : ndarray, shape (poses,)
        Of the points inside the moving image.
    """
    from phantomcal.registration import kernel

    turns, centres = poses
    step = max(1, len(level.fixed_bins) // points)
    bins = (level.fixed_bins[::step] // np.uint8(N_BINS // _N_SCORE_BINS)).astype(np.int32) * (_N_SCORE_BINS + 1)
    offsets = np.ascontiguousarray(level.offsets_mm[::step].T)
    values = (level.moving - np.float32(1.0)) * np.float32(_N_SCORE_BINS / (N_BINS - 4))
    moving = np.full(values.size + 1, _N_SCORE_BINS, np.uint8)
    moving[:-1] = np.minimum(values, np.float32(_N_SCORE_BINS - 1)).ravel()
    matrices = level.to_index @ turns
    shifts = (centres - level.origin_mm) @ level.to_index.T
    counts = np.arange(len(bins) + 1.0)
    logs = counts * np.log(np.maximum(counts, 1.0))
    found, shares = np.empty(len(turns)), np.empty(len(turns))

    def score(start: int, stop: int) -> None:
        kernel.score_poses(
            bins, offsets, moving, values.shape, matrices, shifts, _N_SCORE_BINS, logs, start, stop, found, shares
        )

    share(score, len(turns), least=50)
    return found - 1.0, shares


def mirrored(level: Level) -> Level:
    """The same images with the fixed head's left and right swapped."""
    return replace(level, offsets_mm=level.offsets_mm * np.array([-1.0, 1.0, 1.0], np.float32))


def best_starts(
    level: Level, fixed: Head, moving: Head, *, keep: int, tries: int, from_headers: bool
) -> list[tuple[Pose, float]]:
    """The most promising poses, best first, each at least 6 degrees or 10 mm from the others.

    Parameters
    ----------
    level : Level
        Both heads at a coarse resolution, perhaps `mirrored`.
    fixed, moving : Head
        Prepared MR and CT.
    keep : int
        How many.
    tries : int
        How many are climbed to choose from.
    from_headers : bool
        Also try poses near that of the headers.

    Returns
    -------
    list of (tuple of ndarray, float)
        Rotation matrix and where the fixed head's centre goes, with the mutual information in nats, less where
        the overlap is small beside what other poses have.
    """
    return climbed(level, *promising(level, poses_between(fixed, moving, from_headers), tries))[:keep]


def promising(level: Level, poses: Poses, count: int) -> tuple[list[Pose], float]:
    """The best `count` of many poses after a short search around them, and the overlap that counts as full."""
    gains, shares = scores(level, poses, _SCREEN_POINTS)
    full = _FULL_OVERLAP * float(shares.max())
    screened = _distinct(poses, gains * _trust(shares, full), _N_SEARCHED, 12.0, 15.0)
    turns, centres = _distinct(*_searched(level, screened, full), count, 6.0, 10.0)
    return list(zip(turns, centres, strict=True)), full


def climbed(level: Level, poses: list[Pose], full: float) -> list[tuple[Pose, float]]:
    """The different tops that poses climb to, best first, with the mutual information as `best_starts` gives it."""
    tops = together([partial(climb, level, pose, tolerance=COARSE_GAIN) for pose in poses])
    valued = [(pose, nats * float(_trust(inside_share(level, pose), full))) for pose, nats in tops]
    valued.sort(key=lambda found: -found[1])
    kept: list[tuple[Pose, float]] = []
    for pose, nats in valued:
        if all(not close(pose, other) for other, _ in kept):
            kept.append((pose, nats))
    return kept


def _distinct(poses: Poses, values: NDArray[np.float64], count: int, turn_deg: float, shift_mm: float) -> Poses:
    """The best `count` poses that differ from all better ones."""
    turns, centres = poses
    flat = turns.reshape(-1, 9)
    order = np.argsort(-values, kind="stable")
    kept: list[int] = []
    for k in order:
        if kept:
            cosines = (flat[kept] @ flat[k] - 1.0) / 2.0
            apart = ((centres[kept] - centres[k]) ** 2).sum(axis=1)
            if ((apart < shift_mm**2) & (cosines > np.cos(np.radians(turn_deg)))).any():
                continue
        kept.append(int(k))
        if len(kept) == count:
            break
    return turns[kept], centres[kept]


def _trust(shares: float | NDArray[np.float64], full: float) -> NDArray[np.float64]:
    """Weight of poses by their overlap: where few points meet, they seem to share much."""
    return np.minimum(np.asarray(shares) / max(full, 1e-9), 1.0)


def _searched(level: Level, poses: Poses, full: float) -> tuple[Poses, NDArray[np.float64]]:
    """Pattern search from all poses at once: each goes where a step along one of the six axes is best, if anywhere."""
    turns, centres = poses
    best = np.zeros(len(turns))
    still, both_ways = np.zeros((1, 3)), np.vstack([np.eye(3), -np.eye(3)])
    for turn_deg, shift_mm in _STEPS:
        steps = np.vstack([still, np.radians(turn_deg) * both_ways, np.zeros((6, 3))])
        further = Rotation.from_rotvec(steps).as_matrix() @ turns[:, None]
        there = centres[:, None] + np.vstack([still, np.zeros((6, 3)), shift_mm * both_ways])
        gains, shares = scores(level, (further.reshape(-1, 3, 3), there.reshape(-1, 3)))
        values = (gains * _trust(shares, full)).reshape(len(turns), -1)
        way = values.argmax(axis=1)
        each = np.arange(len(turns))
        turns, centres, best = further[each, way], there[each, way], values[each, way]
    return (turns, centres), best


def close(a: Pose, b: Pose, turn_deg: float = 6.0, shift_mm: float = 10.0) -> bool:
    """Whether two poses differ by less than a turn and a shift of the fixed head's centre."""
    cosine = (float((a[0] * b[0]).sum()) - 1.0) / 2.0
    return bool(cosine > np.cos(np.radians(turn_deg)) and np.linalg.norm(a[1] - b[1]) < shift_mm)


def poses_between(fixed: Head, moving: Head, from_headers: bool) -> Poses:
    """Poses that put one head on the other: near ones closely, all others coarsely, slid along the slices."""
    # Heads are cut off along the slices: the longer one may lie anywhere along the shorter.
    up = np.array(moving.image.GetDirection()).reshape(3, 3)[:, 2]
    fixed_up = np.array(fixed.image.GetDirection()).reshape(3, 3)[:, 2]
    up, fixed_up = up * np.sign(up[2] or 1.0), fixed_up * np.sign(fixed_up[2] or 1.0)
    spare = abs(_length_mm(moving.mask, up) - _length_mm(fixed.mask, fixed_up)) / 2
    count = int(spare / _SLIDE_MM) + 2
    slides = _SLIDE_MM * np.arange(-count, count + 1)[:, None]
    far_slides = slides[1:-1] if spare < 2 * _SLIDE_MM else slides[count % 2 :: 2]
    near, far = _near_turns(), _all_turns()
    turns = [np.repeat(near, len(slides), axis=0), np.repeat(far, len(far_slides), axis=0)]
    centres = [
        np.tile(moving.centre_mm + slides * up, (len(near), 1)),
        (moving.centre_mm + far_slides * (far @ fixed_up)[:, None]).reshape(-1, 3),
    ]
    if from_headers:
        turns.append(near)
        centres.append(np.tile(fixed.centre_mm, (len(near), 1)))
    return np.concatenate(turns), np.concatenate(centres)


def _length_mm(mask: sitk.Image, axis: NDArray[np.float64]) -> float:
    index = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)[:, ::-1]
    along = index @ (np.array(mask.GetDirection()).reshape(3, 3) * mask.GetSpacing()).T @ axis
    return float(np.ptp(along))


def _near_turns() -> NDArray[np.float64]:
    """Up to 30 degrees about each axis: how heads lie in practice, so looked at more closely."""
    steps = np.radians([0.0, -15.0, 15.0, -30.0, 30.0])
    return np.asarray(Rotation.from_euler("zxy", list(product(steps, repeat=3))).as_matrix())


def _all_turns() -> NDArray[np.float64]:
    """Rotations spread evenly over all of SO(3), about 25 degrees apart (super-Fibonacci spirals, Alexa, CVPR 2022)."""
    n, phi, psi = 1000, np.sqrt(2.0), 1.533751168755204288118041
    s = np.arange(n) + 0.5
    r, big_r = np.sqrt(s / n), np.sqrt(1.0 - s / n)
    alpha, beta = 2 * np.pi * s / phi, 2 * np.pi * s / psi
    quaternions = np.column_stack([r * np.sin(alpha), r * np.cos(alpha), big_r * np.sin(beta), big_r * np.cos(beta)])
    return np.asarray(Rotation.from_quat(quaternions).as_matrix())
