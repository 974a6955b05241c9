"""Sources of uncertainty of a slope, one entry of the budget each; see `phantomcal.phantom.fitting.budget`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phantomcal.materials import SUBSTANCES
from phantomcal.protocol import Protocol
from phantomcal.results import BudgetEntry, Line, Repeatability, VialMeasurement

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RepeatedSlope:
    """Within-scanner SD of a slope from repeated scans of the same phantom.

    Attributes
    ----------
    sd : float
        In the slope's unit.
    degrees_of_freedom : float
        Scans less one, summed over the occasions.
    """

    sd: float
    degrees_of_freedom: float


def repeated_slopes(repeatability: Repeatability) -> dict[tuple[str, str], RepeatedSlope]:
    """Within-scanner SD of every slope that repeated scans tell, by material and modality."""
    return {
        (row.name, row.modality): RepeatedSlope(row.wsd, float(row.degrees_of_freedom))
        for row in repeatability.rows
        if row.level == "slope" and row.degrees_of_freedom > 0
    }


def pull(line: Line, vials: Sequence[VialMeasurement]) -> Array:
    """Change of the slope per change of each vial's value, as the fit weighs them."""
    x = np.array([v.abscissa for v in vials], float)
    noise, spread = (_known(vials, name) for name in ("sem", "abscissa_sd"))
    weight = np.ones_like(x)
    if noise is not None and (noise > 0).all():
        if line.method.startswith("weighted"):
            weight = noise**-2.0
        elif line.method.startswith("errors in both") and spread is not None:
            weight = 1.0 / (noise**2 + (line.slope * spread) ** 2)
    # A line through zero turns about the origin instead of its centroid.
    centred = x if line.method.startswith("through zero") else x - weight @ x / weight.sum()
    change: Array = weight * centred / (weight @ centred**2)
    return change


def _known(vials: Sequence[VialMeasurement], name: str) -> Array | None:
    """A column of the vials; None unless every vial has it."""
    values = [getattr(v, name) for v in vials]
    return np.array(values, float) if all(v is not None and math.isfinite(v) for v in values) else None


def between_vials(line: Line, vials: Sequence[VialMeasurement], pulls: Array, absent: list[str]) -> list[BudgetEntry]:
    """Noise, place and concentration of each vial, and what the scatter about the line has beyond them."""
    entries: list[BudgetEntry] = []
    noise = _known(vials, "sem")
    if noise is None:
        absent.append("noise: not every vial has a standard error; it is within the scatter about the line")
    else:
        effective = [v.n_effective or v.n_voxels for v in vials]
        parts = (pulls * noise) ** 2
        known = [(p, n) for p, n in zip(parts, effective, strict=True) if n is not None and n > 1]
        shared = sum(p**2 / (n - 1) for p, n in known)
        entries.append(
            _independent(
                "noise",
                "A",
                noise,
                pulls,
                line.unit,
                "standard errors of the vial means, from the effective number of independent voxels",
                float(parts.sum() ** 2 / shared) if shared > 0 and len(known) == len(parts) else None,
            )
        )
    for source, name, why in (
        ("position", "position_effect", "how far a vial's place is known"),
        ("concentration", "abscissa_sd", "the protocol states no uncertainty of its concentrations"),
    ):
        spread = _known(vials, name)
        if spread is None:
            absent.append(f"{source}: {why}" if name == "abscissa_sd" else f"{source}: not measured")
            continue
        if name == "abscissa_sd":
            note = "as the protocol states it, taken as independent between vials; times the slope"
            entries.append(_independent(source, "B", abs(line.slope) * spread, pulls, line.unit, note))
        else:
            note = f"change of a vial's mean by {why}"
            entries.append(_independent(source, "B", spread, pulls, line.unit, note))
    predicted = math.sqrt(math.fsum(entry.contribution**2 for entry in entries))
    if line.slope_se is None:
        absent.append("scatter about the line: two vials leave none to see")
    else:
        beyond = math.sqrt(max(line.slope_se**2 - predicted**2, 0.0))
        entries.append(scatter(line, beyond, line.slope_se))
    return entries


def _independent(
    source: str,
    evaluation: str,
    spread: Array,
    pulls: Array,
    unit: str,
    note: str,
    degrees: float | None = None,
) -> BudgetEntry:
    contribution = float(np.sqrt(np.sum((pulls * spread) ** 2)))
    typical = float(np.sqrt(np.mean(spread**2)))
    return BudgetEntry(
        source=source,
        evaluation="A" if evaluation == "A" else "B",
        standard_uncertainty=typical,
        unit=unit,
        sensitivity=contribution / typical if typical > 0 else float(np.sqrt(np.sum(pulls**2))),
        contribution=contribution,
        degrees_of_freedom=degrees,
        note=f"{note}; u is the root mean square over the vials",
    )


def scatter(line: Line, beyond: float, observed: float) -> BudgetEntry:
    freedom = max(line.degrees_of_freedom or line.n_vials - 2, 1)
    degrees = None
    note = "scatter of the vials about the line beyond what noise, place and concentration predict"
    note += ": preparation, settling, streaks" if beyond > 0 else "; here it is no more than they predict"
    if beyond > 0:
        # As a difference of two variances it is known less well than the scatter itself.
        degrees = freedom * (beyond / observed) ** 4
    return BudgetEntry(
        source="unexplained scatter",
        evaluation="A",
        distribution="t",
        standard_uncertainty=beyond,
        unit=line.slope_unit,
        sensitivity=1.0,
        contribution=beyond,
        degrees_of_freedom=degrees,
        note=note,
    )


def partial_volume(line: Line, vials: Sequence[VialMeasurement], pulls: Array, absent: list[str]) -> list[BudgetEntry]:
    edge = _known(vials, "edge_effect")
    if edge is None:
        absent.append("partial volume: not measured")
        return []
    # Blurred walls pull every vial towards its surroundings, so the errors of all vials have one cause and add up.
    around = np.array([v.background if v.background is not None else line.intercept for v in vials], float)
    side = np.sign(np.array([v.value for v in vials], float) - around)
    contribution = abs(float(np.sum(pulls * side * edge)))
    typical = float(np.sqrt(np.mean(edge**2)))
    return [
        BudgetEntry(
            source="partial volume",
            evaluation="B",
            distribution="rectangular",
            standard_uncertainty=typical,
            unit=line.unit,
            sensitivity=contribution / typical if typical > 0 else None,
            contribution=contribution,
            note="of a vial's mean, from its wall; all vials lean towards their surroundings, so the effects add up",
        )
    ]


def temperature(line: Line, protocol: Protocol | None, absent: list[str]) -> list[BudgetEntry]:
    if line.modality != "qsm" or protocol is None:
        return []
    entry = protocol.materials.get(line.material)
    substance = SUBSTANCES.get(entry.substance) if entry else None
    if substance is None or not substance.paramagnetic:
        return []
    kelvin = protocol.temperature_celsius + 273.15
    if protocol.temperature_sd_celsius is None:
        absent.append(
            f"temperature: the protocol states no temperature_sd_celsius; a degree is {100 / kelvin:.2f} % of the slope"
        )
        return []
    sensitivity = abs(line.slope) / kelvin
    law = "Curie's law" if substance.spin else "1/T as for Curie's law, an upper bound for particles"
    return [
        BudgetEntry(
            source="temperature",
            evaluation="B",
            standard_uncertainty=protocol.temperature_sd_celsius,
            unit="°C",
            sensitivity=sensitivity,
            contribution=sensitivity * protocol.temperature_sd_celsius,
            note=f"slope over {kelvin:.4g} K ({law}): the slope is stated for {protocol.temperature_celsius:g} °C",
        )
    ]


def reference(line: Line, references: Mapping[str, Any]) -> list[BudgetEntry]:
    """What the values are referred to: it moves all of them alike, so the intercept and not the slope."""
    if line.modality != "qsm":
        return []
    stated = references.get("qsm")
    spread = stated.get("reference_standard_error_ppm") if isinstance(stated, Mapping) else None
    note = "an error of the map's zero moves the intercept and cancels in the slope"
    if spread is not None:
        note = "standard error of the reference that was subtracted; it moves the intercept and cancels in the slope"
    return [
        BudgetEntry(
            source="reference",
            evaluation="A" if spread is not None else "B",
            standard_uncertainty=spread,
            unit=line.unit,
            sensitivity=0.0,
            contribution=0.0,
            note=note,
        )
    ]


def between_scans(
    line: Line, entries: Sequence[BudgetEntry], repeated: RepeatedSlope | None, absent: list[str]
) -> list[BudgetEntry]:
    if repeated is None:
        absent.append("repeatability: no repeated scan was given")
        return []
    # Repeated scans share the vials; what they vary in holds noise and place, which are counted already.
    counted = sum(e.contribution**2 for e in entries if e.source in ("noise", "position"))
    beyond = math.sqrt(max(repeated.sd**2 - counted, 0.0))
    return [
        BudgetEntry(
            source="repeatability",
            evaluation="A",
            distribution="t",
            standard_uncertainty=repeated.sd,
            unit=line.slope_unit,
            sensitivity=beyond / repeated.sd if repeated.sd > 0 else 1.0,
            contribution=beyond,
            degrees_of_freedom=repeated.degrees_of_freedom * (beyond / repeated.sd) ** 4 if beyond > 0 else None,
            note="within-scanner SD of the slope over repeated scans, less noise and position, which it holds too",
        )
    ]


def never_included(line: Line) -> list[str]:
    said = ["an error common to all concentrations (stock solution, balance): it scales the slope and leaves no trace"]
    if line.modality == "qsm":
        said.append("reconstruction: how far the algorithm scales susceptibility shows only against the expected slope")
    if line.modality == "ct":
        said.append("beam hardening and the scanner's own HU scale: they show only against the expected slope")
    return said
