"""Events per year, patients with an event, and threshold events beside clinical ones."""

from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from phantomcal.accuracy.proportions import exact, proportion
from phantomcal.correlation.clustered import jackknife_se
from phantomcal.followup.cohort import MIN_PATIENTS, observed_years
from phantomcal.results.accuracy import Proportion
from phantomcal.results.tracking import EventRate, EventTiming, ThresholdAgainstClinical

Event = Literal["threshold", "repeatability", "clinical"]
COLUMNS: dict[Event, str] = {
    "threshold": "threshold_event",
    "repeatability": "repeatability_event",
    "clinical": "event",
}
_UNITS: tuple[Literal["interval", "lesion", "patient"], ...] = ("patient", "lesion", "interval")


def usable(frame: pd.DataFrame, event: Event) -> pd.DataFrame:
    """Intervals in which it is known whether the event happened, with the boolean column `happened`."""
    known = frame[COLUMNS[event]].notna()
    if event != "clinical":
        known &= frame["comparable"]
    kept = frame[known]
    return kept.assign(happened=kept[COLUMNS[event]].astype(bool)).reset_index(drop=True)


def garwood(events: int, years: float, confidence: float = 0.95) -> tuple[float, float]:
    """Exact Poisson interval of a rate.

    Parameters
    ----------
    events : int
    years : float
        Time observed.
    confidence : float

    Returns
    -------
    tuple of float
        Per year.

    References
    ----------
    F. Garwood, Biometrika 28 (1936) 437, 10.1093/biomet/28.3-4.437.
    """
    tail = (1 - confidence) / 2
    low = float(stats.chi2.ppf(tail, 2 * events)) / 2 if events else 0.0
    return low / years, float(stats.chi2.isf(tail, 2 * events + 2)) / 2 / years


def event_rates(frame: pd.DataFrame) -> list[EventRate]:
    """Rates of all kinds of events that are known, per patient-year and, with several lesions, per lesion-year."""
    rows = []
    for event in COLUMNS:
        known = usable(frame, event)
        if known.empty:
            continue
        rows.append(event_rate(known, event, "patient"))
        if known.groupby("subject_id")["lesion_id"].nunique().max() > 1:
            rows.append(event_rate(known, event, "lesion"))
    return rows


def exposure(known: pd.DataFrame, unit: Literal["patient", "lesion"]) -> tuple["np.ndarray", "np.ndarray"]:
    """Events and years of every patient; lesions of a patient with an event at one visit count once or each."""
    patient, _ = pd.factorize(known["subject_id"])
    n = int(patient.max(initial=-1)) + 1
    if unit == "lesion":
        return (
            np.bincount(patient, weights=known["happened"], minlength=n),
            np.bincount(patient, weights=known["years"], minlength=n),
        )
    happened = known[known["happened"].to_numpy()].drop_duplicates(["subject_id", "to_years"])
    events = np.bincount(patient[happened.index], minlength=n).astype(np.float64)
    return events, observed_years(known, patient)


def event_rate(known: pd.DataFrame, event: Event, unit: Literal["patient", "lesion"]) -> EventRate:
    """One rate with its exact Poisson interval, and one by patients where a patient has several events.

    Parameters
    ----------
    known : pandas.DataFrame
        From `usable`.
    event, unit
        As in the record.
    """
    events, years = exposure(known, unit)
    count, span = int(events.sum()), float(years.sum())
    clustered, note = None, ""
    if events.max(initial=0) > 1 and events.size >= MIN_PATIENTS:
        rate = count / span
        without = (count - events) / (span - years)
        half = float(stats.t.ppf(0.975, events.size - 1)) * jackknife_se(rate, without)
        clustered = (max(0.0, rate - half), rate + half)
        note = "some patients have several events: the interval by patients does not take these as independent"
    return EventRate(
        event=event,
        unit=unit,
        events=count,
        years=span,
        per_year=count / span if span > 0 else None,
        standard_error=float(np.sqrt(count)) / span if span > 0 and count else None,
        ci95=garwood(count, span) if span > 0 else None,
        clustered_ci95=clustered,
        n_patients=events.size,
        note=note,
    )


def shares_with_event(frame: pd.DataFrame) -> list[Proportion]:
    """Patients, and lesions where patients have several, with at least one event of each kind."""
    rows = []
    for event, words in (
        ("threshold", "passed the threshold"),
        ("repeatability", "passed the repeatability coefficient"),
        ("clinical", "had a clinical event"),
    ):
        known = usable(frame, event)  # type: ignore[arg-type]
        if known.empty:
            continue
        by_patient = known.groupby("subject_id", sort=True)["happened"].any()
        rows.append(proportion(int(by_patient.sum()), len(by_patient), f"patients that {words}"))
        by_lesion = known.groupby(["subject_id", "lesion_id"], sort=True)["happened"].any()
        if len(by_lesion) > len(by_patient):
            rows.append(_clustered(by_lesion, f"lesions that {words}"))
    return rows


def _clustered(hits: "pd.Series[bool]", name: str, empty: str = "no cases") -> Proportion:
    """Share of rows whose first index level is the patient, with the exact interval of independent rows beside it."""
    groups = hits.astype(int).groupby(level=0, sort=True)
    k, n = int(hits.sum()), len(hits)
    if n == 0:
        return proportion(0, 0, name, empty=empty)
    if groups.size().max() == 1:
        return proportion(k, n, name)
    found = proportion(k, n, name, (groups.sum().to_numpy(), groups.size().to_numpy()))
    return found.model_copy(update={"ci95_exact": exact(k, n)})


def against_clinical(frame: pd.DataFrame) -> list[ThresholdAgainstClinical]:
    """How well a rise above the threshold, or the repeatability coefficient, goes with clinical events.

    Parameters
    ----------
    frame : pandas.DataFrame
        Intervals with clinical events.

    Returns
    -------
    list of ThresholdAgainstClinical
        By patient (any event during follow-up, as Zeineddine et al. count), by lesion and by interval. Empty without
        clinical events in the table.

    References
    ----------
    H. A. Zeineddine et al., J. Magn. Reson. Imaging 47 (2018) 1133, 10.1002/jmri.25831.
    """
    rows = []
    both = frame[frame["event"].notna()]
    for threshold in ("threshold", "repeatability"):
        known = usable(both, threshold)
        if known.empty:
            continue
        known["clinical"] = known["event"].astype(bool)
        for unit in _UNITS:
            if unit == "lesion" and not known.groupby("subject_id")["lesion_id"].nunique().gt(1).any():
                continue
            rows.append(_table(known, threshold, unit))
    return rows


def _table(
    known: pd.DataFrame,
    threshold: Literal["threshold", "repeatability"],
    unit: Literal["interval", "lesion", "patient"],
) -> ThresholdAgainstClinical:
    keys = {"patient": ["subject_id"], "lesion": ["subject_id", "lesion_id"]}.get(unit)
    cases = (
        known.set_index("subject_id")
        if keys is None
        else known.groupby(keys, sort=True)[["happened", "clinical"]].any()
    )
    flag, truth = cases["happened"], cases["clinical"]
    shares = [
        _clustered(flag[truth], "sensitivity", "no clinical event"),
        _clustered(~flag[~truth], "specificity", "no case without a clinical event"),
        _clustered(truth[flag], "positive predictive value", "no threshold event"),
        _clustered(~truth[~flag], "negative predictive value", "no case below the threshold"),
    ]
    note = ""
    if unit == "interval":
        note = "only an event in the very interval of the rise counts as found"
    if unit == "patient":
        note = "any rise during follow-up counts, before or after the clinical event; see the timing"
    return ThresholdAgainstClinical(
        threshold=threshold,
        unit=unit,
        true_positive=int((flag & truth).sum()),
        false_positive=int((flag & ~truth).sum()),
        false_negative=int((~flag & truth).sum()),
        true_negative=int((~flag & ~truth).sum()),
        shares=shares,
        note=note,
    )


def timing(frame: pd.DataFrame) -> EventTiming | None:
    """Whether lesions passed the threshold before, with or after their first clinical event; None without events."""
    known = usable(frame[frame["event"].notna()], "threshold")
    if known.empty:
        return None
    keys = ["subject_id", "lesion_id"]
    clinical = known[known["event"].astype(bool)].groupby(keys)["to_years"].min()
    if clinical.empty:
        return None
    passed = known[known["happened"]].groupby(keys)["to_years"].min().reindex(clinical.index)
    lead = (clinical - passed).dropna()
    return EventTiming(
        n=len(clinical),
        before=int((lead > 0).sum()),
        same=int((lead == 0).sum()),
        after=int((lead < 0).sum()),
        never=int(passed.isna().sum()),
        lead_years_median=float(lead.median()) if len(lead) else None,
        lead_years_range=(float(lead.min()), float(lead.max())) if len(lead) else None,
        note="times are those of visits: within an interval it is not known which came first",
    )
