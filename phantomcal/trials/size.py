"""How many patients for which power, and back: one formula for means, proportions and rates.

For a difference delta between arms and the variance V of its estimate per patient in the control arm,

    n = D (z_(1-alpha/tails) sqrt(V_0) + z_power sqrt(V_1))^2 / delta^2,

with V_0 without an effect, V_1 with it, and D the variance of a patient's average over visits and lesions per variance
of a single measurement (`design.averaged_variance`).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy import optimize, stats

from phantomcal.results.trials import TrialDesign
from phantomcal.trials.design import averaged_variance

_NORMAL = NormalDist()  # a tenth of the time of scipy's for single numbers
_MOST = 10_000_000  # patients per arm: beyond any trial


@dataclass(frozen=True)
class Contrast:
    """What the two arms differ in, on the scale of the test.

    Attributes
    ----------
    delta : float
        Difference, above 0.
    v_null, v_effect : float
        Variance of its estimate from single measurements, times the patients in the control arm.
    """

    delta: float
    v_null: float
    v_effect: float


def mean_contrast(difference: float, sd: float, allocation: float = 1.0) -> Contrast:
    """Difference of two means of one standard deviation.

    References
    ----------
    H. Liu, T. Wu, J. Mod. Appl. Stat. Methods 4 (2005) 434, 10.22237/jmasm/1130803680.
    """
    variance = sd**2 * (1.0 + 1.0 / allocation)
    return Contrast(abs(difference), variance, variance)


def proportion_contrast(control: float, treated: float, allocation: float = 1.0) -> Contrast:
    """Difference of two proportions: pooled variance without an effect, separate variances with it.

    References
    ----------
    J. L. Fleiss, B. Levin, M. C. Paik, Statistical Methods for Rates and Proportions, 3rd ed., Wiley 2003, chapter 4
    (without continuity correction); repeated measures: H. Liu, T. Wu, 10.22237/jmasm/1130803680.
    """
    pooled = (control + allocation * treated) / (1.0 + allocation)
    null = pooled * (1.0 - pooled) * (1.0 + 1.0 / allocation)
    effect = control * (1.0 - control) + treated * (1.0 - treated) / allocation
    return Contrast(abs(control - treated), null, effect)


def rate_contrast(
    control: float, treated: float, years_per_visit: float, dispersion: float = 0.0, allocation: float = 1.0
) -> Contrast:
    """Logarithm of the ratio of two rates of counted events.

    A count between two visits has mean mu = rate * years and variance mu + dispersion * mu^2; by the delta method the
    logarithm of its mean has variance 1/mu + dispersion. Both variances are those with the effect, since the test
    (Wald, sandwich variance) estimates them so: the second method of Zhu and Lakkis.

    References
    ----------
    H. Zhu, H. Lakkis, Stat. Med. 33 (2014) 376, 10.1002/sim.5947.
    """
    separate = 1.0 / (control * years_per_visit) + dispersion
    separate += (1.0 / (treated * years_per_visit) + dispersion) / allocation
    return Contrast(abs(math.log(treated / control)), separate, separate)


def patients(contrast: Contrast, design: TrialDesign) -> float:
    """Patients in the control arm, not rounded and without dropout."""
    z_alpha = _NORMAL.inv_cdf(1.0 - design.alpha / design.tails)
    z_power = _NORMAL.inv_cdf(design.power)
    if contrast.v_effect == 0.0:
        z_power = 0.0
    root = z_alpha * math.sqrt(contrast.v_null) + z_power * math.sqrt(contrast.v_effect)
    return averaged_variance(design) * max(root, 0.0) ** 2 / contrast.delta**2


def power_for(n_control: float, contrast: Contrast, design: TrialDesign) -> float:
    """Power with `n_control` patients (complete) in the control arm; the wrong direction does not count as found."""
    z_alpha = _NORMAL.inv_cdf(1.0 - design.alpha / design.tails)
    reach = contrast.delta * math.sqrt(n_control / averaged_variance(design)) - z_alpha * math.sqrt(contrast.v_null)
    if contrast.v_effect == 0.0:
        return 1.0 if reach > 0 else 0.0
    return _NORMAL.cdf(reach / math.sqrt(contrast.v_effect))


def power_student(n_control: int, contrast: Contrast, design: TrialDesign) -> float:
    """Power of Student's t test of patients' averages: exact for means in balanced designs.

    The mixed model's test is this one when every patient has every visit; two-tailed power counts both tails.
    """
    n_treated = treated_patients(n_control, design)
    dof = n_control + n_treated - 2
    if dof < 1:
        return 0.0
    variance = contrast.v_null / (1.0 + 1.0 / design.allocation) * (1.0 / n_control + 1.0 / n_treated)
    shift = contrast.delta / math.sqrt(variance * averaged_variance(design))
    limit = float(stats.t.isf(design.alpha / design.tails, dof))
    power = float(stats.nct.sf(limit, dof, shift))
    if design.tails == 2:
        other = float(stats.nct.cdf(-limit, dof, shift))
        power += other if math.isfinite(other) else 0.0
    # scipy's non-central t gives NaN where the power is 1 to the last digit.
    return power if math.isfinite(power) else 1.0


def patients_student(contrast: Contrast, design: TrialDesign) -> int:
    """Fewest patients in the control arm (complete) that reach the power by Student's t."""
    low, high = 1, max(2, math.ceil(patients(contrast, design)))
    while power_student(high, contrast, design) < design.power:
        low, high = high, high + max(2, high // 4)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_student(middle, contrast, design) >= design.power else (middle, high)
    return high


def treated_patients(n_control: int, design: TrialDesign) -> int:
    """Patients in the treated arm beside so many controls, rounded up."""
    return math.ceil(round(n_control * design.allocation, 9))


def whole(n: float) -> int:
    """Patients rounded up; rounding errors of the last digits do not cost a patient. At least 2, so SDs exist."""
    return max(2, math.ceil(round(n, 9))) if n < _MOST else math.ceil(n)


def detectable_difference(n_control: float, sd: float, design: TrialDesign) -> float:
    """Smallest difference of means that `n_control` complete patients show with the power."""
    return math.sqrt(patients(mean_contrast(1.0, sd, design.allocation), design) / n_control)


def detectable_effect(n_control: float, baseline: float, design: TrialDesign) -> float | None:
    """Smallest relative reduction of a proportion or rate that is shown with the power; None when none is."""

    def short(effect: float) -> float:
        return power_for(n_control, contrast_of(design, baseline, baseline * (1.0 - effect)), design) - design.power

    most = 1.0 if design.outcome == "proportion" else 1.0 - 1e-6
    # The power of a rate's reduction falls again near complete prevention, where hardly an event is left to count.
    grid = np.linspace(1e-4, most, 400)
    reached = [e for e in grid if short(float(e)) >= 0]
    if not reached:
        return None
    first = float(reached[0])
    if first <= grid[0]:
        return first
    below = float(grid[np.searchsorted(grid, first) - 1])
    return float(optimize.brentq(short, below, first, xtol=1e-10))


def contrast_of(design: TrialDesign, control: float, treated: float, sd: float = 1.0) -> Contrast:
    """The contrast of the design's outcome between two values of the arms."""
    if design.outcome == "mean":
        return mean_contrast(control - treated, sd, design.allocation)
    if design.outcome == "proportion":
        return proportion_contrast(control, treated, design.allocation)
    return rate_contrast(control, treated, years_per_visit(design), design.dispersion, design.allocation)


def years_per_visit(design: TrialDesign) -> float:
    """Years that a visit looks back on; one when nothing else was said."""
    return 1.0 if design.years is None else design.years / design.visits
