"""The records every step returns. The JSON outputs, their schemas and every report view are made from these."""

from phantomcal.results.alignment import (
    Alignment,
    Direction,
    LandmarkDistance,
    LandmarkError,
    VialAlignment,
    VialMatch,
    VialParameter,
)
from phantomcal.results.base import (
    SCHEMA_VERSION,
    Behaviour,
    InputFile,
    Interval,
    Modality,
    Provenance,
    Record,
    Verdict,
)
from phantomcal.results.budget import Budget, BudgetEntry
from phantomcal.results.calibration import Calibration
from phantomcal.results.comparison import ComparisonRow, RegionAgreement, RegionComparison
from phantomcal.results.concentration import ConcentrationReading, Concentrations, SampleVerdict
from phantomcal.results.correlation import Correlation, InfluentialRow, RegionCorrelation
from phantomcal.results.diagnosis import VialDiagnosis
from phantomcal.results.history import Comparison, History, HistoryChart, HistoryEntry, HistoryEvent
from phantomcal.results.lines import Detection, Line, LineAlternative, LineSummary, VialInfluence
from phantomcal.results.repeatability import Repeatability
from phantomcal.results.study import SessionPicture, SessionResult, StepOutcome, StudyRun
from phantomcal.results.vials import VialLocation, VialMeasurement

__all__ = [
    "SCHEMA_VERSION",
    "Alignment",
    "Behaviour",
    "Budget",
    "BudgetEntry",
    "Calibration",
    "Comparison",
    "ComparisonRow",
    "ConcentrationReading",
    "Concentrations",
    "Correlation",
    "Detection",
    "Direction",
    "History",
    "HistoryChart",
    "HistoryEntry",
    "HistoryEvent",
    "InfluentialRow",
    "InputFile",
    "Interval",
    "LandmarkDistance",
    "LandmarkError",
    "Line",
    "LineAlternative",
    "LineSummary",
    "Modality",
    "Provenance",
    "Record",
    "RegionAgreement",
    "RegionComparison",
    "RegionCorrelation",
    "Repeatability",
    "SampleVerdict",
    "SessionPicture",
    "SessionResult",
    "StepOutcome",
    "StudyRun",
    "Verdict",
    "VialAlignment",
    "VialDiagnosis",
    "VialInfluence",
    "VialLocation",
    "VialMatch",
    "VialMeasurement",
    "VialParameter",
]
