"""Which vials of a series no longer hold what the protocol says."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from phantomcal.phantom.fit import fit_line

Array = NDArray[np.float64]


def failed_vials(
    x: Array, y: Array, expected_slope: float, ratio: tuple[float, float], scatter: float
) -> list[int] | None:
    """Fewest vials to leave out so that the rest form a line that physics allows.

    Least squares alone cannot say which vials of a short series failed: two bad ones out of five bend the line to
    themselves. The expected slope can: the largest set is kept whose line has a slope within `ratio` of it and a
    residual SD within `scatter`.

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
    least = max(3, (n + 1) // 2)
    for size in range(n, least - 1, -1):
        best: tuple[float, list[int]] | None = None
        for kept in combinations(range(n), size):
            chosen = list(kept)
            if np.ptp(x[chosen]) == 0:
                continue
            fit = fit_line(x[chosen], y[chosen])
            if not ratio[0] <= fit.slope / expected_slope <= ratio[1]:
                continue
            if (
                fit.residual_sd is not None
                and fit.residual_sd <= scatter
                and (best is None or fit.residual_sd < best[0])
            ):
                best = fit.residual_sd, chosen
        if best is not None:
            return [k for k in range(n) if k not in best[1]]
    return None
