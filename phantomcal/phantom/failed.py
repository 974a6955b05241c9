"""Which vials of a series no longer hold what the protocol says."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from phantomcal.phantom.fit import fit_line

Array = NDArray[np.float64]


# A further vial is given up only when that shrinks the scatter this much, when it is off the line of the rest by this
# share of the span, and when four vials are left: three points fall on a line by chance too often.
_SHRINK = 5.0
_CLEARLY_OFF = 0.05
_LEAST_TO_SHRINK = 4


def failed_vials(
    x: Array, y: Array, expected_slope: float, ratio: tuple[float, float], scatter: float
) -> list[int] | None:
    """Fewest vials to leave out so that the rest form a line that physics allows.

    Least squares alone cannot say which vials of a short series failed: two bad ones out of five bend the line to
    themselves. The expected slope can: the largest set is kept whose line has a slope within `ratio` of it and a
    residual SD within `scatter`. Where giving up more vials makes the scatter collapse, those were at fault too.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Abscissa and measured value.
    expected_slope : float
        From physics or the protocol, y per x.
    ratio : tuple of float
        Accepted measured over expected slope.
    scatter : float
        Accepted residual SD, units of y.

    Returns
    -------
    list of int or None
        Indices of the failed vials, empty when all agree; None when no set of at least three and at least half of the
        vials agrees, so that the series as a whole contradicts the expectation.
    """
    n = len(x)
    span = abs(expected_slope) * float(np.ptp(x))
    chosen: tuple[float, list[int]] | None = None
    for size in range(n, max(3, (n + 1) // 2) - 1, -1):
        best = _best_subset(x, y, size, expected_slope, ratio, scatter)
        if best is None:
            continue
        if chosen is None:
            chosen = best
        elif size >= _LEAST_TO_SHRINK and chosen[0] > _SHRINK * best[0]:
            fit = fit_line(x[best[1]], y[best[1]])
            off = np.abs(np.delete(y - fit.slope * x - fit.intercept, best[1]))
            if off.min() > _CLEARLY_OFF * span:
                chosen = best
    return None if chosen is None else [k for k in range(n) if k not in chosen[1]]


def _best_subset(
    x: Array, y: Array, size: int, expected_slope: float, ratio: tuple[float, float], scatter: float
) -> tuple[float, list[int]] | None:
    """The acceptable set of `size` vials with the least residual SD."""
    best: tuple[float, list[int]] | None = None
    for kept in map(list, combinations(range(len(x)), size)):
        if np.ptp(x[kept]) == 0:
            continue
        fit = fit_line(x[kept], y[kept])
        if not ratio[0] <= fit.slope / expected_slope <= ratio[1] or fit.residual_sd is None:
            continue
        if fit.residual_sd <= scatter and (best is None or fit.residual_sd < best[0]):
            best = fit.residual_sd, kept
    return best


def exchanged(x: Array, y: Array, left_out: list[int], slope: float, intercept: float) -> tuple[int, int] | None:
    """Two left-out vials whose values fit the line when exchanged: their labels or places were swapped.

    Returns
    -------
    (int, int) or None
        Their indices.
    """
    close = _CLEARLY_OFF * abs(slope) * float(np.ptp(x))
    for a, b in combinations(left_out, 2):
        if max(abs(y[a] - slope * x[b] - intercept), abs(y[b] - slope * x[a] - intercept)) < close:
            return a, b
    return None
