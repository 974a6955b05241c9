"""Find the vials of a protocol in a CT or QSM volume, or say why they cannot be found."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.phantom.candidates import (
    Candidate,
    Slabs,
    candidates,
    distinct,
    layout_of,
    prepare,
    refine,
    slab_blobs,
)
from phantomcal.phantom.extent import clearest_slab, lean, whole_range
from phantomcal.phantom.frame import Frame, dominant_axis, image_frame
from phantomcal.protocol import Protocol
from phantomcal.results import Modality, VialLocation

Array = NDArray[np.float64]

# Set from scans that do not hold the layout (other modules of the same phantom, heads, brains, noise): there at most
# half of the vials are matched by chance, in scans that hold it four fifths and more.
MIN_MATCH = 0.6
MAX_MISFIT = 0.5
MIN_MARGIN = 1.25
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
    mirrored: bool | None = None,
    rotation_deg: float | None = None,
) -> Located:
    """Find the vials of a protocol.

    The axis along which the image changes least is the vials' axis. Disc-shaped contrast is sought in slabs across it;
    pairs of discs that match pairs of vials propose poses; each is refined on vial centres, and the expected values
    tell apart the poses a symmetric layout allows.

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
    mirrored : bool, optional
        Accept only this handedness of the layout.
    rotation_deg : float, optional
        Accept only poses within 10 degrees of this in-plane rotation.

    Returns
    -------
    Located

    Raises
    ------
    InputError
        The layout is not in the image, or two orientations explain it equally well.
    """
    if rotation_deg is not None and not np.isfinite(rotation_deg):
        raise InputError(f"rotation {rotation_deg} is no angle", "", "give degrees, as in --rotation 90")
    window = (-1000.0, 1000.0) if modality == "ct" else (-1.5, 1.5)
    first = dominant_axis(image, *window) if axis is None else axis
    best: tuple[Frame, Slabs, list[Candidate]] | None = None
    for trial in [first] if axis is not None else [first, *(a for a in range(3) if a != first)]:
        frame = image_frame(image, trial)
        slabs = prepare(image, frame, protocol, modality)
        found = candidates(slabs, protocol, modality, mirrored)
        found = distinct(found, slabs, protocol.geometry.position_tolerance_mm)
        if rotation_deg is not None:
            found = [c for c in found if abs(_wrap(np.degrees(c.pose.angle_rad) - rotation_deg)) <= 10.0]
        if found and (best is None or found[0].cost < best[2][0].cost):
            best = frame, slabs, found
        if best is not None and _convincing(best[2][0]):
            break
    if best is None or not _convincing(best[2][0]):
        raise InputError(
            _not_found(protocol, best[2][0] if best else None),
            where,
            "check the protocol, that the scan shows the vials, and its orientation (--axis, --mirror, --rotation)",
        )
    frame, slabs, found = best
    margin, runner_up = _margin(found)
    if margin < MIN_MARGIN:
        raise InputError(
            f"two orientations of {protocol.name!r} explain the vials equally well "
            f"({_words(found[0])}, and {runner_up})",
            where,
            "say which with --rotation or --mirror, or add a marker vial to the phantom",
        )
    frame, slabs, winner, along = _straighten(image, frame, slabs, found[0], protocol, modality)
    return _located(image, protocol, modality, frame, slabs, winner, along, margin, runner_up)


def _convincing(candidate: Candidate) -> bool:
    return candidate.match >= MIN_MATCH and candidate.misfit <= MAX_MISFIT


def _not_found(protocol: Protocol, best: Candidate | None) -> str:
    if best is None:
        return f"no vial-like discs of {protocol.geometry.vial_radius_mm:g} mm radius for the layout {protocol.name!r}"
    seen = int(best.seen.sum())
    text = f"the layout {protocol.name!r} is not there: "
    text += f"the best orientation puts {seen} of {len(best.seen)} vials on discs"
    if best.match >= MIN_MATCH:
        text += " but their values contradict the protocol"
    return text


def _margin(found: list[Candidate]) -> tuple[float, str]:
    if len(found) < 2:
        return 99.0, ""
    return min(found[1].cost / found[0].cost, 99.0), _words(found[1])


def _words(candidate: Candidate) -> str:
    mirror = " and mirrored" if candidate.pose.mirrored else ""
    return f"turned {round(_wrap(np.degrees(candidate.pose.angle_rad)))} degrees{mirror}"


def _wrap(angle_deg: float) -> float:
    wrapped = float((angle_deg + 180.0) % 360.0 - 180.0)
    return 180.0 if wrapped == -180.0 else wrapped


def _straighten(
    image: sitk.Image, frame: Frame, slabs: Slabs, winner: Candidate, protocol: Protocol, modality: Modality
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
        along = slabs.along_mm(int(slabs.centres_px[winner.slab]))
        leaning = frame.tilted(slope)
        point = leaning.from_world(frame.to_world(np.append(winner.pose.shift_mm, along)))
        leaning_slabs = prepare(image, leaning, protocol, modality)
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
    frame: Frame,
    slabs: Slabs,
    winner: Candidate,
    along: tuple[float, float],
    margin: float,
    runner_up: str,
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
    ends = [
        image.TransformPhysicalPointToContinuousIndex(frame.to_world(np.array([*pose.shift_mm, a])).tolist())[
            frame.image_axis
        ]
        for a in along
    ]
    record = VialLocation(
        modality=modality,
        rotation_deg=round(_wrap(float(np.degrees(pose.angle_rad))), 3),
        mirrored=pose.mirrored,
        axis=frame.image_axis,
        tilt_deg=round(tilt, 3),
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        first_slice=int(np.ceil(min(ends))),
        last_slice=int(np.floor(max(ends))),
        match=winner.match,
        margin=round(margin, 3),
        runner_up=runner_up,
        position_residual_mm=float(np.sqrt(np.mean(residual**2))),
        found=[v.id for v, s in zip(protocol.vials, seen, strict=True) if s],
    )
    x0, y0 = slabs.start_mm[0] - slabs.spacing_mm / 2, slabs.start_mm[1] - slabs.spacing_mm / 2
    extent = (x0, x0 + mean.shape[1] * slabs.spacing_mm, y0 + mean.shape[0] * slabs.spacing_mm, y0)
    return Located(record, frame, centres, along, seen, slabs.at(plane, half), extent)
