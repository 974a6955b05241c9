"""Where the uncertainty of a slope, or of a concentration read from a line, comes from: budgets as the GUM asks.

Between the vials of a line, noise, places and concentrations differ by chance, and the scatter about the line shows
them all at once. They are therefore predicted one by one, and only what the observed scatter has beyond them is added,
as an entry of its own. What all vials share (partial volume, temperature, the scanner from day to day) does not show
in the scatter and is added in full.

References
----------
JCGM 100:2008 (GUM), sections 5.1, 5.2, G.4, H.3. EURACHEM/CITAC CG 4, QUAM 2012, appendix E.4.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scipy import stats

from phantomcal.phantom.fitting.uncertainty import (
    RepeatedSlope,
    between_scans,
    between_vials,
    never_included,
    partial_volume,
    pull,
    reference,
    scatter,
    temperature,
)
from phantomcal.protocol import Protocol
from phantomcal.results import Budget, BudgetEntry, Calibration, Line, VialMeasurement

COVERAGE_FACTOR = 2.0
_COMMON = ("partial volume", "temperature", "repeatability")


def with_budgets(
    calibration: Calibration,
    protocol: Protocol | None = None,
    repeatability: Mapping[tuple[str, str], RepeatedSlope] | None = None,
) -> Calibration:
    """The same calibration with a budget of the slope in every line.

    Parameters
    ----------
    calibration : Calibration
    protocol : Protocol, optional
        For temperature and reference; vials fitted from a table have none.
    repeatability : mapping of (material, modality) to RepeatedSlope, optional
        From repeated scans.

    Returns
    -------
    Calibration
        Lines about which nothing is known (two vials without standard errors) keep no budget.
    """
    repeated = repeatability or {}
    lines = [
        line.model_copy(
            update={
                "budget": slope_budget(
                    line,
                    calibration.vials,
                    protocol,
                    repeated.get((line.material, line.modality)),
                    calibration.references,
                )
            }
        )
        for line in calibration.lines
    ]
    return calibration.model_copy(update={"lines": lines})


def combine(
    quantity: str, value: float, unit: str, entries: Sequence[BudgetEntry], not_included: Sequence[str] = ()
) -> Budget:
    """Combined and expanded uncertainty of independent contributions.

    Parameters
    ----------
    quantity, unit : str
        What the budget is of.
    value : float
        The result.
    entries : sequence of BudgetEntry
        Their contributions are added in quadrature.
    not_included : sequence of str
        Sources nobody stated.

    Returns
    -------
    Budget
        With k = 2, and with Student's factor for 95 % at the effective degrees of freedom (Welch-Satterthwaite,
        GUM G.4.1), which is larger when few vials decide.
    """
    squares = [entry.contribution**2 for entry in entries]
    combined = math.sqrt(math.fsum(squares))
    shared = math.fsum(
        square**2 / entry.degrees_of_freedom
        for square, entry in zip(squares, entries, strict=True)
        if entry.degrees_of_freedom
    )
    degrees = combined**4 / shared if shared > 0 else None
    factor = float(stats.norm.ppf(0.975) if degrees is None else stats.t.ppf(0.975, degrees))
    return Budget(
        quantity=quantity,
        value=value,
        unit=unit,
        entries=sorted(entries, key=lambda entry: -entry.contribution),
        combined=combined,
        degrees_of_freedom=degrees,
        coverage_factor=COVERAGE_FACTOR,
        expanded=COVERAGE_FACTOR * combined,
        coverage_factor_95=factor,
        expanded_95=factor * combined,
        not_included=list(not_included),
    )


def slope_budget(
    line: Line,
    vials: Sequence[VialMeasurement],
    protocol: Protocol | None = None,
    repeated: RepeatedSlope | None = None,
    references: Mapping[str, Any] | None = None,
) -> Budget | None:
    """Budget of the slope of one line.

    The slope is a weighted sum of the vial means, so a vial's error e moves it by c e, with
    c = w (x - mean x) / sum of w (x - mean x)^2 and the weights w of the fit.

    Parameters
    ----------
    line : Line
    vials : sequence of VialMeasurement
        Those of the calibration; the line's own are picked out.
    protocol : Protocol, optional
    repeated : RepeatedSlope, optional
    references : mapping, optional
        Those of the calibration, for the standard error of what QSM values are referred to.

    Returns
    -------
    Budget or None
        None when nothing at all is known of the line's uncertainty.
    """
    own = [
        v
        for v in vials
        if v.series == line.material and v.modality == line.modality and v.used and v.vial_id not in line.excluded
    ]
    entries: list[BudgetEntry] = []
    absent: list[str] = []
    if len({v.abscissa for v in own}) >= 2:
        pulls = pull(line, own)
        entries += between_vials(line, own, pulls, absent)
        entries += partial_volume(line, own, pulls, absent)
    elif line.slope_se is not None:
        entries.append(scatter(line, line.slope_se, line.slope_se))
    entries += temperature(line, protocol, absent)
    entries += reference(line, references or {})
    entries += between_scans(line, entries, repeated, absent)
    absent += never_included(line)
    if not any(entry.contribution > 0 for entry in entries):
        return None
    return combine(f"slope of {line.material}", line.slope, line.slope_unit, entries, absent)


def reading_budget(line: Line, value: float, value_sd: float | None = None, n: int = 1) -> Budget:
    """Budget of an abscissa (a concentration) read from a value.

    Parameters
    ----------
    line : Line
        With standard errors of slope and intercept and their covariance.
    value : float
        Measured HU or ppm; the mean of `n` readings.
    value_sd : float, optional
        SD of one reading; the residual SD of the line when not given.
    n : int
        Independent readings that were averaged.

    Returns
    -------
    Budget
        In abscissa units, first order in slope, intercept and value (EURACHEM/CITAC QUAM, E.4.3). Where the slope
        itself is poorly known the exact interval (Fieller) is wider on one side; this is the budget, not the interval.

    Raises
    ------
    ValueError
        The line has no standard errors, or a slope of zero.
    """
    if line.slope == 0:
        raise ValueError("a line of slope 0 cannot be read backwards")
    if line.slope_se is None or line.intercept_se is None or line.covariance_slope_intercept is None:
        raise ValueError("a line without standard errors cannot say how uncertain a reading is")
    if n < 1:
        raise ValueError("a reading needs at least one measurement")
    read = (value - line.intercept) / line.slope
    sensitivity = 1.0 / abs(line.slope)
    sd, degrees = (value_sd, float(n - 1) if n > 1 else None)
    if sd is None:
        if line.residual_sd is None:
            raise ValueError("give the SD of the value: the line has no residual SD to take instead")
        sd, degrees = line.residual_sd, float(line.degrees_of_freedom or line.n_vials - 2)
    of_mean = sd / math.sqrt(n)
    variance = line.intercept_se**2 + read**2 * line.slope_se**2 + 2 * read * line.covariance_slope_intercept
    of_line = math.sqrt(max(variance, 0.0))
    entries = [
        BudgetEntry(
            source="noise of the reading",
            evaluation="A",
            standard_uncertainty=of_mean,
            unit=line.unit,
            sensitivity=sensitivity,
            contribution=of_mean * sensitivity,
            degrees_of_freedom=degrees,
            note=("SD of the value" if value_sd is not None else "residual SD of the line") + f" over the root of {n}",
        ),
        BudgetEntry(
            source="calibration line",
            evaluation="A",
            standard_uncertainty=of_line,
            unit=line.unit,
            sensitivity=sensitivity,
            contribution=of_line * sensitivity,
            degrees_of_freedom=float(line.degrees_of_freedom or line.n_vials - 2),
            note="slope and intercept with their covariance",
        ),
    ]
    absent: list[str] = []
    if line.budget is None:
        absent.append("what all vials share (partial volume, temperature): the line has no budget")
    else:
        entries += [
            BudgetEntry(
                source=f"{entry.source}, of the line",
                evaluation=entry.evaluation,
                distribution=entry.distribution,
                standard_uncertainty=entry.contribution,
                unit=line.slope_unit,
                sensitivity=abs(read / line.slope),
                contribution=entry.contribution * abs(read / line.slope),
                degrees_of_freedom=entry.degrees_of_freedom,
                note="moves the slope as a whole",
            )
            for entry in line.budget.entries
            if entry.source in _COMMON and entry.contribution > 0
        ]
        absent += line.budget.not_included
    return combine(f"{line.material} read from {value:g} {line.unit}", read, line.abscissa_unit, entries, absent)
