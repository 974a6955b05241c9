"""The records every step returns. The JSON outputs, their schemas and every report view are made from these."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = "1.0"

Modality = Literal["ct", "qsm"]
Interval = Annotated[tuple[float, float], Field(description="Lower and upper bound")]
Behaviour = Literal["paramagnetic", "diamagnetic", "undetermined"]
Verdict = Literal["pass", "review", "fail"]


class Record(BaseModel):
    """Base of all records: frozen, no unknown fields, NaN written as null."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


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


class VialMeasurement(Record):
    """One vial measured in one modality; a row of vials.csv."""

    vial_id: str
    material: str
    series: str = Field(description="The line this vial belongs to; the material unless the protocol says otherwise")
    concentration_mmol_per_l: float | None
    abscissa: float
    abscissa_unit: str
    modality: str = Field(description="ct or qsm; empty when a table does not say")
    value: float = Field(description="Mean over the eroded mask")
    unit: str = Field(description="HU or ppm")
    sd: float | None = Field(None, description="Standard deviation between voxels")
    sem: float | None = Field(
        None, description="Standard error of the mean, from the effective number of independent voxels"
    )
    n_voxels: int | None = None
    n_effective: float | None = Field(None, description="Effective number of independent voxels (noise is correlated)")
    x_mm: float | None = Field(None, description="Centre, world LPS")
    y_mm: float | None = None
    z_mm: float | None = None
    used: bool
    flag: str = Field("", description="Why the vial was left out or is suspect, in words; empty when sound")


class VialLocation(Record):
    """How the layout lies in one volume and how far to trust that."""

    modality: Modality
    rotation_deg: float = Field(description="In-plane rotation of the layout, from the first towards the second axis")
    mirrored: bool
    axis: int = Field(description="Image axis the vials run along, 0 the first index")
    tilt_deg: float = Field(description="Angle between the vials and that image axis")
    centre_mm: tuple[float, float, float] = Field(description="Layout origin at mid-length, world LPS")
    first_slice: int
    last_slice: int
    match: float = Field(description="Share of the vials that should stand out which do, 0 to 1")
    margin: float = Field(description="Misfit of the next best orientation over that of this one; above 1")
    runner_up: str = Field("", description="The next best orientation, in words")
    position_residual_mm: float = Field(description="RMS distance of found vial centres from the fitted layout")
    found: list[str] = Field(description="Vials seen by their own contrast; the rest are placed by the layout")


class LineSummary(Record):
    """A fitted line in few numbers, to stand beside the main one."""

    n_vials: int
    slope: float
    slope_se: float | None
    slope_ci95: Interval | None
    intercept: float
    r2: float | None
    p_value: float | None
    residual_sd: float | None


class Line(Record):
    """Calibration line of one material in one modality."""

    material: str
    modality: str
    unit: str = Field(description="Unit of the measured value")
    abscissa_unit: str = "mmol/L"
    abscissa_range: tuple[float, float] = Field(description="Calibrated range; outside it the line extrapolates")
    method: str
    n_vials: int
    slope: float
    slope_se: float | None
    slope_ci95: Interval | None
    slope_unit: str
    intercept: float
    intercept_se: float | None
    intercept_ci95: Interval | None
    covariance_slope_intercept: float | None = None
    r2: float | None
    p_value: float | None = Field(None, description="Two-sided t test of slope = 0")
    residual_sd: float | None
    lod: float | None = Field(None, description="3.3 residual SD / |slope| (ICH Q2), in abscissa units")
    loq: float | None = Field(None, description="10 residual SD / |slope| (ICH Q2), in abscissa units")
    linearity: str = Field(description="What the quadratic term says, in words")
    quadratic_p: float | None = None
    curvature_share: float | None = Field(
        None, description="Largest distance of the parabola from the line, over the span of the line"
    )
    expected_slope: float | None = None
    expected_slope_se: float | None = None
    expected_slope_source: str = ""
    slope_ratio: float | None = Field(None, description="Measured over expected slope")
    slope_ratio_ci95: Interval | None = None
    established: bool = Field(description="p < 0.05 with at least three vials")
    excluded: list[str] = Field(default_factory=list, description="Vials left out of the line")
    all_vials: LineSummary | None = Field(None, description="The same line with the excluded vials put back")
    notes: list[str] = Field(default_factory=list)


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
    references: dict[str, Any] = Field(default_factory=dict, description="Reference region, units, algorithm")
    warnings: list[str] = Field(default_factory=list)
    sources: list[str] = Field(default_factory=list)
    provenance: Provenance


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


class RegionCorrelation(Record):
    """CT-QSM relation of one region; a row of correlation.csv."""

    roi: str
    n: int
    n_subjects: int | None
    pearson_r: float | None
    pearson_ci95_low: float | None
    pearson_ci95_high: float | None
    pearson_p: float | None
    pearson_p_adjusted: float | None
    spearman_rho: float | None
    spearman_ci95_low: float | None
    spearman_ci95_high: float | None
    spearman_p: float | None
    spearman_p_adjusted: float | None
    r2: float | None
    slope: float | None
    slope_se: float | None
    intercept: float | None
    behaviour: Behaviour
    note: str = ""


class Correlation(Record):
    """Everything `correlate` knows; correlation.json."""

    schema_version: str = SCHEMA_VERSION
    x: str
    y: str
    by: str
    adjustment: str = Field(description="How p values were adjusted, over how many regions")
    rule: str = Field(description="How the verdict is reached")
    regions: list[RegionCorrelation]
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None


class StepOutcome(Record):
    """One step of a study run."""

    step: str
    subject: str = ""
    session: str = ""
    status: Literal["done", "skipped", "failed", "review"]
    message: str = ""


class StudyRun(Record):
    """Everything `run` knows; results.json."""

    schema_version: str = SCHEMA_VERSION
    study: str
    n_subjects: int
    steps: list[StepOutcome]
    calibrations: list[Calibration] = Field(default_factory=list)
    alignments: dict[str, Alignment] = Field(default_factory=dict)
    correlation: Correlation | None = None
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance
