"""Several rows of one subject: against pingouin, leaving subjects out for real, simulated truth."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantomcal.correlation.association import Association, associate
from phantomcal.correlation.clustered import (
    ClusterAware,
    MixedModel,
    WithinSubjects,
    cluster_aware,
    line_band,
    mixed_model,
    repeated_measures_correlation,
    subject_codes,
)
from phantomcal.correlation.resample import prepare
from phantomcal.simulate.targets import LesionPlan, Target, draw_clustered

BLOOD = Target(math.sqrt(0.38), 75.0, 6.0, 0.300, 0.070)


def aware(x: np.ndarray, y: np.ndarray, subject: np.ndarray) -> ClusterAware | str:
    a = associate(x, y)
    assert isinstance(a, Association)
    return cluster_aware(a, prepare(x, y), subject, a.axis_slope)


def test_repeated_measures_sees_what_the_pooled_correlation_hides(rng: np.random.Generator) -> None:
    import pingouin

    subject = np.repeat(np.arange(6), 5)
    x = 10.0 * subject + rng.normal(size=30)
    y = 3.0 * subject - (x - 10.0 * subject) + rng.normal(0, 0.3, 30)
    pooled, within = associate(x, y), repeated_measures_correlation(x, y, subject)
    assert isinstance(pooled, Association)
    assert isinstance(within, WithinSubjects)
    assert pooled.pearson_r > 0.9
    assert within.r < -0.8
    expected = pingouin.rm_corr(pd.DataFrame({"x": x, "y": y, "s": subject}), x="x", y="y", subject="s").iloc[0]
    assert within.r == pytest.approx(expected["r"])
    assert within.p == pytest.approx(expected["pval"])
    assert within.dof == expected["dof"]
    np.testing.assert_allclose(within.ci95, expected["CI95"], atol=0.0051)


def test_repeated_measures_with_covariates_is_the_partial_correlation_given_subjects(rng: np.random.Generator) -> None:
    subject, z = np.repeat(np.arange(5), 6), rng.normal(size=(30, 1))
    x, y = rng.normal(size=30) + z[:, 0], rng.normal(size=30) - z[:, 0]
    found = repeated_measures_correlation(x, y, subject, z)
    dummies = (subject[:, None] == np.arange(1, 5)).astype(float)
    expected = associate(x, y, np.hstack([dummies, z]))
    assert isinstance(found, WithinSubjects)
    assert isinstance(expected, Association)
    assert (found.r, found.dof, found.p) == pytest.approx((expected.pearson_r, expected.dof, expected.pearson_p))


def test_repeated_measures_without_repeats_gives_its_reason() -> None:
    x = np.array([1.0, 2.0, 3.0])
    assert repeated_measures_correlation(x, x, np.arange(3)) == "too few rows per subject"
    x, subject = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]), np.array([0, 0, 0, 1, 1, 1])
    assert repeated_measures_correlation(x, np.arange(6.0), subject) == "nothing varies within subjects"


def test_slope_error_is_statsmodels_cr3_by_leaving_out_subjects(rng: np.random.Generator) -> None:
    subject = np.repeat(np.arange(8), [1, 2, 3, 4, 5, 1, 2, 3])
    x, y = draw_clustered(BLOOD, subject, LesionPlan(), rng)
    found = aware(x, y, subject)
    assert isinstance(found, ClusterAware)
    slope = np.polyfit(x, y, 1)[0]
    without = [np.polyfit(x[subject != s], y[subject != s], 1)[0] for s in range(8)]
    assert found.slope_se == pytest.approx(np.sqrt(7 / 8 * np.sum((np.array(without) - slope) ** 2)))
    assert found.dof == 7
    assert 0 < found.n_eff <= x.size


def test_doubling_every_row_adds_nothing(rng: np.random.Generator) -> None:
    """The whole point: rows of one subject that say the same thing are one row."""
    x, y = draw_clustered(BLOOD, np.arange(25), LesionPlan(), rng)
    once, subject = aware(x, y, np.arange(25)), np.repeat(np.arange(25), 4)
    fourfold = aware(np.repeat(x, 4), np.repeat(y, 4), subject)
    plain = associate(np.repeat(x, 4), np.repeat(y, 4))
    assert isinstance(once, ClusterAware)
    assert isinstance(fourfold, ClusterAware)
    assert isinstance(plain, Association)
    assert fourfold.pearson_ci95 == pytest.approx(once.pearson_ci95)
    assert fourfold.pearson_p == pytest.approx(once.pearson_p)
    assert plain.pearson_p < 1e-3 * fourfold.pearson_p
    assert fourfold.n_eff < 40


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 100), sign=st.sampled_from([1, -1]))
def test_units_and_sign_carry_over(seed: int, scale: float, sign: int) -> None:
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(7), 2)
    x, y = draw_clustered(BLOOD, subject, LesionPlan(), rng)
    one, other = aware(x, y, subject), aware(x, sign * scale * y, subject)
    assert isinstance(one, ClusterAware)
    assert isinstance(other, ClusterAware)
    assert sorted(sign * end for end in one.pearson_ci95) == pytest.approx(other.pearson_ci95)
    assert sorted(sign * scale * end for end in one.slope_ci95) == pytest.approx(other.slope_ci95)
    assert other.pearson_p == pytest.approx(one.pearson_p)


def test_few_subjects_give_a_reason(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, 12))
    assert aware(x, y, np.arange(12) % 4) == "fewer than 5 subjects"
    x = np.where(np.arange(12) < 8, 1.0, x)  # the last four rows, one subject, have all the variation
    reason = aware(x, y, np.where(np.arange(12) < 8, np.arange(12) % 5, 5))
    assert reason == "nothing is left to correlate without one of the subjects"


@pytest.mark.parametrize(("n_subjects", "share"), [(6, 0.5), (15, 0.9)])
def test_intervals_of_clustered_lesions_cover_where_plain_ones_do_not(n_subjects: int, share: float) -> None:
    r = BLOOD.pearson_r
    truth = (r, 6 / math.pi * math.asin(r / 2), r * BLOOD.sd_ppm / BLOOD.sd_hu)
    rng, held, plain = np.random.default_rng(4), np.zeros(3), 0
    for _ in range(200):
        subject = np.repeat(np.arange(n_subjects), rng.integers(1, 5, n_subjects))
        x, y = draw_clustered(BLOOD, subject, LesionPlan(subject_share=share), rng)
        found, a = aware(x, y, subject), associate(x, y)
        assert isinstance(found, ClusterAware)
        assert isinstance(a, Association)
        intervals = (found.pearson_ci95, found.spearman_ci95, found.slope_ci95)
        held += [low <= true <= high for true, (low, high) in zip(truth, intervals, strict=True)]
        plain += a.pearson_ci95[0] <= r <= a.pearson_ci95[1]
    assert (held >= 0.92 * 200).all()
    assert (held <= 0.99 * 200).all()
    assert plain < 0.92 * 200


def test_mixed_model_recovers_slope_and_share(rng: np.random.Generator) -> None:
    subject = np.repeat(np.arange(60), 5)
    x = 40 + rng.normal(0, 5, 300)
    y = 0.1 + 0.004 * x + rng.normal(0, 0.03, 60)[subject] + rng.normal(0, 0.03, 300)
    found = mixed_model(x, y, subject)
    assert isinstance(found, MixedModel)
    assert found.slope == pytest.approx(0.004, abs=3 * found.slope_se)
    assert found.subject_share == pytest.approx(0.5, abs=0.12)
    assert found.note == ""
    within = repeated_measures_correlation(x, y, subject)
    assert isinstance(within, WithinSubjects)
    assert within.r == pytest.approx(0.02 / math.hypot(0.02, 0.03), abs=0.1)


def test_mixed_model_says_when_it_cannot_help(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, 20))
    assert mixed_model(x, y, np.repeat(np.arange(19), [2] + [1] * 18)) == "only 1 subjects have several rows"
    subject = np.repeat(np.arange(10), 2)
    level = np.where(np.arange(20) % 2, 1.0, -1.0)  # the two rows of a subject differ as much as they can
    found = mixed_model(x, level + 0.01 * y, subject)
    assert isinstance(found, str) or "no variance between subjects" in found.note


def test_band_is_the_textbook_band_for_independent_rows_and_wider_for_clustered(rng: np.random.Generator) -> None:
    import statsmodels.api as sm

    subject = np.repeat(np.arange(12), 5)
    x = rng.normal(size=60)
    y = x + rng.normal(0, 2, 12)[subject] + rng.normal(size=60)
    at = np.array([-1.0, 0.0, 2.0])
    plain = line_band(x, y, np.arange(60), at)
    model = sm.OLS(y, sm.add_constant(x)).fit().get_prediction(np.column_stack([np.ones(3), at])).conf_int()
    np.testing.assert_allclose(plain, (model[:, 1] - model[:, 0]) / 2)
    clustered = line_band(x, y, subject, at)
    assert clustered is not None
    assert plain is not None
    assert clustered[1] > 1.3 * plain[1]
    assert line_band(x, y, subject % 3, at) is None


def test_subjects_are_counted_by_appearance_not_by_name() -> None:
    one = subject_codes(np.array(["b", "a", "b", "c"], dtype=object))
    other = subject_codes(np.array(["1", "9", "1", "5"], dtype=object))
    assert one.tolist() == other.tolist() == [0, 1, 0, 2]
