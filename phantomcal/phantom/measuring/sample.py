"""Measure located vials in the original voxels: no interpolation, edges left out."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import expected_values
from phantomcal.phantom.finding.locate import Located
from phantomcal.phantom.measuring.air import air_voxels, empty, noise_of
from phantomcal.phantom.measuring.patch import Mask, Patch, patch_around
from phantomcal.protocol import Protocol, Vial
from phantomcal.results import Modality, VialMeasurement

Array = NDArray[np.float64]
_MIN_VOXELS = 10
_WALL_MM, _RING_MM = 2.0, 4.0  # what surrounds a vial begins this far outside its inner radius, and is this wide
_MIDDLE = 0.6  # share of the radius within which the wall has no say
_WHOLE = 0.8  # share of the expected voxels below which a vial is cut off
_ENOUGH = 0.5  # share of a vial that may be spoilt before its mean is not used


@dataclass(frozen=True)
class VoxelStatistics:
    """Mean of correlated voxels and what it is worth."""

    mean: float
    sd: float
    sem: float
    n: int
    n_effective: float


def mask_radius_mm(image: sitk.Image, protocol: Protocol, modality: Modality, vial: Vial, axis: int) -> float:
    """Radius of the cylinder a vial is measured in: its inner radius less the erosion, at least 0.4 of it."""
    radius = protocol.radius_of(vial)
    return max(radius - erosion_mm(image, protocol, modality, axis), 0.4 * radius)


def erosion_mm(image: sitk.Image, protocol: Protocol, modality: Modality, axis: int) -> float:
    """How far inside the vial wall to measure.

    Returns
    -------
    float
        The protocol's value if it has one; else half the in-plane voxel diagonal, and at least 1.5 mm on CT, whose
        point spread is wider than its voxels.
    """
    given = protocol.geometry.erosion_mm.get(modality)
    if given is not None:
        return given
    in_plane = [s for k, s in enumerate(image.GetSpacing()) if k != axis]
    half_diagonal = 0.5 * float(np.hypot(*in_plane))
    return max(half_diagonal, 1.5) if modality == "ct" else half_diagonal


def statistics(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> VoxelStatistics:
    """Mean, SD and standard error of the voxels under a mask, with the effective number of independent ones.

    Neighbouring voxels share noise. What varies smoothly over the vial (settling, streaks, cupping) is first taken out
    by a quadratic surface, since it belongs to the vial and not to the noise. The rest is taken as white noise seen
    through a Gaussian point spread: with the lag-one correlation r along an axis, lag k has r^(k^2), and a voxel counts
    for one over the sum of these.

    Parameters
    ----------
    values : ndarray, shape (z, y, x)
    mask : ndarray of bool, same shape

    Returns
    -------
    VoxelStatistics
        `sd` is that of all voxels, smooth variation included; `sem` is that of the noise.
    """
    chosen = values[mask].astype(np.float64)
    n = int(chosen.size)
    mean = float(chosen.mean())
    sd = float(chosen.std(ddof=1)) if n > 1 else float("nan")
    place = np.argwhere(mask).astype(np.float64)
    place = (place - place.mean(axis=0)) / np.maximum(np.ptp(place, axis=0), 1.0)
    z, y, x = place.T
    design = np.stack([np.ones(n), x, y, z, x**2, y**2, z**2, x * y], axis=1)
    if n <= 3 * design.shape[1] or not sd > 0:
        return VoxelStatistics(mean, sd, float(sd / np.sqrt(n)), n, float(n))
    solution, *_ = np.linalg.lstsq(design, chosen, rcond=None)
    rest = chosen - design @ solution
    variance = float(rest @ rest) / (n - design.shape[1])
    share = float(np.prod([_independent_share(rest, mask, axis, variance) for axis in range(3)]))
    effective = float(np.clip(n * share, 1.0, n))
    return VoxelStatistics(mean, sd, float(np.sqrt(variance / effective)), n, effective)


def _independent_share(rest: Array, mask: NDArray[np.bool_], axis: int, variance: float) -> float:
    """Independent samples per voxel along one axis."""
    length = mask.shape[axis]
    if length < 2 or variance <= 0:
        return 1.0
    deviation = np.zeros(mask.shape)
    deviation[mask] = rest
    first, second = (np.take(deviation, range(k, length - 1 + k), axis=axis) for k in (0, 1))
    pairs = int((np.take(mask, range(length - 1), axis=axis) & np.take(mask, range(1, length), axis=axis)).sum())
    if pairs == 0:
        return 1.0
    r = float(np.clip((first * second).sum() / pairs / variance, 0.0, 0.999))
    lags = np.arange(1, length)
    return 1.0 / (1.0 + 2.0 * float(np.sum((1.0 - lags / length) * r ** (lags**2))))


def measure(
    image: sitk.Image,
    located: Located,
    protocol: Protocol,
    modality: Modality,
    where: str = "the image",
    magnitude: sitk.Image | None = None,
) -> list[VialMeasurement]:
    """Measure every vial of a protocol.

    Parameters
    ----------
    image : SimpleITK.Image
        The volume the vials were located in, HU or ppm.
    located : Located
        Where they are.
    protocol : Protocol
    modality : {"ct", "qsm"}
    where : str
        Name of the image in messages.
    magnitude : SimpleITK.Image, optional
        Gradient-echo magnitude on the grid of a QSM map; it shows air as a void.

    Returns
    -------
    list of VialMeasurement
        In the protocol's order. Bubble voxels are left out of the means; vials without usable content are marked as
        not used, with the reason.

    Raises
    ------
    InputError
        A vial lies outside the image or holds fewer than ten voxels.
    """
    radii = [mask_radius_mm(image, protocol, modality, v, located.frame.image_axis) for v in protocol.vials]
    reach = max(protocol.radius_of(v) for v in protocol.vials) + _WALL_MM + _RING_MM
    patches = [patch_around(image, located, centre, reach) for centre in located.centres_mm]
    cores = [patch.disc(radius) for patch, radius in zip(patches, radii, strict=True)]
    for vial, core, radius in zip(protocol.vials, cores, radii, strict=True):
        if int(core.sum()) < _MIN_VOXELS:
            raise InputError(
                f"vial {vial.id!r} covers only {int(core.sum())} voxels ({radius:.1f} mm radius inside the wall)",
                where,
                "the scan cuts it off or its voxels are too large: leave the vial out of the protocol or scan finer",
            )
    typical = float(np.median([noise_of(p.values[core]) for p, core in zip(patches, cores, strict=True)]))
    shade = sitk.GetArrayViewFromImage(magnitude) if magnitude is not None else None
    echoes = [None if shade is None else np.asarray(shade[p.box], dtype=np.float32) for p in patches]
    full = None
    if shade is not None:
        around = [_surroundings(p, k, located, protocol) for k, p in enumerate(patches)]
        full = float(np.median(np.concatenate([e[a] for e, a in zip(echoes, around, strict=True) if e is not None])))
    expected = expected_values(protocol, modality)
    rows = []
    for k, (vial, patch, core, radius) in enumerate(zip(protocol.vials, patches, cores, radii, strict=True)):
        echo = echoes[k]
        ring = patch.values[_surroundings(patch, k, located, protocol)]
        background = float(np.median(ring)) if ring.size >= _MIN_VOXELS else None
        flag, used = _cut_off(image, patch, core, radius, located, k)
        spoilt = np.zeros_like(core)
        if empty(
            patch.values[core],
            modality,
            typical,
            float(expected[k]),
            background,
            None if echo is None else echo[core],
            full,
        ):
            flag, used = f"empty: holds air, reads {_read(patch.values[core], modality)}; left out", False
        else:
            # A little beyond the mask, since the mask is also moved to see what its place matters.
            zone = patch.disc(radius + located.record.position_residual_mm)
            middle = patch.disc(_MIDDLE * protocol.radius_of(vial))
            spoilt = air_voxels(patch.values, zone, middle, modality, typical, patch.spacing_mm, background, echo)
            flag, used = _bubble(flag, used, spoilt & core, core, modality)
        if (core & ~spoilt).sum() < _MIN_VOXELS:
            spoilt[:] = False
        rows.append(
            _row(vial, protocol, modality, located, k, patch, spoilt, radius, background).model_copy(
                update={"flag": flag, "used": used}
            )
        )
    return rows


def _read(values: NDArray[np.float32], modality: Modality) -> str:
    middle = float(np.median(values))
    text = f"{middle:.0f} HU" if modality == "ct" else f"{middle:.2g} ppm"
    return text.replace("-", "−")


def _cut_off(
    image: sitk.Image, patch: Patch, core: Mask, radius_mm: float, located: Located, k: int
) -> tuple[str, bool]:
    """Flag of a vial that the field of view cuts along its side, and whether enough is left.

    That the scan ends somewhere along the vials is no fault: only what lies between its first and last slice counts.
    """
    frame, (low, high) = located.frame, located.along_mm
    along = np.linspace(low, high, 41)
    line = frame.to_world(np.column_stack([np.tile(located.centres_mm[k], (len(along), 1)), along]))
    index = np.array([image.TransformPhysicalPointToContinuousIndex(p.tolist())[frame.image_axis] for p in line])
    share_inside = float(np.mean((index >= -0.5) & (index <= image.GetSize()[frame.image_axis] - 0.5)))
    awaited = np.pi * radius_mm**2 * (high - low) * share_inside / float(np.prod(patch.spacing_mm))
    share = float(core.sum()) / max(awaited, 1e-9)
    if share >= _WHOLE:
        return "", True
    kept = share >= _ENOUGH
    return f"cut off: {100 * share:.0f} % of it lies in the scan; {'kept' if kept else 'left out'}", kept


def _bubble(flag: str, used: bool, spoilt: Mask, core: Mask, modality: Modality) -> tuple[str, bool]:
    """Flag and use of a vial with `spoilt` voxels."""
    if not spoilt.any():
        return flag, used
    share = float(spoilt.sum() / core.sum())
    text = f"air bubble: {int(spoilt.sum())} of {int(core.sum())} voxels left out of its mean"
    if modality == "qsm":
        # The dipole field of a bubble is larger than the vial: the remaining voxels are wrong too.
        return f"{text}; its field spoils the rest: left out", False
    if share > _ENOUGH:
        return f"{text}; left out", False
    return text, used


def _surroundings(patch: Patch, own: int, located: Located, protocol: Protocol) -> Mask:
    """The ring around a vial without other vials and their walls."""
    radius = protocol.radius_of(protocol.vials[own]) + _WALL_MM
    ring = patch.ring(radius, radius + _RING_MM)
    for k, (vial, centre) in enumerate(zip(protocol.vials, located.centres_mm, strict=True)):
        away = centre - located.centres_mm[own]
        other = protocol.radius_of(vial) + _WALL_MM
        if k != own and float(np.hypot(*away)) < radius + _RING_MM + other:
            ring &= ~patch.disc(other, (float(away[0]), float(away[1])))
    return ring


def _row(
    vial: Vial,
    protocol: Protocol,
    modality: Modality,
    located: Located,
    index: int,
    patch: Patch,
    spoilt: Mask,
    radius_mm: float,
    background: float | None,
) -> VialMeasurement:
    core = patch.disc(radius_mm)
    s = statistics(patch.values, core & ~spoilt)
    world = located.frame.to_world(np.array([*located.centres_mm[index], sum(located.along_mm) / 2]))
    x = protocol.abscissa_of(vial)
    return VialMeasurement(
        vial_id=vial.id,
        material=vial.material,
        series=protocol.series_of(vial),
        concentration_mmol_per_l=x if protocol.is_concentration else None,
        abscissa=x,
        abscissa_sd=protocol.abscissa_sd_of(vial),
        abscissa_unit=protocol.abscissa_unit,
        modality=modality,
        value=s.mean,
        unit="HU" if modality == "ct" else "ppm",
        sd=s.sd,
        sem=s.sem,
        n_voxels=s.n,
        n_edge_voxels=int(patch.disc(protocol.radius_of(vial)).sum() - core.sum()),
        n_bubble_voxels=int((core & spoilt).sum()),
        n_effective=s.n_effective,
        background=background,
        position_effect=_position_effect(patch, spoilt, radius_mm, located.record.position_residual_mm, s.mean),
        edge_effect=_edge_effect(patch, spoilt, radius_mm, located.frame.image_axis, s.mean),
        x_mm=float(world[0]),
        y_mm=float(world[1]),
        z_mm=float(world[2]),
        used=True,
    )


def _position_effect(patch: Patch, spoilt: Mask, radius_mm: float, residual_mm: float, mean: float) -> float | None:
    """Standard uncertainty of the mean when the place has that of the position residual.

    The mask is moved by the residual's share along each of two directions, to both sides; the changes add in squares
    (GUM, sensitivity by finite differences, one-sided so that curvature counts).
    """
    step = residual_mm / np.sqrt(2.0)
    square = 0.0
    for direction in ((1.0, 0.0), (0.0, 1.0)):
        sides = []
        for sign in (-1.0, 1.0):
            moved = patch.disc(radius_mm, (sign * step * direction[0], sign * step * direction[1])) & ~spoilt
            if not moved.any():
                return None
            sides.append((float(patch.values[moved].mean(dtype=np.float64)) - mean) ** 2)
        square += float(np.mean(sides))
    return float(np.sqrt(square))


def _edge_effect(patch: Patch, spoilt: Mask, radius_mm: float, image_axis: int, mean: float) -> float | None:
    """Standard uncertainty from partial volume: the change when the mask shrinks by half a voxel, as a rectangle."""
    in_plane = [s for k, s in enumerate(patch.spacing_mm[::-1]) if k != image_axis]
    narrow = patch.disc(max(radius_mm - 0.5 * max(in_plane), 0.3 * radius_mm)) & ~spoilt
    if narrow.sum() < _MIN_VOXELS:
        return None
    return float(abs(float(patch.values[narrow].mean(dtype=np.float64)) - mean) / np.sqrt(3.0))
