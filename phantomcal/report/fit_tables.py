"""Tables that question a fit: other methods, influence of single vials, linearity, detection limits."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from phantomcal.report.calibration_tables import line_name
from phantomcal.report.numerals import (
    NONE,
    interval,
    listed,
    number,
    p_number,
    percent,
    share,
    trimmed,
    unit_words,
    with_uncertainty,
)
from phantomcal.report.page import Callout, RowFlag, TableBlock
from phantomcal.results import Line

_COOK = 4.0  # over the number of vials: the usual mark of a vial that decides about its line


def alternatives_table(lines: Sequence[Line]) -> TableBlock:
    """The main fit of each line and the others beside it, with the change of the slope."""
    rows: list[dict[str, Any]] = []
    flags: list[RowFlag] = []
    for line in lines:
        if not line.alternatives:
            continue
        rows.append(
            {
                "line": line_name(line),
                "method": f"{method_words(line.method)}, main",
                "n": str(line.n_vials),
                "slope": with_uncertainty(line.slope, line.slope_se),
                "interval": interval(line.slope_ci95, reason="too few vials"),
                "change": NONE,
                "sd": number(line.residual_sd, 3),
            }
        )
        flags.append("")
        for other in line.alternatives:
            rows.append(
                {
                    "line": "",
                    "method": method_words(other.method),
                    "n": str(other.n_vials),
                    "slope": with_uncertainty(other.slope, other.slope_se),
                    "interval": interval(other.slope_ci95, reason="none"),
                    "change": percent(other.slope / line.slope - 1, signed=True) if line.slope else NONE,
                    "sd": number(other.residual_sd, 3),
                }
            )
            flags.append(_apart(line, other.slope))
    note = "Slopes and residual SD in the units of their line."
    if any(flags):
        note += " Tinted: the slope lies outside the 95 % interval of the main fit; find out why before use."
    return TableBlock(
        pd.DataFrame(rows),
        "The same vials fitted in other ways",
        labels={
            "line": "Line",
            "method": "Fit",
            "n": "n",
            "slope": "Slope ± SE",
            "interval": "95 % interval",
            "change": "Against main",
            "sd": "Residual SD",
        },
        numbers=("n", "slope", "interval", "change", "sd"),
        flags=flags,
        note=note,
    )


def fit_remarks(lines: Sequence[Line]) -> Callout | None:
    """Why each line has the main fit it has, and what deviating fits say; None when nobody said."""
    told: dict[str, list[str]] = {}
    for line in lines:
        words = [line.default_rule]
        words += [
            f"{method_words(other.method)}: {other.note}"
            for other in line.alternatives
            if other.note and _apart(line, other.slope)
        ]
        for word in words:
            if word:
                told.setdefault(f"{word[0].upper()}{word[1:]}", []).append(line_name(line))
    if not told:
        return None
    paragraphs = [f"{'; '.join(names)}. {word}." for word, names in told.items()]
    return Callout("\n\n".join(paragraphs), "info", "Why this fit")


def method_words(method: str) -> str:
    """Name of a fit without its particulars: ``ordinary``, ``weighted``, ``through zero, ordinary``."""
    return method.split(";")[0].split(" (")[0].split(", weights")[0].replace(" least squares", "")


def _apart(line: Line, slope: float) -> RowFlag:
    if line.slope_ci95 is None:
        return ""
    return "" if line.slope_ci95[0] <= slope <= line.slope_ci95[1] else "warn"


def influence_table(lines: Sequence[Line]) -> TableBlock:
    """Leverage and influence of every vial on its line."""
    rows: list[dict[str, Any]] = []
    flags: list[RowFlag] = []
    for line in lines:
        for vial in line.influence:
            change = None if vial.slope_without is None or not line.slope else vial.slope_without / line.slope - 1
            rows.append(
                {
                    "line": line_name(line),
                    "vial": vial.vial_id,
                    "leverage": vial.leverage,
                    "residual": vial.studentised_residual,
                    "cook": vial.cooks_distance,
                    "without": number(vial.slope_without, 4),
                    "change": percent(change, signed=True),
                }
            )
            decides = vial.cooks_distance is not None and vial.cooks_distance > max(_COOK / line.n_vials, 1.0)
            flags.append("warn" if decides else "")
    note = (
        "Leverage: share of its own fitted value that a vial decides. Residual: in standard deviations of the line of "
        "the other vials (externally studentised). Cook: change of all fitted values without the vial, above 1 is much."
    )
    if any(flags):
        note += " Tinted: vials that decide about their line."
    return TableBlock(
        pd.DataFrame(rows),
        "What each vial decides",
        labels={
            "line": "Line",
            "vial": "Vial",
            "leverage": "Leverage",
            "residual": "Residual",
            "cook": "Cook's distance",
            "without": "Slope without it",
            "change": "Change",
        },
        units={"residual": "SD"},
        formats={"leverage": ".2f", "residual": ".2f", "cook": ".2f"},
        numbers=("leverage", "residual", "cook", "without", "change"),
        flags=flags,
        note=note,
    )


def linearity_table(lines: Sequence[Line]) -> TableBlock:
    """Calibrated range and linearity of each line."""
    frame = pd.DataFrame(
        {
            "line": [line_name(line) for line in lines],
            "range": [_range(line.abscissa_range) for line in lines],
            "linear": [_range(line.linear_range) if line.linear_range else NONE for line in lines],
            "unit": [unit_words(line.abscissa_unit) for line in lines],
            "linearity": [line.linearity for line in lines],
            "fit": [p_number(line.lack_of_fit_p) for line in lines],
        }
    )
    labels = {
        "line": "Line",
        "range": "Calibrated range",
        "linear": "Linear range",
        "unit": "Unit",
        "linearity": "Linearity",
        "fit": "p, lack of fit",
    }
    note = "Outside the calibrated range a line extrapolates."
    if all(line.linear_range is None for line in lines):
        del labels["linear"]
    else:
        note += " Linear range: the widest range of levels without a bend."
    if all(line.lack_of_fit_p is None for line in lines):
        del labels["fit"]
    else:
        note += " p, lack of fit: scatter about the line against scatter between replicates of a level."
    return TableBlock(frame, "Range and linearity", labels, numbers=("range", "linear", "fit"), note=note)


def detection_table(lines: Sequence[Line]) -> TableBlock:
    """Smallest amounts that can be told from nothing, by standard; ICH Q2 of the line where no more is known."""
    rows = []
    remarks: dict[str, str] = {}
    for line in lines:
        known = [(d.standard, d.critical_value, d.lod, d.loq) for d in line.detection] or [
            ("ICH Q2", None, line.lod, line.loq)
        ]
        for i, (standard, critical, lod, loq) in enumerate(known):
            rows.append(
                {
                    "line": line_name(line) if i == 0 else "",
                    "standard": standard,
                    "critical": number(critical, 3),
                    "lod": number(lod, 3),
                    "loq": number(loq, 3),
                    "unit": unit_words(line.abscissa_unit),
                }
            )
        for d in line.detection:
            if d.note:
                remarks.setdefault(d.note, d.standard)
    errors = sorted({d.alpha for line in lines for d in line.detection})
    note = (
        "Critical value: above it a sample holds the substance"
        + (f", with an error of {listed([percent(e, 0) for e in errors])}" if errors else "")
        + ". LOD: the least amount that will be found so. LOQ: the least amount with the precision that the standard "
        "asks. The standards answer different questions, so their limits differ."
    )
    if not any(line.detection for line in lines):
        note += " ICH Q2: 3.3 and 10 residual SD over the slope."
    note += "".join(f" {standard}: {remark}." for remark, standard in remarks.items())
    return TableBlock(
        pd.DataFrame(rows),
        "Limits of detection and quantification",
        labels={
            "line": "Line",
            "standard": "Standard",
            "critical": "Critical value",
            "lod": "LOD",
            "loq": "LOQ",
            "unit": "Unit",
        },
        numbers=("critical", "lod", "loq"),
        note=note,
    )


def goodness(line: Line) -> str:
    """R² never alone: with residual SD and n, for a line of text."""
    parts = [f"n = {line.n_vials}"]
    if line.residual_sd is not None:
        parts.append(f"residual SD {number(line.residual_sd, 2)} {line.unit}")
    if line.r2 is not None:
        parts.append(f"R² {share(line.r2)}")
    return " · ".join(parts)


def _range(bounds: tuple[float, float]) -> str:
    return f"{trimmed(bounds[0])} to {trimmed(bounds[1])}"
