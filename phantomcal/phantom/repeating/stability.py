"""Repeatability of a phantom calibration from repeated scans, per vial, per line and per modality."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.phantom.repeating.agreement import bland_altman, intraclass, within_subject
from phantomcal.results import Calibration, Line, VialMeasurement
from phantomcal.results.repeatability import Agreement, Repeatability, RepeatabilityRow

Array = NDArray[np.float64]
_FEW_RUNS = 5  # below this an interval of one line's wSD is wider than a factor of four
_TREND = 0.05


def repeatability(calibrations: Sequence[Calibration], names: Sequence[str]) -> Repeatability:
    """How far repeated scans of one phantom agree.

    Parameters
    ----------
    calibrations : sequence of Calibration
        At least two, of one protocol, with vials in common.
    names : sequence of str
        A name for each, all different.

    Returns
    -------
    Repeatability
        Per vial and per line (slope and intercept), and pooled over the vials that are sound in every run.

    Raises
    ------
    InputError
        Fewer than two runs, several protocols, units that differ, or no vial in common.
    """
    if len(calibrations) < 2:
        raise InputError("repeatability needs at least two runs", ", ".join(names), "scan the phantom again")
    protocols = sorted({c.protocol for c in calibrations})
    if len(protocols) > 1:
        raise InputError(
            f"the runs are of different protocols ({', '.join(p or 'none' for p in protocols)})",
            ", ".join(names),
            "compare repeated scans of one phantom",
        )
    warnings = _few(len(calibrations))
    tables = [{(v.modality, v.vial_id): v for v in c.vials} for c in calibrations]
    shared = [key for key in tables[0] if all(key in table for table in tables)]
    if not shared:
        raise InputError("the runs have no vial in common", ", ".join(names), "compare repeated scans of one phantom")
    alone = sorted({f"{k[1]} ({k[0]})" for table in tables for k in table} - {f"{k[1]} ({k[0]})" for k in shared})
    if alone:
        warnings.append(f"not in every run, left out: {', '.join(alone)}")
    _same_inputs(calibrations, names)
    rows: list[RepeatabilityRow] = []
    agreement: list[Agreement] = []
    for modality in dict.fromkeys(key[0] for key in shared):
        mine = [[table[key] for table in tables] for key in shared if key[0] == modality]
        vial_rows = [_vial_row(vials, names) for vials in mine]
        left_out = [row.name for row in vial_rows if not row.pooled]
        if left_out:
            warnings.append(f"{modality or 'vials'}: flagged in a run and not pooled: {', '.join(left_out)}")
        rows += vial_rows + _line_rows(calibrations, modality)
        agreement += _agreement(vial_rows, modality, names)
    return Repeatability(
        protocol=protocols[0], runs=list(names), agreement=agreement, rows=rows, warnings=list(dict.fromkeys(warnings))
    )


def _few(n_runs: int) -> list[str]:
    if n_runs == 2:
        return [
            "two runs only: the wSD of a single vial or line has one degree of freedom and may be 32 times larger; "
            "figures pooled over vials say more"
        ]
    if n_runs < _FEW_RUNS:
        return [f"{n_runs} runs only: intervals of single vials and lines are wide"]
    return []


def _same_inputs(calibrations: Sequence[Calibration], names: Sequence[str]) -> None:
    scans = [frozenset(i.sha256 for i in c.provenance.inputs if i.role != "protocol") for c in calibrations]
    for k, scan in enumerate(scans):
        twin = scans[:k].index(scan) if scan and scan in scans[:k] else None
        if twin is not None and calibrations[twin].vials == calibrations[k].vials:
            raise InputError(
                f"{names[twin]} and {names[k]} are the same scan", "", "give repeated scans: a copy repeats perfectly"
            )


def _vial_row(vials: Sequence[VialMeasurement], names: Sequence[str]) -> RepeatabilityRow:
    first = vials[0]
    units = sorted({v.unit for v in vials})
    if len(units) > 1:
        raise InputError(
            f"vial {first.vial_id!r} has units {' and '.join(units)}", ", ".join(names), "calibrate in one unit"
        )
    levels = [v.abscissa for v in vials]
    if np.ptp(levels) > 1e-9 * max(np.abs(levels).max(), 1e-300):
        raise InputError(
            f"vial {first.vial_id!r} holds {min(levels):g} and {max(levels):g} {first.abscissa_unit}",
            ", ".join(names),
            "compare repeated scans of one phantom",
        )
    # The numbers of each run's flag are in its own calibration; here the kind is enough.
    flags = list(dict.fromkeys(v.flag.partition(":")[0] for v in vials if v.flag))
    return _row("vial", first.vial_id, first.modality, first.unit, [v.value for v in vials], all(v.used for v in vials),
                "; ".join(flags))  # fmt: skip


def _line_rows(calibrations: Sequence[Calibration], modality: str) -> list[RepeatabilityRow]:
    tables: list[dict[str, Line]] = [
        {line.material: line for line in c.lines if line.modality == modality} for c in calibrations
    ]
    rows = []
    for material, first in tables[0].items():
        lines = [table.get(material) for table in tables]
        if any(line is None or line.slope_unit != first.slope_unit for line in lines):
            continue
        known = [line for line in lines if line is not None]
        differ = len({tuple(line.excluded) for line in known}) > 1
        note = "vials left out differ between the runs" if differ else ""
        rows.append(_row("slope", material, modality, first.slope_unit, [line.slope for line in known], True, note))
        rows.append(_row("intercept", material, modality, first.unit, [line.intercept for line in known], True, note))
    return rows


def _row(
    level: str, name: str, modality: str, unit: str, values: Sequence[float], pooled: bool, note: str
) -> RepeatabilityRow:
    within = within_subject([values])
    return RepeatabilityRow.model_validate(
        {
            **within.model_dump(),
            "level": level,
            "name": name,
            "modality": modality,
            "unit": unit,
            "mean": float(np.mean(values)),
            "measured": list(values),
            "pooled": pooled,
            "note": note,
        }
    )


def _agreement(rows: Sequence[RepeatabilityRow], modality: str, names: Sequence[str]) -> list[Agreement]:
    sound = [row for row in rows if row.pooled]
    if not sound:
        return []
    table = np.array([row.measured for row in sound], dtype=np.float64)
    within = within_subject(table)
    pairs = (
        [bland_altman(table[:, 0], table[:, k], (names[0], names[k])) for k in range(1, table.shape[1])]
        if len(sound) > 1
        else []
    )
    notes = []
    for pair in pairs:
        if pair.bias_ci95 is not None and not pair.bias_ci95[0] <= 0 <= pair.bias_ci95[1]:
            notes.append(
                f"{pair.second} reads systematically {'higher' if pair.bias > 0 else 'lower'} than {pair.first}: "
                "the wSD contains that shift"
            )
        if pair.trend_p is not None and pair.trend_p < _TREND:
            notes.append(
                f"differences of {pair.second} and {pair.first} change with the size of the value "
                f"(p {'< 0.001' if pair.trend_p < 0.001 else f'= {pair.trend_p:.3f}'}): one wSD does not hold for "
                "every vial, read the vials' own"
            )
    icc = intraclass(table) if len(sound) >= 3 else []
    if icc:
        notes.append(
            "an ICC compares the error with the spread of these vials: a phantom of wide range has one near 1 "
            "whatever the scanner does, so wSD and limits of agreement say more"
        )
    if within.wcv_percent is not None:
        notes.append(
            f"the wCV is over {within.wcv_n} of {len(sound)} vials whose mean lies beyond three wSD from zero; "
            f"the zero of {'HU is that of water' if modality == 'ct' else 'a susceptibility map is its reference'}"
        )
    if within.wsd == 0:
        notes.append("the runs are equal to the last digit: are they copies of one scan?")
    return [
        Agreement(
            modality=modality,
            unit=sound[0].unit,
            vials=[row.name for row in sound],
            within=within,
            bland_altman=pairs,
            icc=icc,
            notes=notes,
        )
    ]
