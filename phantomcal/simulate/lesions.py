"""Lesions of known mass in small patches of CT and QSM, for benchmarks over thousands of them."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from phantomcal.errors import InputError
from phantomcal.simulate.brain import RegionValue
from phantomcal.simulate.ct import grainy_noise
from phantomcal.simulate.lesions_imaging import (
    Floats,
    PatchSettings,
    Surroundings,
    Vein,
    clean_patch,
    inverted_patch,
    lesion_samples,
)
from phantomcal.simulate.lesions_options import EVEN, KINDS, Kind, LesionOptions
from phantomcal.simulate.lesions_physics import HOSTS, STAGES, Content, draw_blood, draw_calcification, pick
from phantomcal.simulate.lesions_shape import LesionShape, draw_shape
from phantomcal.simulate.lesions_table import lesion_table, simulated_calibration
from phantomcal.simulate.lesions_truth import LesionTruth, SimulatedLesion, truth_of
from phantomcal.simulate.shapes import Array32, Grid, Triple, to_image
from phantomcal.simulate.smooth import smooth_noise

if TYPE_CHECKING:
    import SimpleITK as sitk

__all__ = [
    "EVEN",
    "KINDS",
    "LesionOptions",
    "LesionTruth",
    "SimulatedLesion",
    "lesion_table",
    "simulate_lesions",
    "simulated_calibration",
]

# World position of patches: anywhere in a head. Pose of CT against MR as in `phantomcal.simulate.head`.
_PLACE_MM = (55.0, 70.0, 45.0)
_MAX_TURN_DEG, _MAX_SHIFT_MM = 12.0, 25.0
_TILT_DEG = 12.0
_LOWEST_HU, _HIGHEST_HU = -1024, 3071


def simulate_lesions(
    seed: int,
    n: int,
    *,
    kind: Kind | Mapping[str, float] = "haemorrhage",
    diameter_mm: float | tuple[float, float] = (2.0, 15.0),
    misregistration_mm: float | tuple[float, float] = 0.0,
    options: LesionOptions | None = None,
) -> list[SimulatedLesion]:
    """Draw lesions and image each in a patch of CT and a patch of QSM.

    The same lesion comes out whatever stands before it in the list: every lesion has a stream of its own. HU and ppm of
    its contents are those of `phantomcal.simulate.lesions_physics`, which also says what a decomposition assumes beyond
    them. Lesions are drawn as supersampled uneven ellipsoids with an uneven filling, seen through voxels, slices and
    point spread; noise comes last.

    Parameters
    ----------
    seed : int
    n : int
        How many.
    kind : str or mapping of str to float
        One kind, or shares of several; see `KINDS` and `EVEN`.
    diameter_mm : float or (float, float)
        Of the sphere of the same volume; a range is drawn from evenly.
    misregistration_mm : float or (float, float)
        Length of the error of the believed transform, in a random direction; a range is drawn from evenly.
    options : LesionOptions, optional

    Returns
    -------
    list of SimulatedLesion

    Raises
    ------
    InputError
        An unknown kind, stage or tissue, or an impossible size.
    """
    how = options or LesionOptions()
    sizes, errors = _range(diameter_mm, "diameter", 0.5, 60.0), _range(misregistration_mm, "misregistration", 0.0, 20.0)
    if n < 0:
        raise InputError(f"{n} lesions cannot be simulated", "n", "ask for 0 or more")
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise InputError("a seed is a whole number from 0", f"seed {seed!r}", "give e.g. 1")
    shares: dict[str, float] = {kind: 1.0} if isinstance(kind, str) else dict(kind)
    width = max(len(str(n)), 3)
    found = []
    for k in range(n):
        person = k // how.lesions_per_subject
        person_rng = np.random.default_rng([int(seed), 1, person])
        rng = np.random.default_rng([int(seed), 0, k])
        one: Any = pick(shares, dict.fromkeys(KINDS), "kind", rng)
        found.append(
            _simulate_one(
                one,
                float(rng.uniform(*sizes)),
                float(rng.uniform(*errors)),
                how,
                RegionValue(*(person_rng.standard_normal(2) * (how.subject_hu, how.subject_ppm))),
                (f"sub-{person + 1:0{width}d}", f"lesion-{k % how.lesions_per_subject + 1}"),
                rng,
            )
        )
    return found


def _simulate_one(
    kind: Kind,
    diameter_mm: float,
    misregistration_mm: float,
    how: LesionOptions,
    offset: RegionValue,
    names: tuple[str, str],
    rng: np.random.Generator,
) -> SimulatedLesion:
    arrangement: Any = pick(how.arrangements, dict.fromkeys(("rim", "halves")), "arrangement", rng)
    shape = draw_shape(
        diameter_mm,
        rng,
        arrangement=arrangement if kind == "mixed" else "whole",
        heterogeneity=how.heterogeneity,
    )
    contents = _contents(kind, how, rng)
    shares = {name: host.shares.get(kind, 0.0) for name, host in HOSTS.items()} if how.hosts is None else how.hosts
    host = pick(shares, HOSTS, "tissue", rng)
    around, vein_distance = _surroundings(shape, contents, host, offset, how, rng)

    place = rng.uniform(-1, 1, 3) * _PLACE_MM
    true, believed, moved = _transforms(place, misregistration_mm, rng)
    turned = _random_rotation(rng)
    mr_grid = _grid(place, diameter_mm, shape, how, how.qsm_spacing_mm, _oblique(rng), rng)
    ct_place = np.array(true.TransformPoint(place.tolist()))
    ct_grid = _grid(ct_place, diameter_mm, shape, how, how.ct_spacing_mm, np.eye(3), rng)
    from_mr = (turned, -turned @ place)
    back = np.reshape(true.GetMatrix(), (3, 3)).T
    from_ct = (turned @ back, -turned @ back @ ct_place)

    real = shape if kind != "none" else None
    hu = clean_patch(
        real, contents, around, ct_grid, from_ct, "ct", how.scanner, PatchSettings((how.ct_psf_fwhm_mm,) * 2 + (0.6,))
    )
    ppm = _map(real, contents, around, mr_grid, from_mr, how, rng)
    return SimulatedLesion(
        names[0],
        names[1],
        to_image(_noisy_ct(hu, ct_grid, how, rng), ct_grid),
        to_image(ppm, mr_grid),
        to_image(_labels(shape, mr_grid, from_mr), mr_grid),
        believed,
        true,
        truth_of(kind, shape, contents, host, around, vein_distance, how.scanner, moved, diameter_mm),
    )


def _contents(kind: Kind, how: LesionOptions, rng: np.random.Generator) -> tuple[Content, ...]:
    blood = draw_blood(rng, how.stages, how.haemosiderin_ppm_per_mmol_per_l)
    calcium = draw_calcification(rng, how.composition_cv, how.calcium_ppm_per_mmol_per_l)
    if kind == "none":
        return ()
    if kind == "mixed":
        return blood, calcium
    return (how.content or (blood if kind == "haemorrhage" else calcium),)


def _surroundings(
    shape: LesionShape,
    contents: tuple[Content, ...],
    host: str,
    offset: RegionValue,
    how: LesionOptions,
    rng: np.random.Generator,
) -> tuple[Surroundings, float | None]:
    # Draws are made whether used or not, so that an option leaves the other draws alone.
    reach = shape.reach_mm + float(rng.uniform(1.0, 5.0))
    swollen, thickness = float(rng.uniform()), float(rng.uniform(1.0, 5.0))
    chance = max((STAGES[c.stage].oedema for c in contents if c.stage), default=0.0)
    beside, gap, radius = float(rng.uniform()), float(rng.uniform(0.5, 3.0)), float(rng.uniform(0.4, 1.2))
    away, along = rng.standard_normal((2, 3))
    away /= np.linalg.norm(away)
    along -= away * (along @ away)
    along /= np.linalg.norm(along)
    near = float(np.mean(shape.radii_mm)) + gap + radius
    vein = Vein(_triple(away * near), _triple(along), radius) if beside < how.vein_share else None
    waves = np.zeros((2, 5, 5))
    for which, sd in enumerate((how.texture_hu, how.texture_ppm)):
        way = rng.standard_normal((5, 3))
        way *= (2 * np.pi / rng.uniform(6.0, 25.0, 5) / np.linalg.norm(way, axis=1))[:, None]
        waves[which] = np.column_stack([way, rng.uniform(0, 2 * np.pi, 5), np.full(5, sd * math.sqrt(2 / 5))])
    oedema = thickness if swollen < chance else 0.0
    return Surroundings(HOSTS[host].value, reach, oedema, vein, waves, offset), gap if vein else None


def _transforms(
    place: Floats, misregistration_mm: float, rng: np.random.Generator
) -> tuple["sitk.Euler3DTransform", "sitk.Euler3DTransform", Triple]:
    import SimpleITK as sitk

    axis, way, error = rng.standard_normal((3, 3))
    angles = np.radians(axis / np.linalg.norm(axis) * _MAX_TURN_DEG * rng.uniform(1 / 3, 1))
    shift = way / np.linalg.norm(way) * _MAX_SHIFT_MM * rng.uniform(1 / 3, 1)
    moved = error / np.linalg.norm(error) * misregistration_mm
    both = []
    for wrong in (np.zeros(3), moved):
        transform = sitk.Euler3DTransform()
        transform.SetCenter([0.0, 0.0, 0.0])
        transform.SetRotation(*(float(a) for a in angles))
        transform.SetTranslation([float(v) for v in shift + wrong])
        both.append(transform)
    return both[0], both[1], _triple(moved)


def _random_rotation(rng: np.random.Generator) -> Floats:
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return np.asarray(q if np.linalg.det(q) > 0 else -q)


def _oblique(rng: np.random.Generator) -> Floats:
    """Slices nodding against the scanner's axes, first index to the right and second to the front."""
    nod = math.radians(rng.uniform(-_TILT_DEG, 0))
    c, s = math.cos(nod), math.sin(nod)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.diag([-1.0, -1.0, 1.0])


def _grid(
    centre_mm: Floats,
    diameter_mm: float,
    shape: LesionShape,
    how: LesionOptions,
    spacing_mm: Triple,
    direction: Floats,
    rng: np.random.Generator,
) -> Grid:
    """Patch around a lesion that lies anywhere between voxels."""
    spacing = np.asarray(spacing_mm, float)
    half = max(shape.reach_mm, diameter_mm / 2) + how.margin_mm
    size = np.ceil(2 * half / spacing).astype(int) + 2
    middle = centre_mm + direction @ (spacing * rng.uniform(-0.5, 0.5, 3))
    origin = middle - direction @ (spacing * (size - 1) / 2)
    return Grid(
        (int(size[0]), int(size[1]), int(size[2])),
        _triple(spacing),
        _triple(origin),
        tuple(float(v) for v in direction.ravel()),
    )


def _noisy_ct(hu: Array32, grid: Grid, how: LesionOptions, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    sd = how.ct_noise_hu * math.sqrt(2.5 / grid.spacing_mm[2])
    grain = (0.0, 0.4 / grid.spacing_mm[1], 0.4 / grid.spacing_mm[0])
    noisy = hu + grainy_noise(grid.shape, sd, grain, rng) if sd > 0 else hu
    return np.clip(np.rint(noisy), _LOWEST_HU, _HIGHEST_HU).astype(np.int16)


def _map(
    shape: LesionShape | None,
    contents: tuple[Content, ...],
    around: Surroundings,
    grid: Grid,
    to_lesion: tuple[Floats, Floats],
    how: LesionOptions,
    rng: np.random.Generator,
) -> Array32:
    if how.inversion:
        ppm = inverted_patch(shape, contents, around, grid, to_lesion, how.scanner, (0, 0, 1), how.field_noise_ppm, rng)
    else:
        settings = PatchSettings((how.qsm_psf_fwhm_mm,) * 3)
        ppm = clean_patch(shape, contents, around, grid, to_lesion, "qsm", how.scanner, settings)
        if how.qsm_noise_ppm > 0:
            ppm += grainy_noise(grid.shape, how.qsm_noise_ppm, (0.4, 0.5, 0.5), rng)
    if how.qsm_background_ppm > 0:
        ppm += np.float32(how.qsm_background_ppm) * smooth_noise(grid.shape, grid.spacing_mm[0], 60.0, rng)
    return ppm


def _labels(shape: LesionShape, grid: Grid, to_lesion: tuple[Floats, Floats]) -> npt.NDArray[np.uint8]:
    """The lesion as a careful reader would outline it."""
    filled, _, box = lesion_samples(shape, grid, to_lesion, PatchSettings((0.0, 0.0, 0.0)))
    share = np.sum(filled, axis=0)
    labels = np.zeros(grid.shape, np.uint8)
    labels[box][share >= min(0.5, float(share.max()))] = 1
    return labels


def _range(given: float | tuple[float, float], what: str, least: float, most: float) -> tuple[float, float]:
    low, high = given if isinstance(given, tuple) else (given, given)
    if not least <= low <= high <= most:
        raise InputError(
            f"a {what} of {low:g} to {high:g} mm cannot be simulated",
            "the lesions to simulate",
            f"give a number, or low and high, from {least:g} to {most:g}",
        )
    return float(low), float(high)


def _triple(values: npt.NDArray[np.floating]) -> Triple:
    return float(values[0]), float(values[1]), float(values[2])
