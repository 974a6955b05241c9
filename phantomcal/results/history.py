"""Calibrations of a scanner over time: what is kept, control charts, comparisons."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from phantomcal.results.base import SCHEMA_VERSION, Interval, Provenance, Record

Judgement = Literal["pass", "warn", "fail"]


class HistoryEntry(Record):
    """One calibration in the history."""

    id: int
    scanner: str
    protocol: str
    session: str
    scan_date: date
    added_at: datetime = Field(description="UTC")
    status: str = Field(description="Of the calibration itself")
    baseline: bool
    content_sha256: str = Field(description="Hash of the calibration without the fields that vary between equal runs")
    lines: list[str] = Field(default_factory=list, description="Material and modality of its lines")


class HistoryEvent(Record):
    """Something done to a scanner."""

    id: int
    scanner: str
    event_date: date
    kind: str = Field(description="service, software, hardware, phantom, ...")
    words: str
    new_baseline: bool = Field(description="Whether limits are set anew from the scans after it")


class History(Record):
    """What `history list --json` prints."""

    schema_version: str = SCHEMA_VERSION
    calibrations: list[HistoryEntry]
    events: list[HistoryEvent]


class ChartPoint(Record):
    """One calibration on the chart of one line; a row of history.csv."""

    calibration_id: int
    scan_date: date
    session: str
    phase: int = Field(description="Counted from 1; a new one begins with every new baseline")
    baseline: bool = Field(description="Whether the limits were set from it")
    value: float
    standard_error: float | None = Field(description="From the calibration's own line")
    drift_percent: float | None = Field(description="Against the mean of the phase's baseline")
    moving_range: float | None
    ewma: float | None
    ewma_lower: float | None
    ewma_upper: float | None
    rules: list[str] = Field(description="Rules it breaks, in words")


class ChartPhase(Record):
    """Limits of one stretch of time without a new baseline."""

    phase: int
    begins: date
    reason: str = Field(description="Why it begins, in words")
    n: int
    n_baseline: int
    reference: float = Field(description="Mean of the baseline: the centre line, and what drift is measured from")
    sigma: float | None = Field(description="Short-term SD: mean moving range of the baseline / 1.128")
    sigma_ci95: Interval | None
    sigma_df: float | None
    lower: float | None = Field(description="Centre - 3 sigma")
    upper: float | None
    moving_range_mean: float | None
    moving_range_upper: float | None = Field(description="3.267 times the mean moving range")
    notes: list[str] = Field(default_factory=list)


class Trend(Record):
    """Drift of the current phase."""

    n: int
    years: float
    per_year: float
    ci95: Interval | None
    percent_per_year: float | None
    percent_ci95: Interval | None
    lag1_autocorrelation: float | None = Field(description="Of the residuals")
    variance_inflation: float = Field(description="By which autocorrelation widened the interval's variance")
    method: str
    note: str = ""


class LineChart(Record):
    """Control charts of one line of one scanner."""

    scanner: str
    protocol: str
    material: str
    modality: str
    quantity: Literal["slope", "intercept"]
    unit: str
    status: Judgement
    verdict: str
    drift_percent: float | None = Field(description="Latest calibration against the baseline of its phase")
    drift_ci95: Interval | None
    drift_uncertainty: str = Field("", description="Where the interval comes from, in words")
    tolerance_percent: tuple[float, float] | None = Field(description="Drift that warns, and that fails")
    tolerance_source: str = ""
    phases: list[ChartPhase]
    points: list[ChartPoint]
    trend: Trend | None
    notes: list[str] = Field(default_factory=list)


class HistoryChart(Record):
    """Everything `history chart` knows; history.json."""

    schema_version: str = SCHEMA_VERSION
    status: Judgement
    quantity: Literal["slope", "intercept"]
    baseline_points: int
    ewma_lambda: float
    ewma_limit: float
    charts: list[LineChart]
    events: list[HistoryEvent]
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None


class EqualSlopesTest(Record):
    """One test of equal slopes."""

    name: str
    statistic: float | None
    statistic_name: str = ""
    degrees_of_freedom: tuple[float, ...] = ()
    p_value: float | None
    note: str = ""


class ComparedSlope(Record):
    """A line's slope on one scanner, or in one calibration."""

    name: str
    n_sessions: int
    slope: float
    slope_se: float | None
    between_session_sd: float | None = None


class LineComparison(Record):
    """One line compared between calibrations or scanners; a row of comparison.csv."""

    material: str
    modality: str
    unit: str
    slopes: list[ComparedSlope]
    difference_percent: float | None = Field(description="Second against first; null for more than two")
    difference_ci95: Interval | None
    main_test: EqualSlopesTest
    p_adjusted: float | None = Field(description="Holm over the lines compared")
    other_tests: list[EqualSlopesTest] = Field(default_factory=list)
    heterogeneity_percent: float | None = Field(None, description="I squared of all sessions' slopes")
    between_scanner_sd: float | None = Field(None, description="Random-effects SD of the scanners' slopes")
    verdict: Literal["differ", "agree", "differ within tolerance", "undetermined"]
    words: str


class Comparison(Record):
    """Everything `history compare` knows; comparison.json."""

    schema_version: str = SCHEMA_VERSION
    protocol: str
    names: list[str]
    lines: list[LineComparison]
    adjustment: str
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None


class NearestLine(Record):
    """A line of the calibration nearest to a date, and how far it has drifted."""

    material: str
    modality: str
    unit: str
    slope: float
    slope_se: float | None
    drift_percent: float | None
    drift_ci95: Interval | None
    drift_se_percent: float | None
    drift_uncertainty: str = ""


class NearestCalibration(Record):
    """The calibration of a scanner that is nearest in time to a date."""

    entry: HistoryEntry
    days_away: int = Field(description="Scan date of the calibration minus the date asked for")
    same_phase: bool = Field(description="Whether no new baseline lies between the two dates")
    lines: list[NearestLine]
    notes: list[str] = Field(default_factory=list)
