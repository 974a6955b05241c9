"""Analysed trials: who was in them, and how the arms compare."""

from typing import Literal

from pydantic import Field

from phantomcal.results.accuracy import Proportion
from phantomcal.results.base import SCHEMA_VERSION, Interval, Provenance, Record
from phantomcal.results.tracking import EventRate

Population = Literal["intention to treat", "per protocol", "as treated"]


class ReasonCount(Record):
    """Patients who left for one reason."""

    reason: str
    n: int


class ArmFlow(Record):
    """One arm from randomisation to analysis; patients."""

    arm: str
    randomised: int
    other_treatment: int = Field(0, description="Received another arm's treatment or none")
    with_baseline: int = Field(description="With a susceptibility at some visit")
    without_follow_up: int = Field(description="Lost before a second value")
    discontinued: int = Field(description="With fewer follow-up visits than planned, but at least one")
    not_usable: int = Field(description="Followed, but no interval of theirs can be compared")
    analysed: int = Field(description="By intention to treat, with the visits they have")
    complete: int = Field(description="Analysed with every planned follow-up visit")
    per_protocol: int = Field(description="Analysed per protocol")
    lesions: int = Field(description="Of the analysed")
    intervals: int = Field(description="Of the analysed")
    patient_years: float = Field(description="Of the analysed")
    seen: list[int] = Field(description="Patients with a value at baseline and at each follow-up visit")
    reasons: list[ReasonCount] = Field(default_factory=list, description="Of those not analysed")
    discontinued_reasons: list[ReasonCount] = Field(default_factory=list, description="Of those who left early")
    protocol_reasons: list[ReasonCount] = Field(default_factory=list, description="Of those not per protocol")


class ArmMean(Record):
    """Mean of an arm in one analysis."""

    arm: str
    population: Population
    n_patients: int
    n_lesions: int
    n_intervals: int
    mean: float | None = Field(description="Change per year, percent")
    sd: float | None
    standard_error: float | None
    ci95: Interval | None


class TrialContrast(Record):
    """A treated arm against the control arm; a row of analyses.csv."""

    analysis: str
    role: Literal["primary", "sensitivity", "secondary"]
    population: Population
    control: str
    treated: str
    unit: str
    n_control: int
    n_treated: int
    estimate: float | None = Field(description="Treated minus control, or treated over control for ratios")
    standard_error: float | None
    ci95: Interval | None
    test: str
    p_value: float | None
    p_adjusted: float | None = Field(None, description="Holm, over the treated arms of the primary analysis")
    note: str = ""


class VisitMean(Record):
    """Mean change since baseline of one arm at one visit."""

    arm: str
    visit: int = Field(description="1 is the first after baseline")
    years: float = Field(description="Mean time since baseline")
    n_patients: int
    mean: float = Field(description="Percent since baseline, lesions of a patient averaged")
    ci95: Interval | None


class TrialPatient(Record):
    """One patient; a row of patients.csv."""

    subject_id: str
    arm: str
    received_arm: str
    per_protocol: bool
    status: Literal["analysed", "without follow-up", "not usable", "no value"]
    n_lesions: int
    n_intervals: int
    years: float
    baseline_ppm: float | None
    percent_per_year: float | None = Field(description="Averaged over visits, then over lesions")
    ppm_per_year: float | None
    threshold_events: int | None
    clinical_events: int | None
    visit_years: list[float] = Field(default_factory=list)
    visit_percent: list[float] = Field(default_factory=list, description="Change since baseline, lesions averaged")


class Trial(Record):
    """Everything `trial` knows; trial.json."""

    schema_version: str = SCHEMA_VERSION
    control: str
    arms: list[str] = Field(description="Control first")
    threshold_percent: float
    planned_visits: int = Field(description="Follow-up visits of a complete patient")
    planned_visits_said: bool = Field(description="False: the most that any patient has")
    flow: list[ArmFlow]
    means: list[ArmMean]
    contrasts: list[TrialContrast]
    visit_means: list[VisitMean]
    event_shares: dict[str, list[Proportion]] = Field(description="By arm: patients with at least one event")
    event_rates: dict[str, list[EventRate]] = Field(description="By arm, per patient-year")
    patients: list[TrialPatient]
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None
