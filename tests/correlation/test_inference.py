"""Intervals and p values against other programs, tables and exhaustive counts."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from phantomcal.correlation.inference import adjust_p, fisher_interval, spearman_interval, spearman_p, t_test_p
from phantomcal.errors import InputError


def test_fisher_interval_equals_scipys(rng: np.random.Generator) -> None:
    x, noise = rng.normal(size=(2, 25))
    found = stats.pearsonr(x, x + noise)
    expected = found.confidence_interval(0.9)
    assert fisher_interval(found.statistic, 25, confidence=0.9) == pytest.approx((expected.low, expected.high))


def test_spearman_interval_is_wider_than_fishers_and_tends_to_it() -> None:
    low, high = spearman_interval(0.6, 20)
    # Fisher z 0.6931 -+ 1.96 * sqrt(1.18 / 17) by hand
    assert (low, high) == pytest.approx((np.tanh(0.693147 - 0.516374), np.tanh(0.693147 + 0.516374)), abs=1e-5)
    narrow = fisher_interval(0.6, 20)
    assert low < narrow[0]
    assert high > narrow[1]
    assert spearman_interval(0.0, 20) == pytest.approx(fisher_interval(0.0, 20))


def test_perfect_ranks_leave_doubt_that_shrinks_with_n() -> None:
    lows = [spearman_interval(1.0, n)[0] for n in (5, 10, 40)]
    assert lows == sorted(lows)
    assert 0 < lows[0] < 0.9
    assert spearman_interval(-1.0, 10) == pytest.approx((-1.0, -lows[1]))
    assert spearman_interval(1.0, 10)[1] == 1.0


@pytest.mark.parametrize("n", [3, 4])
def test_too_few_rows_give_the_whole_range(n: int) -> None:
    assert fisher_interval(0.9, n, n_covariates=n - 3) == (-1.0, 1.0)
    assert spearman_interval(0.5, n, n_covariates=n - 3) == (-1.0, 1.0)


@given(r=st.floats(-0.999, 0.999), n=st.integers(5, 500))
def test_intervals_contain_the_estimate_and_mirror(r: float, n: int) -> None:
    for interval in (fisher_interval, spearman_interval):
        low, high = interval(r, n)
        assert -1 <= low <= high <= 1
        assert low - 1e-12 <= r <= high + 1e-12
        assert interval(-r, n) == pytest.approx((-high, -low))


@pytest.mark.parametrize("ties", [False, True])
def test_spearman_p_counts_every_order(ties: bool) -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    y = np.array([2.0, 1.0, 4.0, 4.0, 5.0]) if ties else np.array([2.0, 1.0, 4.0, 3.0, 5.0])
    rank_x, rank_y = stats.rankdata(x), stats.rankdata(y)
    observed = abs(stats.spearmanr(x, y).statistic)
    every = [abs(stats.spearmanr(x, np.array(order)).statistic) for order in itertools.permutations(y)]
    assert spearman_p(rank_x, rank_y) == pytest.approx(np.mean(np.array(every) >= observed - 1e-12))


def test_spearman_p_of_perfect_order_is_what_n_rows_can_show() -> None:
    assert spearman_p(np.arange(4.0), np.arange(4.0)) == pytest.approx(2 / 24)
    assert spearman_p(np.arange(9.0), -np.arange(9.0)) == pytest.approx(2 / 362880)


def test_spearman_p_of_many_rows_equals_scipys(rng: np.random.Generator) -> None:
    x, noise = rng.normal(size=(2, 30))
    expected = stats.spearmanr(x, x + 2 * noise).pvalue
    assert spearman_p(stats.rankdata(x), stats.rankdata(x + 2 * noise)) == pytest.approx(expected)


def test_t_test_p_without_degrees_of_freedom_is_unknown() -> None:
    assert np.isnan(t_test_p(0.5, 0))
    np.testing.assert_array_equal(t_test_p(np.array([1.0, 0.0]), 5), [0.0, 1.0])


@pytest.mark.parametrize("method", ["holm", "bonferroni", "fdr_bh", "none"])
def test_adjusted_p_equal_pingouins_and_skip_what_was_not_tested(method: str) -> None:
    import pingouin

    p = np.array([0.01, np.nan, 0.04, 0.03, 0.005, 0.6])
    expected = p if method == "none" else pingouin.multicomp(p, method=method)[1]
    np.testing.assert_allclose(adjust_p(p, method), expected)


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(adjust_p(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert np.isnan(adjust_p(np.array([np.nan]))).all()


def test_unknown_adjustment_names_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'tukey'.*holm, bonferroni, fdr_bh, none"):
        adjust_p(np.array([0.1]), "tukey")
