"""One run over a study."""

from typing import Literal

from pydantic import Field

from phantomcal.results.alignment import Alignment
from phantomcal.results.base import SCHEMA_VERSION, InputFile, Provenance, Record
from phantomcal.results.calibration import Calibration
from phantomcal.results.correlation import Correlation
from phantomcal.results.decomposition import Decomposition
from phantomcal.results.lesions import Classification
from phantomcal.results.tracking import Tracking


class StepOutcome(Record):
    """One step of a study run."""

    step: str
    subject: str = ""
    session: str = ""
    status: Literal["done", "skipped", "failed", "review"]
    message: str = ""


class SessionPicture(Record):
    """A picture kept beside a session's record."""

    file: str
    alt: str
    caption: str = ""
    width_px: int | None = None


class SessionResult(Record):
    """What one session of a study gave; session.json, from which a run is resumed."""

    schema_version: str = SCHEMA_VERSION
    kind: Literal["phantom", "person"]
    subject: str
    session: str = ""
    key: str = Field(default="", description="Hash of inputs, choices and code: the same key gives the same result")
    complete: bool = Field(default=False, description="Whether it was analysed to its end; if not, it is done again")
    outcomes: list[StepOutcome] = Field(default_factory=list)
    alignment: Alignment | None = None
    warnings: list[str] = Field(default_factory=list)
    inputs: list[InputFile] = Field(default_factory=list)
    pictures: list[SessionPicture] = Field(default_factory=list)
    files: list[str] = Field(default_factory=list, description="Its files in the output folder")


class StudyRun(Record):
    """Everything `run` knows; results.json."""

    schema_version: str = SCHEMA_VERSION
    study: str
    n_subjects: int
    steps: list[StepOutcome]
    calibrations: list[Calibration] = Field(default_factory=list)
    alignments: dict[str, Alignment] = Field(default_factory=dict)
    correlation: Correlation | None = None
    classification: Classification | None = Field(None, description="Lesions of all people: blood or calcium")
    decompositions: dict[str, Decomposition] = Field(
        default_factory=dict,
        description="By session: masses in its lesions, where a phantom calibrated both modalities",
    )
    tracking: Tracking | None = Field(None, description="Lesions over the sessions of a person")
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance
