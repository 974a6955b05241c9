"""One calibration: the lines of a phantom scan and the vials behind them."""

from typing import Any, Literal

from pydantic import Field

from phantomcal.results.base import SCHEMA_VERSION, Provenance, Record
from phantomcal.results.diagnosis import VialDiagnosis
from phantomcal.results.lines import Line
from phantomcal.results.vials import VialLocation, VialMeasurement


class Calibration(Record):
    """Everything `calibrate` and `fit` know; calibration.json."""

    schema_version: str = SCHEMA_VERSION
    protocol: str
    title: str = ""
    session: str = ""
    status: Literal["pass", "warn", "fail"] = "pass"
    lines: list[Line]
    vials: list[VialMeasurement] = Field(default_factory=list)
    locations: list[VialLocation] = Field(default_factory=list)
    diagnoses: list[VialDiagnosis] = Field(default_factory=list, description="Flagged vials explained")
    references: dict[str, Any] = Field(default_factory=dict, description="Reference region, units, algorithm")
    warnings: list[str] = Field(default_factory=list)
    sources: list[str] = Field(default_factory=list)
    provenance: Provenance
