"""Where to start a rigid alignment: many poses scored quickly on a few thousand points, the best ones kept."""

from itertools import product

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from phantomcal.registration.heads import Head, points_mm, region_around, shrink

_GRID_MM = 6.0
_N_POINTS = 1500
_N_BINS = 20
_LEAST_OVERLAP = 0.4

Pose = tuple[NDArray[np.float64], NDArray[np.float64]]  # rotation matrix, where the fixed head's centre goes (mm)


class CoarseScore:
    """Normalised mutual information of fixed and moving head at a pose, from nearest neighbours on a coarse grid.

    Poses turn about the fixed head's centre. The measure is Studholme's (H(a) + H(b)) / H(a, b), which does not reward
    a small overlap; with less than 40 % of the points inside the CT it is 1, as for independent images.
    """

    def __init__(self, fixed: Head, moving: Head) -> None:
        coarse_fixed, coarse_moving = shrink(fixed.image, _GRID_MM), shrink(moving.image, _GRID_MM)
        points = points_mm(region_around(fixed, coarse_fixed), _N_POINTS)
        self._offsets = points - fixed.centre_mm
        index = [coarse_fixed.TransformPhysicalPointToIndex(p) for p in points.tolist()]
        values = sitk.GetArrayViewFromImage(coarse_fixed)[tuple(np.array(index).T[::-1])]
        self._fixed_bins = _bins(values.astype(np.float64)) * _N_BINS
        self._moving_bins = _bins(sitk.GetArrayFromImage(coarse_moving).astype(np.float64)).transpose(2, 1, 0)
        axes = np.array(coarse_moving.GetDirection()).reshape(3, 3) * coarse_moving.GetSpacing()
        self._to_index = np.linalg.inv(axes)
        self._origin = np.array(coarse_moving.GetOrigin())

    def __call__(self, pose: Pose) -> float:
        rotation, centre = pose
        matrix = self._to_index @ rotation
        index = np.rint(self._offsets @ matrix.T + self._to_index @ (centre - self._origin)).astype(np.intp)
        inside = ((index >= 0) & (index < self._moving_bins.shape)).all(axis=1)
        if inside.mean() < _LEAST_OVERLAP:
            return 1.0
        i, j, k = index[inside].T
        joint = np.bincount(self._fixed_bins[inside] + self._moving_bins[i, j, k], minlength=_N_BINS**2)
        table = joint.reshape(_N_BINS, _N_BINS) / inside.sum()
        both = _entropy(table.ravel())
        return (_entropy(table.sum(axis=0)) + _entropy(table.sum(axis=1))) / both if both > 0 else 1.0


def best_starts(
    fixed: Head, moving: Head, *, keep: int, from_headers: bool
) -> list[tuple[sitk.Euler3DTransform, float]]:
    """The most promising poses, best first, each at least 6 degrees or 10 mm from the others.

    Parameters
    ----------
    fixed, moving : Head
        Prepared MR and CT.
    keep : int
        How many.
    from_headers : bool
        Also try the pose of the headers as it is.

    Returns
    -------
    list of (SimpleITK.Euler3DTransform, float)
        Fixed to moving points, centred on the fixed head, with the score.
    """
    score = CoarseScore(fixed, moving)
    up = np.array(moving.image.GetDirection()).reshape(3, 3)[:, 2]  # heads are cut off along the slices
    poses = [
        (rotation, moving.centre_mm + slide * up)
        for rotation in _near_turns()
        for slide in (0.0, -20.0, 20.0, -40.0, 40.0)
    ]
    poses += [(rotation, moving.centre_mm) for rotation in _all_turns()]
    if from_headers:
        poses.append((np.eye(3), fixed.centre_mm))
    scores = np.array([score(pose) for pose in poses])
    order = np.argsort(-scores, kind="stable")[: 4 * keep]
    refined = sorted((_climb(score, poses[k], float(scores[k])) for k in order), key=lambda found: -found[1])
    kept: list[tuple[Pose, float]] = []
    for pose, value in refined:
        if all(not _close(pose, other) for other, _ in kept):
            kept.append((pose, value))
    return [(_euler(pose, fixed.centre_mm), value) for pose, value in kept[:keep]]


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


def _climb(score: CoarseScore, pose: Pose, value: float) -> tuple[Pose, float]:
    """Pattern search: a step along each of the six axes both ways, halved when none is better."""
    step_rad, step_mm = np.radians(8.0), 10.0
    while step_mm > 2.0:
        better = False
        for axis, sign in product(range(6), (1.0, -1.0)):
            rotation, centre = pose
            unit = sign * np.eye(3)[axis % 3]
            if axis < 3:
                rotation = Rotation.from_rotvec(step_rad * unit).as_matrix() @ rotation
            else:
                centre = centre + step_mm * unit
            trial = score((rotation, centre))
            if trial > value:
                pose, value, better = (rotation, centre), trial, True
        if not better:
            step_rad, step_mm = step_rad / 2, step_mm / 2
    return pose, value


def _close(a: Pose, b: Pose) -> bool:
    turned = Rotation.from_matrix(a[0] @ b[0].T).magnitude()
    return bool(np.degrees(turned) < 6.0 and np.linalg.norm(a[1] - b[1]) < 10.0)


def _euler(pose: Pose, fixed_centre_mm: NDArray[np.float64]) -> sitk.Euler3DTransform:
    transform = sitk.Euler3DTransform()
    transform.SetCenter(fixed_centre_mm.tolist())
    transform.SetMatrix(pose[0].ravel().tolist())
    transform.SetTranslation((pose[1] - fixed_centre_mm).tolist())
    return transform


def _bins(values: NDArray[np.float64]) -> NDArray[np.intp]:
    low, high = np.percentile(values, [0.5, 99.5])
    scaled = (values - low) / max(high - low, 1e-12) * _N_BINS
    binned: NDArray[np.intp] = np.clip(scaled, 0, _N_BINS - 1).astype(np.intp)
    return binned


def _entropy(p: NDArray[np.float64]) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())
