"""Alignment of CT to MR, and how far to trust it."""

from typing import Literal

from pydantic import Field

from phantomcal.results.base import SCHEMA_VERSION, Provenance, Record, Verdict


class Alignment(Record):
    """Rigid alignment of a CT (moving) to the MR space of the QSM map (fixed); registration.json."""

    schema_version: str = SCHEMA_VERSION
    verdict: Verdict
    reasons: list[str] = Field(description="Why the verdict, in words")
    rotation_deg: tuple[float, float, float] = Field(description="Euler angles about x, y, z (ITK Euler3D)")
    translation_mm: tuple[float, float, float]
    centre_mm: tuple[float, float, float]
    mutual_information: float
    mutual_information_start: float
    overlap_fraction: float = Field(description="Share of the MR head that lies inside the CT field of view")
    start_spread_mm: float = Field(description="Largest distance between the results of the independent repeats")
    predicted_error_mm: float = Field(description="Estimate of the target error from independent repeats")
    n_repeats: int
    fixed_kind: Literal["magnitude", "qsm"] = "magnitude"
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None
