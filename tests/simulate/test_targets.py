"""Cohorts with a given correlation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomcal.errors import InputError
from phantomcal.simulate.targets import (
    LESION_PLANS,
    OSHIMA_TARGETS,
    LesionPlan,
    Target,
    draw_clustered,
    draw_cohort,
    draw_values,
)


def _columns(cohort, name):
    return np.array([subject[name] for subject in cohort]).T


@given(st.floats(-1, 1), st.integers(3, 40), st.integers(0, 10_000))
def test_exact_draws_have_exactly_the_target(r, n, seed):
    target = Target(r, 40.0, 6.0, 0.1, 0.02)
    hu, ppm = _columns(draw_values({"putamen": target}, n, np.random.default_rng(seed)), "putamen")
    assert np.corrcoef(hu, ppm)[0, 1] == pytest.approx(r, abs=1e-5)
    assert (hu.mean(), hu.std(ddof=1)) == pytest.approx((40.0, 6.0), rel=1e-5)
    assert (ppm.mean(), ppm.std(ddof=1)) == pytest.approx((0.1, 0.02), rel=1e-5)


def test_the_default_targets_are_those_of_the_study():
    cohort = draw_values(OSHIMA_TARGETS, 60, np.random.default_rng(0))
    found = {name: np.corrcoef(*_columns(cohort, name))[0, 1] for name in OSHIMA_TARGETS}
    assert found["globus pallidus"] == pytest.approx(math.sqrt(0.52), abs=1e-5)
    assert found["haemorrhage"] == pytest.approx(math.sqrt(0.38), abs=1e-5)
    assert found["choroid plexus"] == pytest.approx(-math.sqrt(0.53), abs=1e-5)
    assert found["calcification"] == pytest.approx(-math.sqrt(0.38), abs=1e-5)
    assert max(abs(found[n]) for n in ("putamen", "caudate nucleus", "red nucleus")) < 1e-5
    blood, lime = _columns(cohort, "haemorrhage"), _columns(cohort, "calcification")
    assert 58 < blood[0].min() < blood[0].max() < 92
    assert blood[1].min() > 0
    assert lime[0].min() > 100
    assert lime[1].max() < 0
    slope, intercept = np.polyfit(*_columns(cohort, "choroid plexus"), 1)
    assert intercept + slope * 60 == pytest.approx(-0.10, abs=0.002)
    assert intercept + slope * 100 == pytest.approx(-0.15, abs=0.002)


def test_population_draws_scatter_about_the_target():
    target = {"putamen": Target(0.7, 40.0, 6.0, 0.1, 0.02)}
    found = [
        np.corrcoef(*_columns(draw_values(target, 30, np.random.default_rng(n), exact=False), "putamen"))[0, 1]
        for n in range(200)
    ]
    assert np.mean(found) == pytest.approx(0.7, abs=0.03)
    assert 0.06 < np.std(found) < 0.14


@pytest.mark.parametrize(
    ("targets", "n", "exact", "message"),
    [
        ({"putamen": Target(0.5, 1, 1, 1, 1)}, 2, True, "at least three"),
        ({"putamen": Target(0.5, 1, 1, 1, 1)}, 0, False, "no subjects"),
        ({"hippocampus": Target(0.5, 1, 1, 1, 1)}, 5, True, "unknown region 'hippocampus'"),
        ({"putamen": Target(1.5, 1, 1, 1, 1)}, 5, True, "between -1 and 1"),
        ({"putamen": Target(0.5, 1, -1, 1, 1)}, 5, True, "not negative"),
    ],
)
def test_impossible_cohorts_are_refused(targets, n, exact, message):
    with pytest.raises(InputError, match=message):
        draw_values(targets, n, np.random.default_rng(0), exact)


@pytest.mark.parametrize(("share", "within"), [(0.0, None), (0.5, None), (0.8, 0.2), (0.5, 0.9)])
def test_clustered_lesions_have_the_marginal_correlation_of_the_target(share, within):
    target = Target(0.6, 75.0, 6.0, 0.3, 0.07)
    subject = np.repeat(np.arange(20_000), 3)
    hu, ppm = draw_clustered(
        target, subject, LesionPlan(subject_share=share, within_r=within), np.random.default_rng(1)
    )
    assert np.corrcoef(hu, ppm)[0, 1] == pytest.approx(0.6, abs=0.015)
    assert (hu.mean(), hu.std()) == pytest.approx((75.0, 6.0), rel=0.01)
    means = hu.reshape(-1, 3).mean(axis=1)
    assert means.var() / 36.0 == pytest.approx(share + (1 - share) / 3, abs=0.02)
    inner = [(v.reshape(-1, 3) - v.reshape(-1, 3).mean(axis=1, keepdims=True)).ravel() for v in (hu, ppm)]
    assert np.corrcoef(*inner)[0, 1] == pytest.approx(0.6 if within is None else within, abs=0.015)


def test_a_correlation_that_no_subjects_give_is_refused():
    with pytest.raises(InputError, match=r"no correlation between subjects gives 0\.60 beside -0\.50"):
        draw_clustered(
            Target(0.6, 0, 1, 0, 1),
            np.arange(4),
            LesionPlan(subject_share=0.3, within_r=-0.5),
            np.random.default_rng(0),
        )


def test_the_cohort_has_84_patients_20_volunteers_and_lesions_in_patients_only():
    table = draw_cohort(np.random.default_rng(5), exact=True)
    people = table.drop_duplicates("subject_id")
    assert people["group"].value_counts().to_dict() == {"patient": 84, "volunteer": 20}
    for name, part in table.groupby("roi"):
        if name in LESION_PLANS:
            assert set(part["group"]) == {"patient"}
            assert part["subject_id"].nunique() < len(part)
            assert not part.duplicated(["subject_id", "lesion_id"]).any()
        else:
            assert len(part) == part["subject_id"].nunique() == 104
            r = OSHIMA_TARGETS[name].pearson_r
            assert np.corrcoef(part["ct_hu"], part["qsm_ppm"])[0, 1] == pytest.approx(r, abs=1e-9)
    assert table.equals(draw_cohort(np.random.default_rng(5), exact=True))
