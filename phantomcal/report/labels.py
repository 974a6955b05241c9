"""Where to write labels beside points so that nothing covers anything."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ANGLES = np.deg2rad(np.arange(0, 360, 22.5))
_GAPS = (2.0, 6.0, 12.0, 20.0, 30.0)


def place_labels(
    anchors: Floats,
    radii: Floats,
    sizes: Floats,
    bounds: tuple[float, float, float, float],
    obstacles: Floats | None = None,
    centre: Floats | None = None,
    sweeps: int = 4,
) -> Floats:
    """Centres of label boxes that avoid each other, every marker, and the frame.

    Each label is tried at sixteen directions and five distances and takes the cheapest place given the others; a few
    sweeps settle the order dependence. Deterministic.

    Parameters
    ----------
    anchors : ndarray, shape (n, 2)
        Labelled points, in pixels or points.
    radii : ndarray, shape (n,)
        Radius of the marker at each anchor, same unit.
    sizes : ndarray, shape (n, 2)
        Width and height of each label.
    bounds : tuple of float
        Left, bottom, right, top of the frame the labels must stay in.
    obstacles : ndarray, shape (m, 3), optional
        Further discs to avoid: x, y, radius.
    centre : ndarray, shape (2,), optional
        Labels are preferred on the far side of it; none when not given.
    sweeps : int
        How often every label is placed again.

    Returns
    -------
    ndarray, shape (n, 2)
    """
    anchors, radii, sizes = (np.asarray(a, dtype=float) for a in (anchors, radii, sizes))
    n = len(anchors)
    discs = np.column_stack([anchors, radii]) if n else np.empty((0, 3))
    if obstacles is not None and len(obstacles):
        discs = np.vstack([discs, obstacles])
    placed = anchors.copy()
    known = np.zeros(n, dtype=bool)
    for _ in range(sweeps):
        moved = False
        for i in range(n):
            candidates, effort = _candidates(anchors[i], radii[i], sizes[i], centre)
            others = known.copy()
            others[i] = False
            cost = effort + _cover(candidates, sizes[i], placed[others], sizes[others])
            cost += _discs(candidates, sizes[i], discs) + 4.0 * _outside(candidates, sizes[i], bounds)
            best = candidates[int(np.argmin(cost))]
            moved |= not known[i] or bool(np.any(best != placed[i]))
            placed[i], known[i] = best, True
        if not moved:
            break
    return placed


def _candidates(anchor: Floats, radius: float, size: Floats, centre: Floats | None) -> tuple[Floats, Floats]:
    directions = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
    # The distance at which a box of this size just clears the marker in this direction.
    half = size / 2
    reach = radius + np.minimum(
        half[0] / np.maximum(np.abs(directions[:, 0]), 1e-9), half[1] / np.maximum(np.abs(directions[:, 1]), 1e-9)
    )
    places, efforts = [], []
    for gap in _GAPS:
        places.append(anchor + directions * (reach + gap)[:, None])
        effort = np.full(len(directions), 0.6 * gap)
        if centre is not None and np.any(anchor != centre):
            outward = (anchor - centre) / np.linalg.norm(anchor - centre)
            effort = effort + 6.0 * (1 - directions @ outward)
        efforts.append(effort)
    return np.vstack(places), np.concatenate(efforts)


def _cover(candidates: Floats, size: Floats, placed: Floats, sizes: Floats) -> Floats:
    if not len(placed):
        return np.zeros(len(candidates))
    reach = (size + sizes) / 2 + 1.0
    overlap = np.maximum(0.0, reach[None] - np.abs(candidates[:, None] - placed[None]))
    area = overlap.prod(axis=2)
    cost: Floats = (area + 60.0 * (area > 0)).sum(axis=1)
    return cost


def _discs(candidates: Floats, size: Floats, discs: Floats) -> Floats:
    if not len(discs):
        return np.zeros(len(candidates))
    gap = np.maximum(0.0, np.abs(candidates[:, None] - discs[None, :, :2]) - size / 2)
    depth = np.maximum(0.0, discs[None, :, 2] - np.hypot(gap[..., 0], gap[..., 1]))
    cost: Floats = (8.0 * depth + 30.0 * (depth > 0)).sum(axis=1)
    return cost


def _outside(candidates: Floats, size: Floats, bounds: tuple[float, float, float, float]) -> Floats:
    low = np.array(bounds[:2]) - (candidates - size / 2)
    high = (candidates + size / 2) - np.array(bounds[2:])
    out: Floats = np.maximum(0.0, low).sum(axis=1) + np.maximum(0.0, high).sum(axis=1)
    return 20.0 * out
