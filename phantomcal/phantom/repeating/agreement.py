"""Agreement of repeated measurements: within-subject spread, limits of agreement, intraclass correlation."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from phantomcal.results.repeatability import BlandAltman, IntraclassCorrelation, WithinSubject

Array = NDArray[np.float64]
_Z = 1.96  # as Bland and Altman, QIBA and every table of repeatability coefficients have it
_FAR_FROM_ZERO = 3.0  # means closer to zero than this many wSD have no coefficient of variation
_MODELS = {
    "ICC(1,1)": "one run; runs are taken as interchangeable",
    "ICC(2,1)": "one run; runs are a sample, a shift between them counts as disagreement",
    "ICC(3,1)": "one run; these runs only, a shift between them does not count",
    "ICC(1,k)": "mean of all runs; runs are taken as interchangeable",
    "ICC(2,k)": "mean of all runs; runs are a sample, a shift between them counts as disagreement",
    "ICC(3,k)": "mean of all runs; these runs only, a shift between them does not count",
}


def within_subject(values: ArrayLike) -> WithinSubject:
    """Within-subject SD, repeatability coefficient and coefficient of variation.

    Parameters
    ----------
    values : array_like, shape (n_subjects, n_runs)
        Repeated measurements of each subject (vial, line) in one unit; NaN where a run has none.

    Returns
    -------
    WithinSubject
        Intervals at 95 % from the chi-squared distribution of the pooled variance. The coefficient of variation is the
        root mean square over subjects whose mean is at least three wSD from zero; its interval counts only their
        degrees of freedom and takes their means as known.

    Raises
    ------
    ValueError
        No subject was measured twice.

    References
    ----------
    Bland and Altman 1996, BMJ 312:1654, 10.1136/bmj.312.7047.1654 (within-subject SD) and 313:106,
    10.1136/bmj.313.7049.106 (coefficient of variation). Obuchowski 2016, 10.1016/j.acra.2015.12.020 (QIBA).
    """
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    repeats = np.isfinite(table).sum(axis=1)
    table, repeats = table[repeats > 1], repeats[repeats > 1]
    if not len(table):
        raise ValueError("nothing was measured twice")
    means, variances = np.nanmean(table, axis=1), np.nanvar(table, axis=1, ddof=1)
    free = repeats - 1
    df = int(free.sum())
    wsd = float(np.sqrt((free * variances).sum() / df))
    far = np.abs(means) > _FAR_FROM_ZERO * wsd
    wcv: float | None = None
    interval: tuple[float, float] | None = None
    if far.any():
        share = free[far] / free[far].sum()
        wcv = float(100 * np.sqrt((share * (np.sqrt(variances[far]) / means[far]) ** 2).sum()))
        interval = _sd_interval(wcv, int(free[far].sum()))
    wsd_interval = _sd_interval(wsd, df)
    factor = _Z * np.sqrt(2.0)
    return WithinSubject(
        n_subjects=len(table),
        n_runs=int(repeats.max()),
        degrees_of_freedom=df,
        wsd=wsd,
        wsd_ci95=wsd_interval,
        rc=float(factor * wsd),
        rc_ci95=None if wsd_interval is None else (float(factor * wsd_interval[0]), float(factor * wsd_interval[1])),
        wcv_percent=wcv,
        wcv_ci95=interval,
        wcv_n=int(far.sum()),
    )


def _sd_interval(sd: float, df: int) -> tuple[float, float] | None:
    if sd == 0:
        return None  # equal to the last digit: copies, not measurements
    high, low = (float(stats.chi2.ppf(p, df)) for p in (0.975, 0.025))
    return sd * math.sqrt(df / high), sd * math.sqrt(df / low)


def bland_altman(first: ArrayLike, second: ArrayLike, names: tuple[str, str] = ("first", "second")) -> BlandAltman:
    """Bias and limits of agreement of two runs, second minus first.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        The same things measured twice, in one unit; at least two pairs.
    names : tuple of str
        Names of the runs.

    Returns
    -------
    BlandAltman
        Limits are bias -/+ 1.96 SD. The interval of the bias is Student's; those of the limits are exact for normal
        differences (noncentral t), as the usual approximation is too narrow for the few vials of a phantom.

    Raises
    ------
    ValueError
        Unequal lengths or fewer than two pairs.

    References
    ----------
    Bland and Altman 1986, Lancet 327:307, 10.1016/S0140-6736(86)90837-8. Carkeet 2015, 10.1097/OPX.0000000000000513.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise ValueError("limits of agreement need at least two pairs of values")
    difference, middle = b - a, (a + b) / 2
    n = len(a)
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    lower, upper = bias - _Z * sd, bias + _Z * sd
    bias_ci = lower_ci = upper_ci = trend = None
    if sd > 0:
        half = float(stats.t.ppf(0.975, n - 1)) * sd / np.sqrt(n)
        bias_ci = (float(bias - half), float(bias + half))
        near, far = (float(stats.nct.ppf(p, n - 1, _Z * math.sqrt(n))) * sd / math.sqrt(n) for p in (0.025, 0.975))
        upper_ci = (float(bias + near), float(bias + far))
        lower_ci = (float(bias - far), float(bias - near))
        distance = np.abs(difference - bias)
        if n >= 5 and np.ptp(distance) > 0 and np.ptp(middle) > 0:
            trend = float(stats.spearmanr(distance, np.abs(middle)).pvalue)
    return BlandAltman(
        first=names[0],
        second=names[1],
        n=n,
        bias=bias,
        bias_ci95=bias_ci,
        sd=sd,
        lower=lower,
        lower_ci95=lower_ci,
        upper=upper,
        upper_ci95=upper_ci,
        trend_p=trend,
    )


def intraclass(values: ArrayLike) -> list[IntraclassCorrelation]:
    """The six intraclass correlations of Shrout and Fleiss, by pingouin.

    Parameters
    ----------
    values : array_like, shape (n_subjects, n_runs)
        A complete table: at least three subjects that differ, at least two runs.

    Returns
    -------
    list of IntraclassCorrelation
        ICC(1,1), (2,1), (3,1), (1,k), (2,k), (3,k) with 95 % intervals. Empty when the runs agree to the last digit,
        as the F ratio is then infinite.

    Raises
    ------
    ValueError
        Too few subjects or runs, or values missing.

    References
    ----------
    Shrout and Fleiss 1979, 10.1037/0033-2909.86.2.420; McGraw and Wong 1996, 10.1037/1082-989X.1.1.30 (intervals).
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 3 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise ValueError("intraclass correlation needs a complete table of at least 3 subjects and 2 runs")
    residual = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    span = np.ptp(table)
    if span == 0 or np.abs(residual).max() < 1e-12 * span:
        return []
    import pandas as pd
    import pingouin

    n, k = table.shape
    frame = pd.DataFrame(
        {"subject": np.repeat(np.arange(n), k), "run": np.tile(np.arange(k), n), "value": table.ravel()}
    )
    rounding = {key: value for key, value in pingouin.options.items() if key.startswith("round.column.CI95")}
    pingouin.options.update(dict.fromkeys(rounding))
    try:
        found = pingouin.intraclass_corr(frame, targets="subject", raters="run", ratings="value")
    finally:
        pingouin.options.update(rounding)
    # The forms come in a fixed order; their names, and those of the columns, change between versions.
    return [_icc_record(form, row) for form, row in zip(_MODELS, found.to_dict("records"), strict=True)]


def _icc_record(form: str, row: dict[str, Any]) -> IntraclassCorrelation:
    bounds = next(row[key] for key in row if str(key).startswith("CI95"))
    low, high = float(bounds[0]), float(bounds[1])
    # Bounds of ICC(2,k) come from a ratio that can leave its own range when there are few subjects.
    sound = np.isfinite([low, high]).all() and low <= row["ICC"] <= high
    return IntraclassCorrelation(
        form=form,
        model=_MODELS[form],
        value=float(row["ICC"]),
        ci95=(low, min(high, 1.0)) if sound else None,
        f=float(row["F"]),
        df1=int(row["df1"]),
        df2=int(row["df2"]),
        p_value=float(next(row[key] for key in ("pval", "p_val", "p-val") if key in row)),
    )
