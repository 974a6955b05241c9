"""The tables of a calibration report: a row per line, per vial, per image."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from phantomcal.report.numerals import (
    NONE,
    fixed,
    interval,
    listed,
    number,
    p_number,
    share,
    trimmed,
    unit_words,
    with_interval,
    with_uncertainty,
)
from phantomcal.report.page import RowFlag, TableBlock
from phantomcal.report.style import modality_name
from phantomcal.results import Line, VialLocation, VialMeasurement


def line_name(line: Line) -> str:
    """Material and modality of a line, as headings and rows name it."""
    return ", ".join(part for part in (line.material, modality_name(line.modality)) if part)


def location_table(locations: Sequence[VialLocation]) -> TableBlock:
    """How the layout lies in each image and how sure that is."""
    frame = pd.DataFrame([location.model_dump() for location in locations])
    frame["image"] = [modality_name(modality) for modality in frame["modality"]]
    frame["slices"] = [f"{a} to {b}" for a, b in zip(frame["first_slice"], frame["last_slice"], strict=True)]
    frame["seen"] = [str(len(found)) for found in frame["found"]]
    return TableBlock(
        frame,
        "How the layout lies in each image",
        labels={
            "image": "Image",
            "rotation_deg": "Rotation (°)",
            "mirrored": "Mirrored",
            "tilt_deg": "Tilt (°)",
            "slices": "Slices",
            "seen": "Vials seen",
            "position_residual_mm": "Distance from layout",
            "match": "Match",
            "margin": "Margin",
            "runner_up": "Next best",
        },
        units={"position_residual_mm": "mm, RMS", "match": "0 to 1"},
        formats={
            "rotation_deg": ".1f",
            "tilt_deg": ".1f",
            "position_residual_mm": ".2f",
            "match": ".2f",
            "margin": ".1f",
        },
        numbers=("seen",),
        note=(
            "Match: share of the vials that should stand out which do. Margin: misfit of the next best orientation "
            "over that of this one; the nearer to 1, the less certain the naming of the vials."
        ),
    )


def reference_table(references: Mapping[str, Any]) -> TableBlock:
    """Unit, reference region and algorithm: what a susceptibility means nothing without (QSM consensus 2024)."""
    items = [
        (name, text)
        for key, value in references.items()
        for name, text in (_stated(value) if key == "conditions" else [(str(key).replace("_", " "), _plain(value))])
    ]
    return TableBlock(pd.DataFrame(items, columns=["Item", "Value"]), "What the values refer to")


def lines_table(lines: Sequence[Line]) -> TableBlock:
    """Slopes and intercepts, a row per line."""
    frame = pd.DataFrame(
        {
            "line": [line_name(line) for line in lines],
            "slope": [with_uncertainty(line.slope, line.slope_se) for line in lines],
            "unit": [unit_words(line.slope_unit) for line in lines],
            "interval": [interval(line.slope_ci95, reason="too few vials") for line in lines],
            "intercept": [with_uncertainty(line.intercept, line.intercept_se) for line in lines],
            "n": [str(line.n_vials) for line in lines],
        }
    )
    flags = _doubtful(lines)
    note = "Intercepts are in the unit of the measured value."
    if any(flags):
        note += (
            " Tinted rows: vials were left out, or the slope is not established (p < 0.05 with three vials or more)."
        )
    return TableBlock(
        frame,
        "Fitted lines",
        labels={
            "line": "Line",
            "slope": "Slope ± SE",
            "unit": "Unit",
            "interval": "95 % interval",
            "intercept": "Intercept ± SE",
            "n": "n",
        },
        numbers=("slope", "interval", "intercept", "n"),
        flags=flags,
        note=note,
        exact={
            "slope": [line.slope for line in lines],
            "slope_se": [line.slope_se for line in lines],
            "slope_ci95_low": [(line.slope_ci95 or (None, None))[0] for line in lines],
            "slope_ci95_high": [(line.slope_ci95 or (None, None))[1] for line in lines],
            "intercept": [line.intercept for line in lines],
            "intercept_se": [line.intercept_se for line in lines],
        },
    )


def scatter_table(lines: Sequence[Line]) -> TableBlock:
    """How well each line holds its vials: residual SD first, R² never without it."""
    frame = pd.DataFrame(
        {
            "line": [line_name(line) for line in lines],
            "sd": [f"{number(line.residual_sd, 3)} {line.unit}" for line in lines],
            "noise": [f"{number(line.vial_noise, 2)} {line.unit}" for line in lines],
            "r2": [share(line.r2, "two vials") for line in lines],
            "r": [_correlation(line) for line in lines],
            "p": [p_number(line.p_value, "not tested") for line in lines],
            "method": [line.method for line in lines],
        }
    )
    labels = {
        "line": "Line",
        "sd": "Residual SD",
        "noise": "of which noise",
        "r2": "R²",
        "r": "r",
        "p": "p, slope",
        "method": "Fit",
    }
    if all(line.vial_noise is None for line in lines):
        del labels["noise"]
    return TableBlock(
        frame,
        "How well the lines hold their vials",
        labels,
        numbers=("sd", "noise", "r2", "r", "p"),
        flags=_doubtful(lines),
        exact={
            "sd": [line.residual_sd for line in lines],
            "noise": [line.vial_noise for line in lines],
            "r2": [line.r2 for line in lines],
            "p": [line.p_value for line in lines],
        },
        note=(
            "R² and r say how much the vials vary, not how far one of them may be off: that is the residual SD. p: "
            "two-sided t test of slope = 0, not adjusted for the number of lines."
        ),
    )


def _doubtful(lines: Sequence[Line]) -> list[RowFlag]:
    return ["" if line.established and not line.excluded else "warn" for line in lines]


def _correlation(line: Line) -> str:
    if line.r2 is None:
        return NONE
    return ("−" if line.slope < 0 else "") + share(line.r2**0.5)


def excluded_table(lines: Sequence[Line]) -> TableBlock:
    """Lines with and without the vials left out."""
    chosen = [line for line in lines if line.excluded]
    frame = pd.DataFrame(
        {
            "line": [line_name(line) for line in chosen],
            "out": [listed(line.excluded) for line in chosen],
            "without": [with_uncertainty(line.slope, line.slope_se) for line in chosen],
            "with": [
                with_uncertainty(line.all_vials.slope, line.all_vials.slope_se) if line.all_vials else NONE
                for line in chosen
            ],
            "sd": [f"{number(line.residual_sd, 2)} {line.unit}" for line in chosen],
            "sd_all": [
                f"{number(line.all_vials.residual_sd, 2)} {line.unit}" if line.all_vials else NONE for line in chosen
            ],
        }
    )
    units = list(dict.fromkeys(unit_words(line.slope_unit) for line in chosen))
    return TableBlock(
        frame,
        "The same lines with and without the vials left out",
        labels={
            "line": "Line",
            "out": "Left out",
            "without": "Slope without",
            "with": "Slope with all",
            "sd": "Residual SD without",
            "sd_all": "with all",
        },
        numbers=("without", "with", "sd", "sd_all"),
        note=f"Slopes in {listed(units, 'or')}." if chosen else "",
    )


def expectation_table(lines: Sequence[Line]) -> TableBlock:
    """Measured beside expected slopes, for lines that have both."""
    frame = pd.DataFrame(
        {
            "line": [line_name(line) for line in lines],
            "measured": [with_uncertainty(line.slope, line.slope_se) for line in lines],
            "expected": [with_uncertainty(line.expected_slope, line.expected_slope_se) for line in lines],
            "unit": [unit_words(line.slope_unit) for line in lines],
            "ratio": [with_interval(line.slope_ratio, line.slope_ratio_ci95) for line in lines],
            "verdict": [line.slope_verdict.split(":")[0] for line in lines],
        }
    )
    labels = {
        "line": "Line",
        "measured": "Measured ± SE",
        "expected": "Expected ± SE",
        "unit": "Unit",
        "ratio": "Ratio [95 %]",
        "verdict": "Verdict",
    }
    if not any(line.slope_verdict for line in lines):
        del labels["verdict"]
    flags: list[RowFlag] = ["warn" if line.slope_verdict.startswith("deviates") else "" for line in lines]
    return TableBlock(
        frame,
        "Measured and expected slopes",
        labels,
        numbers=("measured", "expected", "ratio"),
        flags=flags,
        exact={
            "measured": [line.slope for line in lines],
            "measured_se": [line.slope_se for line in lines],
            "expected": [line.expected_slope for line in lines],
            "expected_se": [line.expected_slope_se for line in lines],
            "ratio": [line.slope_ratio for line in lines],
            "ratio_ci95_low": [(line.slope_ratio_ci95 or (None, None))[0] for line in lines],
            "ratio_ci95_high": [(line.slope_ratio_ci95 or (None, None))[1] for line in lines],
        },
        note="Expected slopes. " + " ".join(_sources(lines)),
    )


def _sources(lines: Sequence[Line]) -> list[str]:
    told: dict[str, list[str]] = {}
    for line in lines:
        told.setdefault(line.expected_slope_source.rstrip(". ") or "not stated", []).append(line_name(line))
    return [f"{listed(names)}: {source}." for source, names in told.items()]


def vials_table(vials: Sequence[VialMeasurement], placed: bool) -> TableBlock:
    """Every vial as it was measured; `placed` when their positions in the image are known."""
    frame = pd.DataFrame(
        {
            "vial_id": [vial.vial_id for vial in vials],
            "material": [vial.material for vial in vials],
            "abscissa": [vial.abscissa for vial in vials],
            "image": [", ".join(part for part in (modality_name(vial.modality), vial.unit) if part) for vial in vials],
            "value": [_measured(vial.value, vial.unit) for vial in vials],
            "sem": [number(vial.sem, 2) for vial in vials],
            "sd": [number(vial.sd, 2) for vial in vials],
            "n_voxels": [str(vial.n_voxels) if vial.n_voxels else NONE for vial in vials],
            "dropped": [_dropped(vial) for vial in vials],
            "used": ["yes" if vial.used else "no" for vial in vials],
            "flag": [vial.flag for vial in vials],
        }
    )
    flags: list[RowFlag] = ["" if vial.used and not vial.flag else "warn" for vial in vials]
    units = list(dict.fromkeys(unit_words(vial.abscissa_unit) for vial in vials))
    labels = {
        "vial_id": "Vial",
        "material": "Material",
        "abscissa": "Concentration" if units == ["mmol/L"] else "Nominal",
        "image": "Image",
        "value": "Mean",
        "sem": "SE",
        "sd": "SD",
        "n_voxels": "Voxels",
        "dropped": "Left out",
        "used": "Used",
        "flag": "Remark",
    }
    if not any(vial.flag for vial in vials):
        del labels["flag"]
    note = "SE: standard error of the mean; SD: between voxels. Positions are in vials.csv." if placed else ""
    if any(vial.n_edge_voxels is not None or vial.n_bubble_voxels is not None for vial in vials):
        note += " Voxels: those averaged. Left out: those at the wall, and those of an air bubble."
    else:
        del labels["dropped"]
    return TableBlock(
        frame,
        "Measured vials",
        labels,
        units={"abscissa": ", ".join(units)},
        formats={"abscissa": trimmed},
        numbers=("value", "sem", "sd", "n_voxels", "dropped"),
        flags=flags,
        note=note,
        exact={name: [getattr(vial, name) for vial in vials] for name in ("value", "sem", "sd")},
    )


_CONDITIONS = {
    "batch": ("batch of the vials", ""),
    "temperature_celsius": ("temperature", " °C"),
    "temperature_sd_celsius": ("its standard uncertainty", " °C"),
    "field_tesla": ("MR field", " T"),
    "tube_voltage_kvp": ("tube voltage", " kVp"),
}


def _stated(conditions: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Conditions as the protocol states them; what the scan itself says stands elsewhere."""
    return [
        (name, f"{_plain(conditions[key])}{unit}, by the protocol")
        for key, (name, unit) in _CONDITIONS.items()
        if key in conditions and conditions[key] != "not stated"
    ]


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{str(key).replace('_', ' ')}: {_plain(item)}" for key, item in value.items()) or NONE
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value) or NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return trimmed(float(value))
    return NONE if value is None or value == "" else str(value)


def _dropped(vial: VialMeasurement) -> str:
    if vial.n_edge_voxels is None and not vial.n_bubble_voxels:
        return NONE
    bubble = f" + {vial.n_bubble_voxels} bubble" if vial.n_bubble_voxels else ""
    return f"{vial.n_edge_voxels or 0}{bubble}"


def _measured(value: float, unit: str) -> str:
    return fixed(value, 1 if unit == "HU" else 4)
