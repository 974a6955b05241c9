"""A vial phantom scanned by CT and by QSM, in different poses and grids, with everything about it known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from phantomcal.errors import InputError
from phantomcal.protocol import Protocol
from phantomcal.results import Modality
from phantomcal.simulate import qsm as qsm_physics
from phantomcal.simulate.ct import AIR_HU, CtSettings, draw_table, scan
from phantomcal.simulate.seeds import streams
from phantomcal.simulate.shapes import (
    Array32,
    Box,
    Cylinder,
    Grid,
    Pose,
    Triple,
    box_of,
    coordinates,
    cylinder_coverage,
    grid_around,
    object_affine,
    random_pose,
    slabs,
    sphere_coverage,
    to_image,
    whole,
)
from phantomcal.simulate.vials import (
    AIR_PPM,
    SHELL_HU,
    WALL_HU,
    WALL_PPM,
    Body,
    Content,
    Faults,
    body_of,
    bubble_in,
    contents,
    describe,
    outer,
    true_slopes,
)

if TYPE_CHECKING:
    import SimpleITK as sitk

ECHO_TIME_S = 0.008
_CT_DIRECTIONS = ((1, 1, 1), (-1, -1, 1))
# What NIfTI files of MR maps come in: RAS, feet first, and a left-handed one as some packages write.
_MR_DIRECTIONS = ((-1, -1, 1), (1, -1, -1), (-1, 1, 1))


@dataclass(frozen=True)
class CtSession:
    """How the phantom is scanned by CT; what is None is drawn from the seed or follows the protocol."""

    pose: Pose | None = None
    spacing_mm: Triple = (0.5, 0.5, 1.25)
    direction: tuple[float, ...] | None = None
    fov_mm: Triple | None = None
    tube_voltage_kvp: float | None = None
    slope_factor: float = 1.0
    table: bool = True
    image: CtSettings = field(default_factory=CtSettings)


@dataclass(frozen=True)
class MrSession:
    """How the phantom is scanned by MR; what is None is drawn from the seed.

    `b0_direction` is in world LPS; a scanner's main field is along z. `fov_mm` is the world box kept after
    reconstruction. `reference` names what the map's zero is: bulk water, or the mean over the phantom.
    """

    pose: Pose | None = None
    spacing_mm: Triple = (1.0, 1.0, 1.0)
    direction: tuple[float, ...] | None = None
    fov_mm: Triple | None = None
    b0_direction: Triple = (0.0, 0.0, 1.0)
    field_noise_ppm: float = 0.004
    magnitude_noise: float = 0.01
    reference: Literal["water", "mean"] = "water"
    inversion: qsm_physics.InversionSettings = field(default_factory=qsm_physics.InversionSettings)


@dataclass(frozen=True)
class PhantomScan:
    """A simulated phantom.

    Attributes
    ----------
    ct : SimpleITK.Image or None
        HU, int16.
    qsm : SimpleITK.Image or None
        ppm, float32, zero outside the phantom.
    magnitude : SimpleITK.Image or None
        Arbitrary units, float32, on the QSM grid.
    truth : dict
        Everything that was put in, ready for JSON.
    """

    ct: "sitk.Image | None"
    qsm: "sitk.Image | None"
    magnitude: "sitk.Image | None"
    truth: dict[str, Any]


def simulate_phantom(
    protocol: Protocol,
    seed: int,
    *,
    ct: CtSession | None = None,
    mr: MrSession | None = None,
    faults: Faults | None = None,
    modalities: Sequence[Modality] | None = None,
    workers: int = 2,
) -> PhantomScan:
    """Scan a phantom by CT and QSM in the computer.

    The vials stand in water inside an acrylic cylinder. CT values are material slope times concentration, drawn with
    partial volume, then point spread and noise. Susceptibility goes through its physics: dipole field on a grid of
    about half a millimetre, signal-weighted averaging to the acquisition grid, field noise inverse to the signal,
    regularised inversion. The field of the air around the phantom is taken as removed (ideal background removal).

    Parameters
    ----------
    protocol : Protocol
        Any protocol with a layout.
    seed : int
        Of all that is random; CT and MR draw from streams of their own.
    ct, mr : CtSession, MrSession, optional
        Poses, grids, noise, tube voltage, field direction.
    faults : Faults, optional
        Missing, empty and swapped vials, air bubbles.
    modalities : sequence of {"ct", "qsm"}, optional
        Which to simulate; those of the protocol by default.
    workers : int
        Threads of the Fourier transforms; results do not depend on it.

    Returns
    -------
    PhantomScan

    Raises
    ------
    InputError
        If the protocol has no layout, a material's slope is unknown, a fault names no vial, or a grid is impossible.
    """
    ct, mr, faults = ct or CtSession(), mr or MrSession(), faults or Faults()
    wanted: tuple[Modality, ...] = tuple(modalities) if modalities is not None else tuple(protocol.modalities)
    if not wanted or set(wanted) - {"ct", "qsm"}:
        raise InputError("unknown modality to simulate", f"modalities {list(wanted)}", "give ct, qsm or both")
    kvp = ct.tube_voltage_kvp or protocol.tube_voltage_kvp
    body = body_of(protocol)
    slopes = true_slopes(protocol, kvp, wanted)
    for known in slopes.values():
        if "ct" in known:
            known["ct"] *= ct.slope_factor
    places = contents(protocol, slopes, faults)

    ct_draws, mr_draws = streams(seed, 2)
    poses: dict[Modality, Pose] = {}
    truth: dict[str, Any] = {
        "kind": "phantom",
        "protocol": protocol.name,
        "seed": seed,
        "slopes": {name: _slope_units(known, protocol.abscissa_unit) for name, known in slopes.items()},
        "faults": {place.vial.id: place.fault() for place in places if place.fault()},
    }
    ct_image = qsm_image = magnitude = None
    if "ct" in wanted:
        poses["ct"] = ct.pose or random_pose(ct_draws)
        ct_image, truth["ct"] = _scan_ct(places, body, ct, poses["ct"], ct_draws)
        truth["ct"]["tube_voltage_kvp"] = kvp
    if "qsm" in wanted:
        poses["qsm"] = mr.pose or random_pose(mr_draws)
        qsm_image, magnitude, truth["mr"] = _scan_mr(places, body, mr, poses["qsm"], mr_draws, workers)
        truth["mr"] |= {"field_tesla": protocol.field_tesla, "temperature_celsius": protocol.temperature_celsius}
    truth["vials"] = describe(places, protocol, poses)
    return PhantomScan(ct_image, qsm_image, magnitude, truth)


def _slope_units(known: dict[Modality, float], unit: str) -> dict[str, Any]:
    return {m: {"value": value, "unit": f"{'HU' if m == 'ct' else 'ppm'}/({unit})"} for m, value in known.items()}


def _extent(cylinder: Cylinder, pose: Pose) -> npt.NDArray[np.float64]:
    """Half the world size of a cylinder at the layout's centre."""
    axis = np.abs(pose.matrix[:, 2])
    half: npt.NDArray[np.float64] = (
        cylinder.radius_mm * np.sqrt(1 - np.minimum(axis**2, 1)) + cylinder.half_length_mm * axis
    )
    return half


def _grid_for(
    body: Body,
    pose: Pose,
    spacing_mm: Triple,
    direction: tuple[float, ...] | None,
    fov_mm: Triple | None,
    margin_mm: Triple,
    flips: tuple[tuple[int, ...], ...],
    rng: np.random.Generator,
) -> Grid:
    drawn = np.diag(flips[int(rng.integers(len(flips)))]).astype(float)
    cosines = drawn if direction is None else np.asarray(direction, float)
    extent = 2 * (_extent(body.shell, pose) + np.abs(pose.shift_mm) + np.asarray(margin_mm))
    if fov_mm is not None:
        extent = np.asarray(fov_mm, float)
        if extent.shape != (3,) or not np.all(extent > 0):
            raise InputError(
                "the field of view must be three positive lengths", f"fov_mm {fov_mm}", "give mm along x, y, z"
            )
    return grid_around((0.0, 0.0, 0.0), extent, spacing_mm, cosines)


class _Canvas:
    """Volumes of one grid that cylinders are painted into, in object coordinates."""

    def __init__(self, grid: Grid, pose: Pose) -> None:
        self.shape = grid.shape
        self.matrix, self.offset = object_affine(grid, pose)

    def box(self, cylinder: Cylinder) -> Box | None:
        return box_of(cylinder.corners(), self.matrix, self.offset, self.shape)

    def cylinder(self, cylinder: Cylinder, *layers: tuple[Array32, float]) -> None:
        box = self.box(cylinder)
        for slab in slabs(box) if box else []:
            coords = coordinates(self.matrix, self.offset, slab)
            _blend(cylinder_coverage(cylinder, self.matrix, coords), slab, layers)

    def bubble(self, cylinder: Cylinder, pose: Pose, *layers: tuple[Array32, float]) -> None:
        box = self.box(cylinder)
        for slab in slabs(box) if box else []:
            centre, radii = bubble_in(cylinder, pose)
            coords = coordinates(self.matrix, self.offset, slab)
            _blend(sphere_coverage(centre, radii, self.matrix, coords), slab, layers)


def _blend(coverage: Array32, box: Box, layers: Sequence[tuple[Array32, float]]) -> None:
    for volume, value in layers:
        part = volume[box]
        part += coverage * (np.float32(value) - part)


def _scan_ct(
    places: list[Content], body: Body, session: CtSession, pose: Pose, rng: np.random.Generator
) -> tuple["sitk.Image", dict[str, Any]]:
    margin = (22.0, 22.0, 8.0)
    grid = _grid_for(body, pose, session.spacing_mm, session.direction, session.fov_mm, margin, _CT_DIRECTIONS, rng)
    hu = np.full(grid.shape, AIR_HU, np.float32)
    canvas = _Canvas(grid, pose)
    if session.table:
        top = pose.shift_mm[1] + float(_extent(body.shell, pose)[1])
        for slab in slabs(whole(grid.shape)):
            x, y, _ = coordinates(grid.matrix, np.asarray(grid.origin_mm), slab)
            draw_table(hu[slab], x, y, top)
    canvas.cylinder(body.shell, (hu, SHELL_HU))
    canvas.cylinder(body.water, (hu, 0.0))
    for place in places:
        canvas.cylinder(outer(place.cylinder), (hu, WALL_HU))
        canvas.cylinder(place.cylinder, (hu, place.hu))
        if place.bubble:
            canvas.bubble(place.cylinder, pose, (hu, AIR_HU))
    image = to_image(scan(hu, grid, session.image, rng), grid)
    return image, {
        "pose": pose.as_dict(),
        "grid": grid.as_dict(),
        "slope_factor": session.slope_factor,
        "noise_hu": session.image.noise_hu,
        "psf_fwhm_mm": session.image.psf_fwhm_mm,
    }


def _scan_mr(
    places: list[Content], body: Body, session: MrSession, pose: Pose, rng: np.random.Generator, workers: int
) -> tuple["sitk.Image", "sitk.Image", dict[str, Any]]:
    margin = (12.0, 12.0, 3.0)
    grid = _grid_for(body, pose, session.spacing_mm, session.direction, session.fov_mm, margin, _MR_DIRECTIONS, rng)
    b0 = np.reshape(grid.direction, (3, 3)).T @ qsm_physics.unit_vector(session.b0_direction)

    # All physics happens in the part of the acquisition grid that holds the phantom, however small the field of view.
    inner, first = _sub_grid(grid, body, pose)
    shift, signal = _acquire(places, body, inner, pose, b0, workers)
    mask = _coverage(inner, pose, body.water) > 0.5
    noisy = qsm_physics.add_field_noise(shift, signal, session.field_noise_ppm, rng)
    chi = qsm_physics.invert_field(noisy, signal, mask, inner.spacing_mm, b0, session.inversion, workers)
    chi -= np.float32(_zero(chi, mask, places, inner, pose, session.reference))
    chi *= mask

    magnitude = _place(signal, first, grid.shape)
    parts = rng.standard_normal((2, *grid.shape), dtype=np.float32) * np.float32(session.magnitude_noise)
    magnitude = np.rint(np.hypot(magnitude + parts[0], parts[1]) * np.float32(1000))
    return (
        to_image(_place(chi, first, grid.shape), grid),
        to_image(magnitude, grid),
        {
            "pose": pose.as_dict(),
            "grid": grid.as_dict(),
            "b0_direction": list(session.b0_direction),
            "field_noise_ppm": session.field_noise_ppm,
            "magnitude_noise": session.magnitude_noise,
            "echo_time_s": ECHO_TIME_S,
            "reference": session.reference,
            "algorithm": qsm_physics.ALGORITHM,
            "regularisation": session.inversion.regularisation,
            "iterations": session.inversion.iterations,
        },
    )


def _sub_grid(grid: Grid, body: Body, pose: Pose) -> tuple[Grid, npt.NDArray[np.int_]]:
    """The phantom's box on the voxels of a grid (also beyond its edges) and the index of the box's first voxel."""
    corners = pose.to_world(body.shell.corners())
    index = (corners - np.asarray(grid.origin_mm)) @ np.linalg.inv(grid.matrix).T
    first = np.floor(index.min(axis=0)).astype(int)
    size = np.ceil(index.max(axis=0)).astype(int) - first + 1
    origin = np.asarray(grid.origin_mm) + grid.matrix @ first
    sub = Grid(
        (int(size[0]), int(size[1]), int(size[2])),
        grid.spacing_mm,
        (float(origin[0]), float(origin[1]), float(origin[2])),
        grid.direction,
    )
    return sub, first


def _acquire(
    places: list[Content], body: Body, grid: Grid, pose: Pose, b0: npt.NDArray[np.float64], workers: int
) -> tuple[Array32, Array32]:
    """Noise-free field and signal on a grid, from a susceptibility map on a grid of about half a millimetre."""
    factor = [max(1, min(4, round(s / 0.5))) for s in grid.spacing_mm]
    origin = np.asarray(grid.origin_mm) - grid.matrix @ (0.5 - 0.5 / np.array(factor))
    fine = Grid(
        (grid.size[0] * factor[0], grid.size[1] * factor[1], grid.size[2] * factor[2]),
        (grid.spacing_mm[0] / factor[0], grid.spacing_mm[1] / factor[1], grid.spacing_mm[2] / factor[2]),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        grid.direction,
    )
    canvas = _Canvas(fine, pose)
    chi = np.zeros(fine.shape, np.float32)
    signal = np.zeros(fine.shape, np.float32)
    canvas.cylinder(body.water, (signal, 1.0))
    for place in places:
        canvas.cylinder(outer(place.cylinder), (signal, 0.0), (chi, WALL_PPM))
        bright = 0.0 if place.empty else float(np.exp(-ECHO_TIME_S * place.relaxation_per_s))
        canvas.cylinder(place.cylinder, (signal, bright), (chi, place.ppm))
        if place.bubble:
            canvas.bubble(place.cylinder, pose, (signal, 0.0), (chi, AIR_PPM))
    shift = qsm_physics.dipole_field(chi, fine.spacing_mm, b0, workers=workers)
    del chi
    return qsm_physics.acquire_field(shift, signal, (factor[2], factor[1], factor[0]))


def _coverage(grid: Grid, pose: Pose, cylinder: Cylinder) -> Array32:
    covered = np.zeros(grid.shape, np.float32)
    _Canvas(grid, pose).cylinder(cylinder, (covered, 1.0))
    return covered


def _zero(
    chi: Array32, mask: npt.NDArray[np.bool_], places: list[Content], grid: Grid, pose: Pose, reference: str
) -> float:
    if reference == "mean":
        return float(chi[mask].mean())
    near = np.zeros(grid.shape, np.float32)
    canvas = _Canvas(grid, pose)
    for place in places:
        c = place.cylinder
        canvas.cylinder(Cylinder(c.x_mm, c.y_mm, c.radius_mm + 3.0, c.half_length_mm + 3.0), (near, 1.0))
    water = mask & (near < 0.5)
    return float(np.median(chi[water if water.any() else mask]))


def _place(part: Array32, first: npt.NDArray[np.int_], shape: tuple[int, int, int]) -> Array32:
    """A volume of `shape` with `part` at index `first` (x, y, z), cut where it does not fit."""
    placed = np.zeros(shape, np.float32)
    to, cut = [], []
    for axis in range(3):
        start = int(first[2 - axis])
        low, high = max(start, 0), min(start + part.shape[axis], shape[axis])
        if low >= high:
            return placed
        to.append(slice(low, high))
        cut.append(slice(low - start, high - start))
    placed[tuple(to)] = part[tuple(cut)]
    return placed
