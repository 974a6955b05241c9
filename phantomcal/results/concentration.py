"""Concentrations read back from calibration lines."""

from typing import Literal

from pydantic import Field

from phantomcal.results.base import SCHEMA_VERSION, Provenance, Record


class ConcentrationReading(Record):
    """One reading taken as one material; a row of concentrations.csv."""

    id: str
    modality: Literal["ct", "qsm", "joint"]
    material: str
    concentration_mmol_per_l: float
    standard_error: float = Field(description="Of the reading and of the line, first order, mmol/L")
    ci95_low: float | None = Field(description="Fieller's interval, or of the joint posterior; null when unbounded")
    ci95_high: float | None
    below_critical: bool = Field(description="Not told from nothing")
    in_range: bool = Field(description="Inside the calibrated range")
    probability: float | None = Field(None, description="Of this material, from HU and ppm together")
    ct_hu: float | None = None
    qsm_ppm: float | None = None
    note: str = ""


class SampleVerdict(Record):
    """Which material a sample holds, from HU and ppm together."""

    id: str
    verdict: str = Field(description="A material, neither, or undetermined")
    probabilities: dict[str, float] = Field(description="By material")
    misfit_p: dict[str, float] = Field(description="p of the two readings agreeing, by material")
    note: str = ""


class Concentrations(Record):
    """Everything `concentration` knows; concentrations.json."""

    schema_version: str = SCHEMA_VERSION
    calibration: str = Field(description="Title of the calibration, with its session")
    materials: list[str]
    model: str = Field("", description="How HU and ppm are read together; empty when they are not")
    readings: list[ConcentrationReading]
    verdicts: list[SampleVerdict] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None
