"""Two readings into two amounts: exact, non-negative, with errors that simulation confirms."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from phantomcal.lesions.baseline import medium_baseline
from phantomcal.lesions.decompose import Baseline, System, conditioning, decompose, physics_system, system_from
from tests.lesions.lines import calibration_of

NOISE = {"hu_se": 4.0, "ppm_se": 0.007}
TISSUE = Baseline(33.0, 0.01)


@pytest.fixture
def system() -> System:
    return physics_system({"calcium": "hydroxyapatite", "iron": "ferritin"})


def test_amounts_put_in_come_out(system: System) -> None:
    amounts = np.array([[0.0, 120.0, 800.0], [3.0, 0.0, 1.5]])
    hu, ppm = system.slopes @ amounts + np.array([[33.0], [0.01]])
    found = decompose(hu, ppm, **NOISE, system=system, baseline=TISSUE)
    assert found.names == ("calcium", "iron")
    np.testing.assert_allclose(found.unconstrained, amounts, atol=1e-9)
    np.testing.assert_allclose(found.amounts, amounts, atol=1e-9)
    np.testing.assert_array_equal(found.of("iron"), found.amounts[1])
    assert found.probability[0, 2] > 0.999
    assert found.probability[1, 1] < 0.1


@settings(max_examples=60, deadline=None)
@given(hu=st.floats(-200, 400), ppm=st.floats(-1, 1), hu_se=st.floats(0.5, 20), ppm_se=st.floats(0.001, 0.1))
def test_the_non_negative_answer_is_that_of_lawson_and_hanson(
    hu: float, ppm: float, hu_se: float, ppm_se: float
) -> None:
    system = physics_system({"calcium": "hydroxyapatite", "iron": "ferritin"})
    found = decompose(hu, ppm, hu_se=hu_se, ppm_se=ppm_se, system=system, baseline=TISSUE)
    weight = np.array([1 / hu_se, 1 / ppm_se])
    scale = np.array([1000.0, 10.0])
    expected, _ = nnls(weight[:, None] * system.slopes * scale, weight * np.array([hu - 33.0, ppm - 0.01]))
    np.testing.assert_allclose(found.amounts, expected * scale, rtol=1e-6, atol=1e-6)


def test_errors_are_those_that_repetition_shows(rng: np.random.Generator) -> None:
    exact = physics_system({"calcium": "hydroxyapatite", "iron": "ferritin"}, scale_se=0.05)
    truth = np.array([300.0, 4.0])
    n = 40_000
    hu, ppm = exact.slopes @ truth
    noisy = decompose(
        33.0 + hu + 4.0 * rng.standard_normal(n),
        0.01 + ppm + 0.007 * rng.standard_normal(n),
        **NOISE,
        system=exact,
        baseline=TISSUE,
    )
    np.testing.assert_allclose(noisy.unconstrained.std(axis=1), noisy.se_random[:, 0], rtol=0.03)
    # Slopes and baseline redrawn: every voxel of one such world moves together.
    drawn = exact.slopes * (1 + 0.05 * rng.standard_normal((n, 2, 2)))
    level = np.array([2.0, 0.004]) * rng.standard_normal((n, 2))
    moved = np.linalg.solve(drawn, (np.array([hu, ppm]) + level)[..., None])[..., 0]
    once = decompose(33.0 + hu, 0.01 + ppm, **NOISE, system=exact, baseline=replace(TISSUE, hu_se=2.0, ppm_se=0.004))
    np.testing.assert_allclose(moved.std(axis=0), once.se_systematic, rtol=0.03)
    np.testing.assert_allclose(once.standard_error, np.hypot(once.se_random, once.se_systematic))


def test_nothing_is_told_from_nothing_in_one_case_of_twenty(rng: np.random.Generator, system: System) -> None:
    n = 50_000
    found = decompose(
        33.0 + 4.0 * rng.standard_normal(n),
        0.01 + 0.007 * rng.standard_normal(n),
        **NOISE,
        system=system,
        baseline=TISSUE,
    )
    # A probability above one half says that the amount is above the critical value.
    np.testing.assert_allclose((found.probability > 0.5).mean(axis=1), 0.05, atol=0.005)
    assert (found.amounts >= 0).all()


def test_the_mediums_error_goes_along_with_the_slopes() -> None:
    system = system_from(calibration_of("calcium", "iron", noise=(1.0, 0.01)))
    apart = Baseline(*system.medium, *np.sqrt(system.medium_variance))
    hu, ppm = system.medium + system.slopes @ np.array([700.0, 6.0])
    together = decompose(hu, ppm, **NOISE, system=system, baseline=medium_baseline(system))
    alone = decompose(hu, ppm, **NOISE, system=system, baseline=apart)
    # In the middle of the range a line is known better than its intercept and slope are one by one.
    assert (together.se_systematic < alone.se_systematic).all()


def test_what_was_not_read_stays_unread(system: System) -> None:
    found = decompose(np.array([np.nan, 40.0]), np.array([0.1, 0.1]), **NOISE, system=system, baseline=TISSUE)
    assert np.isnan(found.amounts[:, 0]).all()
    assert np.isfinite(found.amounts[:, 1]).all()


def test_shapes_and_types_are_kept(rng: np.random.Generator, system: System) -> None:
    hu, ppm = 33.0 + 10 * rng.standard_normal((3, 4, 5)), 0.1 * rng.standard_normal((3, 4, 5))
    double = decompose(hu, ppm, **NOISE, system=system, baseline=TISSUE)
    single = decompose(
        hu.astype(np.float32), ppm.astype(np.float32), **NOISE, system=system, baseline=TISSUE, dtype=np.float32
    )
    assert single.amounts.shape == (2, 3, 4, 5)
    assert single.amounts.dtype == np.float32
    np.testing.assert_allclose(single.amounts, double.amounts, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("hu_se", "ppm_se"), [(0.0, 0.01), (4.0, -1.0)])
def test_noise_must_be_positive(system: System, hu_se: float, ppm_se: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        decompose(1.0, 1.0, hu_se=hu_se, ppm_se=ppm_se, system=system, baseline=TISSUE)


def test_three_materials_are_not_solved_for() -> None:
    three = physics_system({"calcium": "CaCl2", "iron": "ferritin", "gadolinium": "gadolinium"})
    with pytest.raises(ValueError, match="ranges"):
        decompose(1.0, 1.0, **NOISE, system=three, baseline=TISSUE)


def test_how_well_two_materials_are_told_apart_is_said(system: System) -> None:
    well = conditioning(system, 4.0, 0.007)
    assert abs(well.error_correlation) < 0.9
    assert "are told apart" in well.words
    # Two forms of iron differ by their attenuation alone: with a CT as noisy as this they are one.
    forms = physics_system({"iron": "ferritin", "SPIO": "SPIO"})
    poor = conditioning(forms, 4.0, 0.007)
    assert poor.error_correlation < -0.98
    assert "cannot be told apart" in poor.words
    assert "sum" in poor.words
    assert poor.condition_number > 10 * well.condition_number
    # The correlation is that of the covariance of the two amounts.
    white = np.linalg.inv(system.slopes) @ np.diag([4.0**2, 0.007**2]) @ np.linalg.inv(system.slopes).T
    assert well.error_correlation == pytest.approx(white[0, 1] / np.sqrt(white[0, 0] * white[1, 1]))
