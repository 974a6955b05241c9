"""What may have happened to a vial that failed, and what to do about it."""

from pydantic import Field

from phantomcal.results.base import Record


class VialDiagnosis(Record):
    """One failed or suspect vial, explained."""

    vial_id: str
    series: str
    modality: str
    value: float
    unit: str
    used: bool
    line_value: float = Field(description="What the line of the other vials has at this abscissa")
    deviation: float = Field(description="Value less line value")
    deviation_sd: float | None = Field(
        None, description="Deviation over its standard deviation: residual SD and uncertainty of the line"
    )
    deviation_share: float = Field(description="Deviation over the span of the line's values")
    nominal: float = Field(description="Abscissa as the protocol states it")
    implied: float | None = Field(None, description="Abscissa at which the line has this value; null without a slope")
    abscissa_unit: str
    noise_ratio: float | None = Field(None, description="SD between voxels over the median SD of the sound vials")
    causes: list[str] = Field(default_factory=list, description="Likely first, each with what speaks for it")
    actions: list[str] = Field(default_factory=list)
