"""A protocol to complete from a scan of a phantom that nobody has described yet."""

import re
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from phantomcal.errors import InputError
from phantomcal.phantom.finding.blobs import blob_map, peaks
from phantomcal.phantom.finding.candidates import Candidate, Slabs, centroids, disc_means, slabs_of
from phantomcal.phantom.finding.extent import lean, whole_range
from phantomcal.phantom.finding.frame import Frame, dominant_axis, image_frame
from phantomcal.phantom.finding.pose import Pose
from phantomcal.results import Modality

Array = NDArray[np.float64]
_RADII_MM = (3.0, 4.2, 6.0, 8.5, 12.0)
_CLEAR = 0.5  # visibility of a disc worth proposing
_LEAST_CONTRAST: dict[Modality, float] = {"ct": 15.0, "qsm": 0.03}
_MOST = 60
_LASTING = 0.4  # share of the slabs the clearest discs are in that another one must be in
_LEAST = 2
_ROUND = 0.35  # angular SD inside a disc, as share of its contrast, beyond which it is something else
_SLAB_HALF_MM = 5.0


@dataclass(frozen=True)
class Drafted:
    """Vial-like discs of a scan.

    Attributes
    ----------
    places_mm : ndarray, shape (n, 2)
        Centres about their mean, in the plane across the vials.
    values : ndarray, shape (n,)
        Mean HU or ppm.
    radius_mm : float
        Median inner radius, or the one said.
    length_mm : float or None
        Along the vials; None when they reach beyond the scan.
    """

    places_mm: Array
    values: Array
    radius_mm: float
    length_mm: float | None


def find_discs(
    image: sitk.Image,
    modality: Modality,
    *,
    vial_radius_mm: float | None = None,
    axis: int | None = None,
    where: str = "the image",
) -> Drafted:
    """Find what looks like vials, without knowing the phantom.

    Discs are sought at several radii in slabs across the axis along which the image changes least. The radius at which
    a disc falls to half its contrast, as the median over the clearest discs, is that of the vials; a second search at
    that radius proposes the vials.

    Parameters
    ----------
    image : SimpleITK.Image
        HU or ppm.
    modality : {"ct", "qsm"}
    vial_radius_mm : float, optional
        Inner radius; estimated otherwise.
    axis : int, optional
        Index axis the vials run along.
    where : str
        Name of the image in messages.

    Returns
    -------
    Drafted

    Raises
    ------
    InputError
        Fewer than two discs stand out.
    """
    if vial_radius_mm is not None and not 1.0 <= vial_radius_mm <= 40.0:
        raise InputError(f"a vial radius of {vial_radius_mm:g} mm", "--vial-radius", "give 1 to 40 mm")
    window = (-1000.0, 1000.0) if modality == "ct" else (-1.5, 1.5)
    along = dominant_axis(image, *window) if axis is None else axis
    frame = image_frame(image, along)
    radius = vial_radius_mm or _estimate_radius(image, frame, modality)
    slabs = centres = None
    if radius is not None:
        slabs, slab, every = _search(image, frame, modality, radius)
        leaning = _leaning(frame, slabs, slab, every[slab])
        if leaning is not None:
            straight = _search(image, leaning, modality, radius)
            if len(straight[2][straight[1]]) >= len(every[slab]):
                slabs, slab, every = straight
        centres = _lasting(every, slab, radius)
    if radius is None or slabs is None or centres is None or len(centres) < _LEAST:
        said = f" of {radius:g} mm radius" if radius is not None else ""
        raise InputError(
            f"no vial-like discs{said} stand out",
            where,
            "check that vials are in view, or say --vial-radius and --axis",
        )
    candidate = _candidate(slabs, slab, centres)
    low, high = whole_range(slabs, candidate)
    middle, half = (low + high) // 2, max(1, (high - low) // 2 - round(2.0 / slabs.spacing_mm))
    values = disc_means(slabs.at(middle, half), centres, slabs)
    ends = low <= 1 or high >= len(slabs.volume) - 2
    places = centres - centres.mean(axis=0)
    order = np.lexsort((np.hypot(*places.T), np.round(np.arctan2(places[:, 1], places[:, 0]), 2)))
    length = None if ends else float((high - low) * slabs.spacing_mm)
    return Drafted(places[order], values[order], float(radius), length)


def _estimate_radius(image: sitk.Image, frame: Frame, modality: Modality) -> float | None:
    """Radius at half contrast of the clearest discs, over several trial radii."""
    found: list[tuple[float, float]] = []
    for trial in _RADII_MM:
        slabs, slab, every = _search(image, frame, modality, trial, walls=False)
        picture = slabs.picture(slab)
        for centre in every[slab]:
            contrast, half = _profile(picture, centre, slabs, trial)
            # A disc is seen at neighbouring trial radii too; only where it fits does it speak.
            if 0.75 * trial <= half <= 1.3 * trial:
                found.append((abs(contrast) * half, half))
    if len(found) < _LEAST:
        return None
    strongest = sorted(found, reverse=True)[: max(_LEAST, len(found) // 2)]
    return round(float(np.median([half for _, half in strongest])), 1)


def _search(
    image: sitk.Image, frame: Frame, modality: Modality, radius: float, walls: bool = True
) -> tuple[Slabs, int, list[Array]]:
    """Slab in which discs of a radius stand out most, and the centres of the discs of every slab."""
    half_px = max(1, round(_SLAB_HALF_MM / min(1.0, radius / 3.5)))
    slabs = slabs_of(image, frame, radius, modality, half_px)
    best: tuple[float, int] = (-1.0, 0)
    every: list[Array] = []
    for slab, plane in enumerate(slabs.centres_px):
        inner = _inside(slabs.body[int(plane)], 1.3 * radius / slabs.spacing_mm)
        score, found = 0.0, np.zeros((0, 2))
        if inner.any():
            picture = slabs.picture(slab)
            for view in (picture, _filled(picture, inner)) if modality == "ct" and walls else (picture,):
                seen, places = _discs(view, inner, slabs, radius, modality)
                score += seen
                near = np.linalg.norm(places[:, None] - found[None], axis=2) < radius
                found = np.concatenate([found, places[~near.any(axis=1)]])
        every.append(found)
        if score > best[0]:
            best = score, slab
    return slabs, best[1], every


def _lasting(every: list[Array], slab: int, radius: float) -> Array:
    """Discs of the best slab and of others that are in several: what is in one slab only is no vial."""
    places = list(every[slab])
    counts = [0] * len(places)
    sums = [np.zeros(2) for _ in places]
    for found in [every[slab], *(f for k, f in enumerate(every) if k != slab)]:
        for place in found:
            away = np.linalg.norm(np.array(places) - place, axis=1) if places else np.array([np.inf])
            k = int(np.argmin(away))
            if away[k] > radius:
                k = len(places)
                places, counts, sums = [*places, place], [*counts, 0], [*sums, np.zeros(2)]
            counts[k] += 1
            sums[k] = sums[k] + place
    needed = max(2.0, _LASTING * float(np.quantile(counts, 0.8))) if counts else 0.0
    return np.array([s / n for s, n in zip(sums, counts, strict=True) if n >= needed]).reshape(-1, 2)


def _discs(
    picture: NDArray[np.float32], inner: NDArray[np.bool_], slabs: Slabs, radius: float, modality: Modality
) -> tuple[float, Array]:
    """How much round discs stand out of a picture, and their centres."""
    blobs = blob_map(picture, radius / slabs.spacing_mm, inner)
    size = np.abs(blobs.contrast)
    # Tubes may fill most of a phantom and leave no calm place; on CT, noise of neighbouring pixels is the noise.
    noise = _pixel_noise(picture, inner) if modality == "ct" else blobs.noise
    strong = inner & (size > _LEAST_CONTRAST[modality])
    visibility = np.where(strong, size / (size + np.float32(6.0 * noise)), np.float32(0.0))
    top = peaks(visibility, 1.6 * radius / slabs.spacing_mm, _MOST, _CLEAR)
    places = slabs.start_mm[:2] + top[:, ::-1] * slabs.spacing_mm
    for _ in range(2 if len(top) else 0):
        places, _contrast = centroids(picture, places, slabs.start_mm[:2], slabs.spacing_mm, radius)
    kept = np.array([_is_round(picture, place, slabs, radius) for place in places], dtype=bool)
    # Root of the contrast: many discs speak for a slab, and so do strong ones.
    score = visibility[top[kept, 0], top[kept, 1]] * np.sqrt(np.abs(blobs.contrast[top[kept, 0], top[kept, 1]]))
    return float(score.sum()), places[kept].reshape(-1, 2)


def _pixel_noise(picture: NDArray[np.float32], inner: NDArray[np.bool_]) -> float:
    step = np.diff(picture, axis=1)[inner[:, 1:] & inner[:, :-1]]
    return float(1.4826 * np.median(np.abs(step)) / np.sqrt(2.0)) + 1e-6 if step.size else 0.0


def _filled(picture: NDArray[np.float32], inner: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A CT with the insides of closed bright walls raised to them, so that tubes of anything become discs."""
    open_around = np.where(inner, picture, picture[inner].min())
    filled: NDArray[np.float32] = sitk.GetArrayFromImage(sitk.GrayscaleFillhole(sitk.GetImageFromArray(open_around)))
    return np.where(inner, filled, picture)


def _inside(body: NDArray[np.bool_], margin_px: float) -> NDArray[np.bool_]:
    """The largest part of a plane's body without its rim: that is an edge, and no vial is beyond it."""
    labels, n = ndimage.label(body)
    if n == 0:
        return body
    largest = ndimage.binary_fill_holes(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])))
    inner: NDArray[np.bool_] = ndimage.distance_transform_edt(largest) > margin_px
    return inner


def _polar(picture: NDArray[np.float32], place: Array, slabs: Slabs, radii: Array) -> Array:
    """Picture on circles about a place, shape (radii, angles)."""
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    x = place[0] + radii[:, None] * np.cos(angle)
    y = place[1] + radii[:, None] * np.sin(angle)
    index = np.stack([(y - slabs.start_mm[1]), (x - slabs.start_mm[0])]) / slabs.spacing_mm
    polar: Array = ndimage.map_coordinates(picture.astype(np.float64), index, order=1, mode="nearest")
    return polar


def _profile(picture: NDArray[np.float32], place: Array, slabs: Slabs, radius: float) -> tuple[float, float]:
    """Contrast of a disc and the radius at which it has half of it."""
    radii = np.arange(0.0, 2.0 * radius, 0.1)
    polar = _polar(picture, place, slabs, radii)
    inner = float(polar[radii <= 0.5 * radius].mean())
    outer = float(np.median(polar[(radii >= 1.45 * radius) & (radii <= 1.9 * radius)]))
    contrast = inner - outer
    if contrast == 0.0:
        return 0.0, 0.0
    share = (polar.mean(axis=1) - outer) / contrast
    below = np.flatnonzero((share < 0.5) & (radii > 0.4 * radius))
    return contrast, float(radii[below[0]]) if below.size else 0.0


def _is_round(picture: NDArray[np.float32], place: Array, slabs: Slabs, radius: float) -> bool:
    """Whether a disc is even inside and ends in every direction."""
    contrast, half = _profile(picture, place, slabs, radius)
    if contrast == 0.0 or not 0.6 * radius <= half <= 1.5 * radius:
        return False
    inside = _polar(picture, place, slabs, np.array([0.55 * radius]))
    return bool(inside.std() < _ROUND * abs(contrast))


def _candidate(slabs: Slabs, slab: int, centres: Array) -> Candidate:
    seen = np.ones(len(centres), dtype=bool)
    values = disc_means(slabs.picture(slab), centres, slabs)
    return Candidate(Pose(0.0, False, (0.0, 0.0)), slab, 1.0, 0.0, centres, seen, values)


def _leaning(frame: Frame, slabs: Slabs, slab: int, centres: Array) -> Frame | None:
    """Frame along the discs, when they lean: a layout read off a slanting cut would be stretched."""
    if len(centres) < 3:
        return None
    candidate = _candidate(slabs, slab, centres)
    slope, error = lean(slabs, candidate, *whole_range(slabs, candidate))
    clear = (np.abs(slope) > 3 * error) & (np.abs(slope) > 0.01)
    return frame.tilted(slope) if clear.any() else None


def draft_text(drafted: Drafted, modality: Modality, name: str, scan: str) -> str:
    """The protocol as YAML, with ``null`` where only its owner knows.

    Parameters
    ----------
    drafted : Drafted
    modality : {"ct", "qsm"}
        Of the scan.
    name : str
        Made into a protocol name.
    scan : str
        File the discs were found in, for the comment.
    """
    slug = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "my-phantom"
    slug = f"{slug}-phantom" if slug in ("draft", "show") else slug
    unit, digits = ("HU", 1) if modality == "ct" else ("ppm", 3)
    length = "" if drafted.length_mm is None else f", vial_length_mm: {drafted.length_mm:.0f}"
    lines = [
        f"# Drafted by phantomcal from {scan}: {len(drafted.values)} discs that look like vials.",
        "# Fill in every null. Take out discs that are no vials. Vials without contrast of their own are not found:",
        "# add them at their places. Name the substance of each material to get expected slopes.",
        "schema_version: 1",
        f"name: {slug}",
        "title: null",
        "source: null  # who made it, from what, when",
        f"modalities: [{modality}]",
        "abscissa: {quantity: concentration, unit: mmol/L}",
        f"geometry: {{vial_radius_mm: {drafted.radius_mm:g}{length}}}",
        "materials: {}  # for example {gadolinium: {substance: gadolinium}}",
        "vials:",
    ]
    for k, ((x, y), value) in enumerate(zip(drafted.places_mm, drafted.values, strict=True), start=1):
        place = f"x_mm: {x + 0.0:.1f}, y_mm: {y + 0.0:.1f}"
        lines.append(
            f"  - {{id: v{k}, material: null, concentration: null, {place}}}  # reads {value:.{digits}f} {unit}"
        )
    return "\n".join(lines) + "\n"
