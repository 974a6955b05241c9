"""A folder of DICOM files as one volume in right geometry: placed by the headers' positions, never by file order."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.volumes.dicom.frames import Frame, frames_of
from phantomcal.volumes.dicom.headers import Header, find_series
from phantomcal.volumes.dicom.layout import Layout, lay_out, require_complete, spacing_quirks
from phantomcal.volumes.dicom.pixels import AIR_HU, Pixels, load_pixels
from phantomcal.volumes.dicom.repeats import drop_repeats, require_told_apart
from phantomcal.volumes.dicom.scaling import Role, Scale, common_unit, scale_of
from phantomcal.volumes.quirks import Quirk, Strictness, settle
from phantomcal.volumes.stack import irregularities, place_slices

_MOST_LISTED = 12


@dataclass(frozen=True)
class DicomSeries:
    """One DICOM series as a volume: what was read, and what had to be done to it."""

    image: sitk.Image
    n_files: int
    sha256: str
    unit: str | None
    unit_origin: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What the headers alone say about a series: its stack, its scales, its quirks."""

    layout: Layout
    scales: tuple[Scale, ...]
    unit: str | None
    unit_origin: str
    quirks: tuple[Quirk, ...]
    uneven: str


def read_series(
    folder: Path,
    series_uid: str | None = None,
    *,
    role: Role,
    wanted: Mapping[str, str] | None = None,
    strictness: Strictness = "warn",
) -> DicomSeries:
    """Read one DICOM series of a folder into right geometry.

    Slices are placed by ImageOrientationPatient and ImagePositionPatient alone, of classic files or of the frames of
    enhanced ones. A stack sheared by gantry tilt or with uneven slice distances is resampled linearly into a regular,
    orthogonal grid.

    Parameters
    ----------
    folder : pathlib.Path
        Searched with its subfolders; files that are not DICOM images are left out.
    series_uid : str, optional
        Which series, where there are several.
    role : {"ct", "qsm", "magnitude"}
        What it is read as; decides which scale counts and which modality is refused.
    wanted : mapping of str to str, optional
        Which frames, where one series holds several volumes: ``{"echo_ms": "9.8"}``.
    strictness : {"ignore", "warn", "raise"}
        What to do about oddities that can be set right: pass over them, note them, refuse the series.

    Returns
    -------
    DicomSeries
        Values after each frame's own slope and intercept, float32; hash over the files' hashes in order of position.

    Raises
    ------
    InputError
        No image, several series and none chosen, wrong modality, what is no measured volume, missing tags, mixed
        orientations or matrices, different images in one place, a missing slice, pixel data that cannot be read; with
        ``raise`` also every quirk.
    """
    found = find_series(folder)
    if found.damaged:
        raise found.damaged[0]
    headers = found.series[choose(found.series, series_uid)]
    if folder.is_file() and int(headers[0].dataset.get("NumberOfFrames") or 1) == 1:
        raise InputError("a single DICOM slice", folder.name, "give the folder of the series")
    plan = plan_series(headers, role, wanted)
    quirks = list(plan.quirks)
    if plan.uneven:
        settle([Quirk(plan.uneven, "resampled linearly to a regular upright grid")], strictness)
    settle(quirks, strictness)

    frames = plan.layout.frames
    pixels = load_pixels(frames, plan.scales, is_ct=role == "ct")
    layout, values = plan.layout, pixels.values
    if layout.repeats:
        layout, kept = drop_repeats(layout, values)
        values = values[kept]
        quirks += [q for q in layout.quirks if q not in plan.layout.quirks]
        require_complete(layout)
    quirks += _padding_quirks(pixels)
    outside = AIR_HU if role == "ct" else 0.0
    image, note = place_slices(values, layout.positions_mm, layout.axes, frames[0].spacing_mm, outside)
    notes = settle(quirks, strictness)
    if strictness == "warn":
        notes += (note,) if note else ()
        if found.n_other:  # a README beside the slices is no reason to refuse them
            notes += (f"{found.n_other} files of the folder that are not DICOM images were left out",)
    digest = hashlib.sha256(b"".join(pixels.digests)).hexdigest()
    return DicomSeries(image, len(pixels.digests), digest, plan.unit, plan.unit_origin, notes)


def plan_series(headers: Sequence[Header], role: Role, wanted: Mapping[str, str] | None = None) -> Plan:
    """Everything that can be said about a series before its pixels are read; errors as for `read_series`."""
    for header in headers:
        _require_modality(header, role)
    frames = [frame for header in headers for frame in frames_of(header)]
    layout = lay_out(frames, wanted)
    require_told_apart(layout)
    if not layout.repeats or len(layout.places_mm) < 2:
        require_complete(layout)
    scales = tuple(scale_of(frame, role) for frame in layout.frames)
    unit, origin = common_unit(scales, layout.frames)
    quirks = (*layout.quirks, *spacing_quirks(layout), *_header_quirks(layout.frames[0], scales[0], role))
    return Plan(layout, scales, unit, origin, quirks, irregularities(layout.places_mm, layout.axes))


def choose(series: Mapping[str, Sequence[Header]], uid: str | None) -> str:
    """UID of the one series meant.

    Raises
    ------
    InputError
        No series; several and none chosen, or a UID that is none of theirs: they are listed.
    """
    if not series:
        raise InputError(
            "no DICOM image", "the folder given", "give a folder of .dcm slices or a NIfTI, MHA or NRRD file"
        )
    if uid is None and len(series) == 1:
        return next(iter(series))
    if uid in series:
        return str(uid)
    rows = []
    for key, members in series.items():
        first = members[0].dataset
        number = first.get("SeriesNumber")
        label = " ".join(str(first.get(tag) or "") for tag in ("Modality", "SeriesDescription")).strip()
        count = sum(int(m.dataset.get("NumberOfFrames") or 1) for m in members)
        # What cannot be a volume comes last.
        rows.append((count < 2, int(number) if number is not None else 0, f"{label}, {count} images, {key}"))
    rows.sort()
    listed = "; ".join(f"series {number}: {text}" for _, number, text in rows[:_MOST_LISTED])
    more = f"; and {len(rows) - _MOST_LISTED} more" if len(rows) > _MOST_LISTED else ""
    what = f"{len(series)} DICOM series and none chosen" if uid is None else f"no DICOM series {uid}"
    raise InputError(
        what,
        "the folder given",
        f"choose one with DIR::SERIES_UID from {listed}{more} (`phantomcal dicom DIR` says what each is good for)",
    )


def _require_modality(header: Header, role: Role) -> None:
    found = str(header.dataset.get("Modality") or "")
    if role == "ct" and found != "CT":
        what = f"the DICOM series is {found or 'of no modality'}, not CT"
        raise InputError(what, header.path.name, "choose another series")
    if role != "ct" and found in ("CT", "PT", "NM", "US", "CR", "DX", "XA"):
        raise InputError(f"the DICOM series is {found}, not MR", header.path.name, "choose another series")


def _header_quirks(frame: Frame, scale: Scale, role: Role) -> list[Quirk]:
    data = frame.header.dataset
    quirks = []
    if str(data.get("PhotometricInterpretation")) == "MONOCHROME1":
        quirks.append(Quirk("MONOCHROME1: a viewer shows the images inverted", "the values are taken as they are"))
    if str(data.get("LossyImageCompression") or "00") == "01":
        quirks.append(
            Quirk("the images went through lossy compression", "values may be off; export the original series")
        )
    if role == "ct" and scale.unit is not None and scale.unit.upper() != "HU":
        quirks.append(Quirk(f"RescaleType is {scale.unit}", "taken as HU"))
    if not data.get("SeriesInstanceUID"):
        quirks.append(Quirk("the files name no series", "taken as one"))
    return quirks


def _padding_quirks(pixels: Pixels) -> list[Quirk]:
    quirks = []
    if pixels.ambiguous_padding is not None:
        what = f"PixelPaddingValue stands for {pixels.ambiguous_padding:g} HU, which tissue may have too"
        quirks.append(Quirk(what, "kept as measured"))
    if pixels.n_padded:
        quirks.append(Quirk(f"{pixels.n_padded} voxels of padding", "set to 0"))
    return quirks
