"""Frames of one series as one stack: which belong to it, in which order, whole or with a slice missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.volumes.dicom.frames import Frame, labels_of
from phantomcal.volumes.quirks import Quirk

_COSINE_TOLERANCE = 1e-3  # 0.06 degrees: 0.1 mm over a slice
SAME_PLACE_MM = 1e-3
_WIDER = 1.05  # of two neighbouring distances, the share by which one must exceed the other to count as wider


@dataclass(frozen=True)
class Layout:
    """Frames in order along their normal.

    `axes` holds the directions of rows, columns and the normal as columns; `repeats` lists neighbours of `frames` that
    lie in one place, whose pixels decide whether they are the same.
    """

    frames: tuple[Frame, ...]
    axes: NDArray[np.float64]
    repeats: tuple[tuple[int, int], ...]
    quirks: tuple[Quirk, ...]

    @property
    def positions_mm(self) -> NDArray[np.float64]:
        """World positions (n, 3) of the frames' first pixels."""
        return np.array([f.position_mm for f in self.frames])

    @property
    def places_mm(self) -> NDArray[np.float64]:
        """The same without repeats."""
        return np.delete(self.positions_mm, [after for _, after in self.repeats], axis=0)


def lay_out(frames: Sequence[Frame], wanted: Mapping[str, str] | None = None) -> Layout:
    """Choose, order and check the frames of one volume.

    Parameters
    ----------
    frames : sequence of Frame
        Of one series, in any order.
    wanted : mapping of str to str, optional
        Labels (`labels_of`) the frames must have, where a series holds several volumes.

    Raises
    ------
    InputError
        Nothing left, several orientations, matrices or stacks, a single slice.
    """
    quirks: list[Quirk] = []
    kept = _without_localisers(frames, quirks)
    kept = _chosen(kept, wanted or {})
    _require_one_stack(kept)
    normal = np.cross(kept[0].row_axis, kept[0].column_axis)
    depth_mm = np.array([f.position_mm for f in kept]) @ normal
    order = np.argsort(depth_mm, kind="stable")
    kept, depth_mm = [kept[k] for k in order], depth_mm[order]
    repeats = tuple((int(k), int(k) + 1) for k in np.flatnonzero(np.diff(depth_mm) < SAME_PLACE_MM))
    axes = np.column_stack([kept[0].row_axis, kept[0].column_axis, normal])
    return Layout(tuple(kept), axes, repeats, tuple(quirks))


def without(layout: Layout, dropped: Sequence[int], quirks: Sequence[Quirk]) -> Layout:
    """The layout without some of its frames, no two of the rest in one place, with further quirks."""
    gone = set(dropped)
    frames = tuple(f for k, f in enumerate(layout.frames) if k not in gone)
    return Layout(frames, layout.axes, (), (*layout.quirks, *quirks))


def require_complete(layout: Layout) -> None:
    """Refuse a stack with a hole.

    A hole shows in two ways. The numbers of the images run on by one from slice to slice and skip one where the
    distance is wider than beside it; or, where they cannot tell, a lone distance is a multiple of all others.
    """
    frames, depth_mm = layout.frames, layout.positions_mm @ layout.axes[:, 2]
    if len(frames) < 2:
        raise InputError(
            "the DICOM series has one slice only", frames[0].header.path.name, "choose the series of the volume"
        )
    distance = np.diff(depth_mm)
    at = _skipped_number(frames, distance)
    if at is None:
        at = _lone_multiple(distance)
    if at is not None:
        beside = np.delete(distance, at)
        raise InputError(
            f"a slice is missing: two are {distance[at]:.2f} mm apart where the others are {np.median(beside):.2f} mm",
            f"the DICOM series between {frames[at].where} and {frames[at + 1].where}",
            "copy the whole series again",
        )


def spacing_quirks(layout: Layout) -> list[Quirk]:
    """Statements about distances and tilt that the positions contradict; the positions are believed."""
    first = layout.frames[0]
    positions = layout.places_mm
    along = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    found = np.concatenate([along, np.diff(positions @ layout.axes[:, 2])])
    typical = float(np.median(found))
    quirks = []
    said = first.said.get("PixelMeasuresSequence", "SpacingBetweenSlices")
    thick = first.said.get("PixelMeasuresSequence", "SliceThickness")
    if _is_number(said) and not np.isclose(abs(float(said)), found, rtol=0.02, atol=0.02).any():
        quirks.append(_overruled("SpacingBetweenSlices", float(said), typical))
    elif _is_number(thick) and not typical / 4 <= float(thick) <= typical * 4:  # overlaps and gaps are common
        quirks.append(_overruled("SliceThickness", float(thick), typical))
    size = first.said.plain.get("ReconstructionDiameter")
    width = first.spacing_mm[0] * first.shape[1]
    if _is_number(size) and float(size) > 0 and abs(width / float(size) - 1) > 0.05:
        what = f"PixelSpacing makes the image {width:.0f} mm wide and ReconstructionDiameter {float(size):.0f} mm"
        quirks.append(Quirk(what, "PixelSpacing was taken"))
    tilt = first.said.plain.get("GantryDetectorTilt")
    upright = float(np.abs(layout.axes[2, :]).max()) > 1 - 1e-6
    if (
        _is_number(tilt)
        and abs(float(tilt)) > 0.5
        and upright
        and np.abs(positions[:, 1] - positions[0, 1]).max() < 0.1
    ):
        what = f"GantryDetectorTilt says {float(tilt):g} degrees and the slices stand upright"
        quirks.append(Quirk(what, "taken as corrected before (if the head looks sheared, export the original series)"))
    return quirks


def _overruled(tag: str, said_mm: float, found_mm: float) -> Quirk:
    return Quirk(f"{tag} says {said_mm:g} mm and the positions {found_mm:.2f} mm", "the positions were taken")


def _is_number(value: object) -> bool:
    try:
        return bool(np.isfinite(float(value)))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _without_localisers(frames: Sequence[Frame], quirks: list[Quirk]) -> list[Frame]:
    kept = [f for f in frames if "LOCALIZER" not in f.image_type]
    if not kept:
        raise InputError(
            "a localiser (scout), no volume", frames[0].header.path.name, "choose the series of the volume"
        )
    if len(kept) < len(frames):
        n_left = len(frames) - len(kept)
        quirks.append(Quirk(f"{n_left} localiser image{'' if n_left == 1 else 's'} in the series", "left out"))
    return kept


def _chosen(frames: list[Frame], wanted: Mapping[str, str]) -> list[Frame]:
    if not wanted:
        return frames
    labels = [labels_of(f) for f in frames]
    for name, value in wanted.items():
        offered = sorted({one[name] for one in labels if name in one})
        if value not in offered:
            choices = ", ".join(offered[:12]) or "none in this series"
            raise InputError(f"no frames with {name}={value}", "the DICOM series", f"use one of {choices}")
    return [f for f, one in zip(frames, labels, strict=True) if all(one.get(k) == v for k, v in wanted.items())]


def _require_one_stack(frames: list[Frame]) -> None:
    groups = _groups(frames)
    if len(groups) > 1:
        usual, odd = groups[0], groups[-1][0]
        turned = _turned(odd, usual[0])
        what = "orientation" if turned else "matrix or pixel spacing"
        label = "orientation" if turned else "matrix"
        counts = Counter(labels_of(group[0])[label] for group in groups for _ in group)
        choice = f", or choose one with DIR::SERIES_UID::{label}=" + " or ".join(counts) if len(counts) > 1 else ""
        raise InputError(
            f"another {what} than the rest of the series{' (a localiser?)' if turned else ''}",
            odd.where,
            f"take it out of the folder{choice}",
        )
    stacks = Counter(str(f.said.get("FrameContentSequence", "StackID") or "") for f in frames)
    if len(stacks) > 1:
        listed = ", ".join(f"{name or 'without a name'} ({n} frames)" for name, n in sorted(stacks.items()))
        raise InputError(
            f"{len(stacks)} stacks in one DICOM series: {listed}",
            frames[0].header.path.name,
            f"choose one with DIR::SERIES_UID::stack={min(filter(None, stacks))}",
        )


def _turned(one: Frame, usual: Frame) -> bool:
    off = max(np.abs(one.row_axis - usual.row_axis).max(), np.abs(one.column_axis - usual.column_axis).max())
    return bool(off > _COSINE_TOLERANCE)


def _groups(frames: list[Frame]) -> list[list[Frame]]:
    """Frames that can make one stack together, the largest group first."""
    axes = np.array([[*f.row_axis, *f.column_axis] for f in frames])
    grid = np.array([[*f.shape, *f.spacing_mm] for f in frames])
    left = np.arange(len(frames))
    groups = []
    while left.size:
        turned = np.abs(axes[left] - axes[left[0]]).max(axis=1) > _COSINE_TOLERANCE
        other = (np.abs(grid[left] / grid[left[0]] - 1) > 1e-3).any(axis=1) | turned
        groups.append([frames[k] for k in left[~other]])
        left = left[other]
    return sorted(groups, key=len, reverse=True)


def _skipped_number(frames: Sequence[Frame], distance: NDArray[np.float64]) -> int | None:
    if distance.size < 4:
        return None
    said = [f.said.get("FrameContentSequence", "InStackPositionNumber") for f in frames]
    values = said if all(v is not None for v in said) else [f.said.plain.get("InstanceNumber") for f in frames]
    if any(v is None for v in values) or len(set(values)) < len(values):
        return None
    step = np.diff(np.array([int(v) for v in values]))
    step = step * np.sign(np.median(step))
    if np.mean(step == 1) < 0.8 or (step < 1).any():
        return None  # numbered in the order of acquisition, or not at all: skips mean nothing
    for k in np.flatnonzero(step > 1):
        beside = [distance[j] for j in (k - 1, k + 1) if 0 <= j < distance.size]
        if distance[k] > _WIDER * min(beside):
            return int(k)
    return None


def _lone_multiple(distance: NDArray[np.float64]) -> int | None:
    usual = float(np.median(distance))
    multiple = np.round(distance / usual)
    if distance.size < 3 or (np.abs(distance - multiple * usual) > 0.05 * usual).any():
        return None
    runs = [(value, len(list(group))) for value, group in groupby(multiple)]
    for index, (value, length) in enumerate(runs):
        inside = 0 < index < len(runs) - 1
        if value > 1 and (length == 1 or inside):  # a longer run at an end is a protocol with two distances
            return sum(n for _, n in runs[:index])
    return None
