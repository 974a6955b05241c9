"""What `compare` found: regions, groups, ages and readers set against each other."""

from typing import Literal

from pydantic import Field

from phantomcal.results.base import SCHEMA_VERSION, Provenance, Record
from phantomcal.results.repeatability import BlandAltman, IntraclassCorrelation


class ComparisonRow(Record):
    """One comparison; a row of comparison.csv."""

    kind: Literal["regions", "groups", "age", "iron", "agreement"]
    roi: str = Field(description="Region, or the first of two")
    other: str = Field("", description="What it is compared with: a region, or two groups or readers")
    quantity: str = Field(description="What is compared: pearson_r, slope, mean of a column, change per year, ...")
    unit: str = ""
    first: float | None = Field(None, description="Value of the first of the two")
    second: float | None = Field(None, description="Value of the second")
    estimate: float | None = Field(description="Difference first - second, or the slope or coefficient itself")
    ci95_low: float | None
    ci95_high: float | None
    p: float | None = None
    p_adjusted: float | None = None
    n_first: int
    n_second: int | None = None
    n_subjects: int | None = None
    method: str
    note: str = ""


class RegionAgreement(Record):
    """Two readers or reconstructions of one region."""

    roi: str
    bland_altman: BlandAltman
    icc: list[IntraclassCorrelation]
    first: list[float]
    second: list[float]


class RegionComparison(Record):
    """Everything `compare` knows; comparison.json."""

    schema_version: str = SCHEMA_VERSION
    x: str
    y: str
    by: str
    groups: list[str] = Field(default_factory=list, description="Columns whose levels were compared")
    age: str = ""
    covariates: list[str] = Field(default_factory=list)
    adjustment: str
    iron_scale_ppb: float | None = Field(None, description="ppb taken for 1 mg of iron in 100 g of tissue")
    rows: list[ComparisonRow]
    agreement: list[RegionAgreement] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None
