"""Lesions over visits: rates of change, events, time to threshold, groups, and what a scanner correction did."""

from typing import Literal

from pydantic import Field

from phantomcal.results.accuracy import Proportion
from phantomcal.results.base import SCHEMA_VERSION, Interval, Provenance, Record


class ChangeRate(Record):
    """Change of susceptibility per year over a cohort."""

    name: str = Field(description="per patient-year, per lesion-year, mixed model")
    percent_per_year: float | None = Field(description="Null when it cannot be estimated; the note says why")
    standard_error: float | None
    ci95: Interval | None
    n_patients: int
    n_lesions: int
    n_intervals: int
    years: float = Field(description="Patient-years or lesion-years behind it")
    method: str
    note: str = ""


class EventRate(Record):
    """Events per year of observation."""

    event: Literal["threshold", "repeatability", "clinical"]
    unit: Literal["patient", "lesion"] = Field(
        description="patient: lesions of one patient with an event in one interval count once"
    )
    events: int
    years: float
    per_year: float | None
    standard_error: float | None = Field(description="root of events over years; null without events")
    ci95: Interval | None = Field(description="Exact Poisson (Garwood)")
    clustered_ci95: Interval | None = Field(
        None, description="Leaving out whole patients; beside the Poisson interval where events may cluster"
    )
    n_patients: int
    note: str = ""


class ThresholdAgainstClinical(Record):
    """Threshold events as a test for clinical events."""

    threshold: Literal["threshold", "repeatability"]
    unit: Literal["interval", "lesion", "patient"]
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int
    shares: list[Proportion] = Field(description="sensitivity, specificity, predictive values")
    note: str = ""


class EventTiming(Record):
    """When the threshold was passed, seen from each lesion's first clinical event."""

    n: int = Field(description="Lesions with a clinical event")
    before: int = Field(description="Threshold passed in an earlier interval")
    same: int = Field(description="First passed in the interval of the clinical event")
    after: int = Field(description="Only passed later")
    never: int
    lead_years_median: float | None = Field(
        description="Of those with a threshold event: end of the clinical event's interval minus end of the first "
        "threshold event's"
    )
    lead_years_range: Interval | None
    note: str = ""


class Survival(Record):
    """Time to the first threshold event of one group."""

    group: str = Field(description="Empty for all")
    unit: Literal["patient", "lesion"]
    n: int
    events: int
    years: list[float] = Field(description="Times at which the curve steps")
    survival: list[float]
    survival_low: list[float | None]
    survival_high: list[float | None]
    at_risk: list[int]
    table_years: list[float] = Field(description="Round times")
    table_at_risk: list[int] = Field(description="Waiting at these")
    median_years: float | None = Field(description="Null when fewer than half had the event")
    median_ci95: tuple[float | None, float | None] | None
    note: str = ""


class GroupContrast(Record):
    """Two groups compared."""

    column: str
    first: str
    second: str
    quantity: Literal["rate of change", "event rate ratio", "time to threshold"]
    event: str = ""
    estimate: float | None = Field(description="Second minus first (% per year), or second over first")
    standard_error: float | None
    ci95: Interval | None
    n_first: int = Field(description="Patients")
    n_second: int
    test: str
    p_value: float | None
    p_adjusted: float | None = Field(None, description="Holm over all contrasts of the report")
    note: str = ""


class ScannerScale(Record):
    """Scale of a scanner at one calibration; what its sessions were divided by."""

    scanner: str
    calibration_date: str
    material: str
    drift_percent: float
    drift_se_percent: float = Field(
        description="Half the 95 % interval over 1.96: wider than the plain error, which few calibrations give"
    )
    scale: float
    scanner_se_percent: float
    n_visits: int
    note: str = ""


class ScannerCorrection(Record):
    """What bringing all sessions to one scale changed."""

    n_visits: int
    n_corrected: int
    scales: list[ScannerScale]
    events_uncorrected: int
    events_corrected: int
    events_gained: int
    events_lost: int
    n_intervals: int = Field(description="Comparable intervals with a percentage")
    rates_uncorrected: list[ChangeRate]


class SessionMatch(Record):
    """A later session of one person found again in the space of the first."""

    subject_id: str
    session: str
    agreement: float = Field(description="Correlation of the two images inside the head, aligned")
    agreement_before: float = Field(description="As the headers place them")
    overlap: float = Field(description="Share of the first session's head that is covered")
    moved_mm: float = Field(description="Root mean square way of the head")
    used: bool
    note: str = ""


class Tracking(Record):
    """Everything `track` knows about a cohort; tracking.json. Every interval is in intervals.csv."""

    schema_version: str = SCHEMA_VERSION
    threshold_percent: float
    repeatability_ppm: float | None
    repeatability_ci95: Interval | None = None
    repeatability_source: str = ""
    se_source: str = Field("", description="Where standard errors of the visits come from; empty when there are none")
    n_patients: int
    n_lesions: int
    n_visits: int = Field(description="Lesion visits with a value")
    n_intervals: int
    n_comparable: int = Field(description="Intervals that count in rates")
    n_single: int = Field(description="Lesions of one visit")
    patient_years: float
    lesion_years: float
    rates: list[ChangeRate]
    event_rates: list[EventRate]
    shares: list[Proportion] = Field(description="Patients and lesions with at least one event")
    against_clinical: list[ThresholdAgainstClinical] = Field(default_factory=list)
    timing: EventTiming | None = None
    survival: list[Survival]
    contrasts: list[GroupContrast] = Field(default_factory=list)
    groups: list[str] = Field(default_factory=list)
    correction: ScannerCorrection | None = None
    appearances: dict[str, int] = Field(
        default_factory=dict, description="From images: lesions by what became of them (new, gone, split, ...)"
    )
    sessions: list[SessionMatch] = Field(default_factory=list, description="From images: alignment of later sessions")
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None
