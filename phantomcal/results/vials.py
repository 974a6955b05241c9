"""Vials: where they lie in a volume and what they measure."""

from pydantic import Field

from phantomcal.results.base import Modality, Record


class VialMeasurement(Record):
    """One vial measured in one modality; a row of vials.csv."""

    vial_id: str
    material: str
    series: str = Field(description="The line this vial belongs to; the material unless the protocol says otherwise")
    concentration_mmol_per_l: float | None
    abscissa: float
    abscissa_sd: float | None = Field(None, description="Standard uncertainty of the abscissa, from the protocol")
    abscissa_unit: str
    modality: str = Field(description="ct or qsm; empty when a table does not say")
    value: float = Field(description="Mean over the eroded mask")
    unit: str = Field(description="HU or ppm")
    sd: float | None = Field(None, description="Standard deviation between voxels")
    sem: float | None = Field(
        None, description="Standard error of the mean, from the effective number of independent voxels"
    )
    n_voxels: int | None = Field(None, description="Voxels averaged: the eroded mask without bubble voxels")
    n_edge_voxels: int | None = Field(None, description="Voxels inside the wall that the erosion left out")
    n_bubble_voxels: int | None = Field(None, description="Voxels of the eroded mask left out as air bubble")
    n_effective: float | None = Field(None, description="Effective number of independent voxels (noise is correlated)")
    background: float | None = Field(None, description="Median of the ring around the vial, in the unit of the value")
    position_effect: float | None = Field(
        None, description="Standard uncertainty of the mean from that of the vial's place, in the unit of the value"
    )
    edge_effect: float | None = Field(
        None, description="Standard uncertainty of the mean from partial volume at the wall, in the unit of the value"
    )
    x_mm: float | None = Field(None, description="Centre, world LPS")
    y_mm: float | None = None
    z_mm: float | None = None
    used: bool
    flag: str = Field("", description="Why the vial was left out or is suspect, in words; empty when sound")


class VialLocation(Record):
    """How the layout lies in one volume and how far to trust that."""

    modality: Modality
    seen_on: str = Field("", description="Image whose contrast showed the vials: ct, qsm or magnitude")
    rotation_deg: float = Field(description="In-plane rotation of the layout, from the first towards the second axis")
    mirrored: bool
    axis: int = Field(description="Image axis the vials run along, 0 the first index")
    tilt_deg: float = Field(description="Angle between the vials and that image axis")
    centre_mm: tuple[float, float, float] = Field(description="Layout origin at mid-length, world LPS")
    first_slice: int
    last_slice: int
    match: float = Field(description="Share of the vials that should stand out which do, 0 to 1")
    margin: float = Field(
        description="Misfit of the next best orientation over that of this one; below 1 if an override chose so"
    )
    runner_up: str = Field("", description="The next best orientation, in words")
    position_residual_mm: float = Field(description="RMS distance of found vial centres from the fitted layout")
    found: list[str] = Field(description="Vials seen by their own contrast; the rest are placed by the layout")
    notes: list[str] = Field(default_factory=list, description="What is remarkable about the finding, in words")
