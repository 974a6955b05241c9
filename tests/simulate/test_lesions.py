"""Simulated lesions: masses, noise and misregistration are what the truth says."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.simulate.lesions import (
    EVEN,
    LesionOptions,
    SimulatedLesion,
    lesion_table,
    simulate_lesions,
    simulated_calibration,
)
from phantomcal.simulate.lesions_physics import Content, Scanner

HYDROXYAPATITE_HU_PER_MMOL_CALCIUM = 1.35 * 1.00461 / 10
STILL = LesionOptions(
    ct_noise_hu=0.0,
    qsm_noise_ppm=0.0,
    qsm_background_ppm=0.0,
    texture_hu=0.0,
    texture_ppm=0.0,
    subject_hu=0.0,
    subject_ppm=0.0,
    vein_share=0.0,
    hosts={"white matter": 1.0},
    stages={"chronic": 0.5, "microbleed": 0.5},
    composition_cv=0.0,
)
BLOOD = Content(iron_mmol_per_l=15.0, haemoglobin_g_per_dl=24.0, iron_ppm_per_mmol_per_l=0.08, stage="acute")


def excess(image: sitk.Image, tissue: float) -> float:
    """What an image holds above the tissue, in its unit times mm3."""
    array = sitk.GetArrayFromImage(image).astype(float)
    return float((array - tissue).sum() * np.prod(image.GetSpacing()))


@pytest.mark.parametrize("diameter", [2.0, 4.0, 6.0, 15.0])
@pytest.mark.parametrize("ct_slice", [1.0, 2.5])
def test_calcium_in_the_volumes_is_the_calcium_of_the_truth(diameter: float, ct_slice: float) -> None:
    options = replace(STILL, ct_spacing_mm=(0.45, 0.45, ct_slice))
    for lesion in simulate_lesions(5, 3, kind="calcification", diameter_mm=diameter, options=options):
        mmol = lesion.truth.calcium_mg / 40.078
        assert excess(lesion.ct, 29.0) == pytest.approx(1e6 * HYDROXYAPATITE_HU_PER_MMOL_CALCIUM * mmol, rel=0.03)
        assert excess(lesion.qsm, -0.03) == pytest.approx(-1e6 * 2.7e-4 * mmol, rel=0.01)


@pytest.mark.parametrize("diameter", [2.0, 6.0, 15.0])
def test_old_iron_in_the_map_is_the_iron_of_the_truth(diameter: float) -> None:
    for lesion in simulate_lesions(6, 3, kind="haemorrhage", diameter_mm=diameter, options=STILL):
        mmol = lesion.truth.iron_mg / 55.845
        assert excess(lesion.qsm, -0.03) == pytest.approx(1e6 * 0.0813 * mmol, rel=0.01)
        assert lesion.truth.ferritin_equivalent_iron_mg == pytest.approx(lesion.truth.iron_mg)


@pytest.mark.parametrize("arrangement", ["rim", "halves"])
def test_both_parts_of_a_mixed_lesion_are_there(arrangement: str) -> None:
    options = replace(STILL, arrangements={arrangement: 1.0})
    for lesion in simulate_lesions(7, 3, kind="mixed", diameter_mm=8.0, options=options):
        truth = lesion.truth
        assert truth.arrangement == arrangement
        assert sum(truth.part_volumes_mm3) == pytest.approx(np.pi / 6 * 8.0**3, rel=1e-6)
        calcium, iron = truth.calcium_mg / 40.078, truth.iron_mg / 55.845
        assert calcium > 0
        assert iron > 0
        expected = 1e6 * (0.0813 * iron - 2.7e-4 * calcium)
        scale = 1e6 * (0.0813 * iron + 2.7e-4 * calcium)
        assert abs(excess(lesion.qsm, -0.03) - expected) < 0.02 * scale
        hu = 1e6 * (HYDROXYAPATITE_HU_PER_MMOL_CALCIUM * calcium + 0.247 * iron)
        assert excess(lesion.ct, 29.0) == pytest.approx(hu, rel=0.03)


def test_a_rim_is_outside_and_holds_the_calcium() -> None:
    options = replace(STILL, arrangements={"rim": 1.0}, stages={"acute": 1.0})
    lesion = simulate_lesions(3, 1, kind="mixed", diameter_mm=14.0, options=options)[0]
    ppm, labels = (sitk.GetArrayFromImage(i) for i in (lesion.qsm, lesion.lesion_labels))
    distance = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(lesion.lesion_labels, squaredDistance=False, insideIsPositive=True)
    )
    assert ppm[distance > 3.5].mean() > 0.3
    assert ppm[(labels > 0) & (distance < 1.0)].mean() < 0.5 * ppm[distance > 3.5].mean()


def test_blood_takes_the_place_of_tissue_and_its_hu_are_those_of_its_haemoglobin() -> None:
    options = replace(STILL, content=BLOOD, heterogeneity=0.0, ct_spacing_mm=(0.45, 0.45, 1.0))
    lesion = simulate_lesions(8, 1, kind="haemorrhage", diameter_mm=14.0, options=options)[0]
    read = lesion_table([lesion]).iloc[0]
    inside = sitk.GetArrayFromImage(sitk.BinaryErode(lesion.lesion_labels, (2, 2, 2))) > 0
    hu = sitk.GetArrayFromImage(
        sitk.Resample(lesion.ct, lesion.qsm, lesion.true_ct_from_mr, sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    )
    assert hu[inside].mean() == pytest.approx((24.0 + 0.875) / 0.329, abs=0.5)
    assert sitk.GetArrayFromImage(lesion.qsm)[inside].mean() == pytest.approx(15.0 * 0.08, rel=0.01)
    assert read["ct_hu"] < hu[inside].mean()  # partial volume at the edge


def test_gains_of_the_scanner_scale_calcium_and_iron_but_not_tissue_or_protein() -> None:
    scanner = Scanner(ct_gain=1.1, qsm_gain=0.9)
    calcium = Content(calcium_mmol_per_l=1000.0)
    assert calcium.hu(scanner) == pytest.approx(1.1 * calcium.hu(Scanner()))
    assert BLOOD.hu(scanner) == pytest.approx(BLOOD.hu(Scanner()))
    plain, scaled = (
        simulate_lesions(9, 1, kind="calcification", diameter_mm=8.0, options=replace(STILL, scanner=s))[0]
        for s in (Scanner(), scanner)
    )
    assert excess(scaled.qsm, 0.9 * -0.03) == pytest.approx(0.9 * excess(plain.qsm, -0.03), rel=1e-3)
    assert excess(scaled.ct, 29.0) == pytest.approx(1.1 * excess(plain.ct, 29.0), rel=0.01)


def test_noise_is_the_noise_asked_for() -> None:
    options = replace(STILL, ct_noise_hu=4.0, qsm_noise_ppm=0.008, ct_spacing_mm=(0.45, 0.45, 1.25))
    lesions = simulate_lesions(10, 8, kind="none", diameter_mm=6.0, options=options)
    hu = np.concatenate([sitk.GetArrayFromImage(lesion.ct).ravel() for lesion in lesions])
    ppm = np.concatenate([sitk.GetArrayFromImage(lesion.qsm).ravel() for lesion in lesions])
    assert hu.std() == pytest.approx(4.0 * np.sqrt(2.5 / 1.25), rel=0.03)
    assert ppm.std() == pytest.approx(0.008, rel=0.03)
    assert hu.mean() == pytest.approx(29.0, abs=0.1)


@pytest.mark.parametrize("misregistration", [0.0, 0.7])
def test_the_error_of_the_believed_transform_is_the_one_asked_for(misregistration: float) -> None:
    for lesion in simulate_lesions(11, 3, diameter_mm=6.0, misregistration_mm=misregistration):
        point = lesion.qsm.TransformContinuousIndexToPhysicalPoint([s / 2 for s in lesion.qsm.GetSize()])
        moved = np.subtract(lesion.ct_from_mr.TransformPoint(point), lesion.true_ct_from_mr.TransformPoint(point))
        assert np.linalg.norm(moved) == pytest.approx(misregistration, abs=1e-9)
        assert moved == pytest.approx(lesion.truth.misregistration_mm)


def centroid(image: sitk.Image, tissue: float) -> np.ndarray:
    array = np.abs(sitk.GetArrayFromImage(image).astype(float) - tissue)
    index = [float((array * np.indices(array.shape)[axis]).sum() / array.sum()) for axis in (2, 1, 0)]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(index))


def test_the_true_transform_takes_the_lesion_of_the_map_to_the_lesion_of_the_ct() -> None:
    options = replace(STILL, ct_spacing_mm=(0.45, 0.45, 1.0))
    for lesion in simulate_lesions(12, 3, kind="calcification", diameter_mm=9.0, options=options):
        in_mr, in_ct = centroid(lesion.qsm, -0.03), centroid(lesion.ct, 29.0)
        assert np.array(lesion.true_ct_from_mr.TransformPoint(in_mr)) == pytest.approx(in_ct, abs=0.1)


def bytes_of(lesion: SimulatedLesion) -> bytes:
    parts = [sitk.GetArrayFromImage(i).tobytes() for i in (lesion.ct, lesion.qsm, lesion.lesion_labels)]
    return b"".join(parts) + repr(lesion.truth).encode()


def test_the_same_seed_gives_the_same_lesions_and_another_seed_others() -> None:
    first, again, more = (simulate_lesions(13, n, kind=EVEN, diameter_mm=3.0) for n in (2, 2, 3))
    assert [bytes_of(lesion) for lesion in first] == [bytes_of(lesion) for lesion in again]
    assert [bytes_of(lesion) for lesion in more[:2]] == [bytes_of(lesion) for lesion in first]
    assert bytes_of(simulate_lesions(14, 1, kind=EVEN, diameter_mm=3.0)[0]) != bytes_of(first[0])


def test_inversion_lowers_the_values_of_blood() -> None:
    options = replace(STILL, content=BLOOD)
    direct, inverted = (
        simulate_lesions(15, 2, kind="haemorrhage", diameter_mm=8.0, options=replace(options, inversion=flag))
        for flag in (False, True)
    )
    ratio = lesion_table(inverted)["qsm_ppm"] / lesion_table(direct)["qsm_ppm"]
    assert ratio.between(0.6, 0.97).all()


def test_neither_sign_nor_density_tells_all_lesions() -> None:
    table = lesion_table(simulate_lesions(16, 80, kind=EVEN, diameter_mm=(4.0, 8.0)))
    calcified = table["truth"] == "calcification"
    by_sign, by_density = ((table["qsm_ppm"] < 0) == calcified), ((table["ct_hu"] > 100) == calcified)
    assert 0.75 < by_sign.mean() < 1.0
    assert 0.6 < by_density.mean() < 0.99
    assert (table["ct_hu"][~calcified] > 100).mean() < 0.05


def test_the_table_has_the_columns_of_the_contract_and_the_truth() -> None:
    table = lesion_table(simulate_lesions(17, 4, kind={"none": 1.0, "mixed": 1.0}, diameter_mm=5.0))
    first = ["subject_id", "lesion_id", "ct_hu", "qsm_ppm", "ct_sd_hu", "qsm_sd_ppm", "n_voxels", "truth"]
    assert list(table.columns[:8]) == first
    assert set(table["truth"]) <= {"nothing", "mixed"}
    assert (table["true_diameter_mm"] == 5.0).all()
    assert not table.duplicated(["subject_id", "lesion_id"]).any()


def test_a_calibration_of_the_same_scanners() -> None:
    lines = {
        (line.material, line.modality): line
        for line in simulated_calibration(1, scanner=Scanner(ct_gain=1.1, qsm_gain=0.9)).lines
    }
    for material, modality, slope in (
        ("gadolinium", "ct", 1.1 * 5.69),
        ("calcium", "ct", 1.1 * 0.208),
        ("gadolinium", "qsm", 0.9 * 0.3377),
        ("calcium", "qsm", 0.9 * -2.68e-4),
    ):
        line = lines[material, modality]
        assert line.slope_se is not None
        assert abs(line.slope - slope) < 4 * line.slope_se
        assert line.slope_se < 0.05 * abs(slope)
        assert line.expected_slope is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "tumour"}, "tumour"),
        ({"diameter_mm": 0.1}, "diameter"),
        ({"diameter_mm": (6.0, 3.0)}, "diameter"),
        ({"misregistration_mm": -1.0}, "misregistration"),
        ({"options": LesionOptions(stages={"next year": 1.0})}, "next year"),
        ({"options": LesionOptions(hosts={"bone": 1.0})}, "bone"),
    ],
)
def test_what_cannot_be_simulated_is_said(change: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        simulate_lesions(1, 1, **change)


def test_options_that_make_no_sense_are_said() -> None:
    with pytest.raises(InputError, match="ct_noise_hu"):
        LesionOptions(ct_noise_hu=-1.0)
    with pytest.raises(InputError, match="unobtainium"):
        simulated_calibration(1, materials=("unobtainium",))
