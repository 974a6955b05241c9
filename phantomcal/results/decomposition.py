"""HU and ppm taken apart into materials: maps, regions, and the mass in each lesion."""

from pydantic import Field

from phantomcal.results.base import SCHEMA_VERSION, Interval, Provenance, Record
from phantomcal.results.lesions import LesionClass


class DecomposedMaterial(Record):
    """One material, the slopes it was found by, and its map in few numbers."""

    name: str
    line: str = Field(description="Material of the calibration lines its slopes come from")
    form: str = Field(
        "", description="Form of iron or calcium that was assumed; empty when the lines' own slopes serve"
    )
    ct_slope_hu: float = Field(description="HU per mmol/L")
    ct_slope_se: float
    qsm_slope_ppm: float = Field(description="ppm per mmol/L")
    qsm_slope_se: float
    molar_mass_g_per_mol: float | None = Field(None, description="Of what is counted; null where it is not known")
    calibrated_range_mmol_per_l: tuple[float, float]
    critical_mmol_per_l: float | None = Field(
        None, description="Amount in a single voxel that is told from nothing, one-sided 5 %"
    )
    voxel_standard_error_mmol_per_l: float | None = Field(None, description="Of a voxel without the material")
    above_critical_share: float | None = Field(None, description="Share of the measured voxels above it")
    negative_share: float | None = Field(
        None, description="Share of the measured voxels whose exact solution is more than two standard errors below 0"
    )
    files: list[str] = Field(default_factory=list)


class MassPart(Record):
    """One source of a mass's uncertainty."""

    source: str
    standard_error_mg: float
    systematic: bool = Field(description="Shared by all voxels of all lesions: does not average out")


class LesionMass(Record):
    """How much of one material one lesion holds."""

    lesion_id: str
    label: int
    material: str
    mass_mg: float = Field(description="Not negative")
    standard_error_mg: float
    ci95: Interval = Field(description="Student's t with the effective degrees of freedom, cut at 0")
    unconstrained_mg: float = Field(description="The exact solution, which may be negative")
    random_se_mg: float
    systematic_se_mg: float
    degrees_of_freedom: float | None = Field(None, description="Effective (Welch-Satterthwaite); null: unlimited")
    detected: bool = Field(description="Told from nothing, one-sided 5 %")
    mean_concentration_mmol_per_l: float = Field(description="Mass over the volume summed")
    mean_concentration_se: float
    mg_per_100g: float | None = Field(None, description="Mean mass per 100 g of wet tissue")
    hydroxyapatite_mg: float | None = Field(None, description="Mass of hydroxyapatite that holds this calcium")
    hydroxyapatite_mg_per_cm3: float | None = None
    low_mg: float | None = Field(None, description="Smallest amount other candidate materials leave room for")
    high_mg: float | None = None
    parts: list[MassPart] = Field(default_factory=list)


class DecomposedLesion(Record):
    """One lesion: what was measured over it, and its masses."""

    lesion_id: str
    label: int
    n_voxels: int
    volume_mm3: float = Field(description="Of the mask")
    summed_mm3: float = Field(description="Of the lesion as summed; more than the mask where that lies inside its edge")
    n_surround: int = Field(description="Voxels close around it that tell the tissue; 0 where a baseline was given")
    centre_index: tuple[int, int, int] = Field(description="Voxel (x, y, z) of the map at the middle of the mask")
    centre_mm: tuple[float, float, float] | None = Field(None, description="Centre of the mask, world LPS")
    baseline_hu: float
    baseline_hu_se: float
    baseline_ppm: float
    baseline_ppm_se: float
    excess_hu: float = Field(description="Mean excess over the baseline, as if all of it lay inside the volume summed")
    excess_hu_se: float
    excess_ppm: float
    excess_ppm_se: float
    error_correlation: float | None = Field(None, description="Of the errors of the two masses")
    masses: list[LesionMass]
    verdict: LesionClass | None = Field(
        None, description="By the likelihood of `classify`; null where the vials' medium stands for the tissue"
    )
    probability_haemorrhage: float | None = None
    probability_calcification: float | None = None
    probability_mixed: float | None = None
    probability_nothing: float | None = Field(None, description="Not told from surrounding tissue")
    notes: list[str] = Field(default_factory=list)


class DecomposedRegion(Record):
    """One row of a table, or one region, and one material."""

    id: str
    material: str
    concentration_mmol_per_l: float | None
    standard_error: float | None
    ci95_low: float | None
    ci95_high: float | None
    unconstrained_mmol_per_l: float | None
    random_se: float | None
    systematic_se: float | None
    probability: float | None = Field(None, description="That the amount is above the critical value")
    low_mmol_per_l: float | None = Field(None, description="Range over all mixtures, with more than two materials")
    high_mmol_per_l: float | None = None
    mg_per_100g: float | None = None
    hydroxyapatite_mg_per_cm3: float | None = None
    ct_hu: float
    qsm_ppm: float
    note: str = ""


class BaselineUsed(Record):
    """What tissue without the materials was taken to read."""

    kind: str
    hu: float | None = Field(description="Null where it differs from voxel to voxel")
    ppm: float | None
    hu_se: float
    ppm_se: float
    note: str = ""


class Decomposition(Record):
    """Everything `decompose` knows; decomposition.json."""

    schema_version: str = SCHEMA_VERSION
    calibration: str = Field(description="Title of the calibration, with its session")
    materials: list[DecomposedMaterial]
    baseline: BaselineUsed
    noise_hu: float | None = Field(None, description="SD of a voxel on the map's grid")
    noise_ppm: float | None = None
    condition_number: float | None = Field(None, description="Of the slopes in units of the noise, unit columns")
    error_correlation: float | None = Field(None, description="Of the errors of the two amounts in a voxel")
    told_apart: str = Field("", description="How well the materials are told apart, in words")
    alignment: str = Field("", description="How the CT was brought onto the map's grid")
    n_voxels: int | None = Field(None, description="Voxels that have both readings")
    voxel_mm3: float | None = None
    density_g_per_ml: float = 1.04
    lesions: list[DecomposedLesion] = Field(default_factory=list)
    regions: list[DecomposedRegion] = Field(default_factory=list)
    assumptions: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None
