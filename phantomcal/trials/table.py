"""A table of sample sizes over assumed effects: sizes, power at given sizes, or what given sizes can detect."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from phantomcal.errors import InputError
from phantomcal.results.trials import PowerCurve, PowerRow, PowerTable, SimulatedPower, TrialDesign
from phantomcal.trials.assumed import Assumed, assumed_effects
from phantomcal.trials.design import averaged_variance, check_design, information_kept
from phantomcal.trials.size import (
    Contrast,
    contrast_of,
    detectable_difference,
    detectable_effect,
    patients,
    patients_student,
    power_for,
    power_student,
    treated_patients,
    whole,
)
from phantomcal.trials.verify import simulate_row
from phantomcal.trials.wording import formula_words, row_notes, row_words, statement, table_warnings

_FEWEST = 2
_CURVE_POINTS = 80


@dataclass(frozen=True)
class Simulation:
    """How many trials to simulate for every row, and the seed."""

    n_trials: int
    seed: int = 1


def power_table(
    design: TrialDesign,
    *,
    baselines: Sequence[float] = (),
    effects: Sequence[float] = (),
    differences: Sequence[float] = (),
    sd: float | None = None,
    sizes: Sequence[int] = (),
    simulation: Simulation | None = None,
) -> PowerTable:
    """Patients per arm for every assumed effect, or power, or the detectable effect.

    Parameters
    ----------
    design : TrialDesign
    baselines : sequence of float
        Value of the control arm: a proportion, events per patient-year, or (for relative effects) a mean.
    effects : sequence of float
        Relative: the treated arm has baseline * (1 - effect); below 0 an increase.
    differences : sequence of float
        Absolute, in the unit of the outcome.
    sd : float, optional
        Of a single measurement between patients; needed for means.
    sizes : sequence of int
        Patients randomised to the control arm. With effects, their power; without, the effect they can detect.
    simulation : Simulation, optional
        Check every row by simulated trials.

    Returns
    -------
    PowerTable

    Raises
    ------
    InputError
        An impossible design, a value out of its range, or too little said.
    """
    check_design(design)
    for n in sizes:
        if not _FEWEST <= n <= 1_000_000:
            raise InputError(f"--n {n}", "the call", "patients per arm, 2 to a million")
    if simulation is not None:
        if not 100 <= simulation.n_trials <= 1_000_000:
            raise InputError(f"--simulate {simulation.n_trials}", "the call", "100 to 1000000 trials")
        if simulation.seed < 0:
            raise InputError(f"--seed {simulation.seed}", "the call", "a whole number from 0")
    assumed = assumed_effects(design, baselines, effects, differences, sd, detect=bool(sizes))
    rows: list[PowerRow] = []
    for case in assumed:
        if not sizes:
            rows.append(_sized(design, case))
        else:
            rows += [_at_size(design, case, n) for n in sizes]
    if simulation is not None:
        rows = [
            row.model_copy(update={"simulation": simulate_row(row, design, simulation.n_trials, simulation.seed, k)})
            for k, row in enumerate(rows)
        ]
    rows = [row.model_copy(update={"notes": row_notes(row, design)}) for row in rows]
    return PowerTable(
        design=design,
        formula=formula_words(design),
        statement=statement(rows, design),
        rows=rows,
        curves=[_curve(row, design) for row in rows],
        warnings=table_warnings(rows, design),
    )


def _contrast(design: TrialDesign, case: Assumed) -> Contrast:
    return contrast_of(design, case.control, case.treated, case.sd or 1.0)


def _sized(design: TrialDesign, case: Assumed) -> PowerRow:
    contrast = _contrast(design, case)
    n = patients(contrast, design)
    complete = whole(n)
    # Lost patients are made good from the whole number: half a patient cannot be lost.
    lost = 1.0 - design.dropout
    randomised = whole(complete / lost)
    available = min(whole(n / information_kept(design)), randomised)
    student = patients_student(contrast, design) if design.outcome == "mean" else None
    return _row(design, case, contrast, randomised, n, complete, available, student, "n")


def _at_size(design: TrialDesign, case: Assumed, n: int) -> PowerRow:
    complete = n * (1.0 - design.dropout)
    solved = "power"
    if case.open:
        solved = "effect"
        case = _detected(design, case, complete, n)
    contrast = _contrast(design, case)
    return _row(
        design, case, contrast, n, patients(contrast, design), max(1, math.floor(complete + 1e-9)), n, None, solved
    )


def _detected(design: TrialDesign, case: Assumed, complete: float, n: int) -> Assumed:
    if design.outcome == "mean":
        sd = case.sd or 1.0
        difference = detectable_difference(complete, sd, design)
        effect = difference / case.control if case.baseline else None
        return Assumed(case.baseline, case.control, case.control - difference, effect, difference, sd)
    effect = detectable_effect(complete, case.control, design)
    if effect is None:
        raise InputError(
            f"{n} patients per arm can show no reduction of {case.control:g} with a power of {design.power:g}",
            "--n",
            "give more patients, or ask for less power",
        )
    return Assumed(case.baseline, case.control, case.control * (1.0 - effect), effect, None, None)


def _row(
    design: TrialDesign,
    case: Assumed,
    contrast: Contrast,
    randomised: int,
    unrounded: float,
    complete: int,
    available: int,
    student: int | None,
    solved: str,
) -> PowerRow:
    treated = treated_patients(randomised, design)
    effective = randomised * (1.0 - design.dropout)
    return PowerRow(
        outcome=design.outcome,
        effect=case.effect,
        difference=case.difference,
        baseline=case.baseline,
        treated=case.treated if case.baseline is not None else None,
        sd=case.sd,
        n_per_arm=randomised,
        n_control=randomised,
        n_treated=treated,
        n_total=randomised + treated,
        n_unrounded=unrounded,
        n_complete=complete,
        n_available_visits=available,
        n_student=student,
        power=power_for(effective, contrast, design),
        power_available_visits=(
            power_for(randomised * information_kept(design), contrast, design) if design.dropout else None
        ),
        power_student=(
            power_student(max(_FEWEST, math.floor(effective + 1e-9)), contrast, design)
            if design.outcome == "mean"
            else None
        ),
        design_effect=averaged_variance(design),
        solved_for=solved,
    )


def _curve(row: PowerRow, design: TrialDesign) -> PowerCurve:
    control = row.baseline or 0.0
    treated = row.treated if row.treated is not None else control - (row.difference or 0.0)
    contrast = contrast_of(design, control, treated, row.sd or 1.0)
    most = max(10, math.ceil(1.9 * max(row.n_control, 1)))
    sizes = np.unique(np.linspace(_FEWEST, most, min(_CURVE_POINTS, most - 1)).round().astype(int))
    power = [power_for(float(n) * (1.0 - design.dropout), contrast, design) for n in sizes]
    return PowerCurve(label=row_words(row), n_per_arm=[int(n) for n in sizes], power=power)


def power_frame(table: PowerTable) -> pd.DataFrame:
    """The table of power.csv, a row per assumed effect; simulated columns only where trials were simulated."""
    rows = []
    for row in table.rows:
        values = row.model_dump(exclude={"simulation", "notes"})
        if row.simulation is not None:
            values |= _simulated(row.simulation)
        rows.append(values | {"note": "; ".join(row.notes)})
    return pd.DataFrame(rows).dropna(axis=1, how="all")


def _simulated(found: SimulatedPower) -> dict[str, object]:
    return {
        "simulated_trials": found.n_trials,
        "simulated_power": found.power,
        "simulated_power_se": found.power_se,
        "simulated_power_ci95_low": found.power_ci95[0],
        "simulated_power_ci95_high": found.power_ci95[1],
        "simulated_type_one_error": found.type_one_error,
        "simulated_type_one_error_ci95_low": found.type_one_error_ci95[0],
        "simulated_type_one_error_ci95_high": found.type_one_error_ci95[1],
        "simulated_completers_power": found.completers_power,
    }
