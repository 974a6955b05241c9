"""Lesions found, measured and looked into, in a small drawn head."""

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.lesions.assumptions import Assumptions
from phantomcal.lesions.classify import classify_lesions
from phantomcal.lesions.combine import with_compositions, with_doubts
from phantomcal.lesions.extract import Extracting, extract_lesions
from phantomcal.lesions.measure import measure_lesions, surroundings
from phantomcal.lesions.voxels import CALCIUM, IRON, look_inside
from phantomcal.simulate.lesions import simulate_lesions
from tests.lesions.drawn import LESIONS, TISSUE_HU, drawn_head

Head = dict[str, sitk.Image]


@pytest.fixture(scope="module")
def head() -> Head:
    return drawn_head()


def place(name: str) -> np.ndarray:
    return np.array(LESIONS[name][0])


def test_every_lesion_is_found_once_where_it_is(head: Head) -> None:
    found = extract_lesions(head["qsm"], head["ct"])
    centres = found.table[["x_mm", "y_mm", "z_mm"]].to_numpy()
    assert len(centres) == 3
    for name, (_, radius, *_) in LESIONS.items():
        nearest = np.linalg.norm(centres - place(name), axis=1).argmin()
        assert np.linalg.norm(centres[nearest] - place(name)) < 0.3
        assert found.table["volume_mm3"].iloc[nearest] == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.1)
    assert found.facts["noise_ppm"] == pytest.approx(0.01, rel=0.15)


def test_without_ct_rim_and_core_are_two_finds(head: Head) -> None:
    found = extract_lesions(head["qsm"])
    near = np.linalg.norm(found.table[["x_mm", "y_mm", "z_mm"]].to_numpy() - place("rim"), axis=1) < 2
    assert near.sum() == 2
    assert set(np.sign(found.table["qsm_ppm"][near])) == {-1.0, 1.0}


def test_calcium_without_a_signal_in_the_map_is_found_by_ct(head: Head) -> None:
    qsm = sitk.GetArrayFromImage(head["qsm"])
    labels = sitk.GetArrayViewFromImage(head["labels"])
    quiet = np.where(labels == 2, np.float32(0.004), qsm)
    image = sitk.GetImageFromArray(quiet)
    image.CopyInformation(head["qsm"])
    assert len(extract_lesions(image).table) == 3  # blood, rim and core
    found = extract_lesions(image, head["ct"]).table
    distance = np.linalg.norm(found[["x_mm", "y_mm", "z_mm"]].to_numpy() - place("calcium"), axis=1)
    assert distance.min() < 0.5
    assert found["ct_hu"].iloc[distance.argmin()] > 100


def test_noise_alone_holds_no_lesion_and_says_what_to_do(head: Head) -> None:
    labels = sitk.GetArrayViewFromImage(head["labels"])
    qsm = np.where(
        sitk.GetArrayViewFromImage(surroundings(head["labels"])) + labels > 0,
        0.003,
        sitk.GetArrayFromImage(head["qsm"]),
    )
    image = sitk.GetImageFromArray(qsm.astype(np.float32))
    image.CopyInformation(head["qsm"])
    with pytest.raises(InputError, match="--lesions"):
        extract_lesions(image)


def test_what_is_excluded_is_not_found_and_grids_must_agree(head: Head) -> None:
    found = extract_lesions(
        head["qsm"], head["ct"], exclude=sitk.DilateObjectMorphology(head["labels"] == 1, [3, 3, 3])
    )
    assert len(found.table) == 2
    with pytest.raises(InputError, match="another grid"):
        extract_lesions(head["qsm"], mask=head["ct"] > 0)
    with pytest.raises(InputError, match="nothing of the map"):
        extract_lesions(head["qsm"], mask=head["labels"] == 99)


def test_tubes_pairs_and_faint_finds_are_doubted() -> None:
    rng = np.random.default_rng(8)
    z, y, x = np.meshgrid(np.arange(60) - 30.0, np.arange(70) - 35.0, np.arange(70) - 34.5, indexing="ij")
    values = 0.01 * rng.standard_normal(z.shape)
    values[(np.hypot(y + 18, z) < 1.5) & (abs(x - 4) < 12)] = 0.5
    for side in (-14, 14):
        values[(x - side) ** 2 + (y - 5) ** 2 + z**2 < 20] = 0.6
    values[(x - 3) ** 2 + (y - 18) ** 2 + (z - 8) ** 2 < 14] = 0.18
    image = sitk.GetImageFromArray(values.astype(np.float32))
    notes = extract_lesions(image).table["extraction_note"]
    assert sum("vessel" in n for n in notes) == 1
    assert sum("twin" in n for n in notes) == 2
    assert sum("iron-rich nuclei" in n for n in notes) == 1


def test_blood_like_finds_in_doubt_are_undetermined(head: Head) -> None:
    frame = measure_lesions(head["labels"], qsm=head["qsm"], ct=head["ct"])
    record = with_doubts(classify_lesions(frame), {"1": "may be a vessel", "2": "may be a vessel"})
    assert [v.verdict for v in record.lesions[:2]] == ["undetermined", "calcification"]
    assert all("may be a vessel" in v.note for v in record.lesions[:2])


def test_measuring_takes_lesion_and_surroundings(head: Head) -> None:
    frame = measure_lesions(head["labels"], qsm=head["qsm"], ct=head["ct"], subject_id="s", names={1: "left"})
    assert list(frame["lesion_id"]) == ["left", "2", "3"]
    assert frame["qsm_ppm"].iloc[0] == pytest.approx(LESIONS["blood"][3], abs=0.01)
    assert frame["ct_background_hu"].to_numpy() == pytest.approx(TISSUE_HU, abs=1.0)
    assert frame["qsm_background_ppm"].to_numpy() == pytest.approx(0.0, abs=0.005)
    assert "ct_hu" not in measure_lesions(head["labels"], qsm=head["qsm"]).columns


def test_shells_keep_their_distance_and_their_lesion(head: Head) -> None:
    shells = sitk.GetArrayFromImage(surroundings(head["labels"]))
    labels = sitk.GetArrayViewFromImage(head["labels"])
    away = {
        k: sitk.GetArrayFromImage(
            sitk.SignedMaurerDistanceMap(head["labels"] == k, squaredDistance=False, useImageSpacing=True)
        )
        for k in (1, 2, 3)
    }
    for k in (1, 2, 3):
        own = away[k][shells == k]
        assert own.min() > 2.0 - 1e-6
        assert own.max() <= 5.0 + 1e-6
    assert not (shells[labels > 0]).any()


def test_a_calcified_rim_around_blood_makes_a_lesion_mixed(head: Head) -> None:
    inside = look_inside(head["labels"], Assumptions(), qsm=head["qsm"], ct=head["ct"])
    blood, calcium, rim = (inside[k].composition for k in (1, 2, 3))
    assert blood.pattern == calcium.pattern == ""
    assert blood.iron_share > 0.95
    assert calcium.calcium_share > 0.95
    assert rim.pattern == "calcified rim around blood"
    assert rim.rim_p < 0.001
    core = (6.5 - 2.6) ** 3 / 6.5**3
    assert rim.iron_share == pytest.approx(core, abs=0.1)
    assert rim.calcium_share_rim > 0.95
    kinds = inside[3].kinds
    assert kinds[tuple(n // 2 for n in kinds.shape)] == IRON
    assert (kinds == CALCIUM).sum() > (kinds == IRON).sum()
    frame = measure_lesions(head["labels"], qsm=head["qsm"], ct=head["ct"])
    means = classify_lesions(frame)
    record = with_compositions(means, {str(k): inside[k].composition for k in inside})
    assert means.lesions[2].verdict != "mixed"
    assert record.lesions[2].verdict == "mixed"
    assert "calcified rim around blood" in record.lesions[2].note
    assert record.lesions[0].verdict == "haemorrhage"


def test_without_ct_no_pattern_is_named(head: Head) -> None:
    inside = look_inside(head["labels"], Assumptions(), qsm=head["qsm"])
    assert all(i.composition.pattern == "" for i in inside.values())
    assert "without CT" in inside[3].composition.note


def test_simulated_pure_lesions_show_no_pattern_and_mixed_ones_mostly_do() -> None:
    patterns = {}
    for kind, n in (("haemorrhage", 8), ("calcification", 8), ("mixed", 10)):
        lesions = simulate_lesions(33, n, kind=kind, diameter_mm=(7.0, 12.0), misregistration_mm=(0.0, 1.0))
        patterns[kind] = [
            look_inside(x.lesion_labels, Assumptions(), qsm=x.qsm, ct=x.ct, transform=x.ct_from_mr)[
                1
            ].composition.pattern
            for x in lesions
        ]
    assert not any(patterns["haemorrhage"])
    assert not any(patterns["calcification"])
    assert sum(p != "" for p in patterns["mixed"]) >= 6


def test_noise_is_smoothed_only_as_far_as_needed() -> None:
    quiet, loud = (
        look_inside(drawn["labels"], Assumptions(), qsm=drawn["qsm"], ct=drawn["ct"])[1].composition
        for drawn in (drawn_head(5, 0.01, 3.0), drawn_head(5, 0.05, 12.0))
    )
    assert quiet.smoothing_fwhm_mm == 0.0
    assert loud.smoothing_fwhm_mm > 0
    assert loud.voxel_noise_ppm < 0.05
    assert loud.n_effective < quiet.n_effective


def test_settings_of_the_search_are_checked() -> None:
    with pytest.raises(InputError, match="noise_factor"):
        Extracting(noise_factor=0.5)
