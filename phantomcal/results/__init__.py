"""The records every step returns. The JSON outputs, their schemas and every report view are made from these."""

from phantomcal.results.alignment import Alignment
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
from phantomcal.results.correlation import Correlation, RegionCorrelation
from phantomcal.results.lines import Detection, Line, LineAlternative, LineSummary, VialInfluence
from phantomcal.results.study import StepOutcome, StudyRun
from phantomcal.results.vials import VialLocation, VialMeasurement

__all__ = [
    "SCHEMA_VERSION",
    "Alignment",
    "Behaviour",
    "Budget",
    "BudgetEntry",
    "Calibration",
    "Correlation",
    "Detection",
    "InputFile",
    "Interval",
    "Line",
    "LineAlternative",
    "LineSummary",
    "Modality",
    "Provenance",
    "Record",
    "RegionCorrelation",
    "StepOutcome",
    "StudyRun",
    "Verdict",
    "VialInfluence",
    "VialLocation",
    "VialMeasurement",
]
