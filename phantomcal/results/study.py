"""One run over a study."""

from typing import Literal

from pydantic import Field

from phantomcal.results.alignment import Alignment
from phantomcal.results.base import SCHEMA_VERSION, Provenance, Record
from phantomcal.results.calibration import Calibration
from phantomcal.results.correlation import Correlation


class StepOutcome(Record):
    """One step of a study run."""

    step: str
    subject: str = ""
    session: str = ""
    status: Literal["done", "skipped", "failed", "review"]
    message: str = ""


class StudyRun(Record):
    """Everything `run` knows; results.json."""

    schema_version: str = SCHEMA_VERSION
    study: str
    n_subjects: int
    steps: list[StepOutcome]
    calibrations: list[Calibration] = Field(default_factory=list)
    alignments: dict[str, Alignment] = Field(default_factory=dict)
    correlation: Correlation | None = None
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance
