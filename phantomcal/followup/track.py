"""Everything about a cohort of followed lesions, from its visits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phantomcal.followup.cohort import Followed, change_rates, followed, observed_years, shared_variance
from phantomcal.followup.events import against_clinical, event_rates, shares_with_event, timing
from phantomcal.followup.groups import MOST_GROUPS, adjusted, contrasts, group_names
from phantomcal.followup.intervals import THRESHOLD_PERCENT, Intervals, intervals
from phantomcal.followup.mixed import mixed_rate
from phantomcal.followup.survival import Unit, first_times, survival
from phantomcal.followup.visits import Visits
from phantomcal.results.tracking import ChangeRate, ScannerCorrection, ScannerScale, Survival, Tracking

if TYPE_CHECKING:
    from phantomcal.followup.correction import Corrected  # brings SQLAlchemy, which few calls need

_FEW_VISITS_NOTE = "no standard errors: how sure a single change is cannot be said"


@dataclass(frozen=True)
class Repeat:
    """Repeatability coefficient of the scanner, ppm.

    Attributes
    ----------
    ppm : float
    ci95 : tuple of float or None
    source : str
        Where it comes from, in words.
    """

    ppm: float
    ci95: tuple[float, float] | None = None
    source: str = "given"


def track(
    visits: Visits,
    *,
    threshold_percent: float = THRESHOLD_PERCENT,
    repeatability: Repeat | None = None,
    correction: "Corrected | None" = None,
) -> tuple[Tracking, Intervals]:
    """Intervals, events and rates of a cohort.

    Parameters
    ----------
    visits : Visits
        From `phantomcal.followup.visits.read_visits`; those of `correction` where there is one.
    threshold_percent : float
        A rise of this or more is a threshold event.
    repeatability : Repeat, optional
        A rise of this many ppm or more is an event by repeatability.
    correction : Corrected, optional
        From `phantomcal.followup.correction.corrected`.

    Returns
    -------
    record : Tracking
    found : Intervals

    Raises
    ------
    InputError
        As `phantomcal.followup.intervals.intervals`.
    """
    if correction is not None:
        visits = correction.visits
    found = intervals(
        visits,
        threshold_percent=threshold_percent,
        repeatability_ppm=None if repeatability is None else repeatability.ppm,
    )
    frame = found.frame
    data = followed(frame)
    warnings = [*visits.warnings, *found.warnings]
    if not visits.se_source and repeatability is None:
        warnings.append(_FEW_VISITS_NOTE)
    rates = rates_of(data)
    rows = []
    for name in visits.groups:
        names = group_names(frame, name)
        if len(names) < 2:
            warnings.append(f"all subjects have one {name}: nothing to compare")
        if len(names) > MOST_GROUPS:
            warnings.append(f"{len(names)} values of {name}: the first {MOST_GROUPS} are compared")
        rows += contrasts(frame, name)
    patient = pd.factorize(frame["subject_id"])[0]
    record = Tracking(
        threshold_percent=threshold_percent,
        repeatability_ppm=None if repeatability is None else repeatability.ppm,
        repeatability_ci95=None if repeatability is None else repeatability.ci95,
        repeatability_source="" if repeatability is None else repeatability.source,
        se_source=visits.se_source,
        n_patients=int(visits.frame["subject_id"].nunique()),
        n_lesions=int(visits.frame.groupby(["subject_id", "lesion_id"], sort=False).ngroups),
        n_visits=len(found.visits),
        n_intervals=len(frame),
        n_comparable=int(frame["comparable"].sum()),
        n_single=len(found.single),
        patient_years=float(observed_years(frame, patient).sum()),
        lesion_years=float(frame["years"].sum()),
        rates=rates,
        event_rates=event_rates(frame),
        shares=shares_with_event(frame),
        against_clinical=against_clinical(frame) if visits.has_events else [],
        timing=timing(frame) if visits.has_events else None,
        survival=_survival(frame, visits.groups),
        contrasts=adjusted(rows),
        groups=list(visits.groups),
        correction=None if correction is None else _correction(frame, correction),
        warnings=list(dict.fromkeys(warnings)),
    )
    return record, found


def rates_of(data: Followed) -> list[ChangeRate]:
    """Totals over time and the mixed model."""
    if data.frame.empty:
        return [
            ChangeRate(
                name="per patient-year", percent_per_year=None, standard_error=None, ci95=None, n_patients=0,
                n_lesions=0, n_intervals=0, years=0.0, method="none", note="no comparable interval with a percentage",
            )
        ]  # fmt: skip
    rows = change_rates(data)
    model = mixed_rate(data)
    facts = {
        "name": "mixed model", "n_patients": data.n_patients, "n_lesions": data.n_lesions,
        "n_intervals": len(data.frame), "years": float(data.years.sum()),
    }  # fmt: skip
    if isinstance(model, str):
        return [
            *rows,
            ChangeRate(**facts, percent_per_year=None, standard_error=None, ci95=None, method="none", note=model),
        ]
    shared = shared_variance(data, data.years / float((data.years**2).sum()) * float(data.years.sum()), rows[-1].years)
    se = float(np.hypot(model.standard_error, np.sqrt(shared)))
    stretch = se / model.standard_error
    low, high = ((b - model.value) * stretch + model.value for b in model.ci95)
    return [
        *rows,
        ChangeRate(
            **facts, percent_per_year=model.value, standard_error=se, ci95=(low, high), method=model.method,
            note=model.note,
        ),
    ]  # fmt: skip


def _survival(frame: pd.DataFrame, groups: tuple[str, ...]) -> list[Survival]:
    rows = []
    units: list[Unit] = ["patient"]
    if frame.groupby("subject_id")["lesion_id"].nunique().max() > 1:
        units.append("lesion")
    for unit in units:
        times = first_times(frame, unit)
        if times.years.size:
            rows.append(survival(times, unit))
    for column in groups:
        names = group_names(frame, column)[:MOST_GROUPS]
        for name in names if len(names) > 1 else []:
            times = first_times(frame[frame[column] == name], "patient")
            if times.years.size:
                rows.append(survival(times, "patient", f"{column}: {name}"))
    return rows


def _correction(frame: pd.DataFrame, correction: "Corrected") -> ScannerCorrection:
    counted = frame[frame["comparable"] & frame["change_percent"].notna() & frame["change_percent_uncorrected"].notna()]
    before = counted["threshold_event_uncorrected"].astype(bool)
    after = counted["threshold_event"].astype(bool)
    keys = correction.visits.frame["scale_key"].value_counts()
    raw = followed(frame, "change_percent_uncorrected")
    raw = Followed(raw.frame.drop(columns="scale_key_to"), raw.patient, raw.lesion, raw.observed)
    return ScannerCorrection(
        n_visits=correction.n_visits,
        n_corrected=correction.n_corrected,
        scales=[
            ScannerScale(
                scanner=s.scanner,
                calibration_date=s.calibrated.isoformat(),
                material=s.material,
                drift_percent=s.drift_percent,
                drift_se_percent=s.drift_se_percent,
                scale=s.scale,
                scanner_se_percent=100 * s.scanner_se,
                n_visits=int(keys.get(s.key, 0)),
                note=s.note,
            )
            for s in correction.scales
        ],
        events_uncorrected=int(before.sum()),
        events_corrected=int(after.sum()),
        events_gained=int((after & ~before).sum()),
        events_lost=int((before & ~after).sum()),
        n_intervals=len(counted),
        rates_uncorrected=rates_of(raw),
    )
