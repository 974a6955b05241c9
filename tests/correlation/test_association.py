"""Coefficients and lines against scipy, pingouin and refitting; influence against leaving rows out for real."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from phantomcal.correlation.association import Association, associate


def related(rng: np.random.Generator, n: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    covariates = rng.normal(size=(n, 2))
    x = 40 + 5 * covariates[:, 0] + rng.normal(size=n)
    y = 0.1 - 0.02 * x + 0.05 * covariates[:, 1] + rng.normal(0, 0.02, n)
    return x, y, covariates


def test_plain_association_equals_scipys(rng: np.random.Generator) -> None:
    x, y, _ = related(rng)
    found = associate(x, y)
    assert isinstance(found, Association)
    line, rank = stats.linregress(x, y), stats.spearmanr(x, y)
    assert found.slope == pytest.approx(line.slope)
    assert found.slope_se == pytest.approx(line.stderr)
    half = stats.t.ppf(0.975, x.size - 2) * line.stderr
    assert found.slope_ci95 == pytest.approx((line.slope - half, line.slope + half))
    assert found.axis_slope == pytest.approx(-y.std() / x.std())
    assert found.intercept == pytest.approx(line.intercept)
    assert (found.pearson_r, found.pearson_p) == pytest.approx((line.rvalue, line.pvalue))
    assert (found.spearman_rho, found.spearman_p) == pytest.approx((rank.statistic, rank.pvalue))


def test_partial_correlation_equals_pingouins_and_the_multiple_regression(rng: np.random.Generator) -> None:
    import pingouin

    x, y, z = related(rng)
    found = associate(x, y, z)
    assert isinstance(found, Association)
    frame = pd.DataFrame({"x": x, "y": y, "a": z[:, 0], "b": z[:, 1]})
    with_options = pingouin.partial_corr(frame, x="x", y="y", covar=["a", "b"]).iloc[0]
    assert found.pearson_r == pytest.approx(with_options["r"])
    design = np.column_stack([np.ones_like(x), x, z])
    beta, rss, _, _ = np.linalg.lstsq(design, y, rcond=None)
    assert found.slope == pytest.approx(beta[1])
    covariance = np.linalg.inv(design.T @ design) * rss[0] / (x.size - 4)
    assert found.slope_se == pytest.approx(np.sqrt(covariance[1, 1]))
    assert found.pearson_p == pytest.approx(2 * stats.t.sf(abs(beta[1] / np.sqrt(covariance[1, 1])), x.size - 4))
    # At the covariates' means the line passes through the means.
    assert found.intercept + found.slope * x.mean() == pytest.approx(y.mean())


def test_partial_spearman_keeps_the_sign_of_rank_perfect_data(rng: np.random.Generator) -> None:
    # pingouin.partial_corr turns this sign round in 0.7; decreasing calcium vials look just like it.
    x = np.arange(12.0)
    covariate = rng.normal(size=(12, 1))
    found = associate(x, -(x**3), covariate)
    assert isinstance(found, Association)
    assert found.spearman_rho < -0.99


def test_collinear_and_constant_covariates_cost_one_degree_of_freedom_only(rng: np.random.Generator) -> None:
    x, y, z = related(rng)
    alone = associate(x, y, z[:, :1])
    doubled = associate(x, y, np.column_stack([z[:, 0], 3 * z[:, 0] - 7, np.full(x.size, 4.0)]))
    assert isinstance(alone, Association)
    assert isinstance(doubled, Association)
    assert doubled.dof == alone.dof == x.size - 3
    assert doubled.pearson_r == pytest.approx(alone.pearson_r)
    assert doubled.spearman_rho == pytest.approx(alone.spearman_rho)


@pytest.mark.parametrize("partial", [False, True])
def test_influence_equals_leaving_each_row_out(rng: np.random.Generator, partial: bool) -> None:
    x, y, z = related(rng, 12)
    covariates = z if partial else None
    y[3] += 0.5
    found = associate(x, y, covariates)
    assert isinstance(found, Association)
    design = np.column_stack([np.ones_like(x), x] + ([z] if partial else []))
    beta = np.linalg.lstsq(design, y, rcond=None)[0]
    parameters = design.shape[1]
    mean_square = np.sum((y - design @ beta) ** 2) / (x.size - parameters)
    for i in range(x.size):
        keep = np.arange(x.size) != i
        without = associate(x[keep], y[keep], z[keep] if partial else None)
        assert isinstance(without, Association)
        assert found.r_without[i] == pytest.approx(without.pearson_r)
        assert found.p_without[i] == pytest.approx(without.pearson_p)
        moved = design @ (beta - np.linalg.lstsq(design[keep], y[keep], rcond=None)[0])
        assert found.cook[i] == pytest.approx(moved @ moved / (parameters * mean_square))
    np.testing.assert_allclose(found.leverage, np.diagonal(design @ np.linalg.pinv(design)))


def test_a_row_that_makes_all_the_variation_has_no_r_without_it() -> None:
    found = associate(np.array([1.0, 1.0, 1.0, 5.0]), np.array([1.0, 2.0, 3.0, 9.0]))
    assert isinstance(found, Association)
    assert np.isnan(found.r_without[3])
    assert np.isfinite(found.r_without[:3]).all()


@pytest.mark.parametrize(
    ("x", "y", "covariates", "reason"),
    [
        ([1.0], [1.0], None, "1 row is too few"),
        ([1.0, 2.0], [1.0, 3.0], None, "2 rows are too few"),
        ([5.0, 5.0, 5.0], [1.0, 2.0, 3.0], None, "HU is constant"),
        ([1.0, 2.0, 3.0], [0.1 + 0.2, 0.3, 0.3], None, "ppm is constant"),
        ([1.0, 2.0, 4.0], [1.0, 3.0, 2.0], [[1.0], [2.0], [5.0]], "3 rows are too few beside 1 covariate"),
        ([1.0, 2.0, 4.0, 7.0], [1.0, 3.0, 2.0, 5.0], [[2.0], [4.0], [8.0], [14.0]], "nothing is left"),
    ],
)
def test_no_answer_gives_its_reason(
    x: list[float], y: list[float], covariates: list[list[float]] | None, reason: str
) -> None:
    z = None if covariates is None else np.array(covariates)
    found = associate(np.array(x), np.array(y), z, ("HU", "ppm"))
    assert isinstance(found, str)
    assert reason in found
