"""Smallest amounts a line can tell from nothing: DIN 32645, ICH Q2, CLSI EP17."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from phantomcal.phantom.fitting.fit import Curve
from phantomcal.phantom.reading.inverse import critical_amount
from phantomcal.results import Detection

Array = NDArray[np.float64]


def din_32645(curve: Curve, alpha: float = 0.05, replicates: int = 1, k: float = 3.0) -> Detection:
    """Critical value, detection limit and quantification limit from the calibration line.

    Parameters
    ----------
    curve : Curve
    alpha : float
        One-sided risk of calling a blank a sample, and (as the standard takes it) of missing a sample at the limit.
    replicates : int
        Readings averaged for a sample.
    k : float
        Reciprocal of the relative half-width (at confidence 1 - alpha) that defines the quantification limit.

    Returns
    -------
    Detection
        Amounts in abscissa units, for either sign of the slope. The quantification limit is None when no amount is
        read that precisely.

    References
    ----------
    DIN 32645:2008-11, calibration-line method.
    """
    variance = curve.residual_sd**2 / replicates
    critical = critical_amount(curve, alpha, variance)
    t = float(stats.t.ppf(1 - alpha / 2, curve.degrees_of_freedom))

    def excess(x: float) -> float:
        return k * t * float(np.sqrt(variance + curve.line_variance(x))) / abs(curve.slope) - x

    # The half-width grows in proportion to x where the slope itself is uncertain: then there may be no limit.
    loq, note, high = None, "", max(2 * critical, 1e-300)
    for _ in range(60):
        if excess(high) < 0:
            loq = float(optimize.brentq(excess, 0.0, high, xtol=1e-12 * high, rtol=1e-14)) if excess(0.0) > 0 else 0.0
            break
        high *= 1.5
    else:
        note = f"no amount is read with a relative half-width of 1/{k:g}: no limit of quantification"
    return Detection(standard="DIN 32645", alpha=alpha, critical_value=critical, lod=2 * critical, loq=loq, note=note)


def ich_q2(curve: Curve) -> Detection:
    """3.3 and 10 residual standard deviations over the slope.

    References
    ----------
    ICH Q2(R2), Validation of analytical procedures, 2023.
    """
    return Detection(
        standard="ICH Q2",
        alpha=0.05,
        lod=3.3 * curve.residual_sd / abs(curve.slope),
        loq=10.0 * curve.residual_sd / abs(curve.slope),
        note="3.3 and 10 residual SD over the slope",
    )


def clsi_ep17(blank: Sequence[float], low: Sequence[float], slope: float, intercept: float) -> Detection:
    """Limit of blank and of detection from replicated readings of blanks and of low samples.

    Parameters
    ----------
    blank, low : sequence of float
        Readings (HU or ppm) of blanks and of samples with little in them; at least two each.
    slope, intercept : float
        Of the line that turns readings into amounts. With a falling line (a diamagnetic material) a blank is exceeded
        downwards, so that all signs are mirrored.

    Returns
    -------
    Detection
        `critical_value` is the limit of blank, as an amount.

    Raises
    ------
    ValueError
        Fewer than two readings, or no slope.

    References
    ----------
    CLSI EP17-A2, parametric: LoB = mean + 1.645 SD of blanks, LoD = LoB + c SD of low samples, with
    c = 1.645 / (1 - 1/(4 (K - J))) for K readings of J samples.
    """
    if min(len(blank), len(low)) < 2 or slope == 0:
        raise ValueError("EP17 needs two readings of blanks and of low samples, and a slope")
    z, sign = float(stats.norm.ppf(0.95)), float(np.sign(slope))
    at_blank = float(np.mean(blank)) + sign * z * float(np.std(blank, ddof=1))
    factor = z / (1.0 - 1.0 / (4.0 * (len(low) - 1)))
    at_limit = at_blank + sign * factor * float(np.std(low, ddof=1))
    return Detection(
        standard="CLSI EP17",
        alpha=0.05,
        critical_value=(at_blank - intercept) / slope,
        lod=(at_limit - intercept) / slope,
        note=f"limit of blank from {len(blank)} blanks, limit of detection with {len(low)} low samples"
        + (", signs mirrored for a falling line" if sign < 0 else ""),
    )


def detections(curve: Curve, x: Array, y: Array) -> list[Detection]:
    """All limits that a line and its vials allow.

    EP17 is given from replicated blanks and replicates of the lowest level when the vials hold these; otherwise from
    the residual SD of the line for both, which the note says.

    Parameters
    ----------
    curve : Curve
    x, y : ndarray, shape (n,)
        The vials of the line.

    Returns
    -------
    list of Detection
        Empty when the slope is zero.
    """
    if curve.slope == 0 or curve.degrees_of_freedom < 1:
        return []
    blank = y[x == 0]
    positive = x[x > 0]
    low = y[x == positive.min()] if positive.size else blank[:0]
    if min(blank.size, low.size) >= 2:
        ep17 = clsi_ep17(blank.tolist(), low.tolist(), curve.slope, curve.intercept)
    else:
        z = float(stats.norm.ppf(0.95))
        single = z * curve.residual_sd / abs(curve.slope)
        ep17 = Detection(
            standard="CLSI EP17",
            alpha=0.05,
            critical_value=single,
            lod=2 * single,
            note="blanks and low samples are not replicated: the residual SD of the line stands for both, and the "
            "intercept for the mean of blanks",
        )
    return [din_32645(curve), ich_q2(curve), ep17]
