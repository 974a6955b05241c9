"""Where to start a rigid alignment: many poses scored quickly on few points, the best climbed on a coarse grid."""

from dataclasses import replace
from itertools import product

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from phantomcal.registration.heads import Head
from phantomcal.registration.metric import N_BINS, Level, Pose, inside_share
from phantomcal.registration.optimise import COARSE_GAIN, climb
from phantomcal.registration.threads import share

_SCREEN_POINTS, _SEARCH_POINTS = 1000, 1500
_N_SCORE_BINS = 16
_FULL_OVERLAP = 0.6  # share of the largest overlap any pose has, below which a pose counts for less
_SLIDE_MM = 20.0
_N_SEARCHED = 48
_STEPS = ((10.0, 12.0), (10.0, 12.0), (7.0, 8.0), (5.0, 6.0), (3.0, 4.0))  # degrees and mm, one after the other


def scores(
    level: Level, poses: list[Pose], points: int = _SEARCH_POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Normalised mutual information at many poses, from nearest neighbours and about so many points.

    Returns
    -------
    gains : ndarray, shape (poses,)
        Studholme's (H(a) + H(b)) / H(a, b) - 1: 0 for independent images.
    shares : ndarray, shape (poses,)
        Of the points inside the moving image.
    """
    from phantomcal.registration import kernel

    step = max(1, len(level.fixed_bins) // points)
    fixed_bins = level.fixed_bins[::step] // np.uint8(N_BINS // _N_SCORE_BINS)
    offsets = level.offsets_mm[::step].astype(np.float64)
    binned = (level.moving - np.float32(1.0)) * np.float32(_N_SCORE_BINS / (N_BINS - 4))
    moving = np.minimum(binned, np.float32(_N_SCORE_BINS - 1)).astype(np.uint8)
    matrices = level.to_index @ np.array([rotation for rotation, _ in poses])
    shifts = (np.array([centre for _, centre in poses]) - level.origin_mm) @ level.to_index.T
    found, shares = np.empty(len(poses)), np.empty(len(poses))

    def score(start: int, stop: int) -> None:
        kernel.score_poses(fixed_bins, offsets, moving, matrices, shifts, _N_SCORE_BINS, start, stop, found, shares)

    share(score, len(poses), least=50)
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
    poses = _poses(fixed, moving, from_headers)
    gains, shares = scores(level, poses, _SCREEN_POINTS)
    full = _FULL_OVERLAP * float(shares.max())
    screened = _distinct(poses, gains * _trust(shares, full), _N_SEARCHED, 12.0, 15.0)
    chosen = _distinct(*_searched(level, screened, full), tries, 6.0, 10.0)
    climbed = [climb(level, pose, tolerance=COARSE_GAIN) for pose in chosen]
    climbed = [(pose, nats * float(_trust(inside_share(level, pose), full))) for pose, nats in climbed]
    climbed.sort(key=lambda found: -found[1])
    kept: list[tuple[Pose, float]] = []
    for pose, nats in climbed:
        if all(not close(pose, other) for other, _ in kept):
            kept.append((pose, nats))
    return kept[:keep]


def _distinct(
    poses: list[Pose], values: NDArray[np.float64], count: int, turn_deg: float, shift_mm: float
) -> list[Pose]:
    """The best `count` poses that differ from all better ones."""
    rotations, centres = np.array([turn for turn, _ in poses]), np.array([centre for _, centre in poses])
    free = np.ones(len(poses), bool)
    kept: list[Pose] = []
    for k in np.argsort(-values, kind="stable"):
        if free[k]:
            kept.append(poses[k])
            if len(kept) == count:
                break
            cosines = (np.einsum("nij,ij->n", rotations, rotations[k]) - 1.0) / 2.0
            near = np.linalg.norm(centres - centres[k], axis=1) < shift_mm
            free &= ~(near & (cosines > np.cos(np.radians(turn_deg))))
    return kept


def _trust(shares: float | NDArray[np.float64], full: float) -> NDArray[np.float64]:
    """Weight of poses by their overlap: where few points meet, they seem to share much."""
    return np.minimum(np.asarray(shares) / max(full, 1e-9), 1.0)


def _searched(level: Level, poses: list[Pose], full: float) -> tuple[list[Pose], NDArray[np.float64]]:
    """Pattern search from all poses at once: each goes where a step along one of the six axes is best, if anywhere."""
    for turn_deg, shift_mm in _STEPS:
        turns = Rotation.from_rotvec(np.radians(turn_deg) * np.vstack([np.eye(3), -np.eye(3)])).as_matrix()
        shifts = shift_mm * np.vstack([np.eye(3), -np.eye(3)])
        around = [
            neighbour
            for rotation, centre in poses
            for neighbour in (
                (rotation, centre),
                *((turn @ rotation, centre) for turn in turns),
                *((rotation, centre + shift) for shift in shifts),
            )
        ]
        gains, shares = scores(level, around)
        values = (gains * _trust(shares, full)).reshape(len(poses), -1)
        best = values.argmax(axis=1)
        poses = [around[k * values.shape[1] + b] for k, b in enumerate(best)]
    return poses, values.max(axis=1)


def close(a: Pose, b: Pose, turn_deg: float = 6.0, shift_mm: float = 10.0) -> bool:
    """Whether two poses differ by less than a turn and a shift of the fixed head's centre."""
    cosine = (float((a[0] * b[0]).sum()) - 1.0) / 2.0
    return bool(cosine > np.cos(np.radians(turn_deg)) and np.linalg.norm(a[1] - b[1]) < shift_mm)


def _poses(fixed: Head, moving: Head, from_headers: bool) -> list[Pose]:
    # Heads are cut off along the slices: the longer one may lie anywhere along the shorter.
    up = np.array(moving.image.GetDirection()).reshape(3, 3)[:, 2]
    fixed_up = np.array(fixed.image.GetDirection()).reshape(3, 3)[:, 2]
    up, fixed_up = up * np.sign(up[2] or 1.0), fixed_up * np.sign(fixed_up[2] or 1.0)
    spare = abs(_length_mm(moving.mask, up) - _length_mm(fixed.mask, fixed_up)) / 2
    count = int(spare / _SLIDE_MM) + 2
    slides = _SLIDE_MM * np.arange(-count, count + 1)
    far_slides = slides[1:-1] if spare < 2 * _SLIDE_MM else slides[count % 2 :: 2]
    near, far = _near_turns(), _all_turns()
    poses = [(turn, moving.centre_mm + slide * up) for turn in near for slide in slides]
    poses += [(turn, moving.centre_mm + slide * (turn @ fixed_up)) for turn in far for slide in far_slides]
    if from_headers:
        poses += [(turn, fixed.centre_mm) for turn in near]
    return poses


def _length_mm(mask: sitk.Image, axis: NDArray[np.float64]) -> float:
    index = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)[:, ::-1]
    along = index @ (np.array(mask.GetDirection()).reshape(3, 3) * mask.GetSpacing()).T @ axis
    return float(np.ptp(along))


def _near_turns() -> list[NDArray[np.float64]]:
    """Up to 30 degrees about each axis: how heads lie in practice, so looked at more closely."""
    steps = np.radians([0.0, -15.0, 15.0, -30.0, 30.0])
    return list(Rotation.from_euler("zxy", list(product(steps, repeat=3))).as_matrix())


def _all_turns() -> list[NDArray[np.float64]]:
    """Rotations spread evenly over all of SO(3), about 25 degrees apart (super-Fibonacci spirals, Alexa, CVPR 2022)."""
    n, phi, psi = 1000, np.sqrt(2.0), 1.533751168755204288118041
    s = np.arange(n) + 0.5
    r, big_r = np.sqrt(s / n), np.sqrt(1.0 - s / n)
    alpha, beta = 2 * np.pi * s / phi, 2 * np.pi * s / psi
    quaternions = np.column_stack([r * np.sin(alpha), r * np.cos(alpha), big_r * np.sin(beta), big_r * np.cos(beta)])
    return list(Rotation.from_quat(quaternions).as_matrix())
