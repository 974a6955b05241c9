"""Poses of a vial layout in a plane: proposed by pairs of blobs, scored on the blob map, symmetry settled by values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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
    mirrored: bool | None = None,
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
    mirrored : bool, optional
        Only this handedness; both when None.
    keep : int
        How many clearly different poses to return.

    Returns
    -------
    list of (score, Pose)
        Best first; score is the mean visibility over the vials.
    """
    if len(blobs_mm) < 2:
        return []
    i, j = np.triu_indices(len(layout), 1)
    layout_distance = np.linalg.norm(layout[i] - layout[j], axis=1)
    a, b = (k.ravel() for k in np.meshgrid(range(len(blobs_mm)), range(len(blobs_mm)), indexing="ij"))
    a, b = a[a != b], b[a != b]
    blob_distance = np.linalg.norm(blobs_mm[a] - blobs_mm[b], axis=1)
    # Short baselines fix an angle badly; the longer half of the vial pairs is plenty.
    long_enough = layout_distance >= np.median(layout_distance) * 0.75
    i, j, layout_distance = i[long_enough], j[long_enough], layout_distance[long_enough]
    vial_pair, blob_pair = np.nonzero(np.abs(layout_distance[:, None] - blob_distance[None, :]) < 2 * tolerance_mm)
    results: list[tuple[float, Pose]] = []
    found: list[tuple[NDArray[np.float64], Array, NDArray[np.float64], bool]] = []
    for mirror in (False, True) if mirrored is None else (mirrored,):
        flip = np.array([1.0, -1.0 if mirror else 1.0])
        points = layout * flip
        d_layout = points[j[vial_pair]] - points[i[vial_pair]]
        d_blob = blobs_mm[b[blob_pair]] - blobs_mm[a[blob_pair]]
        angle = np.arctan2(d_blob[:, 1], d_blob[:, 0]) - np.arctan2(d_layout[:, 1], d_layout[:, 0])
        c, s = np.cos(angle), np.sin(angle)
        middle = (points[i[vial_pair]] + points[j[vial_pair]]) / 2
        target = (blobs_mm[a[blob_pair]] + blobs_mm[b[blob_pair]]) / 2
        shift = target - np.stack([c * middle[:, 0] - s * middle[:, 1], s * middle[:, 0] + c * middle[:, 1]], axis=1)
        score = _score(points, angle, shift, visibility, start_mm, spacing_mm)
        found.append((score, shift, angle, mirror))
    everything = sorted(
        (
            (float(sc[k]), float(an[k]), mi, float(sh[k, 0]), float(sh[k, 1]))
            for sc, sh, an, mi in found
            for k in _best(sc, 400)
        ),
        key=lambda t: (-t[0], t[2], t[1]),
    )
    placed: list[Array] = []
    for score_value, angle_value, mirror, x, y in everything:
        pose = Pose(angle_value, mirror, (x, y))
        here = pose.place(layout)
        if any(np.max(np.linalg.norm(here - other, axis=1)) < 4 * tolerance_mm for other in placed):
            continue
        placed.append(here)
        results.append((score_value, pose))
        if len(results) == keep:
            break
    return results


def _best(score: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    return np.argsort(-score, kind="stable")[:count]


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
