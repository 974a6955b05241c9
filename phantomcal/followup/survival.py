"""Time to the first threshold event: Kaplan and Meier's curve, and groups compared."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from phantomcal.followup.events import usable
from phantomcal.followup.uncertainty import FloatArray
from phantomcal.results.tracking import Survival

Unit = Literal["patient", "lesion"]
_FEW = 10
_STEPS, _MOST_TIMES = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0), 8
_BETWEEN_VISITS = "a rise is seen at the visit after it: true times lie up to one interval earlier"


@dataclass(frozen=True)
class Times:
    """Time to the first threshold event of every patient or lesion.

    Attributes
    ----------
    years : ndarray, shape (n,)
        From the first visit to the visit at which the rise was seen, or to the last visit.
    happened : ndarray of bool, shape (n,)
    patient : ndarray of str, shape (n,)
    """

    years: FloatArray
    happened: "np.ndarray"
    patient: "np.ndarray"


def first_times(frame: pd.DataFrame, unit: Unit) -> Times:
    """Time to the first threshold event; patients begin with their first lesion's first comparable visit."""
    known = usable(frame, "threshold")
    keys = ["subject_id"] if unit == "patient" else ["subject_id", "lesion_id"]
    groups = known.groupby(keys, sort=True)
    start, last = groups["from_years"].min(), groups["to_years"].max()
    event = known[known["happened"]].groupby(keys, sort=True)["to_years"].min().reindex(start.index)
    happened = event.notna().to_numpy()
    years = (event.fillna(last) - start).to_numpy(dtype=np.float64)
    return Times(years, happened, start.index.get_level_values(0).to_numpy())


def survival(times: Times, unit: Unit, group: str = "") -> Survival:
    """Share without a threshold event over time, with pointwise 95 % intervals on the log-log scale.

    Parameters
    ----------
    times : Times
    unit, group
        As in the record.

    Returns
    -------
    Survival

    References
    ----------
    E. L. Kaplan, P. Meier, J. Am. Stat. Assoc. 53 (1958) 457, 10.1080/01621459.1958.10501452.
    """
    data = stats.CensoredData.right_censored(times.years, ~times.happened)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        curve = stats.ecdf(data).sf
        bounds: Any = curve.confidence_interval(method="log-log")
    # Steps only: times at which nobody had an event leave the curve as it is.
    when, inverse = np.unique(times.years, return_inverse=True)
    stepped = np.bincount(inverse, weights=times.happened) > 0
    years = when[stepped]
    levels = np.asarray(curve.evaluate(years), dtype=np.float64)
    low = np.asarray(bounds.low.evaluate(years), dtype=np.float64)
    high = np.asarray(bounds.high.evaluate(years), dtype=np.float64)
    waiting = np.sort(times.years)
    at_risk = waiting.size - np.searchsorted(waiting, years, side="left")
    step = next((s for s in _STEPS if waiting[-1] / s <= _MOST_TIMES), _STEPS[-1])
    round_times = np.arange(0, waiting[-1] + 1e-9, step)
    notes = [_BETWEEN_VISITS]
    if unit == "lesion" and np.unique(times.patient).size < times.patient.size:
        notes.append("lesions of one patient are taken as independent: the intervals are too narrow if they are not")
    median = _first_below(years, levels)
    if median is not None and (left := int(at_risk[years == median][0])) < _FEW:
        notes.append(f"median of {group or f'all {unit}s'}: only {left} were still followed when it was reached")
    return Survival(
        group=group,
        unit=unit,
        n=times.years.size,
        events=int(times.happened.sum()),
        years=years.tolist(),
        survival=levels.tolist(),
        survival_low=[_finite(v) for v in low],
        survival_high=[_finite(v) for v in high],
        at_risk=at_risk.tolist(),
        table_years=round_times.tolist(),
        table_at_risk=(waiting.size - np.searchsorted(waiting, round_times, side="left")).tolist(),
        median_years=median,
        # The interval of the median is where the bounds of the curve cross one half.
        median_ci95=(_first_below(years, low), _first_below(years, high)) if median is not None else None,
        note="; ".join(notes),
    )


def _first_below(years: FloatArray, levels: FloatArray) -> float | None:
    below = np.flatnonzero(levels <= 0.5 + 1e-12)
    return float(years[below[0]]) if below.size else None


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


@dataclass(frozen=True)
class HazardRatio:
    """Second group's hazard over the first's."""

    ratio: float | None
    log_se: float | None
    ci95: tuple[float, float] | None
    note: str


def log_rank(first: Times, second: Times) -> float | None:
    """Two-sided p of the log-rank test; None when nobody had an event."""
    if not (first.happened.any() or second.happened.any()):
        return None
    one, other = (stats.CensoredData.right_censored(t.years, ~t.happened) for t in (first, second))
    return float(stats.logrank(one, other).pvalue)


def hazard_ratio(sides: Sequence[Times]) -> HazardRatio:
    """Proportional hazards of two groups, with an error that lets lesions of one patient hang together."""
    if not all(t.happened.any() for t in sides):
        return HazardRatio(None, None, None, "one group has no threshold event: no ratio of hazards can be given")
    from statsmodels.duration.hazard_regression import PHReg

    years = np.concatenate([t.years for t in sides])
    happened = np.concatenate([t.happened for t in sides]).astype(int)
    group = np.repeat([0.0, 1.0], [t.years.size for t in sides])
    patients = pd.factorize(np.concatenate([t.patient for t in sides]))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = PHReg(years, group[:, None], status=happened, ties="efron")
        fit = model.fit(groups=patients) if np.unique(patients).size < patients.size else model.fit(disp=False)
    log, se = float(fit.params[0]), float(fit.bse[0])
    if not np.isfinite(se) or se <= 0 or se > 50:
        return HazardRatio(None, None, None, "the proportional hazards model cannot be fitted")
    half = 1.959963984540054 * se
    return HazardRatio(
        float(np.exp(log)), se, (float(np.exp(log - half)), float(np.exp(log + half))), "hazards taken as proportional"
    )
