"""Measure located vials in the original voxels: no interpolation, edges left out."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.phantom.locate import Located
from phantomcal.protocol import Protocol, Vial
from phantomcal.results import Modality, VialMeasurement

Array = NDArray[np.float64]
_MIN_VOXELS = 10


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
    image: sitk.Image, located: Located, protocol: Protocol, modality: Modality, where: str = "the image"
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

    Returns
    -------
    list of VialMeasurement
        In the protocol's order, all marked as used.

    Raises
    ------
    InputError
        A vial lies outside the image or holds fewer than ten voxels.
    """
    array = sitk.GetArrayViewFromImage(image)
    rows = []
    for vial, centre in zip(protocol.vials, located.centres_mm, strict=True):
        inner = mask_radius_mm(image, protocol, modality, vial, located.frame.image_axis)
        values, mask = _cylinder(image, array, located, centre, inner)
        if int(mask.sum()) < _MIN_VOXELS:
            raise InputError(
                f"vial {vial.id!r} covers only {int(mask.sum())} voxels ({inner:.1f} mm radius inside the wall)",
                where,
                "the scan cuts it off or its voxels are too large: leave the vial out of the protocol or scan finer",
            )
        s = statistics(values, mask)
        world = located.frame.to_world(np.array([*centre, sum(located.along_mm) / 2]))
        x = protocol.abscissa_of(vial)
        rows.append(
            VialMeasurement(
                vial_id=vial.id,
                material=vial.material,
                series=protocol.series_of(vial),
                concentration_mmol_per_l=x if protocol.is_concentration else None,
                abscissa=x,
                abscissa_unit=protocol.abscissa_unit,
                modality=modality,
                value=s.mean,
                unit="HU" if modality == "ct" else "ppm",
                sd=s.sd,
                sem=s.sem,
                n_voxels=s.n,
                n_effective=s.n_effective,
                x_mm=float(world[0]),
                y_mm=float(world[1]),
                z_mm=float(world[2]),
                used=True,
            )
        )
    return rows


def _cylinder(
    image: sitk.Image, array: NDArray[np.float32], located: Located, centre: Array, radius_mm: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Voxels around one vial and the mask of those inside the eroded cylinder."""
    frame, (low, high) = located.frame, located.along_mm
    ends = frame.to_world(np.array([[*centre, low], [*centre, high]]))
    index = np.array([image.TransformPhysicalPointToContinuousIndex(e.tolist()) for e in ends])
    reach = radius_mm / np.array(image.GetSpacing()) + 1.0
    first = np.maximum(np.floor(index.min(axis=0) - reach), 0).astype(int)
    last = np.minimum(np.ceil(index.max(axis=0) + reach), np.array(image.GetSize()) - 1).astype(int)
    if np.any(last < first):
        return np.zeros((0, 0, 0), np.float32), np.zeros((0, 0, 0), bool)
    matrix = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    # index -> world -> frame is affine, so it is applied to the three index ranges and added up.
    to_frame = frame.axes @ matrix
    offset = frame.axes @ (np.array(image.GetOrigin()) - frame.origin_mm)
    i, j, k = (np.arange(first[a], last[a] + 1) for a in range(3))
    x, y, z = (
        offset[r]
        + to_frame[r, 0] * i[None, None, :]
        + to_frame[r, 1] * j[None, :, None]
        + to_frame[r, 2] * k[:, None, None]
        for r in range(3)
    )
    mask = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius_mm**2) & (z >= low) & (z <= high)
    part = array[first[2] : last[2] + 1, first[1] : last[1] + 1, first[0] : last[0] + 1]
    return part.astype(np.float32), mask
