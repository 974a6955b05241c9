"""What all records share: frozen fields, provenance, the words a result may use."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = "1.0"

Modality = Literal["ct", "qsm"]
Interval = Annotated[tuple[float, float], Field(description="Lower and upper bound")]
Behaviour = Literal["paramagnetic", "diamagnetic", "undetermined"]
Verdict = Literal["pass", "review", "fail"]


class Record(BaseModel):
    """Base of all records: frozen, no unknown fields, NaN written as null."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    def frame(self, table: str | None = None) -> "pd.DataFrame":
        """A table of the record (its first one, or that of a name) as a pandas frame, a row per entry."""
        from phantomcal.results.notebook import record_frame

        return record_frame(self, table)

    def _repr_html_(self) -> str:
        from phantomcal.results.notebook import record_html

        return record_html(self)


class InputFile(Record):
    """One input, named by role and content so that no patient's folder name travels on."""

    role: str = Field(description="What the input was used as: ct, qsm, labels, table, ...")
    name: str = Field(description="File name without folders; DICOM folders are described, not named")
    sha256: str = Field(description="Hash of the content")


class Provenance(Record):
    """What made a result: inputs by hash, versions, parameters. Only `run` differs between two equal runs."""

    command: str
    inputs: list[InputFile] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)
    run: dict[str, Any] = Field(default_factory=dict, description="Date, duration: the only fields that vary")
