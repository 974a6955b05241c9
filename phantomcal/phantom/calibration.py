"""Calibrate: locate, measure and fit the vials of a phantom; or fit vials measured elsewhere."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.phantom.finding.locate import Located, locate
from phantomcal.phantom.finding.magnitude import check_magnitude
from phantomcal.phantom.finding.overrides import Orientation, Overrides
from phantomcal.phantom.finding.unplaced import placed_by_value
from phantomcal.phantom.fitting.appraise import appraised
from phantomcal.phantom.fitting.series import series_lines, status_of
from phantomcal.phantom.measuring.absent import name_missing
from phantomcal.phantom.measuring.reference import refer
from phantomcal.phantom.measuring.sample import mask_radius_mm, measure
from phantomcal.protocol import Protocol
from phantomcal.results import Calibration, Line, Modality, Provenance, VialMeasurement
from phantomcal.volumes import Volume


@dataclass(frozen=True)
class Calibrated:
    """A calibration and where its vials were found.

    Attributes
    ----------
    record : Calibration
        What goes into calibration.json, without provenance of the run.
    located : dict of str to Located
        By modality, for pictures.
    mask_radii_mm : dict of str to list of float
        By modality, radius each vial was measured in, in the protocol's order.
    images : dict of str to SimpleITK.Image
        By modality, the volumes the vials were measured in, for pictures.
    """

    record: Calibration
    located: dict[Modality, Located] = field(default_factory=dict)
    mask_radii_mm: dict[Modality, list[float]] = field(default_factory=dict)
    images: dict[Modality, sitk.Image] = field(default_factory=dict)


def calibrate(
    protocol: Protocol,
    volumes: Sequence[Volume],
    provenance: Provenance,
    *,
    session: str = "",
    overrides: Overrides | None = None,
) -> Calibrated:
    """Find, measure and fit the vials of a phantom.

    Parameters
    ----------
    protocol : Protocol
    volumes : sequence of Volume
        One CT (HU), one QSM map (ppm), or both; with a map also the magnitude on its grid, which helps to find vials
        and air in them.
    provenance : Provenance
        Recorded in the result.
    session : str
        Name of the scan session.
    overrides : Overrides, optional
        Instead of the automatic choices.

    Returns
    -------
    Calibrated

    Raises
    ------
    InputError
        The protocol is not made for a modality, or its layout is not in an image.
    """
    said = overrides or Overrides()
    protocol = said.eroded(protocol)
    magnitude = next((v for v in volumes if v.modality == "magnitude"), None)
    measurable = [v for v in volumes if v.modality != "magnitude"]
    _require_volumes(measurable, magnitude, said)
    for volume in measurable:
        if volume.modality not in protocol.modalities:
            raise InputError(
                f"protocol {protocol.name!r} is made for {' and '.join(protocol.modalities)}, "
                f"not for {volume.modality}",
                volume.source.name,
                "choose another protocol, or add the modality to a copy of this one",
            )
    # Each volume is a matter of its own, and most of the work is done outside the interpreter's lock.
    with ThreadPoolExecutor(len(measurable)) as pool:
        scans = list(pool.map(lambda volume: _measured(protocol, volume, magnitude, said), measurable))
    vials: list[VialMeasurement] = []
    lines: list[Line] = []
    warnings: list[str] = []
    references = _references(protocol, volumes)
    for scan in scans:
        references.setdefault(scan.modality, {}).update(scan.reference)
        new_lines, flagged = series_lines(scan.vials, protocol, scan.modality)
        vials += flagged
        lines += new_lines
        warnings += scan.warnings
        warnings += [f"{scan.modality}: {note}" for note in scan.place.record.notes]
        warnings += [f"{v.vial_id} ({scan.modality}): {v.flag}" for v in flagged if v.flag]
    if not lines:
        raise InputError(
            "no series has two different abscissae, so there is no line to fit",
            protocol.name,
            "give the series more levels, or set single_line",
        )
    drawn = {(line.material, line.modality) for line in lines}
    alone = sorted({(v.series, v.modality) for v in vials} - drawn)
    warnings += [f"{series} ({modality}): all vials at one abscissa, no line" for series, modality in alone]
    warnings += [f"{line.material} ({line.modality}): {note}" for line in lines for note in line.notes]
    record = Calibration(
        protocol=protocol.name,
        title=protocol.title,
        session=session,
        status=status_of(lines, vials),
        lines=lines,
        vials=vials,
        locations=[scan.place.record for scan in scans],
        references=references,
        warnings=warnings,
        sources=[
            protocol.source,
            *sorted({line.expected_slope_source for line in lines if line.expected_slope_source}),
        ],
        provenance=provenance,
    )
    return Calibrated(
        appraised(record, protocol),
        {scan.modality: scan.place for scan in scans},
        {scan.modality: scan.mask_radii_mm for scan in scans},
        {scan.modality: volume.image for scan, volume in zip(scans, measurable, strict=True)},
    )


@dataclass(frozen=True)
class _Scan:
    """The vials of one volume, found and measured."""

    modality: Modality
    place: Located
    mask_radii_mm: list[float]
    vials: list[VialMeasurement]
    reference: dict[str, Any]
    warnings: list[str]


def _measured(protocol: Protocol, volume: Volume, magnitude: Volume | None, said: Overrides) -> _Scan:
    """Find and measure the vials of one volume."""
    modality: Modality = "ct" if volume.modality == "ct" else "qsm"
    warnings = list(volume.notes)
    echo = magnitude.image if magnitude is not None and modality == "qsm" else None
    place = _place(protocol, volume, modality, said, echo, warnings)
    radii = [mask_radius_mm(volume.image, protocol, modality, v, place.frame.image_axis) for v in protocol.vials]
    measured = name_missing(measure(volume.image, place, protocol, modality, volume.source.name, echo))
    reference: dict[str, Any] = {}
    if modality == "qsm":
        measured, reference, note = refer(measured, protocol, volume.image, place, volume.source.name)
        warnings += [note] if note else []
        if "ReconstructionAlgorithm" not in volume.reconstruction:
            warnings.append(
                "the reconstruction algorithm of the QSM map is not known: its slope holds for that algorithm only "
                "(add ReconstructionAlgorithm and ReferenceRegion to the JSON sidecar)"
            )
    return _Scan(modality, place, radii, measured, reference, warnings)


def _require_volumes(measurable: Sequence[Volume], magnitude: Volume | None, said: Overrides) -> None:
    """Refuse calls without anything to measure, or that mix what does not belong together."""
    kinds = [v.modality for v in measurable]
    if not kinds and magnitude is not None:
        raise InputError(
            "a magnitude shows where the vials are but has no calibrated values, so there is no line to fit",
            magnitude.source.name,
            "give the QSM map with --qsm, or a CT with --ct",
        )
    if not kinds:
        raise InputError("nothing to calibrate", "", "give --ct, --qsm or both")
    for modality in said.orient:
        if modality not in kinds:
            raise InputError(f"--orient {modality}= without that scan", "", f"give --{modality}, or leave it out")
    if magnitude is not None:
        qsm = next((v for v in measurable if v.modality == "qsm"), None)
        if qsm is None:
            raise InputError(
                "a magnitude without its QSM map", magnitude.source.name, "give the map with --qsm, or leave it out"
            )
        check_magnitude(magnitude, qsm)
    if len(kinds) > 1 and (said.first_slice, said.last_slice) != (None, None):
        raise InputError(
            "slices of CT and QSM are not the same", "--first-slice or --last-slice", "calibrate one at a time"
        )


def _place(
    protocol: Protocol,
    volume: Volume,
    modality: Modality,
    said: Overrides,
    magnitude: sitk.Image | None,
    warnings: list[str],
) -> Located:
    """Where the vials are in one volume."""
    where, slices = volume.source.name, (said.first_slice, said.last_slice)
    orientation = said.orientation_of(modality)
    if protocol.has_layout:
        return locate(
            volume.image,
            protocol,
            modality,
            where=where,
            axis=said.axis,
            orientation=orientation,
            slices=slices,
            magnitude=magnitude,
        )
    if orientation.given:
        raise InputError(
            f"{protocol.name} has no layout to turn or mirror", "--orient, --rotation or --mirror", "leave it out"
        )
    # The places are those of this very image, so only the unturned pose is asked for.
    placed, along = placed_by_value(volume.image, protocol, modality, where=where, axis=said.axis)
    warnings.append(
        f"{modality}: {protocol.name} has no layout: vials are named in order of value, so that their order on "
        "the line is built in"
    )
    return locate(
        volume.image, placed, modality, where=where, axis=along, orientation=Orientation(0.0, False), slices=slices
    )


def _references(protocol: Protocol, volumes: Sequence[Volume]) -> dict[str, Any]:
    subtracted = "none subtracted here" if protocol.reference == "none" else protocol.reference
    references: dict[str, Any] = {"susceptibility_reference": subtracted}
    for volume in volumes:
        references[volume.modality] = {
            "unit": {"ct": "HU", "qsm": "ppm"}.get(volume.modality, "arbitrary"),
            "file": volume.source.name,
            **volume.reconstruction,
        }
    return references
