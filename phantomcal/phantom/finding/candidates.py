"""Ways a layout could lie in a volume: poses from blobs, refined on vial centres, compared by their values."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.phantom.finding.blobs import BlobMap, blob_map, peaks
from phantomcal.phantom.finding.frame import Frame, resample_to_frame
from phantomcal.phantom.finding.pose import Pose, fit_pose, hypotheses, value_misfit
from phantomcal.protocol import Protocol
from phantomcal.results import Modality

Array = NDArray[np.float64]
Kind = Literal["ct", "qsm", "magnitude"]
# Of the disc of this many radii around a vial some must be phantom: what lies in the air is none, whatever its values.
_AROUND, _LEAST_BODY = 1.9, 0.1
OUTSIDE = -1.0  # what a magnitude's darkness is outside the body


@dataclass(frozen=True)
class Candidate:
    """One way the layout could lie in the volume."""

    pose: Pose
    slab: int
    match: float
    misfit: float
    centres: Array
    seen: NDArray[np.bool_]
    values: Array

    @property
    def cost(self) -> float:
        """Misfit of values and of places together; small is good."""
        return self.misfit + 0.5 * (1.0 - self.match) + 0.02


@dataclass(frozen=True)
class Slabs:
    """A volume in the phantom's frame, averaged over short lengths along the vials."""

    volume: NDArray[np.float32]
    body: NDArray[np.bool_]
    start_mm: Array
    spacing_mm: float
    half_px: int
    centres_px: NDArray[np.int64]
    radius_mm: float

    def picture(self, slab: int) -> NDArray[np.float32]:
        """Mean picture of slab number `slab`."""
        return self.at(int(self.centres_px[slab]))

    def at(self, centre_px: int, half_px: int | None = None) -> NDArray[np.float32]:
        """Mean picture around a plane of the volume."""
        half = self.half_px if half_px is None else half_px
        part = self.volume[max(0, centre_px - half) : centre_px + half + 1]
        mean: NDArray[np.float32] = part.mean(axis=0)
        return mean

    def along_mm(self, centre_px: int) -> float:
        """Frame coordinate along the vials of a plane."""
        return float(self.start_mm[2] + centre_px * self.spacing_mm)


def layout_of(protocol: Protocol) -> Array:
    """Vial places (n, 2), mm, in the protocol's order.

    Raises
    ------
    InputError
        The protocol has no layout.
    """
    if not protocol.has_layout:
        raise InputError("the protocol has no vial places", protocol.name, "add x_mm and y_mm to each vial")
    return np.array([[v.x_mm, v.y_mm] for v in protocol.vials], dtype=float)


def expected_values(protocol: Protocol, modality: Modality) -> Array:
    """Predicted HU or ppm of each vial, up to a common offset; NaN where nothing predicts it."""
    predicted = []
    for vial in protocol.vials:
        slope = protocol.expected_slope(protocol.series_of(vial), modality)
        predicted.append(slope.value * protocol.abscissa_of(vial) if slope else float("nan"))
    return np.array(predicted)


def deviation_scale(protocol: Protocol, modality: Modality) -> float:
    """Deviation of a vial from its expected value that is unremarkable, HU or ppm."""
    given = protocol.tolerances.vial_deviation.get(modality)
    if given is not None:
        return given
    expected = expected_values(protocol, modality)
    finite = expected[np.isfinite(expected)]
    spread = float(np.ptp(finite)) if finite.size > 1 else 0.0
    return max(0.06 * spread, 5.0 if modality == "ct" else 0.02)


def prepare(image: sitk.Image, frame: Frame, protocol: Protocol, kind: Kind) -> Slabs:
    """Resample a volume to the phantom's frame and cut it into slabs.

    Of a magnitude, `phantomcal.phantom.finding.magnitude.darkness` is given.
    """
    radius = min(protocol.radius_of(v) for v in protocol.vials)
    length = protocol.geometry.vial_length_mm or 6 * radius
    half = max(1, round(float(np.clip(length / 3, 4.0, 15.0)) / min(1.0, radius / 3.5) / 2))
    return slabs_of(image, frame, radius, kind, half)


def slabs_of(image: sitk.Image, frame: Frame, radius_mm: float, kind: Kind, half_px: int) -> Slabs:
    """Resample a volume to a frame, fine enough for discs of a radius, and cut it into slabs of half a thickness."""
    spacing = min(1.0, radius_mm / 3.5)
    volume, start = resample_to_frame(image, frame, spacing)
    background = {"ct": -1000.0, "qsm": 0.0, "magnitude": OUTSIDE}[kind]
    volume = np.where(np.isfinite(volume), volume, np.float32(background))
    if kind == "ct":
        np.clip(volume, -1024.0, 2000.0, out=volume)
        body = volume > -400.0
    elif kind == "magnitude":
        body = volume > OUTSIDE / 2
        np.maximum(volume, 0.0, out=volume)
    else:
        body = volume != 0.0
        if body.mean() > 0.95:
            body = np.ones_like(body)
    centres = np.arange(min(half_px, volume.shape[0] // 2), max(volume.shape[0] - half_px, 1), half_px)
    return Slabs(volume, body, start, spacing, half_px, centres, radius_mm)


def slab_blobs(slabs: Slabs, centre_px: int) -> BlobMap:
    """Blob map of the slab around a plane."""
    body = slabs.body[centre_px]
    if not body.any():
        body = np.ones_like(body)
    return blob_map(slabs.at(centre_px), slabs.radius_mm / slabs.spacing_mm, body)


def centroids(
    picture: NDArray[np.float32], places_mm: Array, start_mm: Array, spacing_mm: float, radius_mm: float
) -> tuple[Array, Array]:
    """Centres of discs near places, from the share of each pixel they fill.

    Returns
    -------
    centres_mm : ndarray, shape (n, 2)
        The places themselves where nothing stands out.
    contrast : ndarray, shape (n,)
        Disc mean minus the median of its surroundings.
    """
    column, row = (places_mm - start_mm).T / spacing_mm
    reach = np.arange(-int(np.ceil(2.2 * radius_mm / spacing_mm)), int(np.ceil(2.2 * radius_mm / spacing_mm)) + 1)
    rows, columns = (np.rint(at).astype(int)[:, None] + reach for at in (row, column))
    y, x = start_mm[1] + rows * spacing_mm, start_mm[0] + columns * spacing_mm
    inside = ((rows >= 0) & (rows < picture.shape[0]))[:, :, None]
    inside = inside & ((columns >= 0) & (columns < picture.shape[1]))[:, None, :]
    part = picture[
        np.clip(rows, 0, picture.shape[0] - 1)[:, :, None], np.clip(columns, 0, picture.shape[1] - 1)[:, None, :]
    ]
    dx, dy = (x - places_mm[:, :1])[:, None, :], (y - places_mm[:, 1:])[:, :, None]
    distance = np.sqrt(dx * dx + dy * dy)
    core = inside & (distance <= 0.6 * radius_mm)
    ring = inside & (distance >= 1.35 * radius_mm) & (distance <= 1.9 * radius_mm)
    n_core, n_ring = core.sum(axis=(1, 2)), ring.sum(axis=(1, 2))
    there = (n_core > 0) & (n_ring > 0)
    around = np.sort(np.where(ring, part, np.inf).reshape(len(part), -1), axis=1)
    low, high = (np.take_along_axis(around, (np.maximum(n_ring + k, 0) // 2)[:, None], axis=1)[:, 0] for k in (-1, 0))
    background = np.where(there, (low + high) / 2.0, 0.0).astype(np.float64)
    mean = np.where(core, part, 0.0).sum(axis=(1, 2), dtype=np.float64) / np.maximum(n_core, 1)
    contrast = np.where(there, mean - background, 0.0)
    there &= contrast != 0.0
    share = (part - background[:, None, None]) / np.where(there, contrast, 1.0)[:, None, None]
    share = np.minimum(share, 1.0) * (inside & (distance <= 1.4 * radius_mm) & (share >= 0.25))
    total = share.sum(axis=(1, 2))
    there &= total > 0.0
    total = np.where(there, total, 1.0)
    found = np.stack([(share * dx).sum(axis=(1, 2)) / total, (share * dy).sum(axis=(1, 2)) / total], axis=1)
    return np.where(there[:, None], places_mm + found, places_mm), contrast


def centroid(
    picture: NDArray[np.float32], place_mm: Array, start_mm: Array, spacing_mm: float, radius_mm: float
) -> tuple[Array, float]:
    """Centre and contrast of one disc; see `centroids`."""
    centres, contrast = centroids(picture, np.asarray(place_mm, float)[None], start_mm, spacing_mm, radius_mm)
    return centres[0], float(contrast[0])


def refine(
    picture: NDArray[np.float32], blobs: BlobMap, pose: Pose, layout: Array, slabs: Slabs, tolerance_mm: float
) -> tuple[Pose, Array, NDArray[np.bool_]]:
    """Move a pose onto the measured centres of the vials that stand out.

    Returns
    -------
    pose : Pose
    centres_mm : ndarray, shape (n, 2)
        Measured centres of the seen vials, layout places of the others.
    seen : ndarray of bool, shape (n,)
        Vials with contrast of their own within the position tolerance.
    """
    start, spacing = slabs.start_mm[:2], slabs.spacing_mm
    placed = pose.place(layout)
    centres, seen = placed, np.zeros(len(layout), dtype=bool)
    for reach in (2.0, 1.5, 1.0):
        near, contrast = centroids(picture, placed, start, spacing, slabs.radius_mm)
        centres, _ = centroids(picture, near, start, spacing, slabs.radius_mm)
        strength = np.abs(contrast)
        seen = (strength > 4.0 * blobs.noise) & (np.linalg.norm(centres - placed, axis=1) < reach * tolerance_mm)
        if seen.sum() < 2:
            break
        # A strong vial shows its centre better, but no vial may pull the whole layout.
        weight = np.where(seen, np.minimum(strength / (8.0 * blobs.noise), 1.0), 0.0)
        pose = fit_pose(layout[seen], centres[seen], weight[seen], pose.mirrored)
        placed = pose.place(layout)
    return pose, np.where(seen[:, None], centres, placed), seen


def disc_pixels(shape: tuple[int, ...], centres: Array, slabs: Slabs, share: float = 0.6) -> list[NDArray[np.int64]]:
    """Flat indices of the pixels in a disc of `share` vial radii about each centre; empty outside the picture."""
    radius = share * slabs.radius_mm / slabs.spacing_mm
    reach = np.arange(-int(np.ceil(radius)), int(np.ceil(radius)) + 1)
    found = []
    for column, row in (centres - slabs.start_mm[:2]) / slabs.spacing_mm:
        rows, columns = (round(at) + reach for at in (row, column))
        inside = np.hypot(rows[:, None] - row, columns[None, :] - column) <= radius
        inside &= ((rows >= 0) & (rows < shape[0]))[:, None] & ((columns >= 0) & (columns < shape[1]))[None, :]
        found.append((rows[:, None] * shape[1] + columns[None, :])[inside])
    return found


def disc_means(picture: NDArray[np.float32], centres: Array, slabs: Slabs, share: float = 0.6) -> Array:
    """Mean of the picture in a disc of `share` vial radii about each centre; NaN outside the picture."""
    flat = picture.ravel()
    discs = disc_pixels(picture.shape, centres, slabs, share)
    return np.array([float(flat[pixels].mean()) if pixels.size else float("nan") for pixels in discs])


def candidates(
    slabs: Slabs, protocol: Protocol, modality: Modality, valued: Slabs | None = None, keep: int = 12
) -> list[Candidate]:
    """Ways the layout could lie in the volume, best first.

    Parameters
    ----------
    slabs : Slabs
        What shows the vials.
    protocol : Protocol
    modality : {"ct", "qsm"}
        Of the values.
    valued : Slabs, optional
        Where values are read when `slabs` only shows places; on the same grid.
    keep : int
        Clearly different poses to look at in each slab.
    """
    layout = layout_of(protocol)
    expected, scale = expected_values(protocol, modality), deviation_scale(protocol, modality)
    tolerance = protocol.geometry.position_tolerance_mm
    # Blanks, and vials too dilute to stand out of the noise, cannot be asked to be seen.
    visible = np.array([not protocol.is_concentration or v.value > 0 for v in protocol.vials])
    maps = [slab_blobs(slabs, int(c)) for c in slabs.centres_px]
    separation = slabs.radius_mm / slabs.spacing_mm
    tops = [peaks(m.visibility, separation, 3 * len(layout) + 10, 0.4) for m in maps]
    potential = [
        float(np.sum(m.visibility[t[: len(layout), 0], t[: len(layout), 1]])) for m, t in zip(maps, tops, strict=True)
    ]
    found: list[Candidate] = []
    for slab in np.argsort(potential, kind="stable")[::-1][:5]:
        blobs, top, picture = maps[slab], tops[slab], slabs.picture(int(slab))
        body = slabs.body[int(slabs.centres_px[slab])].astype(np.float32)
        places = slabs.start_mm[:2] + top[:, ::-1] * slabs.spacing_mm
        width = 2 * max(1, round(tolerance / slabs.spacing_mm)) + 1
        wide = sitk.GetArrayFromImage(
            sitk.GrayscaleDilate(sitk.GetImageFromArray(blobs.visibility), [width // 2] * 2, sitk.sitkBox)
        )
        for _, start_pose in hypotheses(
            layout,
            places,
            wide,
            slabs.start_mm[:2],
            slabs.spacing_mm,
            tolerance_mm=tolerance,
            keep=keep,
        ):
            pose, centres, seen = refine(picture, blobs, start_pose, layout, slabs, tolerance)
            values = disc_means(picture if valued is None else valued.picture(int(slab)), centres, slabs)
            inside = np.isfinite(values) & (disc_means(body, centres, slabs, _AROUND) > _LEAST_BODY)
            # On a magnitude every vial shows, by its wall if by nothing else.
            asked = visible & (np.abs(np.nan_to_num(expected, nan=np.inf)) > 6.0 * blobs.noise)
            match = _match(seen, asked if valued is None else np.ones_like(asked))
            misfit = value_misfit(np.where(inside, values, 0.0), np.where(inside, expected, np.nan), scale)
            misfit += float(np.mean(~inside))
            found.append(Candidate(pose, int(slab), match, misfit, centres, seen, values))
    return sorted(found, key=lambda c: c.cost)


def _match(seen: NDArray[np.bool_], visible: NDArray[np.bool_]) -> float:
    """Share of the vials that should stand out and do."""
    return float(seen[visible].mean()) if visible.any() else float(seen.mean())


def distinct(found: list[Candidate], slabs: Slabs, tolerance_mm: float) -> list[Candidate]:
    """Candidates that name at least one vial differently, best first.

    The same orientation seen at another slab is the same answer: leaning vials only move it sideways.
    """
    kept: list[Candidate] = []
    for candidate in found:
        if not any(_same(candidate, other, slabs, tolerance_mm) for other in kept):
            kept.append(candidate)
    return kept


_STEEPEST_LEAN = 0.4  # tangent; steeper vials are found along another image axis


def _same(a: Candidate, b: Candidate, slabs: Slabs, tolerance_mm: float) -> bool:
    if a.pose.mirrored != b.pose.mirrored:
        return False
    turn = abs((a.pose.angle_rad - b.pose.angle_rad + np.pi) % (2 * np.pi) - np.pi)
    apart = abs(int(slabs.centres_px[a.slab]) - int(slabs.centres_px[b.slab])) * slabs.spacing_mm
    shift = float(np.linalg.norm(np.subtract(a.pose.shift_mm, b.pose.shift_mm)))
    return turn < np.radians(6.0) and shift < 4 * tolerance_mm + _STEEPEST_LEAN * apart
