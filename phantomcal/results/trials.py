"""Planned trials: sample sizes, power, what simulated trials say of them."""

from typing import Any, Literal

from pydantic import Field

from phantomcal.results.base import SCHEMA_VERSION, Interval, Provenance, Record

Outcome = Literal["mean", "proportion", "rate"]


class TrialDesign(Record):
    """Two arms, patients measured several times; all that sizes share."""

    outcome: Outcome
    visits: int = Field(1, description="Follow-up visits at which the outcome is known, per patient")
    correlation: float = Field(0.0, description="Between two visits of one lesion, the same for every pair")
    power: float = 0.8
    alpha: float = 0.05
    tails: int = 2
    allocation: float = Field(1.0, description="Patients in the treated arm per patient in the control arm")
    dropout: float = Field(0.0, description="Share of patients lost by the last visit")
    lesions: int = Field(1, description="Lesions per patient")
    lesion_correlation: float = Field(0.0, description="Between two lesions of one patient")
    years: float | None = Field(None, description="Follow-up over all visits, years; for rates")
    dispersion: float = Field(0.0, description="Variance of a visit's count is mu + dispersion * mu^2; for rates")


class SimulatedPower(Record):
    """What simulated trials of one row's size found."""

    n_trials: int
    analysis: str = Field(description="The test each trial was analysed by")
    power: float = Field(description="Share of trials that found the effect")
    power_se: float
    power_ci95: Interval = Field(description="Clopper and Pearson; of the simulation, not of the effect")
    expected_power: float = Field(description="By the formula, for the same patients and visits")
    points_off: float = Field(description="Simulated minus expected power, percentage points")
    agreement: Literal["agrees", "differs", "undetermined"] = Field(
        description="Agrees: within 2 points of the formula; differs: farther off than that and the simulation's error"
    )
    type_one_error: float = Field(description="Share of trials without an effect that found one")
    type_one_error_se: float
    type_one_error_ci95: Interval
    completers_power: float | None = Field(None, description="Analysing only patients with every visit")
    completers_power_ci95: Interval | None = None
    seed: int


class PowerRow(Record):
    """One assumed effect; a row of power.csv."""

    outcome: Outcome
    effect: float | None = Field(None, description="Relative: the treated arm's value is baseline * (1 - effect)")
    difference: float | None = Field(None, description="Absolute, in the unit of the outcome")
    baseline: float | None = Field(None, description="Control arm: mean, proportion, or events per patient-year")
    treated: float | None = Field(None, description="Treated arm under the assumed effect")
    sd: float | None = Field(None, description="Of one measurement between patients; for means")
    n_per_arm: int = Field(description="Patients to randomise per arm (in the control arm with unequal allocation)")
    n_control: int
    n_treated: int
    n_total: int
    n_unrounded: float = Field(description="Before rounding up and before dropout, control arm")
    n_complete: int = Field(description="Without dropout, control arm")
    n_available_visits: int = Field(description="To randomise when the visits of those lost are analysed too")
    n_student: int | None = Field(None, description="Without dropout by Student's t, exact for balanced means")
    power: float = Field(description="By the formula at this size")
    power_available_visits: float | None = Field(
        None, description="With dropout: when the visits of those lost are analysed too"
    )
    power_student: float | None = Field(None, description="By Student's t at this size; for means")
    design_effect: float = Field(description="Variance of a patient's average over that of a single measurement")
    solved_for: Literal["n", "power", "effect"] = "n"
    simulation: SimulatedPower | None = None
    notes: list[str] = Field(default_factory=list)


class PowerCurve(Record):
    """Power against patients per arm for one row."""

    label: str
    n_per_arm: list[int]
    power: list[float]


class PowerTable(Record):
    """Everything `power` knows; power.json."""

    schema_version: str = SCHEMA_VERSION
    design: TrialDesign
    formula: str = Field(description="The formula in words, with its source")
    statement: str = Field(description="Sample size paragraph for a protocol")
    rows: list[PowerRow]
    curves: list[PowerCurve] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None


def row_for_scripts(row: PowerRow) -> dict[str, Any]:
    """A row without what does not apply to it, as `--json` prints it."""
    return row.model_dump(mode="json", exclude_none=True)
