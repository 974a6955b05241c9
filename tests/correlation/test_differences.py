"""Differences of correlations and means: Steiger's examples, laws, and levels held over simulated tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from phantomcal.correlation.differences import (
    Difference,
    Sample,
    clustered_differences,
    dependent_correlations,
    independent_correlations,
    mean_difference,
    zou_interval,
)


def with_correlations(matrix: list[list[float]], n: int) -> np.ndarray:
    """Columns whose sample correlations are exactly these."""
    raw = np.random.default_rng(0).normal(size=(n, len(matrix)))
    q, _ = np.linalg.qr(raw - raw.mean(axis=0))
    return q @ np.linalg.cholesky(np.array(matrix)).T


def test_steigers_case_of_no_common_column() -> None:
    """J. H. Steiger, Psychol. Bull. 87 (1980) 245: n 103, r 0.5 against 0.6, z -1.40."""
    table = with_correlations([[1, 0.5, 0.7, 0.5], [0.5, 1, 0.5, 0.8], [0.7, 0.5, 1, 0.6], [0.5, 0.8, 0.6, 1]], 103)
    found = dependent_correlations(*table.T)
    assert isinstance(found, Difference)
    assert found.p == pytest.approx(2 * stats.norm.sf(1.405), abs=5e-4)
    assert found.ci95[0] < -0.1 < found.ci95[1]


def test_steigers_case_of_a_common_column() -> None:
    """The same: r12 0.4 against r13 0.5 with r23 0.1, z -0.89."""
    table = with_correlations([[1, 0.4, 0.5], [0.4, 1, 0.1], [0.5, 0.1, 1]], 103)
    a, b, c = table.T
    for sides in ((a, b, a, c), (b, a, c, a), (a, b, c, a), (b, a, a, c)):
        found = dependent_correlations(*sides)
        assert isinstance(found, Difference)
        assert found.p == pytest.approx(2 * stats.norm.sf(0.8892), abs=1e-3)


def test_zous_interval_of_independent_correlations_by_hand() -> None:
    found = independent_correlations(0.49, 145, 0.36, 87)
    assert isinstance(found, Difference)
    low1, high1 = np.tanh(np.arctanh(0.49) + np.array([-1, 1]) * 1.959964 / np.sqrt(142))
    low2, high2 = np.tanh(np.arctanh(0.36) + np.array([-1, 1]) * 1.959964 / np.sqrt(84))
    expected = (0.13 - np.hypot(0.49 - low1, high2 - 0.36), 0.13 + np.hypot(high1 - 0.49, 0.36 - low2))
    assert found.ci95 == pytest.approx(expected, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 100))
def test_swapping_sides_turns_the_sign_and_units_do_not_matter(seed: int, scale: float) -> None:
    a, b, c, d = np.random.default_rng(seed).normal(size=(4, 25))
    b, d = b + a, d - c + a
    one, other = dependent_correlations(a, b, c, d), dependent_correlations(c, scale * d, a, b + 3)
    assert isinstance(one, Difference)
    assert isinstance(other, Difference)
    assert other.estimate == pytest.approx(-one.estimate)
    assert other.p == pytest.approx(one.p)
    assert other.ci95 == pytest.approx((-one.ci95[1], -one.ci95[0]))


def test_the_same_columns_do_not_differ() -> None:
    a, b = np.random.default_rng(1).normal(size=(2, 20))
    found = dependent_correlations(a, b, a, b)
    assert isinstance(found, Difference)
    assert (found.estimate, found.p) == (0.0, 1.0)


def test_dependence_narrows_the_interval() -> None:
    bounds = ((0.3, 0.7), (0.2, 0.6))
    plain, tied = zou_interval((0.5, 0.4), bounds), zou_interval((0.5, 0.4), bounds, 0.8)
    assert tied[1] - tied[0] < 0.6 * (plain[1] - plain[0])


@pytest.mark.parametrize("design", ["dependent", "clustered", "half"])
def test_intervals_cover_and_tests_hold_their_level(design: str) -> None:
    """True r 0.6 on both sides; people shared wholly, with several rows, or in part."""
    rng, covered, rejected = np.random.default_rng(8), 0, 0
    runs = 250
    for _ in range(runs):
        person = rng.normal(size=(40, 2))
        one = rows_of(person, np.arange(30), rng, 1 if design == "dependent" else 2)
        other = rows_of(person, np.arange(30) + (10 if design == "half" else 0), rng, 1 if design == "dependent" else 2)
        if design == "dependent":
            found = dependent_correlations(one.x, one.y, other.x, other.y)
        else:
            answer = clustered_differences(one, other)
            assert not isinstance(answer, str)
            found = answer["pearson_r"]
            assert answer["slope"].ci95[0] < answer["slope"].estimate < answer["slope"].ci95[1]
        assert isinstance(found, Difference)
        covered += found.ci95[0] <= 0 <= found.ci95[1]
        rejected += found.p < 0.05
    assert 0.915 <= covered / runs <= 0.985
    assert rejected / runs <= 0.09


def rows_of(person: np.ndarray, who: np.ndarray, rng: np.random.Generator, repeats: int) -> Sample:
    """Half the variance the person's own, on both sides; correlation 0.6 at both levels."""
    subject = np.repeat(who, repeats)
    own = rng.normal(size=(subject.size, 2))
    x = (person[subject, 0] + own[:, 0]) / np.sqrt(2)
    y = 0.6 * x + 0.8 * (person[subject, 1] + own[:, 1]) / np.sqrt(2)
    return Sample(x, y, subject.astype(np.int64))


def test_clustered_sides_that_cannot_be_compared_say_why(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, 8))
    few = Sample(x, y, np.repeat(np.arange(4), 2))
    assert clustered_differences(few, few) == "fewer than five subjects"
    assert independent_correlations(0.5, 3, 0.5, 30) == "too few rows to compare correlations"
    assert dependent_correlations(x, y, np.ones(8), y) == "a column is constant"


def test_means_by_welch_paired_and_adjusted(rng: np.random.Generator) -> None:
    a, b = rng.normal(1, 1, 20), rng.normal(0, 3, 30)
    found = mean_difference(a, b, (np.arange(20), np.arange(20, 50)))
    test = stats.ttest_ind(a, b, equal_var=False)
    assert isinstance(found, Difference)
    assert found.p == pytest.approx(test.pvalue)
    paired = mean_difference(a, a - b[:20], (np.arange(20), np.arange(20)))
    assert isinstance(paired, Difference)
    assert paired.p == pytest.approx(stats.ttest_rel(a, a - b[:20]).pvalue)
    assert "paired" in paired.method
    # Several values of a person are one value.
    doubled = mean_difference(np.repeat(a, 2), b, (np.repeat(np.arange(20), 2), np.arange(20, 50)))
    assert isinstance(doubled, Difference)
    assert doubled.p == pytest.approx(found.p)
    age = np.r_[np.full(20, 60.0), np.full(30, 40.0)] + rng.normal(0, 5, 50)
    aged = 0.1 * age + rng.normal(0, 0.5, 50)
    sides = (np.arange(20), np.arange(20, 50))
    plain = mean_difference(aged[:20], aged[20:], sides)
    adjusted = mean_difference(aged[:20], aged[20:], sides, (age[:20, None], age[20:, None]))
    assert isinstance(plain, Difference)
    assert isinstance(adjusted, Difference)
    assert plain.p < 1e-6 < adjusted.p
    assert mean_difference(a[:1], b, (np.arange(1), np.arange(1, 31))) == "fewer than two subjects on a side"


def test_beyond_a_thousand_people_groups_of_them_are_left_out(rng: np.random.Generator) -> None:
    """1500 people on both sides: the grouped jackknife agrees with Steiger's test."""
    table = rng.multivariate_normal(np.zeros(4), np.full((4, 4), 0.3) + 0.7 * np.eye(4), 1500)
    people = np.arange(1500)
    found = clustered_differences(Sample(table[:, 0], table[:, 1], people), Sample(table[:, 2], table[:, 3], people))
    plain = dependent_correlations(*table.T)
    assert not isinstance(found, str)
    assert isinstance(plain, Difference)
    assert found["pearson_r"].ci95 == pytest.approx(plain.ci95, abs=0.015)
