"""A number for each patient: change per year averaged over visits and lesions, and the course since baseline."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from phantomcal.followup.cohort import followed, observed_years
from phantomcal.followup.events import COLUMNS, Event, usable
from phantomcal.followup.intervals import Intervals

_KEYS = ["subject_id", "lesion_id"]
_SAME_TIME = 5  # decimals of a year


@dataclass(frozen=True)
class PatientAverages:
    """Patients with at least one interval that can be compared.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index `subject_id`; `percent_per_year` and `ppm_per_year` (intervals of a lesion averaged, then lesions),
        `weighted_percent_per_year` (total change over total time), `baseline_ppm`, `n_lesions`, `n_intervals`, `years`,
        `n_follow_up` (visits with a value after baseline).
    """

    frame: pd.DataFrame


def patient_averages(found: Intervals) -> PatientAverages:
    """Averages of every patient who can be analysed.

    Parameters
    ----------
    found : Intervals

    Returns
    -------
    PatientAverages
    """
    data = followed(found.frame)
    kept = data.frame
    lesion = kept.groupby(_KEYS, sort=True).agg(
        percent_per_year=("change_percent_per_year", "mean"),
        ppm_per_year=("change_ppm_per_year", "mean"),
        change=("change_percent", "sum"),
        years=("years", "sum"),
        n_intervals=("years", "size"),
        baseline_ppm=("from_ppm", "first"),
    )
    by_patient = lesion.groupby("subject_id", sort=True)
    frame = by_patient.agg(
        percent_per_year=("percent_per_year", "mean"),
        ppm_per_year=("ppm_per_year", "mean"),
        baseline_ppm=("baseline_ppm", "mean"),
        n_lesions=("years", "size"),
        n_intervals=("n_intervals", "sum"),
    )
    sums = by_patient[["change", "years"]].sum()
    frame["weighted_percent_per_year"] = sums["change"] / sums["years"]
    codes, names = pd.factorize(kept["subject_id"])
    frame["years"] = pd.Series(observed_years(kept, codes), index=names).reindex(frame.index)
    frame["n_follow_up"] = visits_with_value(found).reindex(frame.index)
    return PatientAverages(frame)


def visits_with_value(found: Intervals) -> "pd.Series[int]":
    """Follow-up visits with a value of any lesion, by patient; 0 for those with a baseline only."""
    times = found.visits.assign(time=found.visits["years"].round(_SAME_TIME))
    return times.groupby("subject_id")["time"].nunique() - 1


def courses(found: Intervals) -> pd.DataFrame:
    """Change since baseline at every visit, lesions of a patient averaged.

    Returns
    -------
    pandas.DataFrame
        `subject_id`, `visit` (0 is baseline), `years`, `percent`. Lesions without a positive first value are left out.
    """
    visits = found.visits.sort_values([*_KEYS, "years"], kind="stable")
    first = visits.groupby(_KEYS, sort=False)["qsm_ppm"].transform("first")
    kept = visits[first > 0].assign(
        percent=100.0 * (visits["qsm_ppm"] / first - 1.0), time=visits["years"].round(_SAME_TIME)
    )
    course = kept.groupby(["subject_id", "time"], sort=True)["percent"].mean().reset_index()
    course["years"] = course["time"] - course.groupby("subject_id")["time"].transform("min")
    course["visit"] = course.groupby("subject_id").cumcount()
    return course[["subject_id", "visit", "years", "percent"]]


def event_counts(found: Intervals, event: Event) -> "pd.Series[float]":
    """Events of every patient in whom they are known; lesions with an event at one visit count once."""
    known = usable(found.frame, event) if found.frame[COLUMNS[event]].notna().any() else found.frame.iloc[:0]
    if known.empty:
        return pd.Series(dtype=np.float64)
    by_visit = known.groupby(["subject_id", "to_years"], sort=True)["happened"].any()
    return by_visit.groupby("subject_id").sum().astype(np.float64)
