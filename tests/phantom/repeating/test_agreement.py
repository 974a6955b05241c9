import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from phantomcal.phantom.repeating.agreement import bland_altman, intraclass, within_subject


def test_two_runs_have_the_textbook_s_within_subject_sd():
    """With two runs it is root of the mean squared difference over two (Bland and Altman 1996)."""
    table = np.array([[1.0, 1.2], [2.0, 1.9], [3.1, 3.4], [5.0, 4.8]])
    found = within_subject(table)
    assert found.wsd == pytest.approx(np.sqrt((np.diff(table, axis=1) ** 2).mean() / 2))
    assert found.rc == pytest.approx(1.96 * np.sqrt(2) * found.wsd)
    assert (found.degrees_of_freedom, found.n_subjects, found.n_runs) == (4, 4, 2)
    low, high = stats.chi2.interval(0.95, 4)
    assert found.wsd_ci95 == pytest.approx((found.wsd * np.sqrt(4 / high), found.wsd * np.sqrt(4 / low)))


def test_it_is_the_residual_of_a_one_way_analysis_of_variance(rng):
    table = rng.normal(size=(7, 4)) + np.arange(7)[:, None]
    residual = table - table.mean(axis=1, keepdims=True)
    assert within_subject(table).wsd == pytest.approx(np.sqrt((residual**2).sum() / (7 * 3)))


def test_missing_runs_and_values_near_zero():
    table = np.array([[10.0, 10.2, np.nan], [20.0, 20.2, 20.4], [0.01, -0.02, 0.0], [5.0, np.nan, np.nan]])
    found = within_subject(table)
    assert (found.n_subjects, found.degrees_of_freedom) == (3, 1 + 2 + 2)
    assert found.wcv_n == 2  # the vial of water has no coefficient of variation
    variances = np.nanvar(table[:2], axis=1, ddof=1) / np.nanmean(table[:2], axis=1) ** 2
    assert found.wcv_percent == pytest.approx(100 * np.sqrt((variances * [1, 2]).sum() / 3))


def test_identical_runs_have_no_interval():
    found = within_subject([[1.0, 1.0], [2.0, 2.0]])
    assert (found.wsd, found.wsd_ci95, found.rc_ci95) == (0.0, None, None)


def test_a_single_run_is_refused():
    with pytest.raises(ValueError, match="twice"):
        within_subject([[1.0], [2.0]])
    with pytest.raises(ValueError, match="two pairs"):
        bland_altman([1.0], [2.0])
    with pytest.raises(ValueError, match="two pairs"):
        bland_altman([1.0, 2.0], [2.0])
    for table in ([[1.0, 2.0], [2.0, 3.0]], [[1.0], [2.0], [3.0]], [[1.0, 2.0], [2.0, np.nan], [3.0, 4.0]]):
        with pytest.raises(ValueError, match="complete table"):
            intraclass(table)


@given(
    st.lists(st.tuples(*[st.floats(-50, 50)] * 2), min_size=3, max_size=8),
    st.floats(-100, 100),
    st.floats(0.1, 30),
)
def test_agreement_follows_shift_and_scale(pairs, shift, scale):
    a, b = np.array(pairs).T
    plain, moved = bland_altman(a, b), bland_altman(scale * a + shift, scale * b + shift)
    size = 1e-9 * (abs(shift) + 100 * scale)
    assert moved.bias == pytest.approx(scale * plain.bias, abs=size)
    assert moved.sd == pytest.approx(scale * plain.sd, abs=size)
    wide, narrow = within_subject(np.array([scale * a + shift, scale * b + shift]).T), within_subject(pairs)
    assert wide.wsd == pytest.approx(scale * narrow.wsd, abs=size)
    reverse = bland_altman(b, a)
    assert (reverse.lower, reverse.upper) == pytest.approx((-plain.upper, -plain.lower), abs=1e-9)


def test_a_spread_that_grows_with_the_value_is_noticed(rng):
    size = np.linspace(1, 40, 40)
    a = size + 0.1 * size * rng.normal(size=40)
    assert bland_altman(a, size).trend_p < 0.01
    assert bland_altman(size + rng.normal(size=40), size).trend_p > 0.01


def test_intervals_hold_the_truth_as_often_as_they_say(rng):
    n, reps, sd = 8, 700, 0.7
    inside = np.zeros(4)
    for _ in range(reps):
        a = rng.normal(10, 3, n)
        b = a + rng.normal(0.2, sd, n)
        found = bland_altman(a, b)
        pairs = within_subject(np.array([a, a + rng.normal(0, sd, n)]).T)  # one noisy run: wSD is sd / root 2
        checks = (
            (found.bias_ci95, 0.2),
            (found.lower_ci95, 0.2 - 1.96 * sd),
            (found.upper_ci95, 0.2 + 1.96 * sd),
            (pairs.wsd_ci95, sd / np.sqrt(2)),
        )
        inside += [low <= truth <= high for (low, high), truth in checks]
    assert (np.abs(inside / reps - 0.95) < 0.03).all()


def test_runs_that_differ_by_a_shift_alone_have_no_ratio():
    assert intraclass([[1.0, 2.0], [2.0, 3.0], [5.0, 6.0]]) == []
    assert intraclass([[1.0, 1.0], [2.0, 2.0], [5.0, 5.0]]) == []
