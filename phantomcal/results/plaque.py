"""Plaque components: what each reads, how they differ, and what tells them apart."""

from typing import Literal

from pydantic import Field

from phantomcal.results.accuracy import AreaComparison, Cutoff, RocResult
from phantomcal.results.base import SCHEMA_VERSION, Interval, Modality, Provenance, Record


class ComponentStatistics(Record):
    """One measure in one component."""

    component: str
    n: int = Field(description="Sections or regions")
    n_patients: int
    mean: float | None
    standard_error: float | None = Field(description="Of the mean; patients as clusters where they have several rows")
    ci95: Interval | None = Field(description="Of the mean")
    sd: float | None = Field(description="Between rows")
    median: float | None
    quartiles: Interval | None
    lowest: float | None
    highest: float | None
    note: str = ""


class GroupTest(Record):
    """A test that all components are alike."""

    test: str
    statistic: float | None
    dof: float | None = None
    dof_denominator: float | None = None
    p: float | None
    effect_size: float | None = None
    effect_size_name: str = ""
    accounts_for_patients: bool = Field(description="False: rows of one patient are taken as independent")
    note: str = ""


class ComponentPair(Record):
    """Two components compared, first minus second."""

    first: str
    second: str
    n_first: int
    n_second: int
    mean_difference: float | None
    mean_difference_ci95: Interval | None
    superiority: float | None = Field(description="Chance that a row of the first reads higher than one of the second")
    superiority_ci95: Interval | None
    mean_rank_difference: float | None
    p: float | None = Field(description="The headline; its test is in the measure's `pair_test`")
    p_adjusted: float | None
    dunn_z: float | None = Field(description="Dunn's test, which takes rows of one patient as independent")
    dunn_p: float | None
    dunn_p_adjusted: float | None
    mixed_difference: float | None = Field(description="Of the estimated means of the mixed model")
    mixed_standard_error: float | None
    mixed_ci95: Interval | None
    mixed_p: float | None
    mixed_p_adjusted: float | None
    note: str = ""


class EstimatedMean(Record):
    """Mean of a component for an average patient."""

    component: str
    mean: float
    standard_error: float
    ci95: Interval


class MixedMeans(Record):
    """Mixed model with a random intercept for each patient."""

    means: list[EstimatedMean]
    patient_share: float = Field(description="Variance between patients as a share of all variance within components")
    statistic: float = Field(description="Wald F that all means are equal")
    dof: int
    dof_denominator: int
    p: float
    n: int
    n_patients: int
    note: str = ""


class PlaqueRoc(Record):
    """How well a measure tells one component from all others."""

    target: str
    measure: str
    direction: Literal["above", "below"] = Field(description="On which side of the cut-off the target lies")
    roc: RocResult = Field(description="Of the measure, or of minus the measure when the target lies below")
    cutoff: Cutoff | None = Field(description="Cut-off on the measure's own scale")
    rest: list[str]
    note: str = ""


class GradeCorrelation(Record):
    """A measure against a histology grade."""

    grade: str
    n: int
    n_patients: int
    spearman_rho: float | None
    spearman_ci95: Interval | None
    kendall_tau: float | None = Field(description="tau-b")
    kendall_ci95: Interval | None
    p: float | None = Field(description="Of Spearman's rho, by the method named")
    p_adjusted: float | None
    method: str
    note: str = ""


class PlaqueMeasure(Record):
    """Everything about one measure."""

    measure: str
    unit: str
    modality: Modality
    n: int
    n_patients: int
    components: list[ComponentStatistics]
    tests: list[GroupTest] = Field(description="The headline first")
    pair_test: str = ""
    pairs: list[ComponentPair]
    mixed: MixedMeans | None
    mixed_note: str = Field("", description="Why there is no mixed model")
    rocs: list[PlaqueRoc]
    grades: list[GradeCorrelation]


class Plaque(Record):
    """Everything `plaque` knows; plaque.json."""

    schema_version: str = SCHEMA_VERSION
    patient_column: str | None
    component_column: str
    components: list[str]
    named_as: dict[str, list[str]] = Field(description="What the table calls each component")
    clustered: bool = Field(description="Patients have several rows")
    n: int
    n_patients: int | None
    measures: list[PlaqueMeasure]
    area_comparisons: list[AreaComparison] = Field(default_factory=list)
    adjustment: str
    n_bootstrap: int
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None
