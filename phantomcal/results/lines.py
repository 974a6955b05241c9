"""Calibration lines, with everything that is known about how good they are."""

from pydantic import Field

from phantomcal.results.base import Interval, Record
from phantomcal.results.budget import Budget


class LineSummary(Record):
    """A fitted line in few numbers, to stand beside the main one."""

    n_vials: int
    slope: float
    slope_se: float | None
    slope_ci95: Interval | None
    intercept: float
    r2: float | None
    p_value: float | None
    residual_sd: float | None


class LineAlternative(LineSummary):
    """The same vials fitted in another way, to stand beside the main line."""

    method: str
    slope_unit: str = ""
    intercept_se: float | None = None
    note: str = Field("", description="Why it is not the main one, or why it could not be fitted, in words")


class VialInfluence(Record):
    """How much one vial decides about its line."""

    vial_id: str
    leverage: float = Field(description="Diagonal of the hat matrix, 0 to 1")
    studentised_residual: float | None = Field(None, description="Externally studentised")
    cooks_distance: float | None = None
    slope_without: float | None = Field(None, description="Slope of the line through the other vials")


class Detection(Record):
    """Smallest amounts a line can tell from nothing, by a named standard, in abscissa units."""

    standard: str = Field(description="DIN 32645, ICH Q2, CLSI EP17, ...")
    alpha: float
    critical_value: float | None = None
    lod: float | None = None
    loq: float | None = None
    note: str = ""


class Line(Record):
    """Calibration line of one material in one modality."""

    material: str
    modality: str
    unit: str = Field(description="Unit of the measured value")
    abscissa_unit: str = "mmol/L"
    abscissa_range: tuple[float, float] = Field(description="Calibrated range; outside it the line extrapolates")
    method: str
    n_vials: int
    slope: float
    slope_se: float | None
    slope_ci95: Interval | None
    slope_unit: str
    intercept: float
    intercept_se: float | None
    intercept_ci95: Interval | None
    covariance_slope_intercept: float | None = None
    r2: float | None
    p_value: float | None = Field(None, description="Two-sided t test of slope = 0")
    residual_sd: float | None
    degrees_of_freedom: int | None = Field(None, description="Of the residual SD and of all t intervals")
    vial_noise: float | None = Field(
        None,
        description="Root mean square standard error of the vials' values: the part of the residual SD it explains",
    )
    abscissa_noise: float | None = Field(
        None,
        description="Root mean square error of the abscissae times the slope, where the fit takes them into account",
    )
    errors_known: bool = Field(
        False,
        description="Whether the standard errors are those of known errors (normal intervals), not of the scatter",
    )
    lod: float | None = Field(None, description="3.3 residual SD / |slope| (ICH Q2), in abscissa units")
    loq: float | None = Field(None, description="10 residual SD / |slope| (ICH Q2), in abscissa units")
    linearity: str = Field(description="What the quadratic term says, in words")
    quadratic_p: float | None = None
    curvature_share: float | None = Field(
        None, description="Largest distance of the parabola from the line, over the span of the line"
    )
    expected_slope: float | None = None
    expected_slope_se: float | None = None
    expected_slope_source: str = ""
    slope_ratio: float | None = Field(None, description="Measured over expected slope")
    slope_ratio_ci95: Interval | None = None
    established: bool = Field(description="p < 0.05 with at least three vials")
    excluded: list[str] = Field(default_factory=list, description="Vials left out of the line")
    all_vials: LineSummary | None = Field(None, description="The same line with the excluded vials put back")
    default_rule: str = Field("", description="Why this method is the main one")
    alternatives: list[LineAlternative] = Field(default_factory=list, description="Other fits of the same vials")
    lack_of_fit_p: float | None = Field(None, description="F test of lack of fit, where levels are replicated")
    linear_range: tuple[float, float] | None = Field(None, description="Widest range of levels without curvature")
    influence: list[VialInfluence] = Field(default_factory=list)
    detection: list[Detection] = Field(default_factory=list)
    slope_verdict: str = Field("", description="agrees, deviates or undetermined against the expected slope, in words")
    budget: Budget | None = Field(None, description="Where the uncertainty of the slope comes from")
    notes: list[str] = Field(default_factory=list)
