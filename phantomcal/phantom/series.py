"""A line per series of measured vials, and what that says of each vial."""

from typing import Literal

import numpy as np

from phantomcal.phantom.lines import build_line
from phantomcal.protocol import Protocol
from phantomcal.results import Line, Modality, VialMeasurement

_SERIES_SCATTER = 0.15
VALUE_UNITS = {"ct": "HU", "qsm": "ppm"}


def series_lines(
    measured: list[VialMeasurement], protocol: Protocol, modality: Modality
) -> tuple[list[Line], list[VialMeasurement]]:
    """A line per series, and the vials with their flags."""
    lines: list[Line] = []
    flags: dict[str, tuple[str, bool]] = {}
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
            unit=VALUE_UNITS[modality],
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
