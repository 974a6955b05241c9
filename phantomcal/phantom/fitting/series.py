"""A line per series of measured vials, and what that says of each vial."""

from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from phantomcal.phantom.fitting.lines import build_line
from phantomcal.protocol import Protocol
from phantomcal.results import Line, Modality, VialMeasurement

_SERIES_SCATTER = 0.15
_SAME = 0.05  # share of a line's span within which a vial reads as another's content
VALUE_UNITS = {"ct": "HU", "qsm": "ppm"}


def series_lines(
    measured: list[VialMeasurement], protocol: Protocol, modality: Modality
) -> tuple[list[Line], list[VialMeasurement]]:
    """A line per series, and the vials with their flags.

    Vials that arrive unused (empty, missing, with a bubble) keep their flag, are left out of the line and named among
    its excluded vials.

    Parameters
    ----------
    measured : list of VialMeasurement
        All vials of one modality.
    protocol : Protocol
    modality : {"ct", "qsm"}

    Returns
    -------
    lines : list of Line
        None for a series with fewer than two different abscissae left.
    vials : list of VialMeasurement
        As measured, in the same order, with `flag` and `used` set.
    """
    lines: list[Line] = []
    flags: dict[str, tuple[str, bool]] = {}
    for series in dict.fromkeys(v.series for v in measured):
        members = [v for v in measured if v.series == series]
        usable = [v for v in members if v.used and np.isfinite(v.value)]
        x, y = (np.array([getattr(v, name) for v in usable], float) for name in ("abscissa", "value"))
        if len(np.unique(x)) < 2:
            continue
        expected = protocol.expected_slope(series, modality)
        scatter = protocol.tolerances.vial_deviation.get(modality)
        if scatter is None and expected is not None:
            floor = 5.0 if modality == "ct" else 0.02
            scatter = max(_SERIES_SCATTER * abs(expected.value) * float(np.ptp(x)), floor)
        sd_y, sd_x = _errors(usable, protocol)
        line, suspects = build_line(
            [v.vial_id for v in usable],
            x,
            y,
            material=series,
            modality=modality,
            unit=VALUE_UNITS[modality],
            abscissa_unit=protocol.abscissa_unit,
            sd_y=sd_y,
            sd_x=sd_x,
            expected=expected,
            slope_ratio=protocol.tolerances.slope_ratio,
            scatter=scatter,
            zero_known=modality == "qsm" and protocol.reference == "water",
        )
        unusable = [v.vial_id for v in members if v not in usable]
        if unusable:
            line = line.model_copy(
                update={
                    "excluded": [v.vial_id for v in members if v.vial_id in unusable or v.vial_id in line.excluded],
                    "notes": [f"{', '.join(unusable)} not usable and left out", *line.notes],
                }
            )
        lines.append(line)
        flags |= {name: (reason, name not in line.excluded) for name, reason in suspects.items()}
    marked = [
        v.model_copy(update={"flag": flags[v.vial_id][0], "used": flags[v.vial_id][1]}) if v.vial_id in flags else v
        for v in measured
    ]
    return _exchanged_between(lines, marked), marked


def _errors(
    vials: list[VialMeasurement], protocol: Protocol
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Standard errors of the values and of the abscissae, where every vial has one."""
    sem = [v.sem for v in vials]
    sd_y = np.array(sem, float) if all(s is not None and np.isfinite(s) and s > 0 for s in sem) else None
    by_id = {v.id: v for v in protocol.vials}
    declared = [protocol.abscissa_sd_of(by_id[v.vial_id]) if v.vial_id in by_id else None for v in vials]
    if any(s is None and v.abscissa != 0 for s, v in zip(declared, vials, strict=True)):
        return sd_y, None
    sd_x = np.array([s or 0.0 for s in declared])
    # A blank has no error of its concentration; the fit needs one, too small to matter.
    return sd_y, np.maximum(sd_x, 1e-6 * sd_x.max()) if sd_x.any() else None


def _exchanged_between(lines: list[Line], vials: list[VialMeasurement]) -> list[Line]:
    """Two failed vials of different series that fit each other's line stand in each other's place: said in a note."""
    by_series = {line.material: line for line in lines}
    failed = [
        v
        for v in vials
        if v.series in by_series and not v.used and v.flag.startswith("failed") and np.isfinite(v.value)
    ]
    for a, b in combinations(failed, 2):
        if (
            a.series != b.series
            and _fits(by_series[b.series], b.abscissa, a)
            and _fits(by_series[a.series], a.abscissa, b)
        ):
            said = f"{a.vial_id} and {b.vial_id} read as each other's content: labels or places swapped?"
            for v in (a, b):
                line = by_series[v.series]
                by_series[v.series] = line.model_copy(update={"notes": [*line.notes, said]})
    return [by_series[line.material] for line in lines]


def _fits(line: Line, abscissa: float, vial: VialMeasurement) -> bool:
    span = abs(line.slope) * (line.abscissa_range[1] - line.abscissa_range[0])
    return abs(vial.value - line.slope * abscissa - line.intercept) < _SAME * span


def status_of(lines: list[Line], vials: list[VialMeasurement]) -> Literal["pass", "warn", "fail"]:
    """Pass, warn or fail of a whole calibration."""
    broken = [
        n for line in lines for n in line.notes if "times the expected one" in n or "contradicts its protocol" in n
    ]
    if broken:
        return "fail"
    if any(v.flag for v in vials) or not all(line.established for line in lines):
        return "warn"
    return "pass"
