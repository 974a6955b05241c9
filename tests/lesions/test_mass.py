"""Masses of drawn lesions: the whole of it, whatever blur and misalignment do, with an interval that is right."""

import numpy as np
import pytest
from scipy import ndimage

from phantomcal.errors import InputError
from phantomcal.lesions.decompose import Baseline, System, physics_system
from phantomcal.lesions.mass import lesion_masses
from phantomcal.lesions.template import Sharpness
from phantomcal.lesions.variogram import variance_of_sum

SPACING = (1.0, 1.0, 1.2)
TISSUE = (33.0, 0.01)
FORMS = {"calcium": "hydroxyapatite", "iron": "ferritin"}


def drawn(
    rng: np.random.Generator,
    amounts: tuple[float, float] = (900.0, 5.0),
    *,
    diameter_mm: float = 6.0,
    blur_mm: tuple[float, float] = (0.6, 0.6),
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    noise: tuple[float, float] = (3.0, 0.006),
    shape: tuple[int, int, int] = (34, 40, 40),
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """CT, map, mask and the two masses (mg): a sphere seen through a point spread, the CT beside its place."""
    system = physics_system(FORMS)
    sub = 4
    step = np.array(SPACING[::-1])
    images = []
    centre = (np.array(shape) - 1) / 2 * step + 0.3
    for k, (offset, sigma) in enumerate(((shift_mm, blur_mm[0]), ((0.0, 0.0, 0.0), blur_mm[1]))):
        grids = [
            (np.arange(n * sub) + 0.5) / sub * s - 0.5 * s - c - o
            for n, s, c, o in zip(shape, step, centre, offset[::-1], strict=True)
        ]
        z, y, x = np.meshgrid(*grids, indexing="ij", sparse=True)
        fine = (z * z + y * y + x * x <= (diameter_mm / 2) ** 2).astype(np.float32)
        share = fine.reshape(shape[0], sub, shape[1], sub, shape[2], sub).mean(axis=(1, 3, 5))
        seen = ndimage.gaussian_filter(share, sigma / step)
        grain = ndimage.gaussian_filter(rng.standard_normal(shape), 0.6)
        grain *= noise[k] / grain.std() if noise[k] else 0.0
        images.append(TISSUE[k] + float(system.slopes[k] @ np.array(amounts)) * seen + grain)
    mask = (share >= 0.5).astype(np.uint8)
    volume = np.pi / 6 * diameter_mm**3
    return images[0], images[1], mask, np.array(amounts) * volume * 1e-6 * np.array([40.078, 55.845])


@pytest.fixture(scope="module")
def system() -> System:
    return physics_system(FORMS)


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.7, -0.5, 0.5)])
@pytest.mark.parametrize("diameter", [6.0, 10.0])
def test_the_whole_mass_is_found_beside_its_place_and_blurred(
    rng: np.random.Generator, system: System, diameter: float, shift: tuple[float, float, float]
) -> None:
    hu, ppm, mask, truth = drawn(rng, diameter_mm=diameter, shift_mm=shift, blur_mm=(0.8, 0.6))
    (lesion,) = lesion_masses(hu, ppm, mask, SPACING, system, names={1: "left"})
    assert lesion.lesion_id == "left"
    for mass, true in zip(lesion.masses, truth, strict=True):
        assert mass.mass_mg == pytest.approx(true, rel=0.08)
        assert mass.ci95[0] < true < mass.ci95[1]
        assert mass.detected
        assert mass.standard_error_mg == pytest.approx(np.hypot(mass.random_se_mg, mass.systematic_se_mg))
    assert lesion.baseline_hu == pytest.approx(TISSUE[0], abs=3.0)
    assert lesion.baseline_ppm == pytest.approx(TISSUE[1], abs=0.02)
    calcium, iron = lesion.masses
    # 39.9 % of hydroxyapatite is calcium.
    assert calcium.hydroxyapatite_mg == pytest.approx(calcium.mass_mg / 0.3989, rel=1e-3)
    assert iron.mg_per_100g == pytest.approx(iron.mass_mg / (lesion.summed_mm3 * 1.04e-3) * 100, rel=1e-6)


def test_the_mean_over_the_mask_alone_falls_short(rng: np.random.Generator, system: System) -> None:
    hu, ppm, mask, truth = drawn(rng, blur_mm=(0.9, 0.9), noise=(0.0, 0.0))
    naive = np.linalg.solve(system.slopes, [(hu - 33)[mask > 0].sum(), (ppm - 0.01)[mask > 0].sum()])
    naive *= np.prod(SPACING) * 1e-6 * np.array([40.078, 55.845])
    (lesion,) = lesion_masses(hu, ppm, mask, SPACING, system)
    assert (naive < 0.85 * truth).all()
    for mass, true in zip(lesion.masses, truth, strict=True):
        assert abs(mass.mass_mg / true - 1) < 0.1


@pytest.mark.slow
def test_intervals_hold_the_truth_about_as_often_as_they_say(system: System) -> None:
    held = []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        shift = tuple(0.4 * rng.standard_normal(3))
        hu, ppm, mask, truth = drawn(rng, (250.0, 1.0), shift_mm=shift, shape=(28, 32, 32))
        (lesion,) = lesion_masses(hu, ppm, mask, SPACING, system)
        held += [m.ci95[0] <= t <= m.ci95[1] for m, t in zip(lesion.masses, truth, strict=True)]
    assert 0.88 <= np.mean(held) <= 1.0


def test_what_is_not_there_is_not_told_from_nothing(rng: np.random.Generator, system: System) -> None:
    hu, ppm, mask, truth = drawn(rng, (900.0, 0.0))
    calcium, iron = lesion_masses(hu, ppm, mask, SPACING, system)[0].masses
    assert calcium.detected
    assert calcium.ci95[0] < truth[0] < calcium.ci95[1]
    assert not iron.detected
    assert iron.mass_mg >= 0
    assert iron.ci95[0] == 0.0


def test_the_calibrations_share_does_not_average_out(rng: np.random.Generator) -> None:
    unsure = physics_system(FORMS, scale_se=0.05)
    parts = []
    for diameter in (6.0, 12.0):
        hu, ppm, mask, _ = drawn(rng, diameter_mm=diameter, noise=(6.0, 0.01))
        calcium = lesion_masses(hu, ppm, mask, SPACING, unsure)[0].masses[0]
        by = {p.source: p.standard_error_mg / calcium.mass_mg for p in calcium.parts}
        parts.append(by)
        assert calcium.systematic_se_mg == pytest.approx(
            np.hypot(by["CT calibration"], by["QSM calibration"]) * calcium.mass_mg
        )
    # Eight times the volume: the noise's share falls, that of the slopes stays at their 5 %.
    assert parts[1]["noise and texture"] < 0.6 * parts[0]["noise and texture"]
    assert [p["CT calibration"] for p in parts] == pytest.approx([0.05, 0.05], rel=0.1)


def test_slopes_that_are_unsure_are_not_taken_for_another_material(system: System) -> None:
    """A calcification whose calcium is more diamagnetic than the calibration says: no iron, but a tenth less ppm."""
    unsure = physics_system(FORMS, scale_se=0.1)
    told = {"sure": 0, "unsure": 0}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        hu, ppm, mask, _ = drawn(rng, (3000.0, 0.0), diameter_mm=10.0)
        ppm = TISSUE[1] + (ppm - TISSUE[1]) * 0.9
        for name, known in (("sure", system), ("unsure", unsure)):
            told[name] += lesion_masses(hu, ppm, mask, SPACING, known)[0].masses[1].detected
    assert told["sure"] == 8
    assert told["unsure"] == 0


def test_a_mask_inside_the_visible_edge_is_widened_and_says_so(rng: np.random.Generator, system: System) -> None:
    hu, ppm, mask, truth = drawn(rng, diameter_mm=10.0)
    tight = ndimage.binary_erosion(mask, iterations=2).astype(np.uint8)
    (lesion,) = lesion_masses(hu, ppm, tight, SPACING, system)
    assert any("inside its visible edge" in note for note in lesion.notes)
    assert lesion.summed_mm3 > 1.5 * lesion.volume_mm3
    for mass, true in zip(lesion.masses, truth, strict=True):
        assert mass.ci95[0] < true < mass.ci95[1]
        assert mass.mass_mg == pytest.approx(true, rel=0.15)


def test_a_lesion_blurred_over_all_that_is_near_is_compared_with_tissue_farther_off(
    rng: np.random.Generator, system: System
) -> None:
    hu, ppm, mask, truth = drawn(rng, diameter_mm=10.0, blur_mm=(1.0, 1.0))
    wide = Sharpness(ct_mm=(1.6, 1.6, 1.6), qsm_mm=(1.6, 1.6, 1.6))
    hu, ppm = (ndimage.gaussian_filter(image, np.sqrt(1.6**2 - 1) / np.array(SPACING[::-1])) for image in (hu, ppm))
    (lesion,) = lesion_masses(hu, ppm, mask, SPACING, system, sharpness=wide)
    assert any("blurred widely" in note for note in lesion.notes)
    for mass, true in zip(lesion.masses, truth, strict=True):
        assert mass.mass_mg == pytest.approx(true, rel=0.1)


def test_one_lesion_without_readings_is_left_out_and_the_other_measured(
    rng: np.random.Generator, system: System
) -> None:
    hu, ppm, mask, truth = drawn(rng)
    labels = mask.copy()
    labels[2:5, 2:5, 2:5] = 2
    hu[:8, :8, :8] = np.nan
    with pytest.raises(InputError, match="lesion-2 has no voxel with both readings"):
        lesion_masses(hu, ppm, labels, SPACING, system)
    errors: list[InputError] = []
    (lesion,) = lesion_masses(hu, ppm, labels, SPACING, system, left_out=errors)
    assert lesion.lesion_id == "lesion-1"
    assert lesion.masses[0].mass_mg == pytest.approx(truth[0], rel=0.08)
    assert [error.what for error in errors] == ["lesion-2 has no voxel with both readings"]


def test_a_vessel_beside_it_is_left_out(rng: np.random.Generator, system: System) -> None:
    hu, ppm, mask, truth = drawn(rng)
    hu[:, 28, :] += 25.0
    ppm[:, 28, :] += 0.3
    iron = lesion_masses(hu, ppm, mask, SPACING, system)[0].masses[1]
    assert iron.mass_mg == pytest.approx(truth[1], rel=0.15)


def test_a_baseline_that_is_given_brings_its_error_along(rng: np.random.Generator, system: System) -> None:
    hu, ppm, mask, truth = drawn(rng)
    given = Baseline(*TISSUE, 2.0, 0.004)
    (lesion,) = lesion_masses(hu, ppm, mask, SPACING, system, baseline=given)
    calcium = lesion.masses[0]
    by = {p.source: p for p in calcium.parts}
    assert by["baseline"].systematic
    assert by["baseline"].standard_error_mg > 0
    assert (lesion.baseline_hu, lesion.n_surround) == (TISSUE[0], 0)
    assert calcium.ci95[0] < truth[0] < calcium.ci95[1]


def test_two_lesions_side_by_side_are_parted(rng: np.random.Generator, system: System) -> None:
    hu, ppm, mask, truth = drawn(rng)
    other = np.roll(mask, 8, axis=2) * 2
    hu += np.roll(hu - TISSUE[0], 8, axis=2)
    ppm += np.roll(ppm - TISSUE[1], 8, axis=2)
    first, second = lesion_masses(hu, ppm, mask + other, SPACING, system)
    assert (first.label, second.label) == (1, 2)
    assert any("another lesion is close" in note for note in first.notes)
    for lesion in (first, second):
        assert lesion.masses[0].mass_mg == pytest.approx(truth[0], rel=0.2)


def test_three_candidates_give_ranges_that_hold_the_truth(rng: np.random.Generator) -> None:
    three = physics_system({**FORMS, "gadolinium": "gadolinium"})
    hu, ppm, mask, truth = drawn(rng)
    (lesion,) = lesion_masses(hu, ppm, mask, SPACING, three)
    assert lesion.error_correlation is None
    for mass, true in zip(lesion.masses, [*truth, 0.0], strict=True):
        assert mass.low_mg is not None
        assert mass.high_mg is not None
        assert mass.low_mg <= mass.high_mg
        assert mass.ci95[0] <= true <= mass.ci95[1]


def test_blood_in_ferritin_and_calcium_is_warned_about(rng: np.random.Generator, system: System) -> None:
    hu, ppm, mask, _ = drawn(rng, (280.0, 8.0))
    assert any("protein of haemoglobin" in n for n in lesion_masses(hu, ppm, mask, SPACING, system)[0].notes)


def test_bad_input_is_refused(rng: np.random.Generator, system: System) -> None:
    hu, ppm, mask, _ = drawn(rng)
    with pytest.raises(InputError, match="no lesion"):
        lesion_masses(hu, ppm, 0 * mask, SPACING, system)
    with pytest.raises(InputError, match="different shapes"):
        lesion_masses(hu[:5], ppm, mask, SPACING, system)
    with pytest.raises(InputError, match="no voxel with both readings"):
        lesion_masses(np.where(mask > 0, np.nan, hu), ppm, mask, SPACING, system)


@pytest.mark.parametrize("grain", [0.0, 1.0])
def test_the_variogram_foretells_the_scatter_of_sums(grain: float) -> None:
    rng = np.random.default_rng(11)
    shape = (16, 18, 18)
    weights = np.zeros(shape)
    weights[8:12, 7:11, 7:11] = 1.0
    weights[3:7, 7:11, 7:11] = -1.0
    free = np.ones(shape, np.bool_)
    sums, foretold = [], []
    for _ in range(100):
        noise = rng.standard_normal(shape)
        noise = ndimage.gaussian_filter(noise, grain) if grain else noise
        sums.append(float((weights * noise).sum()))
        foretold.append(variance_of_sum(weights, noise, free, about_zero=False))
    # A hundred sums know their own SD to 7 %.
    assert np.sqrt(np.mean(foretold)) == pytest.approx(np.std(sums), rel=0.2)
    assert np.isnan(variance_of_sum(weights, noise, ~free, about_zero=False))
