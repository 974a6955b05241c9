"""The likelihood against a brute-force integral, and the laws any such model obeys."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from phantomcal.errors import InputError
from phantomcal.lesions.assumptions import CLASSES, Assumptions, assumptions_for, assumptions_from, prior_of
from phantomcal.lesions.likelihood import Readings, entropy_bits, posterior, posterior_plane, prior_entropy_bits
from phantomcal.simulate.lesions import simulated_calibration
from phantomcal.simulate.lesions_physics import Scanner


def readings(hu: float | list[float], ppm: float | list[float], **changed: float) -> Readings:
    hu, ppm = np.atleast_1d(np.asarray(hu, float)), np.atleast_1d(np.asarray(ppm, float))
    ones = np.ones(hu.shape)
    known = Assumptions()
    values = {
        "hu_se": 1.5,
        "ppm_se": 0.01,
        "tissue_hu": known.tissue_hu,
        "tissue_hu_sd": known.local_hu_sd,
        "tissue_ppm": 0.0,
        "tissue_ppm_sd": known.local_ppm_sd,
        "diameter_mm": 6.0,
    }
    return Readings(hu, ppm, **{name: value * ones for name, value in (values | changed).items()})


def by_brute_force(hu: float, ppm: float, known: Assumptions, draws: int = 400_000) -> np.ndarray:
    """Marginal likelihoods by drawing amounts from the prior, without any quadrature."""
    rng = np.random.default_rng(0)
    iron = known.blood_ppm_median * known.qsm_scale * np.exp(known.blood_ppm_log_sd * rng.standard_normal(draws))
    protein = rng.uniform(0, known.blood_hu_span, draws)
    calcium = known.calcium_hu_median * np.exp(known.calcium_hu_log_sd * rng.standard_normal(draws))
    moved = np.hypot(known.partial_volume, 1.5 * known.registration_mm / 6.0)
    zero = np.zeros(draws)
    found = []
    for iron_ppm, blood_hu, calcium_hu in (
        (iron, protein, zero),
        (zero, zero, calcium),
        (iron, protein, calcium),
        (zero, zero, zero),
    ):
        bound = known.iron_hu_per_ppm * iron_ppm + calcium_hu
        centre_hu = bound + blood_hu
        middle_hu = bound + (0.5 * known.blood_hu_span if np.any(blood_hu) else 0.0)
        centre_ppm = iron_ppm + known.calcium_ppm_per_hu * calcium_hu
        sd_hu = np.sqrt(1.5**2 + known.local_hu_sd**2 + (moved * middle_hu) ** 2)
        variance = 0.01**2 + known.local_ppm_sd**2 + (known.partial_volume * centre_ppm) ** 2
        variance = variance + (known.qsm_scale_sd / known.qsm_scale * iron_ppm) ** 2
        variance = variance + (known.calcium_log_sd * known.calcium_ppm_per_hu * calcium_hu) ** 2
        excess = hu - known.tissue_hu
        density = stats.norm.pdf(excess, centre_hu, sd_hu) * stats.norm.pdf(ppm, centre_ppm, np.sqrt(variance))
        found.append(density.mean())
    weights = np.array(found) * [known.prior[name] for name in CLASSES]
    return weights / weights.sum()


@pytest.mark.parametrize(
    ("hu", "ppm"), [(60.0, 0.3), (45.0, 0.06), (120.0, -0.15), (48.0, -0.03), (150.0, 0.25), (80.0, 0.02), (36.0, 0.02)]
)
def test_probabilities_equal_those_of_amounts_drawn_from_the_prior(hu: float, ppm: float) -> None:
    known = Assumptions()
    ours = posterior(readings(hu, ppm), known).probabilities["both"][0]
    assert ours == pytest.approx(by_brute_force(hu, ppm, known), abs=0.012)


@settings(max_examples=40, deadline=None)
@given(st.floats(-200, 1500), st.floats(-3, 3))
def test_probabilities_are_a_distribution_everywhere(hu: float, ppm: float) -> None:
    found = posterior(readings(hu, ppm), Assumptions())
    for evidence in ("qsm", "ct", "both"):
        p = found.probabilities[evidence][0]
        assert np.isfinite(p).all()
        assert p.sum() == pytest.approx(1.0)
        assert 0 <= found.entropy_bits[evidence][0] <= 2.0
        assert 0 <= found.misfit_p[evidence][0] <= 1


def test_swapping_rows_swaps_answers_and_chunks_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    hu, ppm = rng.uniform(0, 300, 2000), rng.uniform(-0.6, 1.0, 2000)
    together = posterior(readings(list(hu), list(ppm)), Assumptions()).probabilities["both"]
    backwards = posterior(readings(list(hu[::-1]), list(ppm[::-1])), Assumptions()).probabilities["both"]
    np.testing.assert_allclose(together, backwards[::-1], rtol=1e-12)


def test_the_plane_holds_what_single_lesions_get() -> None:
    hu, ppm = np.array([-50.0, 40.0, 90.0, 300.0]), np.array([-0.5, -0.02, 0.4])
    p, misfit = posterior_plane(hu, ppm, Assumptions(), hu_se=1.5, ppm_se=0.01)
    grid = [(h, q) for q in ppm for h in hu]
    found = posterior(readings([h for h, _ in grid], [q for _, q in grid]), Assumptions())
    np.testing.assert_allclose(p.reshape(-1, 4), found.probabilities["both"], atol=1e-12)
    np.testing.assert_allclose(misfit.ravel(), found.misfit_p["both"], atol=1e-12)


def test_missing_readings_leave_the_other_modality_alone() -> None:
    found = posterior(readings([np.nan, 150.0], [0.3, np.nan]), Assumptions())
    assert np.isnan(found.probabilities["both"]).all()
    assert found.probabilities["qsm"][0, 0] > 0.9
    assert np.isnan(found.probabilities["ct"][0]).all()
    assert found.probabilities["ct"][1, 1] > 0.8
    assert np.isnan(found.probabilities["qsm"][1]).all()


def test_a_larger_error_never_makes_a_lesion_surer() -> None:
    sure = [
        posterior(readings(45.0, 0.12, ppm_se=se), Assumptions()).probabilities["qsm"][0, 0]
        for se in (0.005, 0.02, 0.05, 0.1, 0.3)
    ]
    assert sure == sorted(sure, reverse=True)


def test_what_no_class_explains_has_a_small_misfit_p() -> None:
    fat, diamagnetic, usual = posterior(readings([-90.0, 33.0, 60.0], [0.0, -0.4, 0.3]), Assumptions()).misfit_p["both"]
    assert fat < 1e-4
    assert diamagnetic < 1e-3
    assert usual > 0.3


def test_entropy_of_known_distributions() -> None:
    assert entropy_bits(np.array([[0.25] * 4, [1.0, 0, 0, 0], [0.5, 0.5, 0, 0]])) == pytest.approx([2.0, 0.0, 1.0])
    assert prior_entropy_bits({"haemorrhage": 0.5, "calcification": 0.5}) == pytest.approx(1.0)


def test_prior_weights_are_scaled_and_checked() -> None:
    assert sum(prior_of(None).values()) == pytest.approx(1.0)
    only = prior_of({"haemorrhage": 3, "calcification": 1, "mixed": 0, "nothing": 0})
    assert only["haemorrhage"] == pytest.approx(0.75)
    assert posterior(readings(150.0, 0.3), replace(Assumptions(), prior=only)).probabilities["both"][0, 2] == 0
    for wrong, word in (
        ({"blood": 1.0}, "blood"),
        ({"mixed": -1.0}, "mixed"),
        ({"haemorrhage": 0, "calcification": 0}, "neither"),
    ):
        with pytest.raises(InputError, match=word):
            prior_of(wrong)


def test_a_calibration_carries_the_scanners_scales_over() -> None:
    plain, _ = assumptions_for(None)
    scanner = Scanner(ct_gain=1.1, qsm_gain=0.8)
    known, warnings = assumptions_for(simulated_calibration(1, scanner=scanner))
    assert known.calcium_ppm_per_hu == pytest.approx(plain.calcium_ppm_per_hu * 0.8 / 1.1, rel=0.05)
    assert known.qsm_scale == pytest.approx(0.8, rel=0.05)
    assert known.calcium_log_sd > plain.calcium_log_sd
    assert not warnings
    assert "calcium" in known.source


def test_vials_of_bone_mineral_give_the_line_themselves() -> None:
    known, _ = assumptions_for(simulated_calibration(2, materials=("gadolinium", "hydroxyapatite")))
    assert known.calcium_ppm_per_hu == pytest.approx(-0.0020, rel=0.06)
    missing, warnings = assumptions_for(simulated_calibration(2, materials=("gadolinium",)))
    assert missing.calcium_ppm_per_hu == Assumptions().calcium_ppm_per_hu
    assert "no calcium line" in warnings[0]


def test_assumptions_by_name_are_checked() -> None:
    assert assumptions_from({"registration_mm": 1.0}).registration_mm == 1.0
    for wrong, word in (
        ({"colour": 1.0}, "colour"),
        ({"partial_volume": -1.0}, "partial_volume"),
        ({"calcium_ppm_per_hu": 0.1}, "diamagnetic"),
    ):
        with pytest.raises(InputError, match=word):
            assumptions_from(wrong)
