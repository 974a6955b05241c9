"""How well calls, scores and probabilities agree with the truth, and readers with each other."""

from typing import Literal

from pydantic import Field

from phantomcal.results.base import Interval, Record


class Proportion(Record):
    """A share of cases with its uncertainty."""

    name: str
    count: int
    n: int
    value: float | None = Field(description="count / n; null without cases")
    standard_error: float | None
    ci95: Interval | None = Field(description="Wilson; of the effective number of cases where subjects repeat")
    ci95_exact: Interval | None = Field(None, description="Clopper and Pearson; for independent cases only")
    n_subjects: int | None = None
    design_effect: float | None = Field(None, description="Variance over that of independent cases, at least 1")
    method: str = ""
    note: str = ""


class LikelihoodRatio(Record):
    """How much a call changes the odds."""

    name: str
    value: float | None = Field(description="Null when it is infinite or has no cases")
    ci95: Interval | None
    method: str = ""
    note: str = ""


class DiagnosticTable(Record):
    """Calls against the truth in two classes."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int
    n: int
    n_subjects: int | None = None
    sensitivity: Proportion
    specificity: Proportion
    positive_predictive_value: Proportion
    negative_predictive_value: Proportion
    accuracy: Proportion
    prevalence: Proportion
    likelihood_ratio_positive: LikelihoodRatio
    likelihood_ratio_negative: LikelihoodRatio
    note: str = ""


class RocPoint(Record):
    """A corner of the curve: what calling every score from `threshold` upwards positive does."""

    threshold: float | None = Field(description="Null at the origin, where nothing is called positive")
    false_positive_rate: float
    true_positive_rate: float


class RocResult(Record):
    """Receiver operating characteristic of one score; larger scores speak for the positive class."""

    name: str = ""
    auc: float
    auc_se: float | None = Field(description="Null where the variance estimate is 0: all or no pairs in order")
    auc_ci95: Interval | None
    n_positive: int
    n_negative: int
    n_subjects: int | None = None
    points: list[RocPoint]
    method: str
    note: str = ""


class AreaComparison(Record):
    """Areas under two curves of the same cases, first minus second."""

    first: str
    second: str
    auc_first: float
    auc_second: float
    difference: float
    standard_error: float | None
    ci95: Interval | None
    z: float | None = Field(description="Difference over its standard error")
    p: float | None
    p_adjusted: float | None = Field(description="Holm, over the pairs compared together")
    method: str
    note: str = ""


class EqualAreas(Record):
    """Test that all areas are equal."""

    names: list[str]
    chi2: float | None
    dof: int
    p: float | None
    method: str
    note: str = ""


class Cutoff(Record):
    """The cut-off chosen on these cases."""

    name: str = ""
    rule: str
    positive: Literal["above", "below"] = Field(
        "above", description="Which side is called positive, the cut-off itself included"
    )
    cutoff: float
    cutoff_ci95: Interval | None = Field(description="Percentiles of the bootstrap")
    sensitivity: Proportion
    specificity: Proportion
    youden: float = Field(description="Sensitivity + specificity - 1, on the cases the cut-off was chosen on")
    youden_corrected: float | None = Field(description="Less the optimism that the bootstrap finds")
    n_bootstrap: int
    n_positive: int
    n_negative: int
    n_subjects: int | None = None
    method: str
    note: str = ""


class PairedTest(Record):
    """One measure of two callers on the same cases."""

    measure: str = Field(description="sensitivity, specificity or accuracy")
    n: int
    both_right: int
    only_first_right: int
    only_second_right: int
    both_wrong: int
    difference: float | None = Field(description="First minus second")
    ci95: Interval | None
    p: float | None = Field(description="Mid-p of the exact test")
    p_exact: float | None
    p_adjusted: float | None = Field(None, description="Holm over sensitivity and specificity; not set for accuracy")
    chi2: float | None = Field(description="McNemar's statistic without continuity correction")
    chi2_p: float | None
    method: str
    note: str = ""


class PairedCalls(Record):
    """Two callers of the same cases."""

    first: str
    second: str
    n: int
    n_subjects: int | None = None
    tests: list[PairedTest]


class Kappa(Record):
    """Agreement beyond chance."""

    value: float | None
    standard_error: float | None
    ci95: Interval | None
    n: int
    n_readers: int
    n_subjects: int | None = None
    categories: list[str]
    weights: str = "none"
    observed_agreement: float | None
    expected_agreement: float | None
    method: str
    note: str = ""


class ReliabilityBin(Record):
    """Cases of like probability."""

    low: float
    high: float
    mean_probability: float
    observed: Proportion


class Reliability(Record):
    """Do probabilities mean what they say?"""

    n: int
    n_positive: int
    n_subjects: int | None = None
    bins: list[ReliabilityBin]
    ece: float = Field(description="Expected calibration error: mean distance of observed and stated, weighted by n")
    ece_ci95: Interval | None
    ece_if_calibrated: float = Field(description="What perfect probabilities would show by chance at this n, mean")
    ece_if_calibrated_95: float = Field(description="95th percentile of the same")
    brier: float
    brier_ci95: Interval | None
    brier_reliability: float
    brier_resolution: float
    brier_uncertainty: float
    brier_within_bins: float = Field(description="What is left of the score for the width of the bins")
    slope: float | None = Field(description="Of the logistic regression on the logit of the probability; 1 is perfect")
    slope_se: float | None
    slope_ci95: Interval | None
    intercept: float | None = Field(description="Calibration in the large, slope held at 1; 0 is perfect")
    intercept_se: float | None
    intercept_ci95: Interval | None
    n_bootstrap: int
    method: str
    note: str = ""
