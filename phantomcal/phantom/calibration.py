"""Calibrate: locate, measure and fit the vials of a phantom; or fit vials measured elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from phantomcal.errors import InputError
from phantomcal.phantom.lines import number
from phantomcal.phantom.locate import Located, locate
from phantomcal.phantom.sample import mask_radius_mm, measure
from phantomcal.phantom.series import series_lines, status_of
from phantomcal.phantom.unplaced import placed_by_value
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
    """

    record: Calibration
    located: dict[Modality, Located] = field(default_factory=dict)
    mask_radii_mm: dict[Modality, list[float]] = field(default_factory=dict)


def calibrate(
    protocol: Protocol,
    volumes: Sequence[Volume],
    provenance: Provenance,
    *,
    session: str = "",
    axis: int | None = None,
    mirrored: bool | None = None,
    rotation_deg: float | None = None,
) -> Calibrated:
    """Find, measure and fit the vials of a phantom.

    Parameters
    ----------
    protocol : Protocol
    volumes : sequence of Volume
        One CT, one QSM map, or both; HU and ppm.
    provenance : Provenance
        Recorded in the result.
    session : str
        Name of the scan session.
    axis, mirrored, rotation_deg
        Overrides of the automatic choice; see `phantomcal.phantom.locate.locate`.

    Returns
    -------
    Calibrated

    Raises
    ------
    InputError
        The protocol is not made for a modality, or its layout is not in an image.
    """
    if not volumes:
        raise InputError("nothing to calibrate", "", "give --ct, --qsm or both")
    located: dict[Modality, Located] = {}
    radii: dict[Modality, list[float]] = {}
    vials: list[VialMeasurement] = []
    lines: list[Line] = []
    warnings: list[str] = []
    for volume in volumes:
        modality: Modality = "ct" if volume.modality == "ct" else "qsm"
        if modality not in protocol.modalities:
            raise InputError(
                f"protocol {protocol.name!r} is made for {' and '.join(protocol.modalities)}, not for {modality}",
                volume.source.name,
                "choose another protocol, or add the modality to a copy of this one",
            )
        warnings += volume.notes
        placed, along, side, turn = protocol, axis, mirrored, rotation_deg
        if not protocol.has_layout:
            if mirrored is not None or rotation_deg is not None:
                raise InputError(
                    f"{protocol.name} has no layout to turn or mirror", "--rotation or --mirror", "leave the option out"
                )
            # The places are those of this very image, so only the unturned pose is asked for.
            placed, along = placed_by_value(volume.image, protocol, modality, where=volume.source.name, axis=axis)
            side, turn = False, 0.0
            warnings.append(
                f"{modality}: {protocol.name} has no layout: vials are named in order of value, so that their order on "
                "the line is built in"
            )
        place = locate(
            volume.image, placed, modality, where=volume.source.name, axis=along, mirrored=side, rotation_deg=turn
        )
        located[modality] = place
        radii[modality] = [
            mask_radius_mm(volume.image, protocol, modality, v, place.frame.image_axis) for v in protocol.vials
        ]
        measured = measure(volume.image, place, protocol, modality, volume.source.name)
        referred, note = _refer(measured, protocol, modality)
        new_lines, flagged = series_lines(referred, protocol, modality)
        vials += flagged
        lines += new_lines
        if modality == "qsm" and "ReconstructionAlgorithm" not in volume.reconstruction:
            warnings.append(
                "the reconstruction algorithm of the QSM map is not known: its slope holds for that algorithm only "
                "(add ReconstructionAlgorithm and ReferenceRegion to the JSON sidecar)"
            )
        warnings += ([note] if note else []) + [f"{v.vial_id} ({modality}): {v.flag}" for v in flagged if v.flag]
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
        locations=[place.record for place in located.values()],
        references=_references(protocol, volumes),
        warnings=warnings,
        sources=[
            protocol.source,
            *sorted({line.expected_slope_source for line in lines if line.expected_slope_source}),
        ],
        provenance=provenance,
    )
    return Calibrated(record, located, radii)


def _refer(
    measured: list[VialMeasurement], protocol: Protocol, modality: Modality
) -> tuple[list[VialMeasurement], str]:
    """QSM values relative to the protocol's water vial, when it asks for that."""
    if modality != "qsm" or protocol.reference != "water":
        return measured, ""
    water = [v for v in measured if v.abscissa == 0 and protocol.is_concentration]
    if not water:
        raise InputError(
            "reference 'water' needs a vial of concentration 0", protocol.name, "add one, or use reference: none"
        )
    zero = float(np.mean([v.value for v in water]))
    return (
        [v.model_copy(update={"value": v.value - zero}) for v in measured],
        f"qsm: {number(zero)} ppm, the mean of the water vials {', '.join(v.vial_id for v in water)}, was subtracted",
    )


def _references(protocol: Protocol, volumes: Sequence[Volume]) -> dict[str, Any]:
    subtracted = "none subtracted here" if protocol.reference == "none" else protocol.reference
    references: dict[str, Any] = {"susceptibility_reference": subtracted}
    for volume in volumes:
        references[volume.modality] = {
            "unit": "HU" if volume.modality == "ct" else "ppm",
            "file": volume.source.name,
            **volume.reconstruction,
        }
    return references
