"""CT-QSM relation per region."""

from pydantic import Field

from phantomcal.results.base import SCHEMA_VERSION, Behaviour, Provenance, Record


class RegionCorrelation(Record):
    """CT-QSM relation of one region; a row of correlation.csv."""

    roi: str
    n: int
    n_subjects: int | None
    pearson_r: float | None
    pearson_ci95_low: float | None
    pearson_ci95_high: float | None
    pearson_p: float | None
    pearson_p_adjusted: float | None
    spearman_rho: float | None
    spearman_ci95_low: float | None
    spearman_ci95_high: float | None
    spearman_p: float | None
    spearman_p_adjusted: float | None
    r2: float | None
    slope: float | None
    slope_se: float | None
    intercept: float | None
    behaviour: Behaviour
    note: str = ""


class Correlation(Record):
    """Everything `correlate` knows; correlation.json."""

    schema_version: str = SCHEMA_VERSION
    x: str
    y: str
    by: str
    adjustment: str = Field(description="How p values were adjusted, over how many regions")
    rule: str = Field(description="How the verdict is reached")
    regions: list[RegionCorrelation]
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None
