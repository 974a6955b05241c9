"""The effects a trial is planned for: what was said on the command line, checked and paired."""

from collections.abc import Sequence
from dataclasses import dataclass

from phantomcal.errors import InputError
from phantomcal.results.trials import TrialDesign


@dataclass(frozen=True)
class Assumed:
    """Values of the two arms.

    Attributes
    ----------
    baseline : float or None
        Of the control arm, when it was said.
    control, treated : float
        Values of the arms; a mean without a baseline starts from 0.
    effect, difference : float or None
        As it was said.
    sd : float or None
    open : bool
        No effect was said: it is to be found.
    """

    baseline: float | None
    control: float
    treated: float
    effect: float | None
    difference: float | None
    sd: float | None
    open: bool = False


def parse_share(text: str, option: str) -> float:
    """``0.2`` or ``20%`` as 0.2.

    Raises
    ------
    InputError
        Neither a number nor a percentage.
    """
    bare = text.strip().replace("\N{MINUS SIGN}", "-")
    scale = 0.01 if bare.endswith("%") else 1.0
    try:
        value = float(bare.removesuffix("%")) * scale
    except ValueError:
        raise InputError(f"{text!r} is no number", option, "write 0.2 or 20%") from None
    if not abs(value) < 1e12:
        raise InputError(f"{text!r} is no usable number", option, "write 0.2 or 20%")
    return round(value, 12)


def assumed_effects(
    design: TrialDesign,
    baselines: Sequence[float],
    effects: Sequence[float],
    differences: Sequence[float],
    sd: float | None,
    detect: bool = False,
) -> list[Assumed]:
    """Every baseline with every effect and difference.

    Parameters
    ----------
    design, baselines, effects, differences, sd
        As `phantomcal.trials.table.power_table` takes them.
    detect : bool
        Without effects, leave them open instead of refusing.

    Raises
    ------
    InputError
        A value is missing, out of its range, or does not belong to the outcome.
    """
    outcome = design.outcome
    _check_outcome_options(design, sd)
    if outcome != "mean" and not baselines:
        unit = (
            "the control arm's proportion" if outcome == "proportion" else "the control arm's events per patient-year"
        )
        raise InputError(f"no baseline for a {outcome}", "the call", f"give {unit} with --baseline")
    if effects and not baselines:
        raise InputError("a relative effect of what?", "--effect", "give the control arm's mean with --baseline too")
    for baseline in baselines:
        _check_baseline(outcome, baseline)
    starts: list[float | None] = list(baselines) or [None]
    if not effects and not differences:
        if not detect:
            raise InputError("no effect to plan for", "the call", "give --effect or --difference, or --n to find it")
        return [Assumed(b, b or 0.0, b or 0.0, None, None, sd, open=True) for b in starts]
    found = []
    for start in starts:
        control = 0.0 if start is None else start
        for effect in effects:
            if effect == 0:
                raise InputError("an effect of 0", "--effect", "no number of patients can show it")
            if abs(effect) > 1 and outcome != "rate" and (effect > 1 or outcome == "proportion"):
                raise InputError(f"an effect of {effect:g}", "--effect", f"relative: {effect / 100:g} or {effect:g}%")
            treated = control * (1.0 - effect)
            _check_treated(outcome, treated, f"--effect {effect:g}", control)
            found.append(Assumed(start, control, treated, effect, None, sd))
        for difference in differences:
            if difference == 0:
                raise InputError("a difference of 0", "--difference", "no number of patients can show it")
            treated = control - difference
            _check_treated(outcome, treated, f"--difference {difference:g}", control)
            found.append(Assumed(start, control, treated, None, difference, sd))
    return found


def _check_outcome_options(design: TrialDesign, sd: float | None) -> None:
    outcome = design.outcome
    if outcome == "mean":
        if sd is None:
            raise InputError("no standard deviation for a mean", "the call", "give it with --sd")
        if not 0 < sd < 1e12:
            raise InputError(f"--sd {sd:g}", "the call", "a standard deviation above 0")
    elif sd is not None:
        raise InputError(f"--sd with a {outcome}", "the call", f"leave it out: a {outcome} has its own variance")
    if outcome != "rate":
        for option, given in (("--years", design.years is not None), ("--dispersion", design.dispersion > 0)):
            if given:
                raise InputError(f"{option} with a {outcome}", "the call", "it belongs to --outcome rate")


def _check_baseline(outcome: str, value: float) -> None:
    if outcome == "proportion" and not 0 < value < 1:
        hint = f"a share: {value / 100:g}" if 1 < value <= 100 else "a share between 0 and 1"
        raise InputError(f"--baseline {value:g}", "the call", hint)
    if outcome == "rate" and not 0 < value < 1e6:
        raise InputError(f"--baseline {value:g}", "the call", "events per patient-year, above 0")
    if outcome == "mean" and (value == 0 or not abs(value) < 1e12):
        raise InputError(f"--baseline {value:g}", "the call", "a mean other than 0, or none and --difference")


def _check_treated(outcome: str, treated: float, said: str, control: float) -> None:
    if outcome == "proportion" and not 0 <= treated <= 1:
        raise InputError(f"{said} takes {control:g} to {treated:g}", "the call", "a proportion stays between 0 and 1")
    if outcome == "rate" and treated <= 0:
        raise InputError(
            f"{said} takes {control:g} to {treated:g}", "the call", "a rate stays above 0: its logarithm is compared"
        )
