"""Sizes, power and detectable effects: laws, limits, and independent programs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import TTestIndPower, tt_ind_solve_power, zt_ind_solve_power
from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

from phantomcal.results.trials import TrialDesign
from phantomcal.trials.design import attendance, averaged_variance, information_kept
from phantomcal.trials.size import (
    contrast_of,
    detectable_difference,
    detectable_effect,
    mean_contrast,
    patients,
    patients_student,
    power_for,
    power_student,
    rate_contrast,
    whole,
)

correlation = st.floats(0.0, 1.0)
visits = st.integers(1, 8)
level = st.floats(0.001, 0.2)
wanted = st.floats(0.5, 0.99)


def design(**changes: object) -> TrialDesign:
    return TrialDesign(**{"outcome": "mean", **changes})


@given(
    effect=st.floats(0.05, 0.8), more=st.floats(0.01, 0.15), baseline=st.floats(0.05, 0.9), m=visits, rho=correlation
)
@settings(max_examples=60, deadline=None)
def test_larger_effects_need_fewer_patients(effect: float, more: float, baseline: float, m: int, rho: float) -> None:
    plan = design(outcome="proportion", visits=m, correlation=rho)
    sizes = [patients(contrast_of(plan, baseline, baseline * (1 - e)), plan) for e in (effect, effect + more)]
    assert sizes[1] < sizes[0]


@given(d=st.floats(0.1, 3), m=st.integers(2, 8), rho=st.floats(0.01, 0.99))
@settings(max_examples=40, deadline=None)
def test_visits_help_between_independence_and_none_at_all(d: float, m: int, rho: float) -> None:
    single = patients(mean_contrast(d, 1.0), design())
    at = {r: patients(mean_contrast(d, 1.0), design(visits=m, correlation=r)) for r in (0.0, rho, 1.0)}
    assert at[0.0] == pytest.approx(single / m)
    assert at[1.0] == pytest.approx(single)
    assert at[0.0] < at[rho] < at[1.0]


@given(
    outcome=st.sampled_from(["mean", "proportion", "rate"]),
    effect=st.floats(0.1, 0.7),
    m=visits,
    rho=correlation,
    power=wanted,
    alpha=level,
    tails=st.sampled_from([1, 2]),
    ratio=st.floats(0.3, 3.0),
    dropout=st.floats(0, 0.6),
)
@settings(max_examples=150, deadline=None)
def test_power_of_the_size_is_at_least_what_was_asked(
    outcome: str,
    effect: float,
    m: int,
    rho: float,
    power: float,
    alpha: float,
    tails: int,
    ratio: float,
    dropout: float,
) -> None:
    plan = design(
        outcome=outcome,
        visits=m,
        correlation=rho,
        power=power,
        alpha=alpha,
        tails=tails,
        allocation=ratio,
        dropout=dropout,
    )
    contrast = contrast_of(plan, 0.6, 0.6 * (1 - effect))
    n = patients(contrast, plan)
    assert power_for(n, contrast, plan) == pytest.approx(power, abs=1e-9)
    assert power_for(whole(n), contrast, plan) >= power - 1e-9
    # And back: the effect that this size detects is no larger than the one it was made for.
    if outcome != "mean":
        found = detectable_effect(whole(n), 0.6, plan)
        assert found is not None
        assert found <= effect + 1e-6
    else:
        assert detectable_difference(n, 1.0, plan) == pytest.approx(0.6 * effect)


@given(p=st.floats(0.05, 0.95), q=st.floats(0.05, 0.95))
@settings(max_examples=40, deadline=None)
def test_arms_may_be_exchanged(p: float, q: float) -> None:
    if abs(p - q) < 0.01:
        return
    for outcome in ("proportion", "rate"):
        plan = design(outcome=outcome)
        there, back = contrast_of(plan, p, q), contrast_of(plan, q, p)
        assert patients(there, plan) == pytest.approx(patients(back, plan))


@given(ratio=st.floats(1.2, 5.0), d=st.floats(0.1, 2))
@settings(max_examples=40, deadline=None)
def test_unequal_arms_need_more_in_total_and_exchange_as_they_should(ratio: float, d: float) -> None:
    equal = 2 * patients(mean_contrast(d, 1.0), design())
    n = patients(mean_contrast(d, 1.0, ratio), design(allocation=ratio))
    assert n * (1 + ratio) > equal
    other = patients(mean_contrast(d, 1.0, 1 / ratio), design(allocation=1 / ratio))
    assert other == pytest.approx(n * ratio)


@pytest.mark.parametrize("d", [0.2, 0.5, 1.2])
@pytest.mark.parametrize("tails", [1, 2])
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_single_visits_are_those_of_statsmodels(d: float, tails: int, ratio: float) -> None:
    plan = design(tails=tails, power=0.9, alpha=0.05, allocation=ratio)
    side = "larger" if tails == 1 else "two-sided"
    theirs = zt_ind_solve_power(effect_size=d, alpha=0.05, power=0.9, ratio=ratio, alternative=side)
    assert patients(mean_contrast(d, 1.0, ratio), plan) == pytest.approx(theirs, rel=1e-4)
    mine = patients_student(mean_contrast(d, 1.0, ratio), plan)
    exact = tt_ind_solve_power(effect_size=d, alpha=0.05, power=0.9, ratio=ratio, alternative=side)
    assert mine == math.ceil(exact)
    power = TTestIndPower().power(d, mine, 0.05, ratio=ratio, alternative=side)
    assert power_student(mine, mean_contrast(d, 1.0, ratio), plan) == pytest.approx(power, rel=1e-6)


@pytest.mark.parametrize(("p1", "p2"), [(0.31, 0.248), (0.62, 0.31), (0.2, 0.35)])
def test_single_proportions_are_those_of_statsmodels(p1: float, p2: float) -> None:
    plan = design(outcome="proportion", tails=1, power=0.8, alpha=0.025)
    high, low = max(p1, p2), min(p1, p2)
    theirs = samplesize_proportions_2indep_onetail(high - low, low, 0.8, ratio=1, alpha=0.025, alternative="larger")
    assert patients(contrast_of(plan, p1, p2), plan) == pytest.approx(theirs, rel=2e-3)


def test_negative_binomial_rates_of_zhu_and_lakkis() -> None:
    """Their second method by hand: mu0 0.8, ratio 0.85, one unit of time, k 0.4, power 0.8, two-sided 0.05."""
    plan = design(outcome="rate", dispersion=0.4)
    z = 1.959964 + 0.841621
    by_hand = z**2 * (1 / 0.8 + 1 / 0.68 + 0.8) / math.log(0.85) ** 2
    assert patients(rate_contrast(0.8, 0.68, 1.0, 0.4), plan) == pytest.approx(by_hand, rel=1e-5)


def test_a_frailty_seen_over_visits_is_one_seen_over_the_whole_follow_up() -> None:
    """Patients who differ in their rate: m visits that correlate as the frailty makes them are one long visit."""
    kappa, rate, m = 0.7, 0.5, 4
    mu = rate * 1.0
    rho = kappa * mu / (1 + kappa * mu)  # in the control arm; exact where both arms share the rate
    over_visits = averaged_variance(design(visits=m, correlation=rho)) * (1 / mu + kappa)
    assert over_visits == pytest.approx(1 / (m * mu) + kappa)


@given(m=visits, rho=correlation, lesions=st.integers(1, 5), share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_the_variance_of_an_average_is_that_of_its_covariance_matrix(
    m: int, rho: float, lesions: int, share: float
) -> None:
    plan = design(visits=m, correlation=rho, lesions=lesions, lesion_correlation=share * rho)
    lesion = np.repeat(np.arange(lesions), m)
    same = lesion[:, None] == lesion
    matrix = np.where(same, rho if m > 1 else 0.0, share * rho)
    np.fill_diagonal(matrix, 1.0)
    assert averaged_variance(plan) == pytest.approx(float(matrix.mean()))


@given(m=visits, rho=correlation, dropout=st.floats(0.01, 0.9))
@settings(max_examples=60, deadline=None)
def test_visits_of_those_lost_are_worth_something(m: int, rho: float, dropout: float) -> None:
    plan = design(visits=m, correlation=rho, dropout=dropout)
    shares = attendance(plan)
    assert shares.sum() == pytest.approx(1.0)
    kept = information_kept(plan)
    assert 1 - dropout - 1e-9 <= kept <= 1 - dropout / m + 1e-9
    if rho == 0.0:  # then every visit counts alike
        assert kept == pytest.approx(float(shares @ np.arange(m + 1)) / m)


def test_what_nobody_can_detect() -> None:
    plan = design(outcome="proportion", power=0.95)
    assert detectable_effect(4, 0.05, plan) is None
