"""Which way a layout lies in a volume: search, certainty, and what a user's choice excludes."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import Candidate, Kind, Slabs, candidates, distinct, prepare
from phantomcal.phantom.finding.extent import lean, whole_range
from phantomcal.phantom.finding.frame import Frame, dominant_axis, image_frame
from phantomcal.phantom.finding.magnitude import darkness
from phantomcal.phantom.finding.overrides import Orientation, wrap
from phantomcal.protocol import Protocol
from phantomcal.results import Modality

# Set from scans that do not hold the layout (other modules of the same phantom, heads, brains, noise): there at most
# half of the vials are matched by chance, in scans that hold it four fifths and more.
MIN_MATCH = 0.6
MAX_MISFIT = 0.5
MIN_MARGIN = 1.25
_GOOD_MATCH = 0.95
_STRETCHING_LEAN = 0.08  # tangent; below it the layout looks longer by less than 0.3 %
_MOST_LEAN = 0.4  # tangent, 22 degrees; what leans more is followed along another axis, or is no vial


@dataclass(frozen=True)
class View:
    """What a volume shows the vials by."""

    image: sitk.Image
    kind: Kind
    valued: sitk.Image | None = None

    def on(self, axis: int) -> "View":
        """The same with the vials along an axis; a magnitude is made into discs across it."""
        return self if self.kind != "magnitude" else View(darkness(self.image, axis), self.kind, self.valued)


@dataclass(frozen=True)
class Found:
    """Ways the layout lies along one axis: all, and those the user allows, best first."""

    seen: View
    frame: Frame
    slabs: Slabs
    every: list[Candidate]
    allowed: list[Candidate]


def search(view: View, protocol: Protocol, modality: Modality, axis: int | None, said: Orientation) -> Found | None:
    """Ways the layout could lie, along the axis that shows it best."""
    if axis is None:
        window = (-1000.0, 1000.0) if modality == "ct" else (-1.5, 1.5)
        first = dominant_axis(view.valued or view.image, *window)
        axes = [first, *(a for a in range(3) if a != first)]
    else:
        axes = [axis]
    best: Found | None = None
    for trial in axes:
        seen = view.on(trial)
        here = _look(seen, image_frame(seen.image, trial), protocol, modality, said)
        leaning = _leaning_frame(here)
        if leaning is not None:
            there = _look(seen, leaning, protocol, modality, said)
            here = there if _cost(there) < _cost(here) else here
        if here.every and _convincing(here.every[0]) and margin_of(here.every)[0] >= MIN_MARGIN:
            return here  # also when the user's choice excludes it: that is to be said, not evaded along another axis
        if best is None or _cost(here) < _cost(best):
            best = here
    return best


def _look(seen: View, frame: Frame, protocol: Protocol, modality: Modality, said: Orientation) -> Found:
    """Ways the layout could lie across the third axis of a frame."""
    slabs = prepare(seen.image, frame, protocol, seen.kind)
    valued = prepare(seen.valued, frame, protocol, modality) if seen.valued is not None else None
    every = candidates(slabs, protocol, modality, valued, keep=40 if said.given else 12)
    every = distinct(every, slabs, protocol.geometry.position_tolerance_mm)
    return Found(seen, frame, slabs, every, [c for c in every if said.allows(c)])


def _leaning_frame(found: Found) -> Frame | None:
    """Frame along the vials of a candidate that few vials support, when they clearly lean.

    Across leaning vials the layout looks stretched, by 3.5 % at 15 degrees, and does not fit.
    """
    if not found.allowed or found.allowed[0].match >= _GOOD_MATCH or found.allowed[0].seen.sum() < 3:
        return None
    slope, error = lean(found.slabs, found.allowed[0], *whole_range(found.slabs, found.allowed[0]))
    clear = (np.abs(slope) > 3 * error) & (np.abs(slope) > _STRETCHING_LEAN)
    return found.frame.tilted(slope) if clear.any() and np.abs(slope).max() < _MOST_LEAN else None


def _cost(found: Found) -> tuple[float, float]:
    return tuple(part[0].cost if part else float("inf") for part in (found.allowed, found.every))  # type: ignore[return-value]


def require_one(
    best: Found | None,
    view: View,
    protocol: Protocol,
    modality: Modality,
    axis: int | None,
    said: Orientation,
    where: str,
) -> None:
    """Refuse what is not there, not certain, or excluded by what the user said."""
    convincing = best is not None and bool(best.allowed) and _convincing(best.allowed[0])
    if best is not None and convincing and margin_of(best.allowed)[0] >= MIN_MARGIN:
        return
    if said.given or axis is not None:
        free = best if axis is None else search(view, protocol, modality, None, Orientation())
        other = free.every[0] if free is not None and free.every else None
        if free is not None and other is not None and _convincing(other):
            along = f", vials along axis {free.frame.image_axis}" if free.frame.image_axis != axis else ""
            fits_better = not convincing or best is None or other.cost * MIN_MARGIN < best.allowed[0].cost
            if fits_better and (not said.allows(other) or (axis is not None and free.frame.image_axis != axis)):
                given = ", ".join(t for t in (said.words(), "" if axis is None else f"axis {axis}") if t)
                raise InputError(
                    f"the override ({given}) excludes the orientation that fits best: {pose_words(other)}"
                    + (along if axis is not None else ""),
                    where,
                    f"leave the override out, or give {_as_option(other)}",
                )
    if best is None or not convincing:
        raise InputError(
            _not_found(protocol, best.allowed[0] if best is not None and best.allowed else None),
            where,
            "check the protocol, that the scan shows the vials, and its orientation (--axis, --orient)",
        )
    first, second = best.allowed[:2]
    raise InputError(
        "two orientations explain the image equally well: add a marker vial or --orient",
        where,
        f"{protocol.name!r} may lie {pose_words(first)} ({_as_option(first)}) or {pose_words(second, first)} "
        f"({_as_option(second)}); --rotation and --mirror say a part of it",
    )


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


def margin_of(found: list[Candidate]) -> tuple[float, str]:
    if len(found) < 2:
        return 99.0, ""
    return min(found[1].cost / found[0].cost, 99.0), pose_words(found[1], found[0])


def _angle(candidate: Candidate) -> int:
    return round(wrap(float(np.degrees(candidate.pose.angle_rad))))


def pose_words(candidate: Candidate, beside: Candidate | None = None) -> str:
    """A pose in words; its distance from another one where they would read the same."""
    text = f"turned {_angle(candidate)} degrees" + (" and mirrored" if candidate.pose.mirrored else "")
    if beside is not None and text == pose_words(beside):
        text += f", {float(np.hypot(*np.subtract(candidate.pose.shift_mm, beside.pose.shift_mm))):.0f} mm away"
    return text


def _as_option(candidate: Candidate) -> str:
    return f"--orient {_angle(candidate)}" + (",mirrored" if candidate.pose.mirrored else "")
