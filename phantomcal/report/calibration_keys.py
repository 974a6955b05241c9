"""The three numbers of a calibration that matter most."""

from phantomcal.report.calibration_tables import line_name
from phantomcal.report.fit_tables import goodness
from phantomcal.report.numerals import (
    NONE,
    fixed,
    interval,
    listed,
    no_value,
    number,
    percent,
    unit_words,
    with_uncertainty,
)
from phantomcal.report.page import KeyNumber
from phantomcal.report.style import modality_name
from phantomcal.results import Calibration, Line


def key_numbers(calibration: Calibration) -> list[KeyNumber]:
    """Slopes of up to three lines; of more, how many are established and how they compare with physics."""
    if len(calibration.lines) > 3:
        return [_established(calibration), _furthest_slope(calibration), _vials_used(calibration)]
    keys = [_slope_key(line) for line in calibration.lines]
    if len(keys) < 3 and calibration.vials:
        keys.append(_vials_used(calibration))
    if len(keys) < 3:
        keys.append(_precision_key(calibration.lines[0]))
    return keys


def _precision_key(line: Line) -> KeyNumber:
    unit = unit_words(line.abscissa_unit)
    if line.lod is not None and unit != line.unit:
        return KeyNumber(
            "Limit of detection", f"{number(line.lod, 3)} {unit}", f"{line_name(line)}; 3.3 residual SD over slope"
        )
    spread = f"{number(line.residual_sd, 3)} {line.unit}" if line.residual_sd is not None else no_value("too few vials")
    return KeyNumber("Residual SD", spread, f"{line_name(line)}; {goodness(line)}")


def _slope_key(line: Line) -> KeyNumber:
    details = []
    if line.slope_ci95:
        details.append(f"95 % {interval(line.slope_ci95)}")
    details.append(f"n = {line.n_vials}")
    if line.slope_ratio is not None:
        details.append(f"{fixed(line.slope_ratio)} × expected")
    if not line.established:
        details.append("not established")
    place = f" in {modality_name(line.modality)}" if line.modality else ""
    label = f"Slope of {line.material}{place}"
    return KeyNumber(label, with_uncertainty(line.slope, line.slope_se, line.slope_unit), " · ".join(details))


def _established(calibration: Calibration) -> KeyNumber:
    good = [line for line in calibration.lines if line.established]
    wide = [abs(line.budget.expanded / line.slope) for line in calibration.lines if line.budget and line.slope]
    detail = "p < 0.05, at least three vials"
    if wide:
        detail += f"; slopes known to {percent(min(wide))} to {percent(max(wide))} (k = 2)"
    return KeyNumber("Lines established", f"{len(good)} of {len(calibration.lines)}", detail)


def _furthest_slope(calibration: Calibration) -> KeyNumber:
    compared = [line for line in calibration.lines if line.slope_ratio is not None]
    if not compared:
        return KeyNumber("Measured over expected slope", NONE, "no expected slope is known")
    # On a ratio scale 0.5 is as far from 1 as 2 is; a wrong sign is further than any.
    furthest = max(compared, key=lambda line: _distance_from_one(float(line.slope_ratio or 0.0)))
    detail = f"{line_name(furthest)}, the furthest from 1 of {len(compared)}"
    if furthest.slope_ratio_ci95:
        detail += f"; 95 % {interval(furthest.slope_ratio_ci95)}"
    words = [line.slope_verdict.split(":")[0] for line in compared if line.slope_verdict]
    if words:
        told = [f"{words.count(w)} {w}" for w in ("agrees", "deviates", "undetermined") if w in words]
        detail += f"; verdicts: {listed(told)}"
    return KeyNumber("Measured over expected slope", fixed(furthest.slope_ratio, 2), detail)


def _distance_from_one(ratio: float) -> float:
    return max(ratio, 1 / ratio) if ratio > 0 else float("inf")


def _vials_used(calibration: Calibration) -> KeyNumber:
    left_out = list(dict.fromkeys(vial.vial_id for vial in calibration.vials if not vial.used))
    total = len({(vial.vial_id, vial.modality) for vial in calibration.vials})
    used = sum(vial.used for vial in calibration.vials)
    detail = f"left out: {listed(left_out, most=5)}" if left_out else "none left out"
    return KeyNumber("Vial measurements used", f"{used} of {total}", detail)
