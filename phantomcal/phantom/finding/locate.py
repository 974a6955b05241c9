"""Find the vials of a protocol in a CT or QSM volume, or say why they cannot be found."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import Candidate, Kind, Slabs, layout_of, prepare, refine, slab_blobs
from phantomcal.phantom.finding.extent import clearest_slab, lean, whole_range
from phantomcal.phantom.finding.frame import Frame
from phantomcal.phantom.finding.overrides import Orientation, wrap
from phantomcal.phantom.finding.search import MIN_MARGIN, Found, View, margin_of, pose_words, require_one, search
from phantomcal.protocol import Protocol
from phantomcal.results import Modality, VialLocation

Array = NDArray[np.float64]

_MARGIN_ALONG_MM = 2.0
_DISPLAY_HALF_MM = 3.0


@dataclass(frozen=True)
class Located:
    """Where every vial of a protocol is in one volume.

    Attributes
    ----------
    record : VialLocation
        Pose, confidence and the words for them.
    frame : Frame
        Third axis along the vials.
    centres_mm : ndarray, shape (n, 2)
        Vial centres in the frame's plane, in the protocol's order.
    along_mm : tuple of float
        Range along the third axis in which the vials are whole.
    seen : ndarray of bool, shape (n,)
        Vials found by their own contrast.
    picture : ndarray, shape (y, x)
        Mean picture at mid-length, for display.
    picture_extent_mm : tuple of float
        Left, right, bottom, top of the picture in the frame's plane.
    """

    record: VialLocation
    frame: Frame
    centres_mm: Array
    along_mm: tuple[float, float]
    seen: NDArray[np.bool_]
    picture: NDArray[np.float32]
    picture_extent_mm: tuple[float, float, float, float]


def locate(
    image: sitk.Image,
    protocol: Protocol,
    modality: Modality,
    *,
    where: str = "the image",
    axis: int | None = None,
    orientation: Orientation | None = None,
    slices: tuple[int | None, int | None] = (None, None),
    magnitude: sitk.Image | None = None,
) -> Located:
    """Find the vials of a protocol.

    The axis along which the image changes least is the vials' axis. Disc-shaped contrast is sought in slabs across it;
    pairs of discs that match pairs of vials propose poses; each is refined on vial centres, and the expected values
    tell apart the poses a symmetric layout allows. Where a map does not settle it, the magnitude shows the places and
    the map the values.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D volume in HU or ppm.
    protocol : Protocol
        With a layout.
    modality : {"ct", "qsm"}
    where : str
        Name of the image in messages.
    axis : int, optional
        Index axis the vials run along (0, 1 or 2), when the automatic choice is wrong.
    orientation : Orientation, optional
        Accept only this rotation (within 10 degrees) and handedness.
    slices : tuple of int or None
        First and last slice along the vials to measure in, counted from 0.
    magnitude : SimpleITK.Image, optional
        Gradient-echo magnitude on the grid of a QSM map.

    Returns
    -------
    Located

    Raises
    ------
    InputError
        The layout is not in the image, two orientations explain it equally well, or the user's choice excludes the
        orientation that fits.
    """
    said = orientation or Orientation()
    views = [View(image, modality)]
    if magnitude is not None:
        views.append(View(magnitude, "magnitude", image))
    refusal: InputError | None = None
    for view in views:
        best = search(view, protocol, modality, axis, said)
        try:
            require_one(best, view, protocol, modality, axis, said, where)
        except InputError as error:
            refusal = refusal or error
            continue
        assert best is not None
        return _finish(image, best, protocol, modality, said, slices, where)
    assert refusal is not None
    if magnitude is not None:
        raise InputError(f"{refusal.what} (nor does the magnitude settle it)", refusal.where, refusal.fix)
    raise refusal


def _finish(
    image: sitk.Image,
    best: Found,
    protocol: Protocol,
    modality: Modality,
    said: Orientation,
    slices: tuple[int | None, int | None],
    where: str,
) -> Located:
    """Straighten the frame onto the vials and gather what is known."""
    margin, runner_up = margin_of(best.allowed)
    notes = []
    if best.every[0].cost * MIN_MARGIN < best.allowed[0].cost:
        margin, runner_up = best.every[0].cost / best.allowed[0].cost, pose_words(best.every[0], best.allowed[0])
        notes.append(f"the override ({said.words()}) excludes the orientation that fits best: {runner_up}")
    if best.seen.kind == "magnitude":
        notes.append("the map does not settle where the vials are: their places are those of the magnitude")
    frame, slabs, winner, along = _straighten(
        best.seen.image, best.frame, best.slabs, best.allowed[0], protocol, best.seen.kind
    )
    if slices != (None, None):
        along, said_so = _chosen_range(image, frame, winner, along, slices, where)
        notes += said_so
    shown = slabs if best.seen.valued is None else prepare(best.seen.valued, frame, protocol, modality)
    return _located(
        image, protocol, modality, best.seen.kind, frame, slabs, shown, winner, along, (margin, runner_up), notes
    )


def _chosen_range(
    image: sitk.Image,
    frame: Frame,
    winner: Candidate,
    along: tuple[float, float],
    slices: tuple[int | None, int | None],
    where: str,
) -> tuple[tuple[float, float], list[str]]:
    """Range along the vials that slices chosen by the user cover."""
    n = image.GetSize()[frame.image_axis]
    for name, number in zip(("--first-slice", "--last-slice"), slices, strict=True):
        if number is not None and number >= n:
            raise InputError(f"{name} {number}", where, f"the slices along the vials are 0 to {n - 1}")
    ends = [_slice_at(image, frame, winner, a) for a in along]
    per_mm = (ends[1] - ends[0]) / (along[1] - along[0])
    automatic = sorted(ends)
    first = slices[0] if slices[0] is not None else automatic[0]
    last = slices[1] if slices[1] is not None else automatic[1]
    if last < first:
        raise InputError(
            f"slices {first:.0f} to {last:.0f} are none",
            where,
            f"the vials are whole in slices {np.ceil(automatic[0]):.0f} to {np.floor(automatic[1]):.0f}",
        )
    # Half a slice more on both sides, so that a single slice of leaning vials is not cut.
    wanted = sorted(along[0] + (s - ends[0]) / per_mm for s in (first - 0.499, last + 0.499))
    beyond = first < automatic[0] - 1.0 or last > automatic[1] + 1.0
    note = "the slices chosen reach beyond those in which the vials look whole" if beyond else ""
    return (float(wanted[0]), float(wanted[1])), [note] if note else []


def _slice_at(image: sitk.Image, frame: Frame, winner: Candidate, along: float) -> float:
    """Slice (continuous) at which the layout's origin passes a place along the vials."""
    world = frame.to_world(np.array([*winner.pose.shift_mm, along]))
    return float(image.TransformPhysicalPointToContinuousIndex(world.tolist())[frame.image_axis])


def _straighten(
    image: sitk.Image,
    frame: Frame,
    slabs: Slabs,
    winner: Candidate,
    protocol: Protocol,
    kind: Kind,
) -> tuple[Frame, Slabs, Candidate, tuple[float, float]]:
    """Turn the frame's third axis onto the vials, when they measurably lean."""
    for _ in range(2):
        clearest = clearest_slab(slabs, winner)
        if clearest != winner.slab:
            along = slabs.along_mm(int(slabs.centres_px[clearest]))
            there = _again(slabs, winner, np.array([*winner.pose.shift_mm, along]), protocol)
            winner = there if _as_good(there, winner) else winner
        low, high = whole_range(slabs, winner)
        slope, error = lean(slabs, winner, low, high)
        length = (high - low) * slabs.spacing_mm
        # A lean that moves the vials by less than a twentieth of a millimetre, or is noise, is left alone.
        if not np.any((np.abs(slope) > 3 * error) & (np.abs(slope) * length > 0.05)):
            break
        # Met again at mid-length: near an end of the scan a slanting slab reaches out of it.
        along = slabs.along_mm(int(slabs.centres_px[winner.slab]))
        ahead = slabs.along_mm((low + high) // 2) - along
        leaning = frame.tilted(slope)
        point = leaning.from_world(frame.to_world(np.append(winner.pose.shift_mm + slope * ahead, along + ahead)))
        leaning_slabs = prepare(image, leaning, protocol, kind)
        there = _again(leaning_slabs, winner, point, protocol)
        if not _as_good(there, winner):
            break
        frame, slabs, winner = leaning, leaning_slabs, there
    low, high = whole_range(slabs, winner)
    return frame, slabs, winner, _usable(slabs, low, high, protocol)


def _as_good(there: Candidate, before: Candidate) -> bool:
    """Whether hardly a vial was lost on the way."""
    return bool(there.seen.sum() >= 2 and there.seen.sum() >= 0.75 * before.seen.sum())


def _again(slabs: Slabs, old: Candidate, point: Array, protocol: Protocol) -> Candidate:
    """The same candidate, refined where the layout's origin passes through `point` of the frame."""
    layout = layout_of(protocol)
    slab = int(np.argmin([abs(slabs.along_mm(int(c)) - point[2]) for c in slabs.centres_px]))
    start = type(old.pose)(old.pose.angle_rad, old.pose.mirrored, (float(point[0]), float(point[1])))
    blobs = slab_blobs(slabs, int(slabs.centres_px[slab]))
    pose, centres, seen = refine(
        slabs.picture(slab), blobs, start, layout, slabs, protocol.geometry.position_tolerance_mm
    )
    return Candidate(pose, slab, old.match, old.misfit, centres, seen, old.values)


def _usable(slabs: Slabs, low: int, high: int, protocol: Protocol) -> tuple[float, float]:
    """Range along the vials to measure in, mm: whole, no longer than the filled length, ends left out."""
    start, end = slabs.along_mm(low), slabs.along_mm(high)
    length = protocol.geometry.vial_length_mm
    if length is not None and end - start > length:
        middle = (start + end) / 2
        start, end = middle - length / 2, middle + length / 2
    margin = min(_MARGIN_ALONG_MM, (end - start) / 4)
    return start + margin, end - margin


def _located(
    image: sitk.Image,
    protocol: Protocol,
    modality: Modality,
    kind: str,
    frame: Frame,
    slabs: Slabs,
    shown: Slabs,
    winner: Candidate,
    along: tuple[float, float],
    margin: tuple[float, str],
    notes: list[str],
) -> Located:
    middle = sum(along) / 2
    plane = round((middle - slabs.start_mm[2]) / slabs.spacing_mm)
    half = max(1, round(min(_DISPLAY_HALF_MM, (along[1] - along[0]) / 2) / slabs.spacing_mm))
    # Centres over the whole usable length are steadier than those of one slab.
    first, last = (round((a - slabs.start_mm[2]) / slabs.spacing_mm) for a in along)
    mean = slabs.at((first + last) // 2, half_px=max(1, (last - first) // 2))
    blobs = slab_blobs(slabs, (first + last) // 2)
    layout, tolerance = layout_of(protocol), protocol.geometry.position_tolerance_mm
    pose, centres, seen = refine(mean, blobs, winner.pose, layout, slabs, tolerance)
    residual = np.linalg.norm(centres[seen] - pose.place(layout[seen]), axis=1)
    own_axis = np.array(image.GetDirection()).reshape(3, 3)[:, frame.image_axis]
    tilt = float(np.degrees(np.arccos(np.clip(abs(own_axis @ frame.axes[2]), 0.0, 1.0))))
    centre = frame.to_world(np.array([*pose.shift_mm, middle]))
    ends = [_slice_at(image, frame, winner, a) for a in along]
    record = VialLocation(
        modality=modality,
        seen_on=kind,
        rotation_deg=round(wrap(float(np.degrees(pose.angle_rad))), 3),
        mirrored=pose.mirrored,
        axis=frame.image_axis,
        tilt_deg=round(tilt, 3),
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        first_slice=int(np.ceil(min(ends))),
        last_slice=int(np.floor(max(ends))),
        match=winner.match,
        margin=round(margin[0], 3),
        runner_up=margin[1],
        position_residual_mm=float(np.sqrt(np.mean(residual**2))),
        found=[v.id for v, s in zip(protocol.vials, seen, strict=True) if s],
        notes=notes,
    )
    x0, y0 = slabs.start_mm[0] - slabs.spacing_mm / 2, slabs.start_mm[1] - slabs.spacing_mm / 2
    extent = (x0, x0 + mean.shape[1] * slabs.spacing_mm, y0 + mean.shape[0] * slabs.spacing_mm, y0)
    return Located(record, frame, centres, along, seen, shown.at(plane, half), extent)
