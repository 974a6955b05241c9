"""Quantiles of Student's t and of a chi distribution.

scipy.special has them, but loading it takes a tenth of the two seconds that a chart may take. A test compares the two.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(80)


def t_quantile(degrees_of_freedom: float, p: float = 0.975) -> float:
    """Quantile of Student's t for p above a half and at least one degree of freedom."""
    half = (degrees_of_freedom + 1) / 2
    scale = math.exp(math.lgamma(half) - math.lgamma(degrees_of_freedom / 2)) / math.sqrt(degrees_of_freedom * math.pi)
    return _solved(lambda t: scale * (1 + t * t / degrees_of_freedom) ** -half, p - 0.5, 2.0)


def chi_quantile(degrees_of_freedom: float, p: float) -> float:
    """Quantile of the root of a chi-squared variable, at least one degree of freedom."""
    power = degrees_of_freedom - 1
    scale = (1 - degrees_of_freedom / 2) * math.log(2) - math.lgamma(degrees_of_freedom / 2)
    return _solved(lambda u: np.exp(scale + power * np.log(u) - u * u / 2), p, math.sqrt(degrees_of_freedom))


def _solved(density: Callable[[NDArray[np.float64]], NDArray[np.float64]], p: float, start: float) -> float:
    """Where the integral of a density from zero reaches p."""

    def below(x: float) -> float:
        return float((_WEIGHTS * density((_NODES + 1) * x / 2)).sum() * x / 2)

    low, high = 0.0, start
    while below(high) < p:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < p else (low, middle)
    return (low + high) / 2
