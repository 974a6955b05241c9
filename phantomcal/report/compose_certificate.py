"""The calibration certificate: one sheet that says what was calibrated, how well, and for how long."""

import hashlib
from collections.abc import Sequence
from typing import Any

import pandas as pd

from phantomcal.report.calibration_tables import line_name
from phantomcal.report.numerals import (
    NONE,
    count,
    fixed,
    listed,
    number,
    trimmed,
    unit_words,
    with_interval,
    with_uncertainty,
)
from phantomcal.report.page import Certificate, RowFlag, TableBlock
from phantomcal.report.style import modality_name
from phantomcal.results import Calibration, Line, VialMeasurement

_BLANK = "not stated"
_HASH_DIGITS = 12


def certificate(calibration: Calibration, verdict_text: str) -> Certificate:
    """The certificate of a calibration.

    Parameters
    ----------
    calibration : Calibration
        With budgets and verdicts where they are known.
    verdict_text : str
        The verdict in a sentence, as the report says it.

    Returns
    -------
    Certificate
        Without a date of issue, so that equal runs give equal sheets; it is filled in by hand.
    """
    return Certificate(
        title="Calibration certificate",
        subtitle=calibration.title or calibration.protocol,
        number=certificate_number(calibration),
        verdict=calibration.status,
        verdict_text=verdict_text,
        identity=_identity(calibration),
        conditions=_conditions(calibration),
        tables=[_results(calibration.lines), _limits(calibration.lines)],
        statements=_statements(calibration),
        signatures=("Date of issue", "Calibrated by", "Checked by"),
    )


def certificate_number(calibration: Calibration) -> str:
    """Twelve characters that change with inputs, parameters, software and results."""
    provenance = calibration.provenance
    told = [
        provenance.command,
        *(f"{file.role} {file.sha256}" for file in provenance.inputs),
        provenance.versions.get("phantomcal", ""),
        repr(sorted(provenance.parameters.items(), key=str)),
        *(f"{line.material} {line.modality} {line.slope!r} {line.intercept!r}" for line in calibration.lines),
    ]
    digest = hashlib.sha256("\n".join(told).encode()).hexdigest()
    return "-".join(digest[i : i + 4] for i in range(0, _HASH_DIGITS, 4))


def _identity(calibration: Calibration) -> list[tuple[str, str]]:
    conditions = calibration.references.get("conditions", {})
    used = {v.vial_id for v in calibration.vials if v.used}
    left_out = list(dict.fromkeys(v.vial_id for v in calibration.vials if v.vial_id not in used))
    vials = f"{len(used)} of {len({v.vial_id for v in calibration.vials})} used"
    files = [f"{file.role} {file.sha256[:_HASH_DIGITS]}" for file in calibration.provenance.inputs]
    version = calibration.provenance.versions.get("phantomcal", "")
    return [
        ("Protocol", calibration.protocol or "table of vials"),
        ("Batch of the vials", str(conditions.get("batch") or _BLANK)),
        ("Session", calibration.session or _BLANK),
        ("Date of scan", _date(calibration.references)),
        ("Vials", vials + (f"; left out: {listed(left_out, most=6)}" if left_out else "")),
        ("Software", f"phantomcal {version}".strip()),
        ("Inputs (SHA-256)", "; ".join(files) or _BLANK),
    ]


def _date(references: dict[str, Any]) -> str:
    dates = {
        str(value)
        for part in references.values()
        if isinstance(part, dict)
        for key, value in part.items()
        if key.lower().replace("_", "") in ("scandate", "acquisitiondate", "studydate") and value
    }
    return listed(sorted(dates)) if dates else _BLANK


def _conditions(calibration: Calibration) -> list[tuple[str, str]]:
    stated = calibration.references.get("conditions", {})
    modalities = list(dict.fromkeys(line.modality for line in calibration.lines))
    temperature = stated.get("temperature_celsius")
    told = [
        (
            "Temperature",
            with_uncertainty(temperature, stated.get("temperature_sd_celsius"), "°C")
            if temperature is not None and stated.get("temperature_sd_celsius")
            else f"{trimmed(temperature)} °C"
            if temperature is not None
            else _BLANK,
        )
    ]
    if "ct" in modalities:
        voltage = stated.get("tube_voltage_kvp")
        told.append(("CT tube voltage", f"{trimmed(voltage)} kVp" if voltage is not None else _BLANK))
    if "qsm" in modalities:
        field = stated.get("field_tesla")
        qsm = calibration.references.get("qsm", {})
        qsm = qsm if isinstance(qsm, dict) else {}
        reference = (
            qsm.get("ReferenceRegion") or qsm.get("reference") or calibration.references.get("susceptibility_reference")
        )
        told += [
            ("MR field", f"{trimmed(field)} T" if field is not None else _BLANK),
            ("QSM reference", str(reference or _BLANK)),
            ("QSM algorithm", str(qsm.get("ReconstructionAlgorithm") or _BLANK)),
        ]
    methods = list(dict.fromkeys(line.method.split(";")[0].split(" (")[0] for line in calibration.lines))
    told.append(("Fit", listed(methods)))
    told.append(("Units", listed(list(dict.fromkeys(line.unit for line in calibration.lines)))))
    for location in calibration.locations:
        told.append(
            (
                f"Layout in {modality_name(location.modality)}",
                f"vials {location.position_residual_mm:.2f} mm (RMS) from it, margin {location.margin:.1f}",
            )
        )
    return told


def _results(lines: Sequence[Line]) -> TableBlock:
    frame = pd.DataFrame(
        {
            "line": [line_name(line) for line in lines],
            "n": [str(line.n_vials) for line in lines],
            "slope": [_slope(line) for line in lines],
            "unit": [unit_words(line.slope_unit) for line in lines],
            "k95": [fixed(line.budget.coverage_factor_95, 2) if line.budget else NONE for line in lines],
            "intercept": [_doubled(line.intercept, line.intercept_se, line.unit) for line in lines],
            "sd": [f"{number(line.residual_sd, 2)} {line.unit}" for line in lines],
            "state": ["yes" if line.established else "no" for line in lines],
        }
    )
    flags: list[RowFlag] = ["" if line.established and not line.excluded else "warn" for line in lines]
    labels = {
        "line": "Line",
        "n": "n",
        "slope": "Slope ± U",
        "unit": "Unit",
        "k95": "k for 95 %",
        "intercept": "Intercept ± U",
        "sd": "Residual SD",
        "state": "Established",
    }
    if all(line.established for line in lines):
        del labels["state"]
    return TableBlock(
        frame,
        "Calibration lines, with expanded uncertainties U (k = 2)",
        labels=labels,
        numbers=("n", "slope", "k95", "intercept", "sd"),
        flags=flags,
    )


def _slope(line: Line) -> str:
    if line.budget is not None:
        return with_uncertainty(line.slope, line.budget.expanded)
    return _doubled(line.slope, line.slope_se, "")


def _doubled(value: float, error: float | None, unit: str) -> str:
    return with_uncertainty(value, None if error is None else 2 * error, unit)


def _limits(lines: Sequence[Line]) -> TableBlock:
    frame = pd.DataFrame(
        {
            "line": [line_name(line) for line in lines],
            "range": [f"{trimmed(line.abscissa_range[0])} to {trimmed(line.abscissa_range[1])}" for line in lines],
            "lod": [number(_limit(line, "lod"), 2) for line in lines],
            "loq": [number(_limit(line, "loq"), 2) for line in lines],
            "unit": [unit_words(line.abscissa_unit) for line in lines],
            "expected": [
                with_uncertainty(line.expected_slope, line.expected_slope_se) if line.expected_slope else NONE
                for line in lines
            ],
            "ratio": [with_interval(line.slope_ratio, line.slope_ratio_ci95) for line in lines],
            "verdict": [line.slope_verdict.split(":")[0] or NONE for line in lines],
        }
    )
    standards = sorted({_standard(line) for line in lines})
    return TableBlock(
        frame,
        f"Range, limits of detection and quantification ({listed(standards)}), and the slope expected by physics or "
        "literature",
        labels={
            "line": "Line",
            "range": "Calibrated range",
            "lod": "LOD",
            "loq": "LOQ",
            "unit": "Unit",
            "expected": "Expected slope ± SE",
            "ratio": "Ratio [95 %]",
            "verdict": "Verdict",
        },
        numbers=("range", "lod", "loq", "expected", "ratio"),
    )


def _standard(line: Line) -> str:
    return next((d.standard for d in line.detection if d.lod is not None), "ICH Q2")


def _limit(line: Line, which: str) -> float | None:
    chosen = next((d for d in line.detection if d.lod is not None), None)
    value: float | None = getattr(chosen if chosen is not None else line, which)
    return value


def _statements(calibration: Calibration) -> list[tuple[str, str]]:
    lines = calibration.lines
    absent = list(
        dict.fromkeys(
            text.split(":")[0] for line in lines if line.budget is not None for text in line.budget.not_included
        )
    )
    uncertainty = (
        "U is the combined standard uncertainty times k = 2. Where few vials decide, 95 % needs the larger k for 95 % "
        "(Student's t, effective degrees of freedom)."
    )
    if absent:
        uncertainty += f" Not included: {listed(absent, most=8)}."
    concentrations = "concentrations" if all(line.abscissa_unit == "mmol/L" for line in lines) else "nominal values"
    validity = (
        "For the scanner, sequence, reconstruction and conditions above, inside the calibrated ranges; outside them a "
        "line extrapolates. It ends with the next calibration, with service or an upgrade of scanner or "
        "reconstruction, or when the vials are replaced."
    )
    warned = len(calibration.warnings)
    if warned:
        validity += f" The report lists {count(warned, 'warning')} to read first."
    return [
        ("Uncertainty", uncertainty),
        (
            "Traceability",
            f"Slopes rest on the {concentrations} as the protocol states them{_stated(calibration.vials)}; no link to "
            "a national standard is claimed. Physics and literature serve for comparison only and do not enter the "
            "slopes.",
        ),
        ("Validity", validity),
    ]


def _stated(vials: Sequence[VialMeasurement]) -> str:
    if vials and all(v.abscissa_sd is not None for v in vials):
        return ", with the uncertainties it gives"
    return ", without an uncertainty of their own" if vials else ""
