"""Heads scanned by CT and MR, with region values, lesions and the alignment known."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from phantomcal.errors import InputError
from phantomcal.simulate.brain import (
    LABELS,
    REGIONS,
    TYPICAL_VALUES,
    Lesion,
    RegionValue,
    draw_brain,
    draw_lesions,
    draw_regions,
)
from phantomcal.simulate.ct import AIR_HU, CtSettings, blur, draw_table, grainy_noise, scan
from phantomcal.simulate.scene import Scene, new_scene
from phantomcal.simulate.seeds import streams
from phantomcal.simulate.shapes import Array32, Box, Grid, Triple, coordinates, grid_around, slabs, to_image, whole
from phantomcal.simulate.skull import draw_head
from phantomcal.simulate.smooth import apply_along, interpolation_matrix, smooth_noise

if TYPE_CHECKING:
    import SimpleITK as sitk

QSM_ALGORITHM = "simulated: regional susceptibility with point spread, smooth background and noise; no dipole inversion"
HEAD_CENTRE_MM: Triple = (0.0, 16.0, 10.0)
_SUBSLICE_MM = 1.3
_MR_PSF_MM = 1.0
_TARGETS: dict[str, Triple] = {
    "anterior commissure": (0.0, 0.0, 0.0),
    "frontal pole": (0.0, -62.0, 10.0),
    "occipital pole": (0.0, 94.0, 2.0),
    "vertex": (0.0, 14.0, 68.0),
    "left temporal lobe": (56.0, 4.0, -22.0),
    "right temporal lobe": (-56.0, 4.0, -22.0),
    "left cerebellum": (32.0, 60.0, -42.0),
    "right cerebellum": (-32.0, 60.0, -42.0),
}


@dataclass(frozen=True)
class HeadOptions:
    """Grids, noise and pose of a head; what is None is drawn from the seed.

    Attributes
    ----------
    ct_spacing_mm, mr_spacing_mm : tuple of float
        Voxel sizes; the third is the slice thickness.
    ct_fov_mm : float
        In-plane edge of the CT; outside the inscribed circle scanners store -1024 HU.
    mr_fov_mm : tuple of float
        Along the index axes of the MR volume.
    max_rotation_deg, max_shift_mm : float
        Largest turn and translation between MR and CT.
    rotation_deg, translation_mm : tuple of float, optional
        The alignment itself (MR to CT; Euler angles about x, y, z at the head's centre) instead of a drawn one.
    ct_noise_hu : float
        Noise SD of 2.5 mm slices; other slices get it times sqrt(2.5 mm / thickness).
    qsm_noise_ppm, qsm_background_ppm : float
        SD of voxel noise and of the slow variation that background field removal leaves.
    magnitude_noise : float
        Relative to white matter's signal of about 0.75.
    """

    ct_spacing_mm: Triple = (0.5, 0.5, 2.5)
    mr_spacing_mm: Triple = (1.0, 1.0, 1.5)
    ct_fov_mm: float = 240.0
    mr_fov_mm: Triple = (192.0, 224.0, 153.0)
    max_rotation_deg: float = 12.0
    max_shift_mm: float = 25.0
    rotation_deg: Triple | None = None
    translation_mm: Triple | None = None
    ct_noise_hu: float = 4.0
    qsm_noise_ppm: float = 0.007
    qsm_background_ppm: float = 0.003
    magnitude_noise: float = 0.02


@dataclass(frozen=True)
class HeadScan:
    """A simulated head.

    Attributes
    ----------
    ct : SimpleITK.Image
        HU, int16, in its own grid and pose.
    magnitude, qsm : SimpleITK.Image
        GRE magnitude (arbitrary units) and susceptibility (ppm, zero outside the brain), float32, one grid.
    labels, lesion_labels : SimpleITK.Image
        Region and lesion numbers on the QSM grid, uint8; numbered together by `lookup`.
    lookup : pandas.DataFrame
        ``index`` and ``name``.
    ct_from_mr : SimpleITK.Euler3DTransform
        Takes MR world points to CT world points, as resampling the CT onto the MR grid needs.
    truth : dict
        Everything that was put in, ready for JSON.
    """

    ct: "sitk.Image"
    magnitude: "sitk.Image"
    qsm: "sitk.Image"
    labels: "sitk.Image"
    lesion_labels: "sitk.Image"
    lookup: pd.DataFrame
    ct_from_mr: "sitk.Euler3DTransform"
    truth: dict[str, Any]


def simulate_head(
    seed: int,
    *,
    region_values: Mapping[str, RegionValue | tuple[float, float]] | None = None,
    lesions: Sequence[Lesion] | None = None,
    options: HeadOptions | None = None,
) -> HeadScan:
    """Draw a head and scan it by CT and MR.

    The anatomy is analytical (smoothly deformed ellipsoids, folded cortex, asymmetric skull base), drawn once on a 1 mm
    grid and resampled into each scan. CT slices average finer sub-slices. The QSM map is made from the regional values
    directly, with point spread, slow background and noise; the dipole inversion is simulated for phantoms only.

    Parameters
    ----------
    seed : int
        Of anatomy, pose and noise.
    region_values : mapping of str to (HU, ppm), optional
        Values of the seven regions and, as defaults of the lesions, ``haemorrhage`` and ``calcification``; what is left
        out has its typical value.
    lesions : sequence of Lesion, optional
        One haemorrhage and one calcification when None; an empty sequence for none.
    options : HeadOptions, optional
        Grids, noise and pose.

    Returns
    -------
    HeadScan

    Raises
    ------
    InputError
        For an unknown region, a lesion outside the brain or impossible options.
    """
    options = options or HeadOptions()
    values = _values(region_values)
    if lesions is None:
        lesions = [
            Lesion("haemorrhage", *values["haemorrhage"], radius_mm=10.0),
            Lesion("calcification", *values["calcification"], radius_mm=9.0),
        ]
    amounts = (options.max_rotation_deg, options.max_shift_mm, options.ct_noise_hu, options.qsm_noise_ppm)
    if not min(options.ct_fov_mm, *options.mr_fov_mm) > 0 or not min(amounts) >= 0:
        raise InputError(
            "a field of view, turn, shift or noise is negative", "the head options", "give positive numbers"
        )
    shape_draws, pose_draws, ct_draws, mr_draws = streams(seed, 4)

    scene = new_scene(shape_draws)
    cavity = draw_head(scene, shape_draws)
    box = _brain_box(cavity > -3)
    inner = scene.crop(box)
    depth = draw_brain(inner, cavity[box], shape_draws)
    del cavity
    draw_regions(inner, values)
    lesion_rows = draw_lesions(inner, lesions, depth, shape_draws)

    transform = _alignment(options, pose_draws)
    ct, ct_grid = _scan_ct(scene, transform, options, pose_draws, ct_draws)
    mr_grid = _mr_grid(options, pose_draws)
    magnitude, qsm, labels, lesion_labels = _scan_mr(scene, inner, depth, mr_grid, options, mr_draws)
    truth: dict[str, Any] = {
        "kind": "head",
        "seed": seed,
        "regions": {name: {"ct_hu": values[name].ct_hu, "qsm_ppm": values[name].qsm_ppm} for name in REGIONS},
        "lesions": lesion_rows,
        "ct_from_mr": transform_record(transform),
        "targets": _targets(transform),
        "ct": {"grid": ct_grid.as_dict(), "noise_hu": _ct_noise(options)},
        "mr": {"grid": mr_grid.as_dict(), "qsm_noise_ppm": options.qsm_noise_ppm, "algorithm": QSM_ALGORITHM},
    }
    lookup = pd.DataFrame({"index": list(LABELS.values()), "name": list(LABELS)})
    return HeadScan(ct, magnitude, qsm, labels, lesion_labels, lookup, transform, truth)


def _brain_box(mask: npt.NDArray[np.bool_]) -> Box:
    slices = []
    for axis in range(3):
        other = tuple(a for a in range(3) if a != axis)
        filled = np.flatnonzero(mask.any(axis=other))
        slices.append(slice(int(filled[0]), int(filled[-1]) + 1))
    # The brain stem reaches below the cavity.
    return slice(max(slices[0].start - 20, 0), slices[0].stop), slices[1], slices[2]


def _values(given: Mapping[str, RegionValue | tuple[float, float]] | None) -> dict[str, RegionValue]:
    unknown = sorted(set(given or {}) - set(TYPICAL_VALUES))
    if unknown:
        raise InputError(f"unknown region {unknown[0]!r}", "region_values", f"known are {', '.join(TYPICAL_VALUES)}")
    values = TYPICAL_VALUES | {name: RegionValue(*pair) for name, pair in (given or {}).items()}
    wrong = [name for name, pair in values.items() if not all(map(math.isfinite, pair))]
    if wrong:
        raise InputError(f"the value of {wrong[0]!r} is not a number", "region_values", "give (HU, ppm)")
    return values


def _alignment(options: HeadOptions, rng: np.random.Generator) -> "sitk.Euler3DTransform":
    import SimpleITK as sitk

    axis, way = rng.standard_normal(3), rng.standard_normal(3)
    # Angles of at least a third of the largest, so that no subject is aligned by luck.
    drawn = axis / np.linalg.norm(axis) * options.max_rotation_deg * rng.uniform(1 / 3, 1)
    moved = way / np.linalg.norm(way) * options.max_shift_mm * rng.uniform(1 / 3, 1)
    angles = np.radians(options.rotation_deg if options.rotation_deg is not None else drawn)
    shift = np.asarray(options.translation_mm if options.translation_mm is not None else moved, float)
    transform = sitk.Euler3DTransform()
    transform.SetCenter(HEAD_CENTRE_MM)
    transform.SetRotation(*(float(a) for a in angles))
    transform.SetTranslation([float(s) for s in shift])
    return transform


def transform_record(transform: "sitk.Euler3DTransform") -> dict[str, Any]:
    """A rigid transform for a truth file: the names of the registration record, and the matrix itself."""
    angles = (transform.GetAngleX(), transform.GetAngleY(), transform.GetAngleZ())
    return {
        "rotation_deg": [math.degrees(a) for a in angles],
        "translation_mm": list(transform.GetTranslation()),
        "centre_mm": list(transform.GetCenter()),
        "matrix": np.reshape(transform.GetMatrix(), (3, 3)).tolist(),
        "maps": "MR (fixed) world points, LPS mm, to CT (moving) world points",
    }


def _targets(transform: "sitk.Euler3DTransform") -> list[dict[str, Any]]:
    return [
        {"name": name, "mr_mm": list(point), "ct_mm": list(transform.TransformPoint(point))}
        for name, point in _TARGETS.items()
    ]


def _ct_noise(options: HeadOptions) -> float:
    return options.ct_noise_hu * math.sqrt(2.5 / options.ct_spacing_mm[2])


def _resample(volume: npt.NDArray[np.generic], source: Grid, target: Grid, transform: Any, outside: float) -> Array32:
    import SimpleITK as sitk

    labels = volume.dtype == np.uint8
    resampled = sitk.Resample(
        to_image(volume, source),
        target.size,
        transform,
        sitk.sitkNearestNeighbor if labels else sitk.sitkLinear,
        target.origin_mm,
        target.spacing_mm,
        target.direction,
        outside,
    )
    array: Array32 = sitk.GetArrayFromImage(resampled)
    return array


def _slices(volume: Array32, source: Grid, target: Grid, transform: Any, outside: float) -> Array32:
    """Resample into slices that average what they span: thinner sub-slices first, then their mean."""
    parts = max(1, math.ceil(target.spacing_mm[2] / _SUBSLICE_MM))
    size = (target.size[0], target.size[1], target.size[2] * parts)
    spacing = (target.spacing_mm[0], target.spacing_mm[1], target.spacing_mm[2] / parts)
    first = np.asarray(target.origin_mm) - target.matrix[:, 2] * (0.5 - 0.5 / parts)
    fine = Grid(size, spacing, (float(first[0]), float(first[1]), float(first[2])), target.direction)
    values = _resample(volume, source, fine, transform, outside)
    mean: Array32 = values.reshape(target.size[2], parts, *values.shape[1:]).mean(axis=1, dtype=np.float32)
    return mean


def _scan_ct(
    scene: Scene,
    transform: "sitk.Euler3DTransform",
    options: HeadOptions,
    pose: np.random.Generator,
    rng: np.random.Generator,
) -> tuple["sitk.Image", Grid]:
    jitter = pose.uniform(-4, 4, 3)
    centre = np.array(transform.TransformPoint(HEAD_CENTRE_MM)) + jitter * (1, 0.5, 0.5) + (0, 4, 4)
    extent = (options.ct_fov_mm, options.ct_fov_mm, 168.0)
    grid = grid_around(centre, extent, options.ct_spacing_mm, np.eye(3))

    coarse = max(1.0, options.ct_spacing_mm[0])
    nodes = math.ceil(options.ct_fov_mm / coarse) + 3
    extent = (nodes * coarse, nodes * coarse, grid.size[2] * grid.spacing_mm[2])
    between = grid_around(grid.centre_mm, extent, (coarse, coarse, grid.spacing_mm[2]), np.eye(3))
    rough = _slices(scene.hu, scene.grid, between, transform.GetInverse(), AIR_HU)
    to_rows, to_columns = (
        interpolation_matrix((np.arange(n) - (n - 1) / 2) * step / coarse + (nodes - 1) / 2, nodes)
        for n, step in ((grid.size[1], grid.spacing_mm[1]), (grid.size[0], grid.spacing_mm[0]))
    )
    hu = np.empty(grid.shape, np.float32)
    for slab in slabs(whole(between.shape)):
        hu[slab[0]] = apply_along(apply_along(rough[slab], to_rows, 1), to_columns, 2)

    plane: Box = (slice(0, 1), slice(0, grid.size[1]), slice(0, grid.size[0]))
    x, y, _ = coordinates(grid.matrix, np.asarray(grid.origin_mm), plane)
    rest = np.array(transform.TransformPoint((0.0, 118.0, 10.0)))
    holder = _holder(x - np.float32(rest[0]), y - np.float32(rest[1]))
    for part in hu:
        np.maximum(part, holder, out=part)
    settings = CtSettings(psf_fwhm_mm=0.7, slice_fwhm_mm=0.0, noise_hu=_ct_noise(options), noise_grain_mm=0.4)
    counts = scan(hu, grid, settings, rng)
    middle = grid.centre_mm.astype(np.float32)
    outside = np.hypot(x - middle[0], y - middle[1])[0] > options.ct_fov_mm / 2
    counts[:, outside] = -1024
    return to_image(counts, grid), grid


def _holder(x_mm: Array32, y_mm: Array32) -> Array32:
    """HU of a curved head holder with a foam pad, and the table; positions relative to where the head rests."""
    radius = np.hypot(x_mm, y_mm + np.float32(112))[0]
    behind = (y_mm > -62)[0]
    holder = np.where((radius > 108) & (radius < 113) & behind, np.float32(-920), np.float32(AIR_HU))
    holder = np.where((radius >= 113) & (radius < 115) & behind, np.float32(120), holder)
    draw_table(holder, x_mm[0], y_mm[0], 6.0)
    return holder


def _mr_grid(options: HeadOptions, rng: np.random.Generator) -> Grid:
    """Oblique slices, stored as NIfTI files are: first axis to the right, second to the front."""
    nod, lean = np.radians(rng.uniform(-12, -4)), np.radians(rng.uniform(-3, 3))
    c, s, d, e = math.cos(nod), math.sin(nod), math.cos(lean), math.sin(lean)
    oblique = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.array([[d, 0, e], [0, 1, 0], [-e, 0, d]])
    cosines = oblique @ np.diag([-1.0, -1.0, 1.0])
    spacing, fov = np.asarray(options.mr_spacing_mm, float), np.asarray(options.mr_fov_mm, float)
    size = np.maximum(np.rint(fov / spacing), 1).astype(int)
    centre = np.add(HEAD_CENTRE_MM, (0.0, 0.0, -2.0)) + rng.uniform(-3, 3, 3)
    checked = grid_around(centre, (1.0, 1.0, 1.0), spacing, cosines)
    origin = centre - cosines @ (spacing * (size - 1) / 2)
    return Grid(
        (int(size[0]), int(size[1]), int(size[2])),
        checked.spacing_mm,
        (float(origin[0]), float(origin[1]), float(origin[2])),
        checked.direction,
    )


def _scan_mr(
    scene: Scene, inner: Scene, depth: Array32, grid: Grid, options: HeadOptions, rng: np.random.Generator
) -> tuple["sitk.Image", "sitk.Image", "sitk.Image", "sitk.Image"]:
    import SimpleITK as sitk

    same = sitk.Transform(3, sitk.sitkIdentity)
    brain = _resample((depth > 0).astype(np.uint8), inner.grid, grid, same, 0) > 0
    chi = _slices(inner.ppm, inner.grid, grid, same, 0.0)
    magnitude = _slices(scene.magnitude, scene.grid, grid, same, 0.0)
    for axis in range(3):
        chi, magnitude = (blur(v, _MR_PSF_MM, grid.spacing_mm[2 - axis], axis) for v in (chi, magnitude))
    if options.qsm_background_ppm > 0:
        chi += np.float32(options.qsm_background_ppm) * smooth_noise(grid.shape, grid.spacing_mm[0], 90.0, rng)
    if options.qsm_noise_ppm > 0:
        chi += grainy_noise(grid.shape, options.qsm_noise_ppm, (0.4, 0.5, 0.5), rng)
    chi *= brain

    magnitude *= np.exp(np.float32(0.12) * smooth_noise(grid.shape, grid.spacing_mm[0], 220.0, rng))
    noise = rng.standard_normal((2, *grid.shape), dtype=np.float32) * np.float32(options.magnitude_noise * 0.75)
    magnitude = np.rint(np.hypot(magnitude + noise[0], noise[1]) * np.float32(1000))
    labels, lesion_labels = (
        _resample(volume, inner.grid, grid, same, 0).astype(np.uint8) for volume in (inner.labels, inner.lesion_labels)
    )
    return to_image(magnitude, grid), to_image(chi, grid), to_image(labels, grid), to_image(lesion_labels, grid)
