"""Alignment of CT to MR, and how far to trust it."""

from typing import Literal

from pydantic import Field

from phantomcal.results.base import SCHEMA_VERSION, Interval, Provenance, Record, Verdict

Triple = tuple[float, float, float]


class Direction(Record):
    """One of the six ways a rigid alignment can be off, and how well the images determine it."""

    words: str = Field(description="The motion, in words")
    turn: Triple = Field(description="Share of turns about x, y, z in a unit step (a turn counts by its arc at 60 mm)")
    shift: Triple = Field(description="Share of shifts along x, y, z in a unit step")
    curvature_nats_per_mm2: float = Field(description="How fast shared information falls; the metric's eigenvalue")
    relative_sd: float = Field(description="Standard error of this step over that of the best determined one")


class LandmarkDistance(Record):
    """Where the alignment takes one landmark, relative to its namesake on the CT."""

    label: str
    distance_mm: float
    x_mm: float = Field(description="Aligned MR landmark less CT landmark, world LPS")
    y_mm: float
    z_mm: float


class LandmarkError(Record):
    """Target error measured with landmarks; it contains how well people picked them."""

    n: int
    mean_mm: float
    sd_mm: float | None = Field(description="Between landmarks; none with one landmark")
    rms_mm: float
    rms_ci95_mm: Interval = Field(description="From chi square with 3 n degrees of freedom")
    worst_mm: float
    worst_label: str
    bias_mm: Triple = Field(description="Mean offset along x, y, z, world LPS")
    localisation_rms_mm: float | None = Field(
        None, description="RMS error of picking, CT and MR together, from the landmarks' own best rigid fit"
    )
    corrected_rms_mm: float | None = Field(None, description="RMS with the picking error taken off")
    landmarks: list[LandmarkDistance]
    only_in_ct: list[str] = Field(default_factory=list)
    only_in_mr: list[str] = Field(default_factory=list)


class VialMatch(Record):
    """One vial of a phantom seen in CT and MR."""

    vial_id: str
    residual_mm: float = Field(description="Distance across the vials between the aligned MR centre and the CT centre")
    standard_error_mm: float = Field(description="Of that distance along each of the two directions across the vials")
    used: bool
    flag: str = Field("", description="Why the vial was left out; empty when used")


class VialParameter(Record):
    """One parameter of an alignment by vials."""

    words: str
    unit: Literal["degrees", "mm"]
    value: float
    standard_error: float | None = Field(description="None where the vials leave it undetermined")
    low: float = Field(description="Lower end of its 95 % interval, or of the range left open")
    high: float
    determined: bool = True


class VialAlignment(Record):
    """Alignment of two scans of one phantom by its vials; vials are straight, so the shift along them stays open."""

    n_vials: int
    axis_ct: Triple = Field(description="Direction of the vials in the CT, world LPS")
    axis_mr: Triple
    residual_rms_mm: float = Field(description="Across the vials")
    reduced_chi_square: float = Field(description="Of the residuals over their standard errors; near 1 when they agree")
    scale_mr_over_ct: float = Field(
        description="Size of the layout in the MR over that in the CT; 1 when voxel sizes hold"
    )
    scale_standard_error: float
    parameters: list[VialParameter] = Field(description="Three turns, three shifts, in the frame of the vials")
    undetermined: str = Field(description="What the vials cannot fix, in words")
    along_range_mm: Interval = Field(description="Shifts along the vials that their ends allow, from the one used")
    across_error_mm: float = Field(description="Predicted target error across the vials, RMS over the phantom")
    across_error_ci95_mm: Interval
    symmetric_poses: list[str] = Field(
        default_factory=list, description="Poses that fit the centres as well, when vials have no names"
    )
    vials: list[VialMatch]


class Alignment(Record):
    """Rigid alignment of a CT (moving) to the MR space of the QSM map (fixed); registration.json."""

    schema_version: str = SCHEMA_VERSION
    verdict: Verdict
    reasons: list[str] = Field(description="Why the verdict, in words")
    method: Literal["images", "given", "vials"] = Field(
        "images", description="Found from the images, given by a file, or fitted to the vials of a phantom"
    )
    rotation_deg: Triple = Field(description="Euler angles about x, y, z (ITK Euler3D)")
    translation_mm: Triple
    centre_mm: Triple
    mutual_information: float | None = Field(description="Nats at the result; none for phantoms")
    mutual_information_start: float | None = Field(description="Nats at the pose in the headers")
    overlap_fraction: float = Field(description="Share of the MR head that lies inside the CT field of view")
    covered_fraction: float | None = Field(None, description="Share of the CT's head inside the MR field of view")
    start_spread_mm: float | None = Field(description="Largest distance between the results of the independent repeats")
    predicted_error_mm: float = Field(
        description="Predicted target error, RMS over points of the head; only a lower bound where it has no interval"
    )
    predicted_error_ci95_mm: Interval | None = Field(
        None, description="Interval that held 95 % of the true errors of simulated heads with the same evidence"
    )
    n_repeats: int
    repeat_mm: float | None = Field(None, description="RMS scatter of the independent repeats over points of the head")
    forward_backward_mm: float | None = Field(
        None, description="RMS distance between CT-to-MR and the inverse of MR-to-CT, over points of the head"
    )
    settling_mm: float | None = Field(
        None, description="How far the best alignment nearby lies from this one, RMS over points of the head"
    )
    spread_per_nat_mm: float | None = Field(
        None,
        description="How loosely the images hold the head: RMS displacement that costs one nat in each direction; "
        "none where a direction is not held at all",
    )
    edge_agreement: float | None = Field(
        None, description="Mean squared cosine between CT and MR gradients at MR edges; 1/3 by chance"
    )
    outline_agreement: float | None = Field(
        None, description="Share of the MR head that lies in the CT's, within the CT"
    )
    mirrored_ratio: float | None = Field(
        None, description="Shared information with the MR mirrored left to right, over that as it is"
    )
    directions: list[Direction] = Field(
        default_factory=list, description="The six independent motions, best determined first"
    )
    least_determined: str = Field("", description="The motion the images determine worst, in words")
    fixed_kind: Literal["magnitude", "qsm"] = "magnitude"
    interpolation: Literal["linear", "bspline", "nearest"] | None = Field(None, description="Of the resampled images")
    outside_hu: float | None = Field(None, description="Value in ct_in_mr where the CT has no voxel")
    outside_share: float | None = Field(None, description="Share of the voxels of ct_in_mr that have this value")
    landmarks: LandmarkError | None = None
    vials: VialAlignment | None = None
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None
