"""Proportions, two-by-two tables, paired calls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from phantomcal.accuracy.paired import mcnemar
from phantomcal.accuracy.proportions import exact, proportion, proportion_of, wilson
from phantomcal.accuracy.table import diagnostic_table
from phantomcal.errors import InputError

counts = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_wilson_solves_the_score_equation_and_mirrors(case: tuple[int, int]) -> None:
    k, n = case
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    assert wilson(n - k, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    for end in (low, high):
        if 0 < end < 1:
            assert abs(k / n - end) == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(end * (1 - end) / n), abs=1e-9)


@given(counts)
def test_exact_interval_leaves_a_fortieth_on_each_side(case: tuple[int, int]) -> None:
    k, n = case
    low, high = exact(k, n)
    if k:
        assert stats.binom.sf(k - 1, n, low) == pytest.approx(0.025, abs=1e-6)
    if k < n:
        assert stats.binom.cdf(k, n, high) == pytest.approx(0.025, abs=1e-6)


def test_empty_and_clustered_proportions() -> None:
    nothing = proportion(0, 0, "share")
    assert (nothing.value, nothing.ci95, nothing.note) == (None, None, "no cases")
    # Each of 20 subjects has five equal cases: what is known is that of 20 cases.
    hits, subjects = np.repeat(np.arange(20) < 8, 5), np.repeat(np.arange(20), 5)
    found = proportion_of(hits, "share", subjects)
    assert found.design_effect == pytest.approx(5 * 20 / 19)
    assert found.n_subjects == 20
    assert found.ci95_exact is None
    assert found.standard_error == pytest.approx(np.sqrt(0.4 * 0.6 / 19))
    all_hit = proportion_of(np.ones(100, dtype=bool), "share", subjects)
    assert all_hit.design_effect == 5
    assert all_hit.ci95 is not None
    assert all_hit.ci95[0] < wilson(20, 20)[0] < wilson(100, 100)[0]
    assert proportion_of([True, False], "share", ["a", "a"]).ci95 is None
    with pytest.raises(InputError, match="add up"):
        proportion(3, 10, "share", ([1, 1], [5, 5]))


def test_clustered_interval_covers(rng: np.random.Generator) -> None:
    hits, done = 0, 600
    for _ in range(done):
        own = rng.beta(2, 1, 25)  # mean 2/3, intra-subject correlation 1/4
        subjects = np.repeat(np.arange(25), 4)
        interval = proportion_of(rng.random(100) < own[subjects], "share", subjects).ci95
        hits += interval is not None and interval[0] <= 2 / 3 <= interval[1]
    assert 0.925 <= hits / done <= 0.98


def test_table_of_known_counts() -> None:
    # 90 of 100 positive called, 30 of 200 negative called.
    truth = np.repeat([True, True, False, False], [90, 10, 30, 170])
    called = np.repeat([True, False, True, False], [90, 10, 30, 170])
    found = diagnostic_table(truth, called)
    assert (found.true_positive, found.false_negative, found.false_positive, found.true_negative) == (90, 10, 30, 170)
    assert found.sensitivity.value == 0.9
    assert found.specificity.value == 0.85
    assert found.positive_predictive_value.value == 0.75
    assert found.negative_predictive_value.value == pytest.approx(170 / 180)
    assert found.accuracy.value == pytest.approx(260 / 300)
    ratio = found.likelihood_ratio_positive
    assert ratio.value == pytest.approx(6)
    error = np.sqrt(1 / 90 - 1 / 100 + 1 / 30 - 1 / 200)
    assert ratio.ci95 == pytest.approx((6 * np.exp(-1.959964 * error), 6 * np.exp(1.959964 * error)), rel=1e-6)
    assert found.likelihood_ratio_negative.value == pytest.approx(0.1 / 0.85)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 3)), min_size=1, max_size=30), st.booleans())
@settings(max_examples=60, deadline=None)
def test_swapping_the_classes_swaps_the_measures(rows: list[tuple[bool, bool, int]], known: bool) -> None:
    truth, called, subject = (np.array(column) for column in zip(*rows, strict=True))
    who = subject if known else None
    one, other = diagnostic_table(truth, called, who), diagnostic_table(~truth, ~called, who)
    assert one.sensitivity.value == other.specificity.value
    assert one.sensitivity.ci95 == other.specificity.ci95
    assert one.positive_predictive_value.ci95 == other.negative_predictive_value.ci95
    assert one.accuracy.ci95 == other.accuracy.ci95


def test_empty_cells_are_said() -> None:
    perfect = diagnostic_table([1, 1, 1, 0, 0], [1, 1, 1, 0, 0])
    assert perfect.likelihood_ratio_positive.value is None
    assert "infinite" in perfect.likelihood_ratio_positive.note
    assert "half" in perfect.likelihood_ratio_positive.note
    assert perfect.likelihood_ratio_positive.ci95 is not None
    only = diagnostic_table([1, 1], [1, 0])
    assert only.specificity.value is None
    assert only.specificity.note == "no negative case"
    assert only.likelihood_ratio_positive.value is None
    silent = diagnostic_table([1, 0], [0, 0])
    assert silent.positive_predictive_value.note == "nothing called positive"


def test_clustered_ratio_is_wider(rng: np.random.Generator) -> None:
    subjects = np.repeat(np.arange(30), 5)
    truth = np.repeat(np.arange(30) % 2 == 0, 5)
    called = np.repeat(rng.random(30) < np.where(np.arange(30) % 2 == 0, 0.8, 0.3), 5)
    plain, aware = diagnostic_table(truth, called), diagnostic_table(truth, called, subjects)
    widths = [np.diff(np.log(t.likelihood_ratio_positive.ci95 or (1, 1)))[0] for t in (plain, aware)]
    assert widths[1] > 1.8 * widths[0]


def test_mcnemar_against_the_binomial(rng: np.random.Generator) -> None:
    truth, a, b = (rng.random(80) < 0.5 for _ in range(3))
    found = mcnemar(truth, a, b, ("QSM", "CT"))
    right_a, right_b = a == truth, b == truth
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    accuracy = found.tests[2]
    assert accuracy.p_exact == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue)
    assert accuracy.p is not None
    assert accuracy.p_exact is not None
    assert accuracy.p < accuracy.p_exact
    assert accuracy.difference == pytest.approx(right_a.mean() - right_b.mean())
    swapped = mcnemar(truth, b, a).tests[2]
    assert (swapped.p, swapped.difference) == (accuracy.p, -(accuracy.difference or 0))
    assert found.tests[0].p_adjusted is not None
    assert accuracy.p_adjusted is None


def test_clustered_mcnemar_is_the_plain_one_for_single_cases(rng: np.random.Generator) -> None:
    truth, a, b = (rng.random(61) < 0.5 for _ in range(3))
    # One subject twice, on a case both get right: clustering that changes nothing.
    pair = np.append(np.arange(61), 60)
    grown = [np.append(x, value) for x, value in ((truth, True), (a, True), (b, True))]
    grown[0][60] = grown[1][60] = grown[2][60] = True
    plain, aware = mcnemar(*grown).tests[2], mcnemar(*grown, subjects=pair).tests[2]
    assert aware.p == pytest.approx(plain.p)
    assert aware.p_exact == pytest.approx(plain.p_exact)
    assert aware.chi2 == pytest.approx(plain.chi2)


def test_clustered_mcnemar_keeps_its_level(rng: np.random.Generator) -> None:
    aware, plain, done = [], [], 250
    for _ in range(done):
        subjects = np.repeat(np.arange(40), 5)
        truth = np.ones(200, dtype=bool)
        a, b = (np.repeat(rng.random(40) < 0.7, 5) for _ in range(2))
        aware.append(mcnemar(truth, a, b, subjects=subjects).tests[0].p)
        plain.append(mcnemar(truth, a, b).tests[0].p)
    assert 0.02 <= np.mean(np.array(aware) < 0.05) <= 0.085
    assert np.mean(np.array(plain) < 0.05) > 0.25


def test_no_disagreement() -> None:
    found = mcnemar([1, 1, 0], [1, 0, 0], [1, 0, 0])
    assert [test.p for test in found.tests] == [1, 1, 1]
    assert mcnemar([1, 1], [1, 0], [0, 0]).tests[1].note == "no such case"
