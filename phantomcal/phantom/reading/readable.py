"""Which lines of a calibration can be read backwards, and in which units."""

from typing import TYPE_CHECKING

from phantomcal.errors import InputError
from phantomcal.results import Calibration, Line, Modality
from phantomcal.units import CONCENTRATION_UNIT

if TYPE_CHECKING:
    from phantomcal.phantom.reading.joint import Pair


def modality_of(line: Line) -> Modality | None:
    """Modality of a line, by name or by its unit; None when neither tells."""
    if line.modality in ("ct", "qsm"):
        return "ct" if line.modality == "ct" else "qsm"
    return {"HU": "ct", "ppm": "qsm", "ppb": "qsm"}.get(line.unit)  # type: ignore[return-value]


def readable_lines(calibration: Calibration, where: str) -> tuple[dict[tuple[str, Modality], Line], list[str]]:
    """Lines a concentration can be read from, by material and modality, and why others cannot.

    Raises
    ------
    InputError
        No line is usable, or two lines have the same material and modality.
    """
    lines: dict[tuple[str, Modality], Line] = {}
    notes = []
    for line in calibration.lines:
        modality = modality_of(line)
        name = f"{line.material} {line.modality}".strip()
        if modality is None:
            notes.append(f"{name}: neither CT nor QSM by name or unit ({line.unit}); not read")
        elif line.abscissa_unit != CONCENTRATION_UNIT:
            notes.append(f"{name}: drawn against {line.abscissa_unit}, not a concentration; not read")
        elif line.slope == 0 or line.slope_se is None or line.residual_sd is None:
            notes.append(f"{name}: a line without slope or errors cannot be read backwards; not read")
        elif (line.material, modality) in lines:
            raise InputError(f"two lines of {line.material} in {modality}", where, "keep one of them")
        else:
            lines[line.material, modality] = in_inner_unit(line)
    if not lines:
        raise InputError(
            "no line gives a concentration" + (f" ({'; '.join(notes)})" if notes else ""),
            where,
            "give a calibration against mmol/L with three vials or more",
        )
    return lines, notes


def in_inner_unit(line: Line) -> Line:
    """A line in ppb as one in ppm; others unchanged."""
    if line.unit != "ppb":
        return line
    k = 1e-3
    return line.model_copy(
        update={
            "unit": "ppm",
            "slope": line.slope * k,
            "intercept": line.intercept * k,
            "slope_se": None if line.slope_se is None else line.slope_se * k,
            "intercept_se": None if line.intercept_se is None else line.intercept_se * k,
            "covariance_slope_intercept": (line.covariance_slope_intercept or 0.0) * k**2,
            "residual_sd": None if line.residual_sd is None else line.residual_sd * k,
            "vial_noise": None if line.vial_noise is None else line.vial_noise * k,
            "abscissa_noise": None if line.abscissa_noise is None else line.abscissa_noise * k,
        }
    )


def pairs_of(lines: dict[tuple[str, Modality], Line]) -> "dict[str, Pair]":
    """Materials with a line in both modalities, for `phantomcal.phantom.reading.joint.read_jointly`."""
    from phantomcal.phantom.reading.inverse import curve_of  # scipy.stats, which a decomposition does not need
    from phantomcal.phantom.reading.joint import Pair

    pairs = {}
    for material in dict.fromkeys(name for name, _ in lines):
        ct, qsm = lines.get((material, "ct")), lines.get((material, "qsm"))
        if ct is not None and qsm is not None:
            common = (
                max(ct.abscissa_range[0], qsm.abscissa_range[0]),
                min(ct.abscissa_range[1], qsm.abscissa_range[1]),
            )
            pairs[material] = Pair(curve_of(ct), curve_of(qsm), common)
    return pairs
