"""Failed vials explained: what was read, what was expected, what may have happened, and what to do."""

import math
from collections.abc import Sequence

import numpy as np

from phantomcal.phantom.fitting.fit import fit_line
from phantomcal.results import Calibration, Line, VialDiagnosis, VialMeasurement

_CLOSE = 0.05  # of the line's span: as near as a sound vial lies
_LOST = 0.2  # of the nominal amount: what is left when a vial reads like a blank
_CHANGED = 0.15
_UNEVEN, _EVEN = 2.0, 0.6
_OFF_THE_LINE = 3.0
_LEAST_VIALS = 3
_BY_THE_LINE = ("failed", "suspect")  # how flags begin that the line, not the image, gave rise to


def with_diagnoses(calibration: Calibration) -> Calibration:
    """The same calibration with every flagged vial explained."""
    found = []
    for line in calibration.lines:
        others = [o for o in calibration.lines if o.modality == line.modality and o.material != line.material]
        found += _of_line(line, calibration.vials, _blanks(others))
    return calibration.model_copy(update={"diagnoses": found})


def _blanks(lines: Sequence[Line]) -> tuple[float, float] | None:
    """Range in which other lines of the same image put a vial without contents; None unless two of them tell."""
    known = [line for line in lines if line.intercept_se is not None and line.established]
    if len(known) < 2:
        return None
    return (
        min(line.intercept - (line.intercept_se or 0.0) for line in known),
        max(line.intercept + (line.intercept_se or 0.0) for line in known),
    )


def _of_line(line: Line, vials: Sequence[VialMeasurement], blanks: tuple[float, float] | None) -> list[VialDiagnosis]:
    members = [v for v in vials if v.series == line.material and v.modality == line.modality]
    flagged = [v for v in members if (v.flag or not v.used) and math.isfinite(v.value)]
    sound = [v for v in members if v.used and not v.flag]
    span = abs(line.slope) * (max(v.abscissa for v in members) - min(v.abscissa for v in members)) if members else 0.0
    return [_explained(vial, line, sound, flagged, span, blanks) for vial in flagged] if span > 0 else []


def _explained(
    vial: VialMeasurement,
    line: Line,
    sound: Sequence[VialMeasurement],
    flagged: Sequence[VialMeasurement],
    span: float,
    blanks: tuple[float, float] | None,
) -> VialDiagnosis:
    line = _of_the_others(line, sound) if vial.used else line
    awaited = line.intercept + line.slope * vial.abscissa
    deviation = vial.value - awaited
    spread = _spread(line, vial)
    noises = [v.sd for v in sound if v.sd]
    noise_ratio = vial.sd / float(np.median(noises)) if vial.sd and noises else None
    diagnosis = VialDiagnosis(
        vial_id=vial.vial_id,
        series=line.material,
        modality=line.modality,
        value=vial.value,
        unit=vial.unit,
        used=vial.used,
        line_value=awaited,
        deviation=deviation,
        deviation_sd=deviation / spread if spread else None,
        deviation_share=deviation / span,
        nominal=vial.abscissa,
        implied=(vial.value - line.intercept) / line.slope,
        abscissa_unit=line.abscissa_unit,
        noise_ratio=noise_ratio,
    )
    others = [v for v in flagged if v.vial_id != vial.vial_id]
    causes = _causes(diagnosis, vial, line, sound, others, span, blanks)
    return diagnosis.model_copy(update={"causes": causes, "actions": _actions(diagnosis, vial, line)})


def _of_the_others(line: Line, sound: Sequence[VialMeasurement]) -> Line:
    """The line through the vials without a flag; a suspect vial that was kept pulls the main line to itself."""
    x, y = (np.array([getattr(v, name) for v in sound], float) for name in ("abscissa", "value"))
    if len(x) < _LEAST_VIALS or np.ptp(x) == 0:
        return line
    fit = fit_line(x, y)
    if fit.slope == 0 or fit.covariance is None:
        return line
    update = {
        "slope": fit.slope,
        "intercept": fit.intercept,
        "slope_se": fit.error(0),
        "intercept_se": fit.error(1),
        "covariance_slope_intercept": float(fit.covariance[0, 1]),
        "residual_sd": fit.residual_sd,
    }
    return line.model_copy(update=update)


def _spread(line: Line, vial: VialMeasurement) -> float | None:
    """Standard deviation of a further vial about the line."""
    if line.residual_sd is None:
        return None
    variance = line.residual_sd**2
    if line.slope_se is not None and line.intercept_se is not None and line.covariance_slope_intercept is not None:
        x = vial.abscissa
        variance += max(line.intercept_se**2 + (x * line.slope_se) ** 2 + 2 * x * line.covariance_slope_intercept, 0.0)
    return math.sqrt(variance) or None


def _causes(
    found: VialDiagnosis,
    vial: VialMeasurement,
    line: Line,
    sound: Sequence[VialMeasurement],
    others: Sequence[VialMeasurement],
    span: float,
    blanks: tuple[float, float] | None,
) -> list[str]:
    if vial.flag and not vial.flag.startswith(_BY_THE_LINE):
        # Seen in the image itself; what the line makes of the value then says nothing of the contents.
        cause = vial.flag.removesuffix("; left out")
        spoilt = "; what lies around a bubble is distorted too" if vial.n_bubble_voxels else ""
        return [f"seen in the image: {cause}{spoilt}"]
    implied = found.implied
    far = abs(found.deviation) > _CLOSE * span and abs(found.deviation_sd or math.inf) > _OFF_THE_LINE
    if implied is None or not far:
        return [f"as flagged: {vial.flag}" if vial.flag else "left out by choice"]
    said = [note for note in line.notes if "swapped" in note and vial.vial_id in note.replace(":", "").split()]
    swapped = [
        o.vial_id
        for o in others
        if abs(o.value - (line.intercept + line.slope * vial.abscissa)) < _CLOSE * span
        and abs(vial.value - (line.intercept + line.slope * o.abscissa)) < _CLOSE * span
    ]
    twins = [s.vial_id for s in sound if abs(s.value - vial.value) < _CLOSE * span]
    unit = line.abscissa_unit
    if swapped and not said:
        said.append(f"exchanged with {' or '.join(swapped)}: each reads what the line has for the other")
    if not said:
        if twins:
            said.append(f"holds what {' or '.join(twins)} holds: labelled wrongly, or filled twice from one solution")
        said += _content(found, vial, unit, blanks)
    if found.noise_ratio is not None and found.noise_ratio > _UNEVEN:
        said.append(
            f"uneven contents (voxels vary {found.noise_ratio:.1f} times as much as in sound vials): settled powder, "
            "a bubble or a streak"
        )
    elif found.noise_ratio is not None and found.noise_ratio < _EVEN and implied < _LOST * found.nominal:
        said.append(
            f"its voxels vary only {found.noise_ratio:.1f} times as much as in sound vials, as in plain gel or water"
        )
    alike = [o.vial_id for o in others if abs(o.value - vial.value) < _CLOSE * span]
    if alike:
        said.append(f"{' and '.join(alike)} reads the same: what happened to one happened to both, as in one batch")
    return said


def _content(found: VialDiagnosis, vial: VialMeasurement, unit: str, blanks: tuple[float, float] | None) -> list[str]:
    """What the amount that the line reads back says of the contents."""
    implied, nominal = found.implied or 0.0, found.nominal
    if nominal <= 0:
        return ["contaminated or mislabelled: a blank should read what the line has at zero"]
    reads = f"{_number(vial.value)} {vial.unit}"
    if implied >= (1 - _CHANGED) * nominal:
        if implied <= (1 + _CHANGED) * nominal:
            return []
        return [
            f"dried out or filled too strong: reads as {_number(implied)} {unit}, "
            f"{100 * implied / nominal:.0f} % of the stated {_number(nominal)}"
        ]
    if implied >= _LOST * nominal:
        return [
            f"diluted, leaked or partly empty: reads as {_number(implied)} {unit}, "
            f"{100 * implied / nominal:.0f} % of the stated {_number(nominal)}"
        ]
    said = []
    around = vial.background
    contrast = None if around is None else abs(found.line_value - around)
    if blanks is not None and blanks[0] <= vial.value <= blanks[1]:
        said.append(
            f"lost or never had its contents: {reads} is what the other lines of this image have for a vial without "
            f"any ({_number(blanks[0])} to {_number(blanks[1])} {vial.unit}): filled with plain gel, leaked or washed "
            "out"
        )
    elif around is not None and contrast and abs(vial.value - around) < _LOST * contrast:
        said.append(
            f"lost or never had its contents: {reads} is what its surroundings read ({_number(around)} {vial.unit})"
        )
    elif implied >= -_LOST * nominal:
        said.append("lost or never had its contents: reads what the line has for a blank")
    if implied < -_LOST * nominal:
        said.append(
            f"{'or else ' if said else ''}another substance, air, or a vial in the wrong place: the line would need "
            f"{_number(implied)} {unit}, and no amount lies below zero"
        )
    return said


def _actions(found: VialDiagnosis, vial: VialMeasurement, line: Line) -> list[str]:
    name = found.vial_id
    if vial.x_mm is None:
        said = [f"check value and concentration of {name} in the table, and the vial itself"]
    else:
        look = "magnitude image" if found.modality == "qsm" else "CT slices"
        said = [f"look at {name} in the picture above and in the {look}: is it full, without a bubble, in its place?"]
    if vial.used:
        return [*said, "compare with the last session; leave it out when it was sound then"]
    said.append(
        f"scan again with {name} and a sound vial exchanged: a fault that moves with the vial is the vial's, one that "
        "stays is the place's"
    )
    said.append(f"refill or replace {name} from a solution of known concentration, or take it out of the protocol")
    if line.all_vials is not None:
        low, high = line.abscissa_range
        said.append(
            f"until then use the line of the other {line.n_vials} vials, from {_number(low)} to {_number(high)} "
            f"{line.abscissa_unit} only: slope {_number(line.slope)} without, {_number(line.all_vials.slope)} with the "
            f"vials left out ({line.slope_unit})"
        )
    return said


def _number(value: float) -> str:
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return text.replace("-", "−")
