"""Change of susceptibility per patient-year and per lesion-year: total over total, with whole patients as units."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from phantomcal.correlation.clustered import jackknife_se
from phantomcal.followup.uncertainty import FloatArray
from phantomcal.followup.visits import counted
from phantomcal.results.tracking import ChangeRate

MIN_PATIENTS = 3
_FEW_PATIENTS = 10
_MOST_UNITS = 1000


@dataclass(frozen=True)
class Followed:
    """Intervals that count, with patients and lesions numbered.

    Attributes
    ----------
    frame : pandas.DataFrame
        Comparable intervals with a percentage.
    patient, lesion : ndarray of int, shape (intervals,)
        Counted from 0.
    observed : ndarray, shape (patients,)
        Years in which at least one lesion of the patient was followed.
    """

    frame: pd.DataFrame
    patient: "np.ndarray"
    lesion: "np.ndarray"
    observed: FloatArray

    @property
    def years(self) -> FloatArray:
        """Length of each interval."""
        return self.frame["years"].to_numpy(dtype=np.float64)

    @property
    def percent(self) -> FloatArray:
        """Change over each interval."""
        return self.frame["change_percent"].to_numpy(dtype=np.float64)

    @property
    def n_patients(self) -> int:
        """How many patients there are."""
        return int(self.observed.size)

    @property
    def n_lesions(self) -> int:
        """How many lesions there are."""
        return int(self.lesion.max(initial=-1)) + 1


def followed(frame: pd.DataFrame, percent: str = "change_percent") -> Followed:
    """The intervals that count: comparable, with a percentage.

    Parameters
    ----------
    frame : pandas.DataFrame
        Intervals.
    percent : str
        Column of the change, percent; e.g. the uncorrected one.
    """
    kept = frame[frame["comparable"] & frame[percent].notna()].assign(change_percent=lambda f: f[percent])
    kept = kept.reset_index(drop=True)
    patient = pd.factorize(kept["subject_id"])[0]
    lesion = kept.groupby(["subject_id", "lesion_id"], sort=False).ngroup().to_numpy()
    return Followed(kept, patient, lesion, observed_years(kept, patient))


def observed_years(frame: pd.DataFrame, patient: "np.ndarray") -> FloatArray:
    """Years covered by the intervals of each patient, overlapping ones of several lesions counted once."""
    order = np.lexsort((frame["from_years"], patient))
    start = frame["from_years"].to_numpy(dtype=np.float64)[order]
    end = frame["to_years"].to_numpy(dtype=np.float64)[order]
    who = patient[order]
    # The latest end so far, patient by patient: what lies behind it is new.
    latest = pd.Series(end).groupby(who).cummax().groupby(who).shift().to_numpy()
    new = np.clip(end - np.fmax(start, latest), 0, None)
    return np.asarray(np.bincount(who, weights=new, minlength=int(patient.max(initial=-1)) + 1), dtype=np.float64)


def change_rates(data: Followed) -> list[ChangeRate]:
    """Total change over total time, per patient-year and per lesion-year.

    Parameters
    ----------
    data : Followed

    Returns
    -------
    list of ChangeRate
        Per patient-year: every patient's lesions are averaged, so that a patient counts by how long, not by how many
        lesions. Per lesion-year: every lesion counts by how long it was followed; left out where every patient has one
        lesion, as both are then the same.

    Notes
    -----
    Leaving out every patient in turn (delete-one jackknife of the ratio) with Student's t on patients - 1 degrees of
    freedom. Errors of the scanner's scale that many patients share are added (see `shared_variance`).

    References
    ----------
    W. G. Cochran, Sampling Techniques, 3rd ed., 1977, chapter 6 (ratio estimators and their jackknife).
    """
    n = data.n_patients
    change = np.asarray(np.bincount(data.patient, weights=data.percent, minlength=n), dtype=np.float64)
    lesion_years = np.asarray(np.bincount(data.patient, weights=data.years, minlength=n), dtype=np.float64)
    lesions = int(data.n_lesions)
    per_patient = data.observed / np.where(lesion_years > 0, lesion_years, 1.0)
    rows = [_rate("per patient-year", data, change * per_patient, data.observed, per_patient)]
    if lesions > n:
        rows.append(_rate("per lesion-year", data, change, lesion_years, np.ones(n)))
    return rows


def ratio(totals: FloatArray, years: FloatArray) -> tuple[float, float, int]:
    """Total over total, its standard error by leaving out each patient, and degrees of freedom."""
    value = float(totals.sum() / years.sum())
    units = totals.size
    if units > _MOST_UNITS:  # groups of patients do as well and keep the table small
        group = np.arange(units) % _MOST_UNITS
        totals, years = (np.asarray(np.bincount(group, weights=w), dtype=np.float64) for w in (totals, years))
    without = (totals.sum() - totals) / (years.sum() - years)
    return value, jackknife_se(value, without), min(units, _MOST_UNITS) - 1


def shared_variance(data: Followed, weight: FloatArray, total_years: float) -> float:
    """Variance of a rate from errors of scanner scales that several sessions share.

    A relative error e of one calibration's scale moves the change of every interval that ends with it by
    -100 (b/a) e and of every one that begins with it by +100 (b/a) e; all of them together, so that their sum is
    squared.

    Parameters
    ----------
    data : Followed
    weight : ndarray, shape (intervals,)
        With which each interval's change enters the total.
    total_years : float

    Returns
    -------
    float
        0 without a correction.
    """
    frame = data.frame
    if "scale_key_to" not in frame.columns:
        return 0.0
    ratio_of_values = (frame["to_ppm"] / frame["from_ppm"]).to_numpy(dtype=np.float64)
    effect = 100.0 * ratio_of_values * weight / total_years
    total = 0.0
    for key, error in (("scale_key", "scale_se"), ("scanner", "scanner_se")):
        ends = [frame[[f"{key}_{end}", f"{error}_{end}"]].set_axis(["key", "se"], axis=1) for end in ("to", "from")]
        both = pd.concat([ends[0].assign(effect=-effect), ends[1].assign(effect=effect)])
        groups = both[both["se"].notna() & (both["key"] != "")].groupby("key", sort=True)
        total += float((groups["effect"].sum() ** 2 * groups["se"].first() ** 2).sum())
    return total


def _rate(name: str, data: Followed, totals: FloatArray, years: FloatArray, weight: FloatArray) -> ChangeRate:
    n = data.n_patients
    span = float(years.sum())
    method = "total change over total time; each patient left out in turn, Student's t"
    facts = {
        "name": name, "n_patients": n, "n_lesions": data.n_lesions, "n_intervals": len(data.frame), "years": span,
        "method": method,
    }  # fmt: skip
    value = float(totals.sum() / span) if span > 0 else None
    if value is None or n < MIN_PATIENTS:
        note = f"{n} patients: no interval can be given" if value is not None else "no time was observed"
        return ChangeRate(**facts, percent_per_year=value, standard_error=None, ci95=None, note=note)
    value, se, dof = ratio(totals, years)
    shared = shared_variance(data, weight[data.patient], span)
    notes = []
    if shared > 0:
        se = float(np.sqrt(se**2 + shared))
        notes.append(f"{np.sqrt(shared):.2g} % per year of the standard error come from the scanner's calibration")
    if n < _FEW_PATIENTS:
        notes.append(f"only {counted(n, 'patient')}: the interval rests on few units")
    half = float(stats.t.ppf(0.975, dof)) * se
    return ChangeRate(
        **facts, percent_per_year=value, standard_error=se, ci95=(value - half, value + half), note="; ".join(notes)
    )
