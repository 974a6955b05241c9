"""Calibrate: locate, measure and fit the vials of a phantom; or fit vials measured elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from phantomcal.errors import InputError
from phantomcal.phantom.lines import build_line, number
from phantomcal.phantom.locate import Located, locate
from phantomcal.phantom.sample import mask_radius_mm, measure
from phantomcal.protocol import Protocol
from phantomcal.results import Calibration, Line, Modality, Provenance, VialMeasurement
from phantomcal.tables import numeric_column
from phantomcal.units import CONCENTRATION_UNIT
from phantomcal.volumes import Volume

_SERIES_SCATTER = 0.15
_UNITS = {"ct": "HU", "qsm": "ppm"}
_CONCENTRATION = "concentration_mmol_per_l"


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
        place = locate(
            volume.image,
            protocol,
            modality,
            where=volume.source.name,
            axis=axis,
            mirrored=mirrored,
            rotation_deg=rotation_deg,
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
        warnings += ([note] if note else []) + [f"{v.vial_id} ({modality}): {v.flag}" for v in flagged if v.flag]
    warnings += [f"{line.material} ({line.modality}): {note}" for line in lines for note in line.notes]
    record = Calibration(
        protocol=protocol.name,
        title=protocol.title,
        session=session,
        status=_status(lines, vials),
        lines=lines,
        vials=vials,
        locations=[place.record for place in located.values()],
        references=_references(protocol, volumes),
        warnings=warnings,
        sources=[protocol.source] + sorted({line.expected_slope_source for line in lines if line.expected_slope_source}),
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
        raise InputError("reference 'water' needs a vial of concentration 0", protocol.name, "add one, or use reference: none")
    zero = float(np.mean([v.value for v in water]))
    return (
        [v.model_copy(update={"value": v.value - zero}) for v in measured],
        f"qsm: {number(zero)} ppm, the mean of the water vials {', '.join(v.vial_id for v in water)}, was subtracted",
    )


def series_lines(
    measured: list[VialMeasurement], protocol: Protocol, modality: Modality
) -> tuple[list[Line], list[VialMeasurement]]:
    """A line per series, and the vials with their flags."""
    lines, flags = [], {}
    for series in dict.fromkeys(v.series for v in measured):
        members = [v for v in measured if v.series == series]
        x, y = (np.array([getattr(v, name) for v in members], float) for name in ("abscissa", "value"))
        if len(np.unique(x)) < 2:
            continue
        expected = protocol.expected_slope(series, modality)
        scatter = protocol.tolerances.vial_deviation.get(modality)
        if scatter is None and expected is not None:
            floor = 5.0 if modality == "ct" else 0.02
            scatter = max(_SERIES_SCATTER * abs(expected.value) * float(np.ptp(x)), floor)
        line, suspects = build_line(
            [v.vial_id for v in members],
            x,
            y,
            material=series,
            modality=modality,
            unit=_UNITS[modality],
            abscissa_unit=protocol.abscissa_unit,
            expected=expected,
            slope_ratio=protocol.tolerances.slope_ratio,
            scatter=scatter,
        )
        lines.append(line)
        flags |= {name: (reason, name not in line.excluded) for name, reason in suspects.items()}
    marked = [
        v.model_copy(update={"flag": flags[v.vial_id][0], "used": flags[v.vial_id][1]}) if v.vial_id in flags else v
        for v in measured
    ]
    return lines, marked


def _status(lines: list[Line], vials: list[VialMeasurement]) -> Any:
    broken = [n for line in lines for n in line.notes if "times the expected one" in n or "contradicts its protocol" in n]
    if broken:
        return "fail"
    if any(v.flag for v in vials) or not all(line.established for line in lines):
        return "warn"
    return "pass"


def _references(protocol: Protocol, volumes: Sequence[Volume]) -> dict[str, Any]:
    references: dict[str, Any] = {"susceptibility_reference": protocol.reference}
    for volume in volumes:
        references[volume.modality] = {"unit": "HU" if volume.modality == "ct" else "ppm", "file": volume.source.name}
    return references


def fit_table(
    table: pd.DataFrame,
    provenance: Provenance,
    *,
    x: str = "concentration_mmol_per_l",
    y: str = "value",
    by: Sequence[str] = ("material", "modality"),
    sd: str | None = None,
    x_sd: str | None = None,
    where: str = "the table",
) -> Calibration:
    """Fit a line per group to vials measured elsewhere.

    Parameters
    ----------
    table : pandas.DataFrame
        A row per vial.
    provenance : Provenance
    x, y : str
        Columns of the abscissa and the measured value.
    by : sequence of str
        Columns that tell the lines apart; may be empty.
    sd, x_sd : str, optional
        Columns of the standard errors of `y` and of `x`.
    where : str
        Name of the table in messages.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        A column is missing or not numeric, or a group has fewer than two different abscissae.
    """
    columns = {name: numeric_column(table, name, where) for name in (x, y, sd, x_sd) if name}
    if x_sd and not sd:
        raise InputError("errors of x need errors of y too", where, "name both columns: --sd and --x-sd")
    complete = pd.DataFrame(columns).notna().all(axis=1)
    warnings = []
    if not complete.all():
        warnings.append(f"{int((~complete).sum())} of {len(table)} rows lack a value and were left out")
    if "used" in table.columns:
        unused = table["used"].astype(str).str.lower().isin(["false", "0", "no"])
        if (unused & complete).any():
            warnings.append(f"{int((unused & complete).sum())} rows marked as not used were left out")
        complete &= ~unused
    identity = next((c for c in ("vial_id", "id", "name", "label") if c in table.columns), None)
    groups = [((), table.index[complete])] if not by else list(table[complete].groupby(list(by), sort=False).groups.items())
    if not groups:
        raise InputError("no usable rows", where, f"fill the columns {x} and {y}")
    lines: list[Line] = []
    vials: list[VialMeasurement] = []
    for key, rows in groups:
        values = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        label = ", ".join(str(v) for v in values.values()) or "all rows"
        gx, gy = (columns[c][rows].to_numpy(float) for c in (x, y))
        if len(np.unique(gx)) < 2:
            raise InputError(
                f"{label}: {len(rows)} row{'s' if len(rows) != 1 else ''} at one value of {x!r} make no line",
                where,
                "give at least two (better five) levels",
            )
        names = [str(table[identity][r]) if identity else f"row {int(table.index.get_loc(r)) + 2}" for r in rows]
        modality = str(values.get("modality", _guess_modality(y)))
        unit = str(table["unit"][rows[0]]) if "unit" in table.columns else _UNITS.get(modality, y)
        try:
            line, flags = build_line(
                names,
                gx,
                gy,
                material=str(values.get("material", label)),
                modality=modality,
                unit=unit,
                abscissa_unit=CONCENTRATION_UNIT if x == _CONCENTRATION else x,
                sd_y=columns[sd][rows].to_numpy(float) if sd else None,
                sd_x=columns[x_sd][rows].to_numpy(float) if x_sd else None,
            )
        except ValueError as error:
            raise InputError(f"{label}: {error}", where, "correct the column or leave it out") from error
        lines.append(line)
        warnings += [f"{name}: {reason}" for name, reason in flags.items()]
        errors = columns[sd][rows].to_numpy(float) if sd else np.full(len(rows), np.nan)
        vials += [
            VialMeasurement(
                vial_id=name,
                material=line.material,
                series=line.material,
                concentration_mmol_per_l=float(a) if x == _CONCENTRATION else None,
                abscissa=float(a),
                abscissa_unit=line.abscissa_unit,
                modality=modality,
                value=float(v),
                unit=unit,
                sem=float(e) if np.isfinite(e) else None,
                used=True,
                flag=flags.get(name, ""),
            )
            for name, a, v, e in zip(names, gx, gy, errors, strict=True)
        ]
    warnings += [f"{line.material}: {note}" for line in lines for note in line.notes]
    return Calibration(
        protocol="",
        title=f"Lines fitted to {where}",
        status="pass" if all(line.established for line in lines) and not any(v.flag for v in vials) else "warn",
        lines=lines,
        vials=vials,
        warnings=warnings,
        provenance=provenance,
    )


def _guess_modality(column: str) -> str:
    """Modality that a column of values names by its unit; empty when it does not."""
    words = column.lower().replace("-", "_").split("_")
    if "hu" in words or "ct" in words:
        return "ct"
    return "qsm" if {"ppm", "ppb", "chi", "qsm"} & set(words) else ""
