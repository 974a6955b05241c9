"""Poses of a vial layout in a plane: proposed by pairs of blobs, scored on the blob map, symmetry settled by values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_PROPOSALS = 400  # per handedness, enough to hold every clearly different pose


@dataclass(frozen=True)
class Pose:
    """Rigid placement of a layout in the frame's plane: ``R(angle) diag(1, -1 if mirrored) p + shift``."""

    angle_rad: float
    mirrored: bool
    shift_mm: tuple[float, float]

    def place(self, layout: Array) -> Array:
        """Layout points (n, 2) in mm to frame plane points (n, 2)."""
        points = layout * np.array([1.0, -1.0 if self.mirrored else 1.0])
        c, s = np.cos(self.angle_rad), np.sin(self.angle_rad)
        placed: Array = points @ np.array([[c, s], [-s, c]]) + np.array(self.shift_mm)
        return placed


def fit_pose(layout: Array, points: Array, weights: Array, mirrored: bool) -> Pose:
    """Weighted least-squares rigid pose (Kabsch in the plane).

    Parameters
    ----------
    layout, points : ndarray, shape (n, 2)
        Corresponding points, mm.
    weights : ndarray, shape (n,)
        Non-negative.
    mirrored : bool
        Whether the layout is seen in the mirror.
    """
    source = layout * np.array([1.0, -1.0 if mirrored else 1.0])
    w = weights / weights.sum()
    a, b = w @ source, w @ points
    p, q = source - a, points - b
    sine = float(np.sum(w * (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0])))
    cosine = float(np.sum(w * np.sum(p * q, axis=1)))
    angle = float(np.arctan2(sine, cosine))
    turned = Pose(angle, False, (0.0, 0.0)).place(a[None])[0]
    return Pose(angle, mirrored, (float(b[0] - turned[0]), float(b[1] - turned[1])))


def hypotheses(
    layout: Array,
    blobs_mm: Array,
    visibility: NDArray[np.float32],
    start_mm: Array,
    spacing_mm: float,
    *,
    tolerance_mm: float,
    keep: int = 24,
) -> list[tuple[float, Pose]]:
    """Poses that put most vials on blobs.

    Every pair of blobs is matched with every pair of vials at the same distance; each match fixes a pose, and the pose
    scores the sum of visibilities under all its vials.

    Parameters
    ----------
    layout : ndarray, shape (n, 2)
        Vial places, mm.
    blobs_mm : ndarray, shape (m, 2)
        Blob centres in the frame plane, mm.
    visibility : ndarray, shape (y, x)
        Visibility, already widened by the position tolerance.
    start_mm : ndarray, shape (2,)
        Plane coordinates of ``visibility[0, 0]``.
    spacing_mm : float
        Pixel size.
    tolerance_mm : float
        How far apart two distances may be and still match.
    keep : int
        How many clearly different poses to return.

    Returns
    -------
    list of (score, Pose)
        Best first; score is the mean visibility over the vials.
    """
    if len(blobs_mm) < 2:
        return []
    vials, blobs = _matching_pairs(layout, blobs_mm, tolerance_mm)
    target = blobs_mm[blobs].mean(axis=1)
    direction = blobs_mm[blobs[:, 1]] - blobs_mm[blobs[:, 0]]
    proposed: list[tuple[float, Pose]] = []
    for mirror in (False, True):
        points = layout * np.array([1.0, -1.0 if mirror else 1.0])
        along = points[vials[:, 1]] - points[vials[:, 0]]
        angle = np.arctan2(direction[:, 1], direction[:, 0]) - np.arctan2(along[:, 1], along[:, 0])
        c, s = np.cos(angle), np.sin(angle)
        middle = points[vials].mean(axis=1)
        shift = target - np.stack([c * middle[:, 0] - s * middle[:, 1], s * middle[:, 0] + c * middle[:, 1]], axis=1)
        score = _score(points, angle, shift, visibility, start_mm, spacing_mm)
        proposed += [
            (float(score[k]), Pose(float(angle[k]), mirror, (float(shift[k, 0]), float(shift[k, 1]))))
            for k in np.argsort(-score, kind="stable")[:_PROPOSALS]
        ]
    # Equal scores are ordered by the pose itself, so that nothing depends on the sort.
    proposed.sort(key=lambda item: (-item[0], item[1].mirrored, item[1].angle_rad))
    kept: list[tuple[float, Pose]] = []
    placed: list[Array] = []
    for value, pose in proposed:
        here = pose.place(layout)
        if all(np.max(np.linalg.norm(here - other, axis=1)) >= 4 * tolerance_mm for other in placed):
            placed.append(here)
            kept.append((value, pose))
        if len(kept) == keep:
            break
    return kept


def _matching_pairs(layout: Array, blobs_mm: Array, tolerance_mm: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of vials (k, 2) and ordered pairs of blobs (k, 2) that are equally far apart."""
    i, j = np.triu_indices(len(layout), 1)
    vial_distance = np.linalg.norm(layout[i] - layout[j], axis=1)
    # Short baselines fix an angle badly; the longer half of the vial pairs is plenty.
    far = vial_distance >= 0.75 * np.median(vial_distance)
    a, b = np.nonzero(~np.eye(len(blobs_mm), dtype=bool))
    blob_distance = np.linalg.norm(blobs_mm[a] - blobs_mm[b], axis=1)
    vial, blob = np.nonzero(np.abs(vial_distance[far][:, None] - blob_distance[None, :]) < 2 * tolerance_mm)
    return np.stack([i[far][vial], j[far][vial]], axis=1), np.stack([a[blob], b[blob]], axis=1)


def _score(
    points: Array,
    angle: NDArray[np.float64],
    shift: Array,
    visibility: NDArray[np.float32],
    start_mm: Array,
    spacing_mm: float,
) -> NDArray[np.float64]:
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x = c * points[:, 0] - s * points[:, 1] + shift[:, :1]
    y = s * points[:, 0] + c * points[:, 1] + shift[:, 1:]
    column = np.rint((x - start_mm[0]) / spacing_mm).astype(int)
    row = np.rint((y - start_mm[1]) / spacing_mm).astype(int)
    inside = (row >= 0) & (column >= 0) & (row < visibility.shape[0]) & (column < visibility.shape[1])
    value = visibility[np.clip(row, 0, visibility.shape[0] - 1), np.clip(column, 0, visibility.shape[1] - 1)]
    result: NDArray[np.float64] = np.where(inside, value, 0.0).astype(float).mean(axis=1)
    return result


def value_misfit(values: Array, expected: Array, scale: float) -> float:
    """How badly the measured values contradict the expected ones, 0 (agree) to 1 (every vial contradicts).

    A common offset and a common factor between 0.4 and 1.6 are free: scanners scale, and QSM is relative. The loss of
    one vial is capped, so that failed vials cannot decide.

    Parameters
    ----------
    values, expected : ndarray, shape (n,)
        Measured and predicted HU or ppm; vials without a finite prediction do not count.
    scale : float
        Deviation that is unremarkable, in the units of the values.

    Returns
    -------
    float
        Mean capped squared deviation; 0 when fewer than two vials have a prediction.
    """
    known = np.isfinite(expected) & np.isfinite(values)
    v, e = values[known], expected[known]
    if v.size < 2:
        return 0.0
    factors = np.linspace(0.4, 1.6, 25)
    offsets = v[None, :] - factors[:, None] * e[None, :]  # each vial proposes the offset that fits it
    residual = offsets[:, None, :] - offsets[:, :, None]
    loss = np.minimum((residual / (3.0 * scale)) ** 2, 1.0).mean(axis=2)
    return float(loss.min())
