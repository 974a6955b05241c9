"""A treated arm against the control arm: the primary analysis and those beside it."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from phantomcal.followup.cohort import followed
from phantomcal.followup.events import COLUMNS, Event, exposure, usable
from phantomcal.followup.groups import rate_ratio
from phantomcal.followup.intervals import Intervals
from phantomcal.followup.mixed import mixed_rate
from phantomcal.results.trial_analysis import Population, TrialContrast

FloatArray = npt.NDArray[np.float64]
PERCENT = "% per year"
_FEWEST = 2
_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class Pair:
    """Which comparison: the arms and who is in them.

    Attributes
    ----------
    control, treated : str
    arm : Series of str, indexed by subject
        The arm of every patient of the population.
    population : {"intention to treat", "per protocol", "as treated"}
    """

    control: str
    treated: str
    arm: "pd.Series[str]"
    population: Population = "intention to treat"

    def split(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Control and treated rows of a frame indexed by subject."""
        arm = self.arm.reindex(frame.index)
        return frame[(arm == self.control).to_numpy()], frame[(arm == self.treated).to_numpy()]


def averages_contrast(
    frame: pd.DataFrame,
    pair: Pair,
    analysis: str,
    *,
    column: str = "percent_per_year",
    role: Literal["primary", "sensitivity", "secondary"] = "sensitivity",
    unit: str = PERCENT,
) -> TrialContrast:
    """Patients' averages by Welch's t test: visits and lesions of one patient are one value.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of `PatientAverages`.
    pair : Pair
    analysis, role, unit
        As in the record.
    column : str
        What is compared.

    Returns
    -------
    TrialContrast
        Without an estimate, and with the reason, where nothing can be compared.

    References
    ----------
    J. N. S. Matthews, D. G. Altman, M. J. Campbell, P. Royston, BMJ 300 (1990) 230, 10.1136/bmj.300.6719.230 (summary
    measures); B. L. Welch, Biometrika 34 (1947) 28, 10.1093/biomet/34.1-2.28.
    """
    control, treated = (side[column].to_numpy(dtype=np.float64) for side in pair.split(frame))
    facts = _facts(pair, analysis, role, unit, control.size, treated.size) | {"test": "Welch's t on patients' averages"}
    if min(control.size, treated.size) < _FEWEST:
        return _nothing(facts, "an arm has fewer than two patients")
    if np.ptp(control) == 0 and np.ptp(treated) == 0:
        return _nothing(facts, "nothing varies within the arms")
    test = stats.ttest_ind(treated, control, equal_var=False)
    ends = test.confidence_interval()
    error = float(ends.high - ends.low) / 2.0 / float(stats.t.ppf(0.975, test.df))
    return TrialContrast(
        **facts,
        estimate=float(treated.mean() - control.mean()),
        standard_error=error,
        ci95=(float(ends.low), float(ends.high)),
        p_value=float(test.pvalue),
        note=_few(control.size, treated.size),
    )


def adjusted_contrast(frame: pd.DataFrame, pair: Pair) -> TrialContrast:
    """Analysis of covariance: patients' averages on arm and baseline susceptibility, HC3 variance, Student's t.

    References
    ----------
    A. J. Vickers, D. G. Altman, BMJ 323 (2001) 1123, 10.1136/bmj.323.7321.1123.
    """
    control, treated = pair.split(frame)
    facts = _facts(pair, "adjusted for the baseline value (ANCOVA)", "sensitivity", PERCENT, len(control), len(treated))
    facts |= {"test": "least squares on arm and baseline, HC3 variance, t"}
    both = pd.concat([control, treated])
    if min(len(control), len(treated)) < _FEWEST or len(both) < 5:
        return _nothing(facts, "too few patients for a regression on arm and baseline")
    baseline = both["baseline_ppm"].to_numpy(dtype=np.float64)
    if np.ptp(baseline) == 0:
        return _nothing(facts, "all baselines are equal")
    from statsmodels.regression.linear_model import OLS

    side = np.r_[np.zeros(len(control)), np.ones(len(treated))]
    design = np.column_stack([np.ones(side.size), side, (baseline - baseline.mean()) / baseline.std()])
    fit = OLS(both["percent_per_year"].to_numpy(dtype=np.float64), design).fit(cov_type="HC3", use_t=True)
    error = float(fit.bse[1])
    if not np.isfinite(error) or error <= 0:
        return _nothing(facts, "the regression leaves no scatter")
    low, high = fit.conf_int(0.05)[1]
    return TrialContrast(
        **facts,
        estimate=float(fit.params[1]),
        standard_error=error,
        ci95=(float(low), float(high)),
        p_value=float(fit.pvalues[1]),
    )


def rank_contrast(frame: pd.DataFrame, pair: Pair) -> TrialContrast:
    """Rank test of Mann and Whitney with Hodges and Lehmann's shift and its interval.

    References
    ----------
    J. L. Hodges, E. L. Lehmann, Ann. Math. Stat. 34 (1963) 598, 10.1214/aoms/1177704172.
    """
    control, treated = (side["percent_per_year"].to_numpy(dtype=np.float64) for side in pair.split(frame))
    n, m = control.size, treated.size
    facts = _facts(pair, "ranks", "sensitivity", PERCENT, n, m)
    facts |= {"test": "Mann-Whitney; Hodges-Lehmann shift"}
    if min(n, m) < _FEWEST:
        return _nothing(facts, "an arm has fewer than two patients")
    shifts = np.sort((treated[:, None] - control[None, :]).ravel())
    # Normal approximation of the rank sum; rounded down, so that the interval is rather too wide.
    place = int(np.floor(n * m / 2.0 - _NORMAL_95 * np.sqrt(n * m * (n + m + 1) / 12.0)))
    bounds = (float(shifts[place - 1]), float(shifts[-place])) if place >= 1 else None
    return TrialContrast(
        **facts,
        estimate=float(np.median(shifts)),
        standard_error=None if bounds is None else (bounds[1] - bounds[0]) / (2 * _NORMAL_95),
        ci95=bounds,
        p_value=float(stats.mannwhitneyu(treated, control, alternative="two-sided").pvalue),
        note="too few patients for an interval" if bounds is None else "standard error: the interval over 2 x 1.96",
    )


def mixed_contrast(found: Intervals, pair: Pair) -> TrialContrast:
    """Difference of the change per year in a mixed model with random slopes of patients and their lesions."""
    data = followed(_of_pair(found.frame, pair))
    sizes = [
        int((pair.arm.reindex(data.frame["subject_id"].unique()) == a).sum()) for a in (pair.control, pair.treated)
    ]
    facts = _facts(pair, "mixed model of all visits", "sensitivity", PERCENT, *sizes)
    other = (data.frame["subject_id"].map(pair.arm) == pair.treated).to_numpy()
    answer = mixed_rate(data, other)
    if isinstance(answer, str):
        return _nothing(facts | {"test": "mixed model"}, answer)
    return TrialContrast(
        **facts,
        test=f"{answer.method} ({answer.dof} df)",
        estimate=answer.value,
        standard_error=answer.standard_error,
        ci95=answer.ci95,
        p_value=answer.p_value,
        note=answer.note,
    )


def share_contrast(counts: "pd.Series[float]", pair: Pair, words: str) -> TrialContrast:
    """Patients with at least one event: risk difference with Newcombe's hybrid score interval, Fisher's exact p.

    Parameters
    ----------
    counts : Series, indexed by subject
        Events of every patient in whom they are known.
    pair : Pair
    words : str
        Which events.

    References
    ----------
    R. G. Newcombe, Stat. Med. 17 (1998) 873,
    10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I (method 10).
    """
    control, treated = (side["events"].to_numpy() > 0 for side in pair.split(counts.to_frame("events")))
    facts = _facts(pair, f"patients with a {words}", "secondary", "risk difference", control.size, treated.size)
    facts |= {"test": "Fisher's exact; Newcombe's interval"}
    if min(control.size, treated.size) < 1:
        return _nothing(facts, "an arm has no patient in whom events are known")
    from statsmodels.stats.proportion import confint_proportions_2indep

    a, b = int(treated.sum()), int(control.sum())
    low, high = confint_proportions_2indep(a, treated.size, b, control.size, method="newcomb", compare="diff")
    p, q = a / treated.size, b / control.size
    table = np.array([[a, treated.size - a], [b, control.size - b]])
    return TrialContrast(
        **facts,
        estimate=p - q,
        standard_error=float(np.sqrt(p * (1 - p) / treated.size + q * (1 - q) / control.size)),
        ci95=(float(low), float(high)),
        p_value=float(stats.fisher_exact(table)[1]),
        note=f"{a} of {treated.size} against {b} of {control.size}, however long they were followed",
    )


def rate_contrast_of(found: Intervals, pair: Pair, event: Event, words: str) -> TrialContrast | None:
    """Ratio of events per patient-year, exact given their sum; None where the events are not known."""
    if not found.frame[COLUMNS[event]].notna().any():
        return None
    frame = _of_pair(found.frame, pair)
    known = usable(frame, event)
    sides = []
    for name in (pair.control, pair.treated):
        mine = known[(known["subject_id"].map(pair.arm) == name).to_numpy()].reset_index(drop=True)
        sides.append(exposure(mine, "patient"))
    facts = _facts(pair, f"{words} per patient-year", "secondary", "rate ratio", *(e.size for e, _ in sides))
    facts |= {"test": "exact, given all events (binomial)"}
    years = tuple(float(y.sum()) for _, y in sides)
    if min(years) <= 0:
        return _nothing(facts, "an arm has no time at risk")
    events = tuple(int(e.sum()) for e, _ in sides)
    value, bounds, p = rate_ratio((events[0], events[1]), (years[0], years[1]))
    notes = [f"{events[1]} in {years[1]:.4g} against {events[0]} in {years[0]:.4g} patient-years"]
    if max(int(e.max(initial=0)) for e, _ in sides) > 1:
        notes.append("some patients have several events, which the exact test takes as independent")
    if value is None:
        notes.append("no event in the control arm: the ratio has no finite estimate")
    if not np.isfinite(bounds[1]):
        notes.append("the interval has no upper end")
    return TrialContrast(
        **facts,
        estimate=value,
        standard_error=value * float(np.sqrt(1 / events[0] + 1 / events[1])) if value else None,
        ci95=bounds if np.isfinite(bounds[1]) else None,
        p_value=p,
        note="; ".join(notes),
    )


def _of_pair(frame: pd.DataFrame, pair: Pair) -> pd.DataFrame:
    return frame[frame["subject_id"].map(pair.arm).isin([pair.control, pair.treated])].reset_index(drop=True)


def _facts(pair: Pair, analysis: str, role: str, unit: str, n_control: int, n_treated: int) -> dict[str, Any]:
    return {
        "analysis": analysis,
        "role": role,
        "population": pair.population,
        "control": pair.control,
        "treated": pair.treated,
        "unit": unit,
        "n_control": int(n_control),
        "n_treated": int(n_treated),
    }


def _nothing(facts: dict[str, Any], why: str) -> TrialContrast:
    return TrialContrast(**facts, estimate=None, standard_error=None, ci95=None, p_value=None, note=why)


def _few(n: int, m: int) -> str:
    return f"only {min(n, m)} patients in an arm: the interval rests on normal averages" if min(n, m) < 10 else ""
