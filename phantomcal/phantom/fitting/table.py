"""Lines from a table of vials measured elsewhere."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from phantomcal.errors import InputError
from phantomcal.phantom.fitting.appraise import appraised
from phantomcal.phantom.fitting.choice import METHODS, Method
from phantomcal.phantom.fitting.lines import build_line
from phantomcal.phantom.fitting.series import VALUE_UNITS
from phantomcal.results import Calibration, Line, Provenance, VialMeasurement
from phantomcal.tables import numeric_column, require_plausible, row_in_file
from phantomcal.units import CONCENTRATION_UNIT

_CONCENTRATION = "concentration_mmol_per_l"
_NEEDS = {"wls": "sd", "york": "x_sd"}


def fit_table(
    table: pd.DataFrame,
    provenance: Provenance,
    *,
    x: str = "concentration_mmol_per_l",
    y: str = "value",
    by: Sequence[str] = ("material", "modality"),
    sd: str | None = None,
    x_sd: str | None = None,
    method: Method = "auto",
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
    method : {"auto", "ols", "wls", "york", "robust", "through-zero"}
        Which fit is the main line; see `phantomcal.phantom.fitting.choice.choose_fit`.
    where : str
        Name of the table in messages.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        A column is missing or not numeric, a group has fewer than two different abscissae, or the method needs errors
        or vials that the table does not have.
    """
    columns = {name: numeric_column(table, name, where) for name in (x, y, sd, x_sd) if name}
    for column in columns.values():
        require_plausible(column, where)
    if x_sd and not sd:
        raise InputError("errors of x need errors of y too", where, "name both columns: --sd and --x-sd")
    if method not in METHODS:
        raise InputError(f"unknown method {method!r}", "--method", f"use {', '.join(METHODS)}")
    if method in _NEEDS and not {"sd": sd, "x_sd": x_sd}[_NEEDS[method]]:
        raise InputError(f"--method {method} needs standard errors", where, "name their columns: --sd and --x-sd")
    if x == _CONCENTRATION and (columns[x] < 0).any():
        row = columns[x].index[int(np.argmax(columns[x] < 0))]
        raise InputError(f"negative concentration in row {row_in_file(row, 0)}", where, "correct the table")
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
    groups = (
        [((), table.index[complete])]
        if not by
        else [(key, part.index) for key, part in table[complete].groupby(list(by), sort=False)]
    )
    if not groups:
        raise InputError("no usable rows", where, f"fill the columns {x} and {y}")
    lines: list[Line] = []
    vials: list[VialMeasurement] = []
    for key, rows in groups:
        values = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        label = ", ".join(str(v) for v in values.values()) or "all rows"
        gx, gy = (np.asarray(columns[c][rows], dtype=np.float64) for c in (x, y))
        if len(np.unique(gx)) < 2:
            raise InputError(
                f"{label}: {len(rows)} row{'s' if len(rows) != 1 else ''} at one value of {x!r} make no line",
                where,
                "give at least two (better five) levels",
            )
        names = [str(table[identity][r]) if identity else f"row {row_in_file(r, k)}" for k, r in enumerate(rows)]
        modality = str(values.get("modality", _guess_modality(y)))
        unit = _unit(table.loc[rows], modality, y, label, where)
        try:
            line, flags = build_line(
                names,
                gx,
                gy,
                material=str(values.get("material", label)),
                modality=modality,
                unit=unit,
                abscissa_unit=CONCENTRATION_UNIT if x == _CONCENTRATION else x,
                sd_y=np.asarray(columns[sd][rows], dtype=np.float64) if sd else None,
                sd_x=np.asarray(columns[x_sd][rows], dtype=np.float64) if x_sd else None,
                method=method,
            )
        except ValueError as error:
            raise InputError(f"{label}: {error}", where, "correct the column or leave it out") from error
        if modality not in ("ct", "qsm", ""):
            warnings.append(f"{label}: modality {modality!r} is neither ct nor qsm")
        lines.append(line)
        warnings += [f"{name}: {reason}" for name, reason in flags.items()]
        errors, x_errors = (columns[c][rows].to_numpy(float) if c else np.full(len(rows), np.nan) for c in (sd, x_sd))
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
                abscissa_sd=float(u) if np.isfinite(u) else None,
                used=True,
                flag=flags.get(name, ""),
            )
            for name, a, v, e, u in zip(names, gx, gy, errors, x_errors, strict=True)
        ]
    warnings += [f"{line.material}: {note}" for line in lines for note in line.notes]
    record = Calibration(
        protocol="",
        title=f"Lines fitted to {where}",
        status="pass" if all(line.established for line in lines) and not any(v.flag for v in vials) else "warn",
        lines=lines,
        vials=vials,
        warnings=warnings,
        provenance=provenance,
    )
    return appraised(record)


def _guess_modality(column: str) -> str:
    """Modality that a column of values names by its unit; empty when it does not."""
    words = column.lower().replace("-", "_").split("_")
    if "hu" in words or "ct" in words:
        return "ct"
    return "qsm" if {"ppm", "ppb", "chi", "qsm"} & set(words) else ""


def _unit(rows: pd.DataFrame, modality: str, y: str, label: str, where: str) -> str:
    """Unit of the values of a group: the table's own, else the one the column's name says, else the modality's."""
    if "unit" in rows.columns:
        units = sorted({str(u) for u in rows["unit"]})
        if len(units) > 1:
            raise InputError(f"{label}: values in {' and '.join(units)}", where, "bring them to one unit")
        return units[0]
    if "ppb" in y.lower():
        return "ppb"
    return VALUE_UNITS.get(modality, y)
