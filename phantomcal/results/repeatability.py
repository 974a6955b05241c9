"""Repeatability: how far repeated scans of one phantom agree."""

from typing import Literal

from pydantic import Field

from phantomcal.results.base import SCHEMA_VERSION, Interval, Provenance, Record


class WithinSubject(Record):
    """Spread of repeated measurements of the same thing, in its own unit."""

    n_subjects: int = Field(description="Things measured repeatedly: vials, or one line")
    n_runs: int = Field(description="Largest number of repeats of one of them")
    degrees_of_freedom: int
    wsd: float = Field(description="Within-subject standard deviation")
    wsd_ci95: Interval | None
    rc: float = Field(description="Repeatability coefficient, 1.96 root 2 wSD")
    rc_ci95: Interval | None
    wcv_percent: float | None = Field(description="Within-subject coefficient of variation, root mean square")
    wcv_ci95: Interval | None
    wcv_n: int = Field(description="Subjects whose mean is far enough from zero for a coefficient of variation")


class BlandAltman(Record):
    """Differences of two runs over the same vials: second minus first."""

    first: str
    second: str
    n: int
    bias: float
    bias_ci95: Interval | None
    sd: float
    lower: float = Field(description="bias - 1.96 SD")
    lower_ci95: Interval | None
    upper: float = Field(description="bias + 1.96 SD")
    upper_ci95: Interval | None
    trend_p: float | None = Field(description="Spearman's rank test of |difference - bias| against the mean")


class IntraclassCorrelation(Record):
    """One of Shrout and Fleiss' six intraclass correlations."""

    form: str = Field(description="ICC(1,1) to ICC(3,k)")
    model: str = Field(description="What the form takes vials and runs to be, in words")
    value: float
    ci95: Interval | None
    f: float
    df1: int
    df2: int
    p_value: float


class RepeatabilityRow(WithinSubject):
    """Repeatability of one vial's value or one line's slope; a row of repeatability.csv."""

    level: Literal["vial", "slope", "intercept"]
    name: str = Field(description="Vial, or material of the line")
    modality: str
    unit: str
    mean: float
    measured: list[float] = Field(description="Value in each run, in their order")
    pooled: bool = Field(True, description="Whether it counts in the pooled figures of its modality")
    note: str = ""


class Agreement(Record):
    """All sound vials of one modality together."""

    modality: str
    unit: str
    vials: list[str]
    within: WithinSubject
    bland_altman: list[BlandAltman]
    icc: list[IntraclassCorrelation]
    notes: list[str] = Field(default_factory=list)


class Repeatability(Record):
    """Everything `repeatability` knows; repeatability.json."""

    schema_version: str = SCHEMA_VERSION
    protocol: str
    runs: list[str]
    agreement: list[Agreement]
    rows: list[RepeatabilityRow]
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None
