"""Groups or arms of patients compared: change per year, event rates, time to the threshold."""

import numpy as np
import pandas as pd
from scipy import stats

from phantomcal.accuracy.proportions import exact
from phantomcal.correlation.inference import adjust_p
from phantomcal.followup.cohort import MIN_PATIENTS, Followed, followed, ratio
from phantomcal.followup.events import COLUMNS, Event, exposure, usable
from phantomcal.followup.mixed import mixed_rate
from phantomcal.followup.survival import first_times, hazard_ratio, log_rank
from phantomcal.results.tracking import GroupContrast

MOST_GROUPS = 6


def contrasts(frame: pd.DataFrame, column: str) -> list[GroupContrast]:
    """Every group against the first.

    Parameters
    ----------
    frame : pandas.DataFrame
        Intervals with the column; empty cells do not count.
    column : str
        Patients' group.

    Returns
    -------
    list of GroupContrast
        P values not yet adjusted. Empty with fewer than two groups.
    """
    names = group_names(frame, column)
    rows: list[GroupContrast] = []
    for second in names[1:MOST_GROUPS]:
        rows += _pair(frame[frame[column].isin([names[0], second])], column, names[0], second)
    return rows


def group_names(frame: pd.DataFrame, column: str) -> list[str]:
    """Names in order of the alphabet, numbers in theirs; a control or placebo arm first."""
    return sorted({str(n) for n in frame[column].unique() if n}, key=lambda n: (not _control(n), _number(n), n))


def _control(name: str) -> bool:
    return name.strip().lower() in ("control", "controls", "placebo", "standard", "untreated", "0")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")


def adjusted(rows: list[GroupContrast]) -> list[GroupContrast]:
    """The same with Holm's p over all of them."""
    values = np.array([np.nan if r.p_value is None else r.p_value for r in rows], dtype=np.float64)
    if not np.isfinite(values).any():
        return rows
    made = adjust_p(values)
    return [
        r.model_copy(update={"p_adjusted": None if np.isnan(p) else float(p)}) for r, p in zip(rows, made, strict=True)
    ]


def _pair(frame: pd.DataFrame, column: str, first: str, second: str) -> list[GroupContrast]:
    data = followed(frame)
    other = (data.frame[column] == second).to_numpy()
    rows = [_change(data, other, column, first, second)]
    for event in COLUMNS:
        known = usable(frame, event)
        if not known.empty and (known[column] == first).any() and (known[column] == second).any():
            rows.append(_rate_ratio(known, event, column, first, second))
    rows.append(_time(frame, column, first, second))
    return rows


def _patients(frame: pd.DataFrame, column: str, name: str) -> int:
    return int(frame.loc[frame[column] == name, "subject_id"].nunique())


def _change(data: Followed, other: "np.ndarray", column: str, first: str, second: str) -> GroupContrast:
    """Difference of the change per year, by the mixed model where it can be fitted, else of totals over totals."""
    sizes = _patients(data.frame, column, first), _patients(data.frame, column, second)
    facts = {
        "column": column, "first": first, "second": second, "quantity": "rate of change", "n_first": sizes[0],
        "n_second": sizes[1],
    }  # fmt: skip
    model = mixed_rate(data, other)
    if not isinstance(model, str):
        return GroupContrast(
            **facts,
            estimate=model.value,
            standard_error=model.standard_error,
            ci95=model.ci95,
            test=f"{model.method} ({model.dof} df)",
            p_value=model.p_value,
            note=model.note,
        )
    if min(sizes) < MIN_PATIENTS:
        note = f"a group has fewer than {MIN_PATIENTS} patients"
        return GroupContrast(
            **facts, estimate=None, standard_error=None, ci95=None, test="none", p_value=None, note=note
        )
    sides = []
    for mine in (~other, other):
        part = followed(data.frame[mine])
        totals = np.bincount(part.patient, weights=part.percent) / np.maximum(np.bincount(part.patient), 1)
        spans = np.bincount(part.patient, weights=part.years) / np.maximum(np.bincount(part.patient), 1)
        sides.append(ratio(totals, spans))
    (low, low_se, low_dof), (high, high_se, high_dof) = sides
    se = float(np.hypot(low_se, high_se))
    # Welch and Satterthwaite's degrees of freedom.
    dof = se**4 / (low_se**4 / low_dof + high_se**4 / high_dof) if se > 0 else 1.0
    half = float(stats.t.ppf(0.975, dof)) * se
    value = high - low
    return GroupContrast(
        **facts,
        estimate=value,
        standard_error=se,
        ci95=(value - half, value + half),
        test="difference of totals over time, each patient left out in turn, Welch's t",
        p_value=float(2 * stats.t.sf(abs(value) / se, dof)) if se > 0 else None,
        note=model,
    )


def rate_ratio(events: tuple[int, int], years: tuple[float, float]) -> tuple[float | None, tuple[float, float], float]:
    """Second rate over the first with exact conditional interval and p.

    Given all events, those of the second group are binomial; Clopper and Pearson's interval of their share becomes that
    of the ratio.

    Parameters
    ----------
    events, years : tuple
        Of the first and the second group.

    Returns
    -------
    ratio : float or None
        None when the first group has no event.
    ci95 : tuple of float
        May reach infinity.
    p : float
        Two-sided, exact binomial test.

    References
    ----------
    J. Przyborowski, H. Wilenski, Biometrika 31 (1940) 313, 10.1093/biomet/31.3-4.313.
    """
    total = sum(events)
    odds = years[0] / years[1]
    if total == 0:
        return None, (0.0, float("inf")), 1.0
    low, high = exact(events[1], total)
    bounds = (low / (1 - low) * odds, high / (1 - high) * odds if high < 1 else float("inf"))
    p = float(stats.binomtest(events[1], total, years[1] / sum(years)).pvalue)
    ratio_ = events[1] / events[0] * odds if events[0] else None
    return ratio_, bounds, p


def _rate_ratio(known: pd.DataFrame, event: Event, column: str, first: str, second: str) -> GroupContrast:
    counts, spans, most = [], [], 0
    for name in (first, second):
        events, years = exposure(known[known[column] == name].reset_index(drop=True), "patient")
        counts.append(int(events.sum()))
        spans.append(float(years.sum()))
        most = max(most, int(events.max(initial=0)))
    value, bounds, p = rate_ratio((counts[0], counts[1]), (spans[0], spans[1]))
    notes = [f"{counts[0]} events in {spans[0]:.4g} and {counts[1]} in {spans[1]:.4g} patient-years"]
    if value is None:
        notes.append("no event in the first group: the ratio has no finite estimate")
    if not np.isfinite(bounds[1]):
        notes.append("the interval has no upper end")
    if most > 1:
        notes.append("some patients have several events, which the exact test takes as independent")
    finite = np.isfinite(bounds[1])
    return GroupContrast(
        column=column,
        first=first,
        second=second,
        quantity="event rate ratio",
        event=event,
        estimate=value,
        standard_error=value * float(np.sqrt(1 / counts[0] + 1 / counts[1])) if value else None,
        ci95=bounds if finite else None,
        n_first=_patients(known, column, first),
        n_second=_patients(known, column, second),
        test="exact conditional (binomial)",
        p_value=p,
        note="; ".join(notes),
    )


def _time(frame: pd.DataFrame, column: str, first: str, second: str) -> GroupContrast:
    sides = [first_times(frame[frame[column] == name], "patient") for name in (first, second)]
    if min(t.years.size for t in sides) == 0:
        p, ratio_ = None, None
    else:
        p, ratio_ = log_rank(*sides), hazard_ratio(sides)
    notes = ["hazard of the second group over that of the first; patients are the units"]
    if ratio_ is not None and ratio_.note:
        notes.append(ratio_.note)
    ratio_value = None if ratio_ is None else ratio_.ratio
    log_se = None if ratio_ is None else ratio_.log_se
    return GroupContrast(
        column=column,
        first=first,
        second=second,
        quantity="time to threshold",
        event="threshold",
        estimate=ratio_value,
        standard_error=ratio_value * log_se if ratio_value is not None and log_se is not None else None,
        ci95=None if ratio_ is None else ratio_.ci95,
        n_first=sides[0].years.size,
        n_second=sides[1].years.size,
        test="log-rank; ratio by proportional hazards",
        p_value=p,
        note="; ".join(notes),
    )
