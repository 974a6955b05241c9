"""What a folder of DICOM files holds."""

from pydantic import Field

from phantomcal.results.base import SCHEMA_VERSION, Record


class DicomVolume(Record):
    """One volume that a series holds, or a series that holds none."""

    use: str = Field(description="What to pass to an option: DIR::SERIES_UID, with a choice where it needs one")
    series_number: int | None = None
    modality: str = ""
    description: str | None = Field(None, description="SeriesDescription, only when asked for: it may hold names")
    kind: str = Field(description="CT volume, QSM map in ppb, MR magnitude, localiser, secondary capture, ...")
    good_for: list[str] = Field(default_factory=list, description="Options that can take it; empty: not usable")
    n_images: int = Field(description="Slices, or frames of enhanced files")
    n_files: int
    columns: int | None = None
    rows: int | None = None
    spacing_mm: tuple[float, float] | None = Field(None, description="Pixel size along a row and along a column")
    slice_distance_mm: float | None = Field(None, description="Median along the normal")
    kvp: float | None = None
    kernel: str | None = None
    field_tesla: float | None = None
    echo_ms: float | None = None
    unit: str | None = Field(None, description="Unit that the header names")
    compression: str | None = Field(None, description="Name of a compressed transfer syntax")
    problem: str | None = Field(None, description="Why it cannot be read")
    quirks: list[str] = Field(default_factory=list, description="Oddities that are set right when it is read")


class DicomListing(Record):
    """Everything `dicom` knows."""

    schema_version: str = SCHEMA_VERSION
    volumes: list[DicomVolume]
    n_other_files: int = Field(description="Files that are no DICOM images")
    n_damaged_files: int
