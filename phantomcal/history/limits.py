"""Control limits and the rules that say when a process is out of control."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

D2 = 2 / np.sqrt(np.pi)  # mean range of two normal values, in SD: 1.128
D4 = 1 + 3 * np.sqrt(2 - 4 / np.pi) / D2  # mean range plus three SD of it, over the mean: 3.267
SIGMAS = 3.0
EWMA_LAMBDA, EWMA_LIMIT = 0.2, 2.86  # one false alarm in 370 points, as often as the three-sigma rule alone
FEWEST = 5  # points that limits can be set from

BEYOND_3 = "beyond three sigma"
TWO_OF_THREE = "two of three beyond two sigma"
FOUR_OF_FIVE = "four of five beyond one sigma"
EIGHT = "eight in a row on one side"
RANGE = "moving range beyond its limit"
EWMA = "EWMA beyond its limit"
RULES = (BEYOND_3, TWO_OF_THREE, FOUR_OF_FIVE, EIGHT, RANGE, EWMA)


@dataclass(frozen=True)
class Limits:
    """Individuals chart of a baseline.

    Attributes
    ----------
    n : int
        Baseline values.
    centre : float
        Their mean.
    sigma : float or None
        Mean moving range over 1.128; None with fewer than five values, or when they are all equal.
    degrees_of_freedom : float or None
        Of sigma, as of a standard deviation.
    moving_range : float or None
        Mean moving range.
    """

    n: int
    centre: float
    sigma: float | None
    degrees_of_freedom: float | None
    moving_range: float | None


def limits(baseline: Array) -> Limits:
    """Centre line and sigma from baseline values in order of time.

    Parameters
    ----------
    baseline : ndarray, shape (n,)

    Returns
    -------
    Limits

    References
    ----------
    Montgomery, Introduction to Statistical Quality Control, chapter 6 (individuals and moving range). The degrees of
    freedom match the variance of the mean moving range, sigma^2 (0.8264 n - 1.082) / (n - 1)^2 (Cryer and Ryan 1990,
    J Qual Technol 22:187).
    """
    n = len(baseline)
    centre = float(baseline.mean())
    if n < FEWEST:
        return Limits(n, centre, None, None, None)
    mean_range = float(np.abs(np.diff(baseline)).mean())
    if mean_range <= 1e-12 * max(abs(centre), float(np.abs(baseline).max())):
        return Limits(n, centre, None, None, mean_range)
    relative_variance = (0.8264 * n - 1.082) / (n - 1) ** 2
    return Limits(n, centre, mean_range / D2, 1 / (2 * relative_variance), mean_range)


def ewma(values: Array, centre: float, weight: float = EWMA_LAMBDA) -> Array:
    """Exponentially weighted moving average that starts at the centre line.

    Parameters
    ----------
    values : ndarray, shape (n,)
    centre : float
    weight : float
        Weight of the newest value, 0 to 1.

    Returns
    -------
    ndarray, shape (n,)
    """
    result = np.empty(len(values))
    last = centre
    for k, value in enumerate(values.tolist()):
        last = weight * value + (1 - weight) * last
        result[k] = last
    return result


def ewma_half_width(n: int, sigma: float, weight: float = EWMA_LAMBDA, width: float = EWMA_LIMIT) -> Array:
    """Distance of the EWMA's limits from the centre line at points 1 to n.

    References
    ----------
    Lucas and Saccucci 1990, 10.1080/00401706.1990.10484583.
    """
    at = np.arange(1, n + 1)
    return np.asarray(width * sigma * np.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * at))))


def broken_rules(values: Array, limit: Limits) -> dict[str, Flags]:
    """Which points break which rule.

    Parameters
    ----------
    values : ndarray, shape (n,)
        In order of time, within one phase.
    limit : Limits

    Returns
    -------
    dict of str to ndarray of bool, shape (n,)
        By rule, in words. A point is marked when it completes a pattern and belongs to it. Without sigma nothing is.

    References
    ----------
    Western Electric, Statistical Quality Control Handbook, 1956. Their false alarms: Champ and Woodall 1987,
    10.1080/00401706.1987.10488266.
    """
    n = len(values)
    found = {rule: np.zeros(n, dtype=bool) for rule in RULES}
    if limit.sigma is None or limit.moving_range is None or n == 0:
        return found
    z = (values - limit.centre) / limit.sigma
    found[BEYOND_3] = np.abs(z) > SIGMAS
    for sign in (1, -1):
        side = sign * z
        found[TWO_OF_THREE] |= _among(side > 2, 3, 2)
        found[FOUR_OF_FIVE] |= _among(side > 1, 5, 4)
        found[EIGHT] |= _among(side > 0, 8, 8)
    found[RANGE][1:] = np.abs(np.diff(values)) > D4 * limit.moving_range
    found[EWMA] = np.abs(ewma(values, limit.centre) - limit.centre) > ewma_half_width(n, limit.sigma)
    return found


def _among(hit: Flags, window: int, least: int) -> Flags:
    """Points that are hits and close a window with at least so many of them."""
    counted = np.concatenate([[0], np.cumsum(hit)])
    at = np.arange(1, len(hit) + 1)
    return np.asarray(hit & (counted[at] - counted[np.maximum(at - window, 0)] >= least))
