"""Calibration lines read backwards: an amount from HU or ppm, with an exact interval."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from phantomcal.phantom.fitting.fit import Curve, LineFit
from phantomcal.results import Line


@dataclass(frozen=True)
class Reading:
    """An amount read back from a line.

    Attributes
    ----------
    amount : float
        In abscissa units (mmol/L).
    standard_error : float
        First-order: of the reading and of the line, over the slope.
    interval : (float, float) or None
        Fieller's; None when no bounded interval exists.
    confidence : float
    set_kind : {"bounded", "two rays", "everything"}
        Shape of the set of amounts that the reading does not contradict.
    below_critical : bool
        Not told from nothing (alpha 0.05, one-sided).
    in_range : bool
        Whether the amount lies in the calibrated range.
    note : str
        What to heed, in words; empty when nothing.
    """

    amount: float
    standard_error: float
    interval: tuple[float, float] | None
    confidence: float
    set_kind: Literal["bounded", "two rays", "everything"]
    below_critical: bool
    in_range: bool
    note: str


def curve_of(line: Line) -> Curve:
    """What reading a recorded line backwards needs.

    Raises
    ------
    ValueError
        The line has no errors (two vials) or no slope.
    """
    if line.slope == 0:
        raise ValueError(f"the line of {line.material} has no slope")
    if line.slope_se is None or line.intercept_se is None or line.residual_sd is None:
        raise ValueError(f"the line of {line.material} has no errors: it was fitted to two vials")
    dof = line.degrees_of_freedom if line.degrees_of_freedom is not None else line.n_vials - 2
    if dof < 1:
        raise ValueError(f"the line of {line.material} has no degrees of freedom")
    fit = LineFit(
        line.slope,
        line.intercept,
        np.array(
            [
                [line.slope_se**2, line.covariance_slope_intercept or 0.0],
                [line.covariance_slope_intercept or 0.0, line.intercept_se**2],
            ]
        ),
        line.residual_sd,
        line.r2,
        line.p_value,
        dof,
        line.method,
        None,
        line.errors_known,
        line.vial_noise or 0.0,
        line.abscissa_noise or 0.0,
    )
    curve = fit.curve
    assert curve is not None
    return curve


def fieller(
    curve: Curve, value: float, variance: float, confidence: float = 0.95
) -> tuple[Literal["bounded", "two rays", "everything"], tuple[float, float]]:
    """Amounts that a reading does not contradict: exact for normal errors.

    The set of x with (y - a - b x)^2 <= t^2 (variance + Var(a) + 2 x Cov(a, b) + x^2 Var(b)).

    Parameters
    ----------
    curve : Curve
    value : float
        The reading y.
    variance : float
        Of the reading about the line.
    confidence : float

    Returns
    -------
    kind : {"bounded", "two rays", "everything"}
        Bounded when the slope differs from zero at this confidence; otherwise the set is all but an inner interval, or
        everything.
    bounds : (float, float)
        Of the set, or of the hole when it is two rays; infinite when it is everything.

    References
    ----------
    Fieller, J R Stat Soc B 1954;16:175. Draper, Smith, Applied Regression Analysis, 3rd ed., section 3.2.
    """
    t2 = float(stats.t.ppf(0.5 + confidence / 2, curve.degrees_of_freedom)) ** 2
    offset = value - curve.intercept
    a = curve.slope**2 - t2 * curve.slope_variance
    b = -2.0 * (offset * curve.slope + t2 * curve.covariance)
    c = offset**2 - t2 * (variance + curve.intercept_variance)
    inside = b**2 - 4 * a * c
    if inside < 0 or a == 0:
        return "everything", (-np.inf, np.inf)
    # The form that does not subtract near-equal numbers.
    q = -0.5 * (b + np.copysign(np.sqrt(inside), b))
    roots = sorted((q / a, c / q if q != 0 else 0.0))
    return ("bounded" if a > 0 else "two rays"), (float(roots[0]), float(roots[1]))


def critical_amount(curve: Curve, alpha: float = 0.05, variance: float | None = None) -> float:
    """Amount above which a reading is told from nothing, one-sided at `alpha` (DIN 32645, Nachweisgrenze).

    Parameters
    ----------
    curve : Curve
    alpha : float
    variance : float, optional
        Of the reading about the line; that of one vial by default.
    """
    spread = float(np.sqrt((curve.residual_sd**2 if variance is None else variance) + curve.intercept_variance))
    return float(stats.t.ppf(1 - alpha, curve.degrees_of_freedom)) * spread / abs(curve.slope)


def read_back(
    line: Line | Curve,
    value: float,
    *,
    standard_error: float | None = None,
    replicates: int = 1,
    confidence: float = 0.95,
    calibrated_range: tuple[float, float] | None = None,
) -> Reading:
    """Amount that gives a reading.

    Parameters
    ----------
    line : Line or Curve
    value : float
        The reading, in the line's unit (HU or ppm); the mean, when there are replicates.
    standard_error : float, optional
        Of the reading, from its own noise. The scatter between vials that their noise does not explain is added. None
        takes the reading to be as good as that of one vial.
    replicates : int
        Independent samples behind `value`, when no standard error is given (m of DIN 32645).
    confidence : float
    calibrated_range : (float, float), optional
        Taken from the line when that is a record.

    Returns
    -------
    Reading

    Raises
    ------
    ValueError
        The line has no errors or no slope, or the standard error is negative.

    References
    ----------
    Fieller 1954 (interval). DIN 32645:2008 (standard error, critical value).
    """
    if isinstance(line, Line):
        calibrated_range = line.abscissa_range
        curve = curve_of(line)
    else:
        curve = line
    if standard_error is not None and not standard_error >= 0:
        raise ValueError("a standard error cannot be negative")
    variance = curve.reading_variance(standard_error, replicates)
    amount = (value - curve.intercept) / curve.slope
    error = float(np.sqrt(variance + curve.line_variance(amount))) / abs(curve.slope)
    kind, bounds = fieller(curve, value, variance, confidence)
    below = amount <= critical_amount(curve, variance=variance)
    in_range = calibrated_range is None or calibrated_range[0] <= amount <= calibrated_range[1]
    told = []
    if kind != "bounded":
        told.append(
            "undetermined: the slope is not established, so that no bounded interval holds the amount with "
            f"{100 * confidence:g} %"
        )
    if kind == "bounded" and bounds[1] < 0:
        told.append("less than nothing: not this material alone, or another reference")
    elif below:
        told.append("below the critical value: not told from nothing")
    elif not in_range and calibrated_range is not None:
        low, high = calibrated_range
        told.append(f"extrapolated: outside the calibrated range {low:.4g} to {high:.4g}")
    return Reading(
        amount,
        error,
        bounds if kind == "bounded" else None,
        confidence,
        kind,
        below,
        in_range,
        "; ".join(told),
    )
