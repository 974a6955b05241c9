"""Resampled coefficients against drawing the rows for real; BCa intervals against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from phantomcal.correlation.association import Association, associate
from phantomcal.correlation.resample import bca_interval, bootstrap, jackknife, prepare, resampled, samples_for


def drawn(rng: np.random.Generator, n: int, ties: bool, k: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    z = rng.normal(size=(n, k)) if k else None
    x = rng.normal(size=n) + (z.sum(axis=1) if z is not None else 0.0)
    y = 0.5 * x + rng.normal(size=n)
    return (np.round(x), np.round(y), z) if ties else (x, y, z)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), ties=st.booleans(), k=st.integers(0, 2))
def test_weights_give_what_repeating_rows_gives(seed: int, ties: bool, k: int) -> None:
    rng = np.random.default_rng(seed)
    x, y, z = drawn(rng, 14, ties, k)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return
    counts = rng.multinomial(14, np.full(14, 1 / 14), size=5)
    found = resampled(prepare(1e3 + 7 * x, -40 + 0.01 * y, z), counts.astype(np.float64))
    for i, count in enumerate(counts):
        take = np.repeat(np.arange(14), count)
        expected = associate(x[take], y[take], None if z is None else z[take])
        if isinstance(expected, str) or expected.dof < 2:
            continue
        assert found.r[i] == pytest.approx(expected.pearson_r, abs=1e-7)
        assert found.rho[i] == pytest.approx(expected.spearman_rho, abs=1e-7)
        assert found.slope[i] == pytest.approx(expected.slope * 0.01 / 7, abs=1e-8)
        assert found.axis_slope[i] == pytest.approx(expected.axis_slope * 0.01 / 7, abs=1e-8)


def test_a_sample_of_one_row_over_and_over_has_no_value() -> None:
    x = np.arange(5.0)
    found = resampled(prepare(x, x**2), np.array([[5.0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]))
    assert np.isnan(found.r[0])
    assert np.isnan(found.rho[0])
    assert found.rho[1] == pytest.approx(1.0)


def test_jackknife_leaves_out_subjects(rng: np.random.Generator) -> None:
    x, y, _ = drawn(rng, 12, False)
    subject = np.repeat(np.arange(4), 3)
    without, size = jackknife(prepare(x, y), subject)
    assert size.tolist() == [3, 3, 3, 3]
    for i in range(4):
        expected = associate(x[subject != i], y[subject != i])
        assert isinstance(expected, Association)
        assert without.r[i] == pytest.approx(expected.pearson_r)
        assert without.rho[i] == pytest.approx(expected.spearman_rho)


def test_bootstrap_repeats_itself_and_draws_whole_subjects(rng: np.random.Generator) -> None:
    x, y, _ = drawn(rng, 30, False)
    pairs = prepare(x, y)
    np.testing.assert_array_equal(bootstrap(pairs, n_bootstrap=300).rho, bootstrap(pairs, n_bootstrap=300).rho)
    assert not np.array_equal(bootstrap(pairs, n_bootstrap=300).r, bootstrap(pairs, n_bootstrap=300, seed=1).r)
    # Every row of a subject is the same: drawing subjects is drawing that many rows.
    few = prepare(x[:10], y[:10])
    many = prepare(np.repeat(x[:10], 3), np.repeat(y[:10], 3))
    grouped = bootstrap(many, np.repeat(np.arange(10), 3), n_bootstrap=200)
    np.testing.assert_allclose(grouped.r, bootstrap(few, n_bootstrap=200).r, atol=1e-9)


def test_bca_interval_equals_scipys(rng: np.random.Generator) -> None:
    x, y, _ = drawn(rng, 40, False)
    samples = bootstrap(prepare(x, y)).r
    without, _ = jackknife(prepare(x, y), np.arange(40))
    found = bca_interval(float(np.corrcoef(x, y)[0, 1]), samples, without.r)
    expected = stats.bootstrap(
        (x, y), lambda a, b, axis: stats.pearsonr(a, b, axis=axis).statistic, paired=True, n_resamples=9999, rng=1
    ).confidence_interval
    # Two sets of 10,000 samples differ by about 0.003 at the ends.
    assert found == pytest.approx((expected.low, expected.high), abs=0.012)


def test_bca_interval_is_not_made_up() -> None:
    values = np.linspace(0, 1, 200)
    assert bca_interval(0.5, np.where(values < 0.1, np.nan, values), values) is None
    assert bca_interval(2.0, values, values) is None
    assert bca_interval(0.5, values, np.array([0.1, np.nan])) is None


def test_long_tables_are_drawn_less_often() -> None:
    assert samples_for(104) == 10_000
    assert samples_for(20_000) == 1000
    assert samples_for(20_000, 500) == 500
