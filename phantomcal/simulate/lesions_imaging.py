"""What CT and QSM make of a lesion and its surroundings: patches on grids of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from phantomcal.simulate.brain import RegionValue
from phantomcal.simulate.ct import blur
from phantomcal.simulate.lesions_physics import OEDEMA_VALUE, SURROUND, VEIN_VALUE, Content, Scanner, scaled
from phantomcal.simulate.lesions_shape import LesionShape, filling_of, length_of, occupancy, surface_distance
from phantomcal.simulate.qsm import InversionSettings, acquire_field, add_field_noise, dipole_field, invert_field
from phantomcal.simulate.shapes import Array32, Grid, Triple

Modality = Literal["ct", "qsm"]
Floats = npt.NDArray[np.float64]
_FWHM_TO_SIGMA = 1 / 2.3548
# A lesion is sampled at least this many times along its diameter, at steps between these.
_SAMPLES_ACROSS = 10
_FINEST_MM, _COARSEST_MM = 0.2, 0.5
_SUBSLICE_MM = 1.3
_ECHO_TIME_S, _FIELD_TESLA = 0.008, 3.0
# Static dephasing: R2' = 2 pi / (9 sqrt 3) gamma B0 |ppm|, Yablonskiy and Haacke 1994, 10.1002/mrm.1910320610.
_R2_PER_S_PER_PPM = 2 * np.pi / (9 * np.sqrt(3)) * 2.675e2 * _FIELD_TESLA
_PADDING = 0.6


@dataclass(frozen=True)
class Vein:
    """A straight vein past a lesion: a point of its axis in the lesion's frame, its direction, its radius."""

    point_mm: Triple
    direction: Triple
    radius_mm: float


@dataclass(frozen=True)
class Surroundings:
    """Tissue around a lesion.

    Attributes
    ----------
    host : RegionValue
        Tissue that the lesion lies in, out to `host_reach_mm` from its centre; white matter beyond.
    host_reach_mm : float
    oedema_mm : float
        Thickness of a dark rim; 0 is none.
    vein : Vein or None
    texture : ndarray, shape (2, k, 5)
        Plane waves of HU and of ppm: wave vector (per mm), phase, amplitude.
    offset : RegionValue
        Of this person's tissue from what is usual.
    """

    host: RegionValue
    host_reach_mm: float
    oedema_mm: float
    vein: Vein | None
    texture: Floats
    offset: RegionValue

    def structure(
        self, points_mm: Array32, shape: LesionShape, modality: Modality, scanner: Scanner, edge_mm: float
    ) -> Array32:
        """Host, oedema and vein above the white matter far away, with edges of the given width."""
        which = 0 if modality == "ct" else 1
        far, host, dark, vein = (scaled(v, scanner)[which] for v in (SURROUND, self.host, OEDEMA_VALUE, VEIN_VALUE))
        radius = length_of(points_mm)
        value: Array32 = _soft(self.host_reach_mm - radius, 1.0) * np.float32(host - far)
        if self.oedema_mm > 0:
            inside = _soft(np.float32(self.oedema_mm) - surface_distance(shape, points_mm), 1.0)
            value += inside * (np.float32(dark - far) - value)
        if self.vein is not None:
            along = np.asarray(self.vein.direction, np.float32)
            way = points_mm - np.asarray(self.vein.point_mm, np.float32)
            way = way - (way @ along)[..., None] * along
            inside = _soft(self.vein.radius_mm - length_of(way), edge_mm)
            value += inside * (np.float32(vein - far) - value)
        return value

    def texture_on(self, grid: Grid, to_lesion: tuple[Floats, Floats], modality: Modality, scanner: Scanner) -> Array32:
        """White matter, this person's offset, and the texture, on a grid."""
        which = 0 if modality == "ct" else 1
        base = scaled(RegionValue(SURROUND.ct_hu + self.offset.ct_hu, SURROUND.qsm_ppm + self.offset.qsm_ppm), scanner)
        return plane_waves(self.texture[which], grid, to_lesion) + np.float32(base[which])


@dataclass(frozen=True)
class PatchSettings:
    """How a patch is imaged.

    Attributes
    ----------
    psf_fwhm_mm : tuple of float
        Along the index axes, beyond the voxel itself.
    """

    psf_fwhm_mm: Triple


def clean_patch(
    shape: LesionShape | None,
    contents: Sequence[Content],
    around: Surroundings,
    grid: Grid,
    to_lesion: tuple[Floats, Floats],
    modality: Modality,
    scanner: Scanner,
    settings: PatchSettings,
) -> Array32:
    """Noise-free HU or ppm of a patch with partial volume and point spread.

    Parameters
    ----------
    shape : LesionShape or None
        None for tissue without a lesion.
    contents : sequence of Content
        Of the shape's parts.
    around : Surroundings
    grid : Grid
    to_lesion : (ndarray (3, 3), ndarray (3,))
        Rotation and shift that take the grid's world points to the lesion's frame.
    modality : {"ct", "qsm"}
    scanner : Scanner
    settings : PatchSettings

    Returns
    -------
    ndarray
        Float32 of the grid's shape.
    """
    body = shape if shape is not None else _NOTHING
    background = _background(body, around, grid, to_lesion, modality, scanner, settings)
    if shape is None:
        return background
    filled, held, box = lesion_samples(shape, grid, to_lesion, settings)
    for occupied, content, what in zip(filled, held, contents, strict=True):
        amount = what.hu(scanner) if modality == "ct" else scanner.qsm_gain * what.ppm()
        if what.is_blood:
            background[box] *= 1 - occupied
        background[box] += np.float32(amount) * content
    return background


def inverted_patch(
    shape: LesionShape | None,
    contents: Sequence[Content],
    around: Surroundings,
    grid: Grid,
    to_lesion: tuple[Floats, Floats],
    scanner: Scanner,
    b0_direction: npt.ArrayLike,
    noise_ppm: float,
    rng: np.random.Generator,
) -> Array32:
    """Susceptibility map of a patch by way of its field: dipole convolution, decaying signal, noise, inversion.

    The patch stands alone in a medium of white matter; texture is added after the inversion, which would cut it at the
    edge of the patch. Values come out too low and with streaks, as `phantomcal.simulate.qsm.invert_field` says.

    Parameters
    ----------
    shape, contents, around, grid, to_lesion, scanner
        As for `clean_patch`.
    b0_direction : array_like, shape (3,)
        World direction of the main field.
    noise_ppm : float
        Of the field at full signal.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray
        ppm, float32, of the grid's shape.
    """
    factors = (2, 2, 2)
    fine = _divided(grid, factors)
    plain = Surroundings(
        around.host, around.host_reach_mm, around.oedema_mm, around.vein, _NO_TEXTURE, RegionValue(0, 0)
    )
    far = np.float32(scaled(SURROUND, scanner).qsm_ppm)
    sharp = PatchSettings((0.0, 0.0, 0.0))
    chi = clean_patch(shape, contents, plain, fine, to_lesion, "qsm", scanner, sharp) - far
    b0 = np.reshape(grid.direction, (3, 3)).T @ np.asarray(b0_direction, float)
    signal = np.exp(np.float32(-_ECHO_TIME_S * _R2_PER_S_PER_PPM) * np.abs(chi))
    field, signal = acquire_field(dipole_field(chi, fine.spacing_mm, b0, _PADDING, workers=1), signal, factors)
    field = add_field_noise(field, signal, noise_ppm, rng)
    everywhere = np.ones(grid.shape, dtype=np.bool_)
    chosen = InversionSettings(padding=_PADDING)
    found = invert_field(field, signal, everywhere, grid.spacing_mm, b0, chosen, workers=1)
    # The inversion leaves the zero open: it is where the patch's faces are.
    faces = np.concatenate([np.take(found, (0, -1), axis=axis).ravel() for axis in range(3)])
    true = np.concatenate([np.take(chi[::2, ::2, ::2], (0, -1), axis=axis).ravel() for axis in range(3)])
    found += np.float32(np.median(true) - np.median(faces))
    return found + around.texture_on(grid, to_lesion, "qsm", scanner)


def lesion_samples(
    shape: LesionShape, grid: Grid, to_lesion: tuple[Floats, Floats], settings: PatchSettings
) -> tuple[list[Array32], list[Array32], tuple[slice, slice, slice]]:
    """Share of each voxel that the parts of a lesion fill, and with how much of their content, in the box around it.

    Parameters
    ----------
    shape, grid, to_lesion, settings
        As for `clean_patch`.

    Returns
    -------
    filled, content : list of ndarray
        For every part, on the voxels of `box`.
    box : tuple of slice
        Numpy order.
    """
    rotation, shift = to_lesion
    centre = np.linalg.solve(grid.matrix, -rotation.T @ shift - np.asarray(grid.origin_mm))
    spacing = np.asarray(grid.spacing_mm)
    reach = (shape.reach_mm + 3.2 * _FWHM_TO_SIGMA * np.asarray(settings.psf_fwhm_mm)) / spacing + 1
    first = np.clip(np.floor(centre - reach), 0, np.asarray(grid.size) - 1).astype(int)
    last = np.clip(np.ceil(centre + reach), 0, np.asarray(grid.size) - 1).astype(int)
    step = np.clip(2 * shape.radii_mm.min() / _SAMPLES_ACROSS, _FINEST_MM, _COARSEST_MM)
    parts = np.maximum(np.ceil(spacing / step - 1e-6), 1).astype(int)
    size = last - first + 1
    origin = np.asarray(grid.origin_mm) + grid.matrix @ first
    inner = Grid(_triple_int(size), grid.spacing_mm, _triple(origin), grid.direction)
    factors = (int(parts[2]), int(parts[1]), int(parts[0]))
    fine = _divided(inner, factors)
    points = lesion_points(fine, to_lesion)
    filling = filling_of(plane_waves(shape.waves, fine, to_lesion))
    filled, content = occupancy(shape, points, filling, float(np.prod(fine.spacing_mm) ** (1 / 3)))
    box = tuple(slice(int(first[a]), int(last[a]) + 1) for a in (2, 1, 0))
    return (
        [_imaged(v, fine, factors, settings) for v in filled],
        [_imaged(v, fine, factors, settings) for v in content],
        (box[0], box[1], box[2]),
    )


def lesion_points(grid: Grid, to_lesion: tuple[Floats, Floats]) -> Array32:
    """Positions of a grid's voxels in the lesion's frame, shape (nz, ny, nx, 3)."""
    rotation, shift = to_lesion
    step = (rotation @ grid.matrix).astype(np.float32)
    first = (rotation @ np.asarray(grid.origin_mm) + shift).astype(np.float32)
    i, j, k = (np.arange(n, dtype=np.float32)[:, None] * step[:, axis] for axis, n in enumerate(grid.size))
    points: Array32 = i[None, None, :, :] + j[None, :, None, :] + (k[:, None, None, :] + first)
    return points


def plane_waves(terms: Floats, grid: Grid, to_lesion: tuple[Floats, Floats]) -> Array32:
    """Sum of ``a cos(w . q + p)`` on a grid, q in the lesion's frame.

    Parameters
    ----------
    terms : ndarray, shape (k, 5)
        Wave vector w (per mm), phase p, amplitude a.
    grid, to_lesion
        As for `clean_patch`.

    Returns
    -------
    ndarray
        Float32. A plane wave is a product over the grid's axes: cos(s + t) = cos s cos t - sin s sin t.
    """
    rotation, shift = to_lesion
    vectors = terms[:, :3] @ rotation
    phase = terms[:, 3] + terms[:, :3] @ shift + vectors @ np.asarray(grid.origin_mm)
    per_voxel = vectors @ grid.matrix
    i, j, k = (np.arange(n)[:, None] * per_voxel[:, axis] for axis, n in enumerate(grid.size))
    rows = ((k + phase)[:, None, :] + j[None, :, :]).reshape(-1, len(terms))
    left = np.concatenate([np.cos(rows), -np.sin(rows)], axis=1).astype(np.float32)
    right = np.concatenate([terms[:, 4] * np.cos(i), terms[:, 4] * np.sin(i)], axis=1).astype(np.float32)
    total: Array32 = (left @ right.T).reshape(grid.shape)
    return total


def _background(
    body: LesionShape,
    around: Surroundings,
    grid: Grid,
    to_lesion: tuple[Floats, Floats],
    modality: Modality,
    scanner: Scanner,
    settings: PatchSettings,
) -> Array32:
    slices = max(1, int(np.ceil(grid.spacing_mm[2] / _SUBSLICE_MM)))
    fine = _divided(grid, (slices, 1, 1))
    points = lesion_points(fine, to_lesion)
    edge = float(np.prod(fine.spacing_mm) ** (1 / 3))
    values = around.structure(points, body, modality, scanner, edge)
    values += around.texture_on(fine, to_lesion, modality, scanner)
    return _imaged(values, fine, (slices, 1, 1), settings)


def _imaged(values: Array32, fine: Grid, factors: tuple[int, int, int], settings: PatchSettings) -> Array32:
    """Point spread on the fine grid, then means over voxels."""
    for axis in range(3):
        values = blur(values, settings.psf_fwhm_mm[2 - axis], fine.spacing_mm[2 - axis], axis)
    nz, ny, nx = (n // f for n, f in zip(values.shape, factors, strict=True))
    fz, fy, fx = factors
    mean: Array32 = values.reshape(nz, fz, ny, fy, nx, fx).mean(axis=(1, 3, 5), dtype=np.float32)
    return mean


def _divided(grid: Grid, factors: tuple[int, int, int]) -> Grid:
    """The same box in voxels that are whole fractions (numpy order) of the grid's."""
    parts = np.array(factors[::-1])
    spacing = np.asarray(grid.spacing_mm) / parts
    back = np.reshape(grid.direction, (3, 3)) @ ((np.asarray(grid.spacing_mm) - spacing) / 2)
    origin = np.asarray(grid.origin_mm) - back
    return Grid(_triple_int(np.asarray(grid.size) * parts), _triple(spacing), _triple(origin), grid.direction)


def _soft(distance_mm: npt.NDArray[np.floating], width_mm: float) -> Array32:
    """1 inside, 0 outside, over an edge of the given width."""
    share = np.asarray(distance_mm, np.float32) / np.float32(width_mm) + np.float32(0.5)
    return np.asarray(np.clip(share, 0, 1), np.float32)


def _triple(values: npt.NDArray[np.floating]) -> Triple:
    return float(values[0]), float(values[1]), float(values[2])


def _triple_int(values: npt.NDArray[np.integer]) -> tuple[int, int, int]:
    return int(values[0]), int(values[1]), int(values[2])


_NO_TEXTURE = np.zeros((2, 1, 5))
_NOTHING = LesionShape(
    np.full(3, 1e-3), np.zeros((1, 5)), np.zeros((1, 5)), "whole", 1.0, np.array([0.0, 0.0, 1.0]), (0.0,), (1.0,)
)
