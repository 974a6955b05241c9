"""Which vials of a series no longer hold what the protocol says."""

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]


# A further vial is given up only when the scatter shrinks by more than chance lets the best of all choices shrink it,
# when it is off the line of the rest by this share of the span, and when four vials are left.
_BY_CHANCE = 0.02
_CLEARLY_OFF = 0.05
_LEAST_TO_SHRINK = 4
_MOST_SETS = 100_000  # sets of one size; a series of 20 vials may give up five
# Two vials count as exchanged when that is this many times likelier than not, after the number of pairs.
_EXCHANGE_ODDS = 5.0


def failed_vials(
    x: Array, y: Array, expected_slope: float, ratio: tuple[float, float], scatter: float
) -> list[int] | None:
    """Fewest vials to leave out so that the rest form a line that physics allows.

    Least squares alone cannot say which vials of a short series failed: two bad ones out of five bend the line to
    themselves. The expected slope can: the largest set is kept whose line has a slope within `ratio` of it and a
    residual SD within `scatter`. Where giving up more vials makes the scatter collapse (F test of the sums of squares,
    Bonferroni over the ways to choose them, p < 0.02), those were at fault too.

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
        if comb(n, size) > _MOST_SETS:
            break
        best = _best_subset(x, y, size, expected_slope, ratio, scatter)
        if best is None:
            continue
        if chosen is None:
            chosen = best
        elif size >= _LEAST_TO_SHRINK and _shrinks(chosen, best):
            kept = best[1]
            slope, intercept = np.polyfit(x[kept] - x[kept].mean(), y[kept], 1)
            off = np.abs(np.delete(y - slope * (x - x[kept].mean()) - intercept, kept))
            if off.min() > _CLEARLY_OFF * span:
                chosen = best
    return None if chosen is None else [k for k in range(n) if k not in chosen[1]]


def _shrinks(chosen: tuple[float, list[int]], fewer: tuple[float, list[int]]) -> bool:
    """Whether a smaller set of vials has a smaller scatter than chance explains."""
    n, k = len(chosen[1]), len(chosen[1]) - len(fewer[1])
    dof = len(fewer[1]) - 2
    before, after = chosen[0] ** 2 * (n - 2), fewer[0] ** 2 * dof
    if after <= 1e-18 * before:
        return before > 0
    p = float(stats.f.sf((before - after) / k / (after / dof), k, dof))
    return comb(n, k) * p < _BY_CHANCE


def _best_subset(
    x: Array, y: Array, size: int, expected_slope: float, ratio: tuple[float, float], scatter: float
) -> tuple[float, list[int]] | None:
    """The acceptable set of `size` vials with the least residual SD."""
    sets = np.array(list(combinations(range(len(x)), size)))
    slope, square = _lines(x[sets], y[sets])
    with np.errstate(invalid="ignore"):
        sd = np.sqrt(square / (size - 2))
        fits = (slope / expected_slope >= ratio[0]) & (slope / expected_slope <= ratio[1]) & (sd <= scatter)
    if not fits.any():
        return None
    best = int(np.argmin(np.where(fits, sd, np.inf)))
    return float(sd[best]), [int(k) for k in sets[best]]


def _lines(x: Array, y: Array) -> tuple[Array, Array]:
    """Slopes and sums of squared residuals of lines through the rows of x and y; NaN where x is constant."""
    dx, dy = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    sxx, sxy = (dx * dx).sum(axis=-1), (dx * dy).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = sxy / np.where(sxx > 0, sxx, np.nan)
    return slope, ((dy - slope[..., None] * dx) ** 2).sum(axis=-1)


def exchanged_pair(
    x: Array, y: Array, expected_slope: float | None = None, ratio: tuple[float, float] = (0.0, np.inf)
) -> tuple[int, int] | None:
    """Two vials that stand in each other's place: exchanging their values makes the scatter collapse.

    With scatter of unknown size the odds of "exchanged" against "as labelled" are the ratio of the sums of squares to
    the power (n - 2)/2. A pair is named when these odds, shared among all pairs, exceed five for every pair there is;
    vials too close in abscissa to tell apart from the scatter of the others never do.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    expected_slope : float, optional
        From physics or the protocol; without it the line is taken to rise or fall as it does as labelled.
    ratio : tuple of float
        Accepted slope over the expected one after the exchange.

    Returns
    -------
    (int, int) or None
        Their indices; None with fewer than five vials.
    """
    n = len(x)
    if n < 5 or np.ptp(x) == 0 or np.ptp(y) == 0 or expected_slope == 0:
        return None
    pairs = [(a, b) for a, b in combinations(range(n), 2) if x[a] != x[b]]
    tried = np.tile(y, (len(pairs), 1))
    for row, (a, b) in zip(tried, pairs, strict=True):
        row[a], row[b] = y[b], y[a]
    slope, square = _lines(x, y)
    new_slope, new_square = _lines(np.broadcast_to(x, tried.shape), tried)
    relative = new_slope / (expected_slope if expected_slope is not None else slope)
    new_square = np.where((relative > 0) & (relative >= ratio[0]) & (relative <= ratio[1]), new_square, np.inf)
    best = int(np.argmin(new_square))
    if not np.isfinite(new_square[best]):
        return None
    floor = 1e-24 * max(float(np.var(y)) * n, 1e-300)
    odds = 0.5 * (n - 2) * np.log((float(square) + floor) / (float(new_square[best]) + floor))
    return pairs[best] if odds > np.log(_EXCHANGE_ODDS * len(pairs)) else None


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
