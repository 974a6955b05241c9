"""Which lesion of one session is which of another: by overlap, then by distance; new, gone, split and merged ones."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

LEAST_OVERLAP = 0.1
NEAR_MM = 4.0
GROWING = 0.2

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Spot:
    """A labelled lesion of one session.

    Attributes
    ----------
    session : int
        Counted from 0, in order of time.
    label : int
    centre_mm : tuple of float
        In the space of the first session.
    volume_mm3 : float
    """

    session: int
    label: int
    centre_mm: tuple[float, float, float]
    volume_mm3: float


@dataclass(frozen=True)
class Tracked:
    """Lesions over all sessions.

    Attributes
    ----------
    spots : list of Spot
    lesion : ndarray of int, shape (spots,)
        Lesion of each spot, from 0 in order of first appearance and label.
    links : list of (int, int, float)
        Spots joined, and the share of the smaller that the two have in common (0: by distance alone).
    """

    spots: list[Spot]
    lesion: IntArray
    links: list[tuple[int, int, float]]


def spots_of(labels: sitk.Image, session: int, to_first: sitk.Transform | None) -> list[Spot]:
    """The lesions of a label map; `to_first` takes its points to the space of the first session."""
    values = sitk.GetArrayViewFromImage(labels)
    where = np.argwhere(values > 0)
    if not where.size:
        return []
    numbers, inverse, counts = np.unique(values[tuple(where.T)], return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(inverse, weights=where[:, axis]) for axis in (2, 1, 0)], axis=1)
    voxel = float(np.prod(labels.GetSpacing()))
    found = []
    for number, centre, n in zip(numbers, sums / counts[:, None], counts, strict=True):
        point = labels.TransformContinuousIndexToPhysicalPoint(centre.tolist())
        if to_first is not None:
            point = to_first.TransformPoint(point)
        found.append(Spot(session, int(number), (point[0], point[1], point[2]), float(n) * voxel))
    return found


def overlaps(first: sitk.Image, second: sitk.Image) -> dict[tuple[int, int], float]:
    """Share of the smaller of two lesions that both have in common, for all that touch; on one grid."""
    a = sitk.GetArrayViewFromImage(first).ravel().astype(np.int64)
    b = sitk.GetArrayViewFromImage(second).ravel().astype(np.int64)
    sizes = np.bincount(a), np.bincount(b)
    both = (a > 0) & (b > 0)
    pairs, counts = np.unique(np.stack([a[both], b[both]], axis=1), axis=0, return_counts=True)
    return {(int(p), int(q)): float(n / min(sizes[0][p], sizes[1][q])) for (p, q), n in zip(pairs, counts, strict=True)}


def match(
    spots: list[Spot],
    shared: dict[tuple[int, int], dict[tuple[int, int], float]],
    *,
    least_overlap: float = LEAST_OVERLAP,
    near_mm: float = NEAR_MM,
) -> Tracked:
    """Join what is the same lesion.

    Lesions that share enough of the smaller one are joined, however many they are, so that parts and wholes stay one
    lesion. Those left without a partner between two sessions are paired by the least total distance of their centres
    (Hungarian method), up to `near_mm` beyond the sum of their radii.

    Parameters
    ----------
    spots : list of Spot
    shared : dict
        For pairs of sessions (earlier, later): the result of `overlaps`.
    least_overlap : float
    near_mm : float

    Returns
    -------
    Tracked

    References
    ----------
    H. W. Kuhn, Nav. Res. Logist. Q. 2 (1955) 83, 10.1002/nav.3800020109.
    """
    index = {(s.session, s.label): k for k, s in enumerate(spots)}
    links = [
        (index[early, a], index[late, b], share)
        for (early, late), pairs in shared.items()
        for (a, b), share in sorted(pairs.items())
        if share >= least_overlap
    ]
    for early, late in shared:
        joined = {k for i, j, _ in links if (spots[i].session, spots[j].session) == (early, late) for k in (i, j)}
        one = [k for k, s in enumerate(spots) if s.session == early and k not in joined]
        other = [k for k, s in enumerate(spots) if s.session == late and k not in joined]
        if not one or not other:
            continue
        centres = [np.array([spots[k].centre_mm for k in side]) for side in (one, other)]
        radii = [np.cbrt(3 * np.array([spots[k].volume_mm3 for k in side]) / (4 * np.pi)) for side in (one, other)]
        gap = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=2)
        reach = 0.5 * (radii[0][:, None] + radii[1][None]) + near_mm
        cost = np.where(gap <= reach, gap, 1e6)
        links += [
            (one[i], other[j], 0.0) for i, j in zip(*linear_sum_assignment(cost), strict=True) if cost[i, j] < 1e6
        ]
    n = len(spots)
    rows, columns = [i for i, _, _ in links], [j for _, j, _ in links]
    graph = coo_array((np.ones(len(links)), (rows, columns)), shape=(n, n))
    _, part = connected_components(graph, directed=False)
    _, first, inverse = np.unique(part, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return Tracked(spots, np.asarray(rank[inverse], dtype=np.int64), links)


def appearance(tracked: Tracked, lesion: int, n_sessions: int) -> tuple[str, dict[int, str]]:
    """What became of a lesion: one word for all, and remarks by session.

    Parameters
    ----------
    tracked : Tracked
    lesion : int
    n_sessions : int

    Returns
    -------
    word : str
        ``new``, ``gone``, ``split``, ``merged``, ``growing``, ``shrinking`` or ``same``; several joined by `` + ``.
    remarks : dict of int to str
        By session.
    """
    mine = [s for s, k in zip(tracked.spots, tracked.lesion, strict=True) if k == lesion]
    parts = {k: [s for s in mine if s.session == k] for k in range(n_sessions)}
    seen = [k for k, spots in parts.items() if spots]
    words: list[str] = []
    remarks: dict[int, str] = {}

    def say(session: int, word: str, text: str) -> None:
        words.append(word)
        remarks[session] = "; ".join(filter(None, [remarks.get(session, ""), text]))

    if seen[0] > 0:
        say(seen[0], "new", "new")
    for before, after in pairwise(seen):
        if after - before > 1:
            say(after, "same", f"not found at {after - before - 1} sessions in between")
        counts = len(parts[before]), len(parts[after])
        if counts[1] > counts[0]:
            say(after, "split", f"{counts[0]} became {counts[1]}: followed as one")
        elif counts[1] < counts[0]:
            say(after, "merged", f"{counts[0]} became {counts[1]}: followed as one")
        volumes = [sum(s.volume_mm3 for s in parts[k]) for k in (before, after)]
        change = volumes[1] / volumes[0] - 1
        if change >= GROWING:
            say(after, "growing", f"volume {100 * change:+.0f} %")
        elif change <= -GROWING:
            say(after, "shrinking", f"volume {100 * change:+.0f} %")
    if seen[-1] < n_sessions - 1:
        say(seen[-1], "gone", "not found later")
    changed = [w for w in dict.fromkeys(words) if w != "same"]
    return " + ".join(changed) or "same", remarks
