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
    pearson_p: float | None = Field(description="Of the test named in `method`; never one that ignores clustering")
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
    method: str = Field(default="", description="What intervals and p values account for, and why it was chosen")
    n_eff: float | None = Field(default=None, description="Independent rows that would give the same standard error")
    pearson_bca95_low: float | None = Field(default=None, description="BCa bootstrap; subjects drawn when clustered")
    pearson_bca95_high: float | None = None
    spearman_bca95_low: float | None = None
    spearman_bca95_high: float | None = None
    slope_ci95_low: float | None = None
    slope_ci95_high: float | None = None
    bayes_factor_10: float | None = Field(default=None, description="Correlation against none, at n_eff")
    achieved_power: float | None = Field(default=None, description="At the observed r and n_eff, alpha 0.05 two-sided")
    n_needed: int | None = Field(default=None, description="Independent rows for power 0.8 at the observed r")
    percentage_bend_r: float | None = None
    percentage_bend_p: float | None = Field(default=None, description="Empty for clustered rows")
    skipped_rho: float | None = Field(default=None, description="Spearman's rho without bivariate outliers")
    n_skipped: int | None = None
    robust_slope: float | None = Field(default=None, description="Theil and Sen")
    robust_slope_ci95_low: float | None = None
    robust_slope_ci95_high: float | None = None
    both_axes_slope: float | None = None
    both_axes_slope_ci95_low: float | None = None
    both_axes_slope_ci95_high: float | None = None
    both_axes_intercept: float | None = None
    both_axes_method: str = ""
    quadratic_p: float | None = Field(default=None, description="Quadratic term beside the linear one")
    within_r: float | None = Field(default=None, description="Repeated-measures correlation")
    within_ci95_low: float | None = None
    within_ci95_high: float | None = None
    within_p: float | None = None
    within_dof: int | None = None
    mixed_slope: float | None = Field(default=None, description="Mixed model, random intercept of the subject")
    mixed_slope_se: float | None = None
    mixed_slope_p: float | None = None
    subject_share: float | None = Field(default=None, description="Share of residual variance between subjects")
    mixed_note: str = ""
    r_without_influential: float | None = Field(default=None, description="Pearson's r without the influential rows")


class InfluentialRow(Record):
    """A row that drives a region's result."""

    roi: str
    row: str = Field(description="Line in the file, header included")
    subject: str = ""
    x: float
    y: float
    cook: float = Field(description="Cook's distance")
    leverage: float
    r_without: float | None = Field(description="Pearson's r without this row")


class Correlation(Record):
    """Everything `correlate` knows; correlation.json."""

    schema_version: str = SCHEMA_VERSION
    x: str
    y: str
    by: str
    adjustment: str = Field(description="How p values were adjusted, over how many regions")
    rule: str = Field(description="How the verdict is reached")
    regions: list[RegionCorrelation]
    influential: list[InfluentialRow] = Field(default_factory=list)
    covariates: list[str] = Field(default_factory=list)
    n_bootstrap: int = Field(default=0, description="Bootstrap samples a region")
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None
