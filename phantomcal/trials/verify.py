"""Does the formula hold? Simulated trials, analysed one by one, against the power it promises."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from phantomcal.errors import InputError
from phantomcal.results.trials import PowerRow, SimulatedPower, TrialDesign
from phantomcal.trials.design import averaged_variance, information_kept
from phantomcal.trials.draws import draw, visits_made
from phantomcal.trials.reml import mixed_two_arms
from phantomcal.trials.size import contrast_of, power_for

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_AT_ONCE = 2_000_000  # numbers drawn in one array
_MOST_NUMBERS = 4e9
POINTS = 2.0


@dataclass(frozen=True)
class _Arm:
    """Patients of one arm in many trials: averages over the visits made, visits made, squares within patients."""

    average: FloatArray
    made: IntArray
    within: FloatArray


def analysis_words(design: TrialDesign) -> str:
    """The test every simulated trial is analysed by."""
    if design.outcome == "mean":
        if design.dropout and design.visits > 1:
            return "linear mixed model with a random patient (REML), all visits made; Student's t, patients - 2"
        return "linear mixed model with a random patient: balanced, so Student's t test of patients' averages"
    what = "difference of proportions" if design.outcome == "proportion" else "log ratio of rates"
    return f"{what} by generalised estimating equations, patients as clusters, sandwich variance; t, patients - 2"


def simulate_row(row: PowerRow, design: TrialDesign, n_trials: int, seed: int, stream: int = 0) -> SimulatedPower:
    """Simulate trials of a row's size, with its effect and without any.

    Parameters
    ----------
    row : PowerRow
        With `n_control` and `n_treated` to randomise.
    design : TrialDesign
    n_trials : int
    seed : int
        The same seed gives the same trials.
    stream : int
        Rows with different numbers get independent trials from one seed.

    Returns
    -------
    SimulatedPower

    Raises
    ------
    InputError
        More numbers would have to be drawn than is sensible.
    """
    numbers = float(n_trials) * (row.n_control + 2 * row.n_treated) * design.visits * design.lesions
    if numbers > _MOST_NUMBERS:
        raise InputError(
            f"{n_trials} trials of {row.n_total} patients are {numbers:.0e} measurements", "--simulate", "ask for fewer"
        )
    control = row.baseline if row.baseline is not None else 0.0
    treated = row.treated if row.treated is not None else control - (row.difference or 0.0)
    sd = row.sd or 1.0
    rng = np.random.default_rng([seed, stream])
    found, false, complete = 0, 0, 0
    step = max(1, int(_AT_ONCE / (numbers / n_trials)))
    # An effect that makes values larger is found by a test for larger values.
    sign = 1.0 if control >= treated else -1.0
    for start in range(0, n_trials, step):
        size = min(step, n_trials - start)
        first = _arm(rng, design, control, sd, size, row.n_control)
        second = _arm(rng, design, treated, sd, size, row.n_treated)
        null = _arm(rng, design, control, sd, size, row.n_treated)
        found += int(_significant(first, second, design, sign).sum())
        false += int(_significant(first, null, design, sign).sum())
        if design.dropout:
            complete += int(_significant(first, second, design, sign, completers=True).sum())
    contrast = contrast_of(design, control, treated, sd)
    expected = power_for(row.n_control * information_kept(design), contrast, design)
    power, type_one = found / n_trials, false / n_trials
    error = _error(power, n_trials)
    off = 100.0 * (power - expected)
    return SimulatedPower(
        n_trials=n_trials,
        analysis=analysis_words(design),
        power=power,
        power_se=error,
        power_ci95=_exact(found, n_trials),
        expected_power=expected,
        points_off=off,
        agreement="agrees"
        if abs(off) <= POINTS
        else "differs"
        if abs(off) > POINTS + 196.0 * error
        else "undetermined",
        type_one_error=type_one,
        type_one_error_se=_error(type_one, n_trials),
        type_one_error_ci95=_exact(false, n_trials),
        completers_power=complete / n_trials if design.dropout else None,
        completers_power_ci95=_exact(complete, n_trials) if design.dropout else None,
        seed=seed,
    )


def _arm(rng: np.random.Generator, design: TrialDesign, value: float, sd: float, trials: int, n: int) -> _Arm:
    visits = draw(rng, design, value, sd, trials, n)
    if not design.dropout:
        return _Arm(visits.mean(axis=2), np.full((trials, n), design.visits, dtype=np.int64), np.zeros(trials))
    made = visits_made(rng, design, trials, n)
    seen = np.arange(design.visits) < made[..., None]
    average = np.where(seen, visits, 0.0).sum(axis=2) / np.maximum(made, 1)
    within = np.where(seen, (visits - average[..., None]) ** 2, 0.0).sum(axis=(1, 2))
    return _Arm(average, made, within)


def _significant(first: _Arm, second: _Arm, design: TrialDesign, sign: float, *, completers: bool = False) -> BoolArray:
    """Trials whose test finds a difference; with one tail, in the direction of the assumed effect."""
    difference, error, dof = _estimate(first, second, design, completers)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = sign * difference / error
    t = np.nan_to_num(t, nan=0.0, posinf=0.0, neginf=0.0)  # nothing varies, or no event: nothing is found
    if design.tails == 2:
        t = np.abs(t)
    return np.asarray((dof >= 1) & (t > stats.t.isf(design.alpha / design.tails, np.maximum(dof, 1))))


def _estimate(
    first: _Arm, second: _Arm, design: TrialDesign, completers: bool
) -> tuple[FloatArray, FloatArray, IntArray]:
    least = design.visits if completers else 1
    if design.outcome == "mean":
        if design.dropout and design.visits > 1 and not completers:
            fit = mixed_two_arms(
                (first.average, second.average), (first.made, second.made), first.within + second.within
            )
            return fit.difference, fit.standard_error, fit.n_patients - 2
        return _student(first, second, least)
    # The planned correlation serves as working correlation; the sandwich is right whether or not it holds.
    precision = np.array([0.0, *(1.0 / averaged_variance(design, k) for k in range(1, design.visits + 1))])
    precision[:least] = 0.0
    parts = [_weighted(arm.average, precision[arm.made]) for arm in (first, second)]
    (mean1, var1, n1), (mean2, var2, n2) = parts
    if design.outcome == "proportion":
        return mean1 - mean2, np.sqrt(var1 + var2), n1 + n2 - 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(mean1 / mean2), np.sqrt(var1 / mean1**2 + var2 / mean2**2), n1 + n2 - 2


def _student(first: _Arm, second: _Arm, least: int) -> tuple[FloatArray, FloatArray, IntArray]:
    means, squares, counts = [], [], []
    for arm in (first, second):
        seen = arm.made >= least
        n = seen.sum(axis=1)
        mean = np.where(seen, arm.average, 0.0).sum(axis=1) / np.maximum(n, 1)
        means.append(mean)
        squares.append(np.where(seen, (arm.average - mean[:, None]) ** 2, 0.0).sum(axis=1))
        counts.append(n)
    n1, n2 = counts
    variance = (squares[0] + squares[1]) / np.maximum(n1 + n2 - 2, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(variance * (1.0 / n1 + 1.0 / n2))
    return means[0] - means[1], error, n1 + n2 - 2


def _weighted(values: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray, IntArray]:
    n = (weights > 0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = weights.sum(axis=1)
        mean = (weights * values).sum(axis=1) / total
        variance = (weights**2 * (values - mean[:, None]) ** 2).sum(axis=1) / total**2 * n / (n - 1.0)
    return mean, variance, n


def _error(share: float, n: int) -> float:
    return float(np.sqrt(share * (1.0 - share) / n))


def _exact(k: int, n: int) -> tuple[float, float]:
    interval = stats.binomtest(k, n).proportion_ci(0.95, "exact")
    return float(interval.low), float(interval.high)
