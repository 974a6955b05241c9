"""The vials of a phantom as straight lines in one scan, each with the standard error of its place."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import centroid
from phantomcal.phantom.finding.frame import Frame, resample_to_frame
from phantomcal.phantom.finding.locate import Located
from phantomcal.protocol import Protocol

Array = NDArray[np.float64]

_FINEST_MM, _COARSEST_MM = 0.7, 1.0
_THINNEST_SLAB_MM = 2.0
_MOST_SLABS = 10
_FEWEST_SLABS = 3
_PRIOR_WEIGHT = 4.0  # planes' worth that the scatter of all vials counts in that of one
_HALF = 0.5


@dataclass(frozen=True)
class VialLines:
    """Vials of one scan, parallel and straight.

    Attributes
    ----------
    ids : tuple of str
        Vials that were followed.
    centres_mm : ndarray, shape (n, 2)
        Across the vials, in the frame's plane through its origin.
    errors_mm : ndarray, shape (n,)
        Standard error of a centre along either direction.
    frame : Frame
        Third axis along the vials, origin at mid-length.
    lean_errors : ndarray, shape (2,)
        Standard errors of the third axis along the first two, radians.
    ends_mm : tuple of float
        Where the vials end along the third axis, or the image does.
    ends_seen : tuple of bool
        Whether that end is the vials' own.
    end_errors_mm : tuple of float
        Scatter of an end between vials; a slice at least.
    mirrored : bool
        Whether the layout is seen in the mirror, looking along the third axis.
    """

    ids: tuple[str, ...]
    centres_mm: Array
    errors_mm: Array
    frame: Frame
    lean_errors: Array
    ends_mm: tuple[float, float]
    ends_seen: tuple[bool, bool]
    end_errors_mm: tuple[float, float]
    mirrored: bool


def vial_lines(image: sitk.Image, located: Located, protocol: Protocol, *, where: str = "the image") -> VialLines:
    """Follow the vials that were seen plane by plane and fit a straight line to each, all of one direction.

    The scatter of the centres about their lines gives the standard errors: noise, voxels and streaks are all in it.

    Parameters
    ----------
    image : SimpleITK.Image
        The scan.
    located : Located
        Where its vials are.
    protocol : Protocol
        For the radii.
    where : str
        The image, for messages.

    Returns
    -------
    VialLines

    Raises
    ------
    InputError
        Fewer than two vials are seen, or they are too short to be followed.
    """
    seen = np.flatnonzero(located.seen)
    if len(seen) < 2:
        raise InputError(f"{len(seen)} of the vials can be seen", where, "alignment by vials needs two or more")
    fine = float(np.clip(min(s for k, s in enumerate(image.GetSpacing()) if k != located.frame.image_axis), 0.0, 9.0))
    spacing = float(np.clip(fine, _FINEST_MM, _COARSEST_MM))
    volume, start = resample_to_frame(image, located.frame, spacing)
    radii = np.array([protocol.radius_of(protocol.vials[k]) for k in seen])
    places = located.centres_mm[seen]
    slice_mm = image.GetSpacing()[located.frame.image_axis]

    low, high = located.along_mm
    count = int(min(_MOST_SLABS, (high - low) / max(_THINNEST_SLAB_MM, slice_mm)))
    if count < _FEWEST_SLABS:
        raise InputError(f"only {high - low:.0f} mm of the vials are whole", where, "scan more of their length")
    edges = np.linspace(low, high, count + 1)
    along = (edges[1:] + edges[:-1]) / 2
    planes = np.round((edges - start[2]) / spacing).astype(int)
    found = np.empty((count, len(seen), 2))
    for k in range(count):
        with np.errstate(invalid="ignore"):
            picture = np.nan_to_num(volume[max(planes[k], 0) : max(planes[k + 1], planes[k] + 1)].mean(axis=0))
        for i, (place, radius) in enumerate(zip(places, radii, strict=True)):
            centre, _ = centroid(picture, place, start[:2], spacing, radius)
            found[k, i], _ = centroid(picture, centre, start[:2], spacing, radius)
    middle = (low + high) / 2
    centres, slope, errors, slope_errors = _fit_lines(found, along - middle)

    frame = located.frame.tilted(slope)
    origin = located.frame.to_world(np.array([0.0, 0.0, middle]))
    frame = Frame(origin, frame.axes, frame.image_axis)
    world = located.frame.to_world(np.column_stack([centres, np.full(len(centres), middle)]))
    ends, ends_seen, end_errors = _ends(volume, start, spacing, centres, slope, radii, (low, high), slice_mm)
    return VialLines(
        ids=tuple(protocol.vials[k].id for k in seen),
        centres_mm=frame.from_world(world)[:, :2],
        errors_mm=errors,
        frame=frame,
        lean_errors=slope_errors,
        ends_mm=(ends[0] - middle, ends[1] - middle),
        ends_seen=ends_seen,
        end_errors_mm=end_errors,
        mirrored=located.record.mirrored,
    )


def _fit_lines(found: Array, along: Array) -> tuple[Array, Array, Array, Array]:
    """Centres at along = 0, common slope, standard errors of both; found (planes, vials, 2)."""
    t = along - along.mean()
    slope = np.median((t[:, None, None] * (found - found.mean(axis=0))).sum(axis=0) / (t @ t), axis=0)
    residual = found - t[:, None, None] * slope
    centres = np.median(residual, axis=0)
    residual = residual - centres
    n = len(along)
    # A median in place of a mean, against a bubble or a streak in a few planes: its error is a quarter larger.
    variance = (residual**2).mean(axis=(0, 2)) * n / (n - 1)
    pooled = float(np.median(variance))
    steady = (n * variance + _PRIOR_WEIGHT * pooled) / (n + _PRIOR_WEIGHT)
    errors = 1.2533 * np.sqrt(steady / n)
    slope_error = 1.2533 * np.sqrt(pooled / (t @ t) / found.shape[1])
    return centres - slope * along.mean(), slope, errors, np.full(2, slope_error)


def _ends(
    volume: NDArray[np.float32],
    start: Array,
    spacing: float,
    centres: Array,
    slope: Array,
    radii: Array,
    whole: tuple[float, float],
    slice_mm: float,
) -> tuple[tuple[float, float], tuple[bool, bool], tuple[float, float]]:
    """Where the vials' contrast falls to half, from the middle outwards; median over the vials."""
    margin = int(np.ceil(2.2 * radii.max() / spacing)) + 1
    padded = np.pad(volume, ((0, 0), (margin, margin), (margin, margin)), constant_values=np.nan)
    corner = np.array([*(start[:2] - margin * spacing), start[2]])
    profiles = np.array(
        [_profile(padded, corner, spacing, c, slope, r, sum(whole) / 2) for c, r in zip(centres, radii, strict=True)]
    )
    z = start[2] + np.arange(volume.shape[0]) * spacing
    inside = (z >= whole[0]) & (z <= whole[1])
    level = np.nanmedian(profiles[:, inside], axis=1)
    noise = np.nanstd(profiles[:, inside], axis=1)
    clear = np.abs(level) > np.maximum(5 * noise, 0.2 * np.abs(level).max())  # weak vials cannot show where they end
    if not clear.any():
        clear = np.abs(level) == np.abs(level).max()
    share = profiles[clear] / level[clear][:, None]
    ends, seen, errors = [], [], []
    for sign in (-1, 1):
        order = np.flatnonzero(z >= sum(whole) / 2) if sign > 0 else np.flatnonzero(z <= sum(whole) / 2)[::-1]
        places = [p for p in (_falls(z[order], row[order]) for row in share) if p is not None]
        own = len(places) >= max(1, int(clear.sum()) // 2)
        valid = order[np.isfinite(share[:, order]).any(axis=0)]
        ends.append(float(np.median(places)) if own else float(z[valid[-1]]))
        seen.append(own)
        scatter = 1.4826 * float(np.median(np.abs(np.array(places) - np.median(places)))) if own else 0.0
        errors.append(max(scatter, slice_mm / 2))
    return (ends[0], ends[1]), (seen[0], seen[1]), (errors[0], errors[1])


def _profile(
    volume: NDArray[np.float32], start: Array, spacing: float, centre: Array, slope: Array, radius: float, middle: float
) -> Array:
    """Core mean less the median around, plane by plane along one vial."""
    reach = int(np.ceil(2.2 * radius / spacing)) + 1
    offset = np.arange(-reach, reach + 1)
    distance = np.hypot(*np.meshgrid(offset, offset)) * spacing
    core, ring = distance <= 0.6 * radius, (distance >= 1.35 * radius) & (distance <= 1.9 * radius)
    profile = np.full(len(volume), np.nan)
    for k in range(len(volume)):
        place = centre + slope * (start[2] + k * spacing - middle)
        column, row = np.round((place - start[:2]) / spacing).astype(int)
        part = volume[k, max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
        if part.shape == core.shape and np.isfinite(part[core]).all() and np.isfinite(part[ring]).any():
            profile[k] = float(part[core].mean()) - float(np.nanmedian(part[ring]))
    return profile


def _falls(z: Array, share: Array) -> float | None:
    """Where a profile that starts near 1 first falls below a half for two planes; None when it never does."""
    below = share < _HALF
    below[:-1] &= below[1:] | ~np.isfinite(share[1:])
    known = np.isfinite(share)
    for k in np.flatnonzero(below & known):
        if k == 0:
            return float(z[0])
        if not known[k - 1]:
            continue
        part = (share[k - 1] - _HALF) / max(share[k - 1] - share[k], 1e-9)
        return float(z[k - 1] + np.clip(part, 0, 1) * (z[k] - z[k - 1]))
    return None
