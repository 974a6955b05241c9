"""What a table of sample sizes says in words: the formula, when not to trust it, and a paragraph for a protocol."""

from collections.abc import Sequence

from phantomcal.results.trials import PowerRow, SimulatedPower, TrialDesign

_OPTIMISTIC_POINTS = 1.0
_FEW = 5.0
_FEW_EVENTS = 10.0
_KINDS = {"mean": "mean", "proportion": "proportion", "rate": "event rate"}


def row_words(row: PowerRow) -> str:
    """The assumed effect in a few words: ``0.31 to 0.248 (-20 %)``, ``difference 0.5``."""
    if row.effect is not None and row.baseline is not None and row.treated is not None:
        return f"{row.baseline:.4g} to {row.treated:.4g} ({_signed(-100 * row.effect)}\N{NARROW NO-BREAK SPACE}%)"
    words = f"difference {row.difference:.4g}"
    if row.baseline is not None and row.treated is not None:
        words = f"{row.baseline:.4g} to {row.treated:.4g}"
    return words


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "\N{MINUS SIGN}")


def formula_words(design: TrialDesign) -> str:
    """The formula behind the sizes, with its source."""
    scale = {
        "mean": "difference of means, common standard deviation (Liu and Wu 2005)",
        "proportion": "difference of proportions, pooled variance under the null and separate variances under the "
        "effect (Fleiss et al. 2003; Liu and Wu 2005)",
        "rate": "log ratio of rates, a visit's count having the variance mu + dispersion mu^2 (Zhu and Lakkis 2014, "
        "second method)",
    }[design.outcome]
    text = f"Time-averaged difference: {scale}, times (1 + (m - 1) rho) / m for m visits that correlate by rho"
    if design.lesions > 1:
        text += ", with (L - 1) m rho_L more in the bracket and over m L for L lesions (Heo and Leon 2008)"
    return text + ". Rounded up to whole patients."


def statement(rows: Sequence[PowerRow], design: TrialDesign) -> str:
    """A paragraph on the sample size, ready for a protocol."""
    tails = "two-sided" if design.tails == 2 else "one-sided"
    intro = (
        f"The primary analysis compares the {_KINDS[design.outcome]} of the treated and the control arm, averaged over "
        f"{_count(design.visits, 'follow-up visit')}"
    )
    if design.lesions > 1:
        intro += f" and {design.lesions} lesions per patient"
    intro += f", in a {tails} test at a significance level of {design.alpha:g}."
    assumptions = []
    if design.visits > 1:
        assumptions.append(f"a correlation of {design.correlation:g} between visits of one patient")
    if design.lesions > 1:
        assumptions.append(f"a correlation of {design.lesion_correlation:g} between lesions of one patient")
    if design.outcome == "rate":
        years = design.visits if design.years is None else design.years
        assumptions.append(f"a follow-up of {years:g} years")
        if design.dispersion:
            assumptions.append(f"an over-dispersion of {design.dispersion:g}")
    middle = f" Assuming {' and '.join(assumptions)}:" if assumptions else ""
    sentences = [_row_sentence(row, design) for row in rows]
    text = intro + middle + " " + "; ".join(sentences) + "."
    if design.dropout and any(row.solved_for == "n" for row in rows):
        text += (
            f" These numbers make good a loss of {100 * design.dropout:g} % by the last visit if only patients with "
            "every visit are analysed; an analysis of all visits also uses those made by patients who were lost."
        )
    return text


def _row_sentence(row: PowerRow, design: TrialDesign) -> str:
    arms = f"{row.n_control} patients per arm"
    if row.n_control != row.n_treated:
        arms = f"{row.n_control} patients in the control arm and {row.n_treated} in the treated arm"
    unit = {"mean": "a mean", "proportion": "a proportion", "rate": "a rate per patient-year"}[row.outcome]
    if row.baseline is not None and row.treated is not None:
        what = f"{unit} of {row.baseline:.4g} against {row.treated:.4g}"
    else:
        what = f"a difference of {row.difference:.4g}"
    if row.sd is not None:
        what += f" with a standard deviation of {row.sd:.4g}"
    power = row.power if row.solved_for == "power" else design.power
    return f"{arms} ({row.n_total} in total) have a power of {100 * power:.3g} % to show {what}"


def row_notes(row: PowerRow, design: TrialDesign) -> list[str]:
    """When the formula is not to be trusted for this row."""
    notes = []
    if row.power_student is not None and 100 * (row.power - row.power_student) >= _OPTIMISTIC_POINTS:
        text = f"few patients: by Student's t the power is {100 * row.power_student:.1f} %, not {100 * row.power:.1f} %"
        if row.n_student is not None:
            text += f"; {row.n_student} complete patients per arm are needed"
        notes.append(text)
    if row.baseline is not None and row.treated is not None and row.outcome != "mean":
        notes += _scarce(row, design)
    if design.dropout and row.n_available_visits < row.n_per_arm:
        notes.append(
            f"{row.n_available_visits} per arm suffice when the visits of lost patients are analysed too (losses at "
            "random)"
        )
    if row.simulation is not None:
        notes += _simulated(row.simulation, design)
    return notes


def _scarce(row: PowerRow, design: TrialDesign) -> list[str]:
    assert row.baseline is not None
    assert row.treated is not None
    kept = 1.0 - design.dropout
    # Correlated visits carry fewer events than are counted.
    if row.outcome == "proportion":
        effective = [
            (n * kept / row.design_effect, p) for n, p in ((row.n_control, row.baseline), (row.n_treated, row.treated))
        ]
        least = min(min(n * p, n * (1.0 - p)) for n, p in effective)
        if least < _FEW:
            return [
                f"about {least:.1f} independent events (or patients without) in an arm: the normal approximation "
                "is doubtful below 5"
            ]
        return []
    years = 1.0 if design.years is None else design.years / design.visits
    least = min(
        n * kept / row.design_effect * rate * years / (1.0 + design.dispersion * rate * years)
        for n, rate in ((row.n_control, row.baseline), (row.n_treated, row.treated))
    )
    if least < _FEW_EVENTS:
        return [f"about {least:.1f} independent events in an arm: the normal approximation is doubtful below 10"]
    return []


def _simulated(found: SimulatedPower, design: TrialDesign) -> list[str]:
    notes = []
    if found.agreement == "undetermined":
        notes.append(
            f"simulated and formula power are {abs(found.points_off):.1f} points apart, which {found.n_trials} trials "
            "do not tell from 2: simulate more"
        )
    if found.agreement == "differs":
        why = "more" if found.points_off > 0 else "less"
        notes.append(
            f"simulated trials have {abs(found.points_off):.1f} points {why} power than the formula: trust the "
            "simulation"
        )
    low, high = found.type_one_error_ci95
    if not low <= design.alpha <= high:
        notes.append(
            f"simulated trials without an effect find one in {100 * found.type_one_error:.1f} % "
            f"({100 * low:.1f} to {100 * high:.1f} %), not {100 * design.alpha:g} %"
        )
    return notes


def table_warnings(rows: Sequence[PowerRow], design: TrialDesign) -> list[str]:
    """Remarks that concern the whole table."""
    warnings = []
    if design.visits > 1 and design.correlation == 0:
        warnings.append("visits of one patient are taken as independent (--correlation 0): they hardly ever are")
    if design.outcome == "rate" and design.years is None and design.visits > 1:
        warnings.append(
            f"visits were taken to be one year apart ({design.visits} years of follow-up): --years says else"
        )
    if design.outcome == "rate" and design.dispersion == 0:
        warnings.append("counts are taken as Poisson (--dispersion 0): patients who differ in their rate need more")
    if any(row.n_control <= 5 for row in rows):
        warnings.append("5 patients per arm or fewer: no formula and no simulation tells how such a trial will end")
    return warnings


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
