"""Simulated heads: values, alignment and anatomy are where the truth says."""

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.outputs import to_json
from phantomcal.simulate.brain import LABELS, LESIONS, REGIONS, Lesion
from phantomcal.simulate.head import HeadOptions, simulate_head
from phantomcal.simulate.scene import ellipsoid_distance
from tests.simulate.drawn import COARSE


@pytest.fixture(scope="module")
def head():
    return simulate_head(11, region_values={"globus pallidus": (58.0, 0.19), "red nucleus": (30.0, 0.05)})


def _in_mr(scan):
    return sitk.Resample(scan.ct, scan.qsm, scan.ct_from_mr, sitk.sitkLinear, -1000.0, sitk.sitkFloat32)


def _means(scan):
    ct, chi = sitk.GetArrayFromImage(_in_mr(scan)), sitk.GetArrayFromImage(scan.qsm)
    labels, lesions = sitk.GetArrayFromImage(scan.labels), sitk.GetArrayFromImage(scan.lesion_labels)
    found = {}
    for name, number in LABELS.items():
        inside = (lesions if name in LESIONS else labels) == number
        found[name] = (inside.sum(), ct[inside].mean(), chi[inside].mean())
    return found


@pytest.mark.parametrize("name", REGIONS)
def test_region_means_are_close_to_the_drawn_values(head, name):
    voxels, hu, ppm = _means(head)[name]
    drawn = head.truth["regions"][name]
    assert voxels > 100
    assert hu == pytest.approx(drawn["ct_hu"], abs=3.0)
    assert ppm == pytest.approx(drawn["qsm_ppm"], abs=0.015)


def test_lesion_means_are_close_to_the_drawn_values(head):
    found = _means(head)
    for lesion in head.truth["lesions"]:
        voxels, hu, ppm = found[lesion["kind"]]
        assert voxels > 300
        assert hu == pytest.approx(lesion["ct_hu"], rel=0.04)
        assert ppm == pytest.approx(lesion["qsm_ppm"], rel=0.05)


def test_thick_slices_lower_region_means_only_a_little(coarse):
    found = _means(coarse)
    for name in REGIONS:
        drawn = coarse.truth["regions"][name]
        assert found[name][1] == pytest.approx(drawn["ct_hu"], rel=0.12)
        assert found[name][2] == pytest.approx(drawn["qsm_ppm"], abs=0.02)


def test_the_true_transform_aligns_bone_and_any_other_does_worse(head):
    magnitude = sitk.GetArrayFromImage(head.magnitude)
    brain = sitk.GetArrayFromImage(head.qsm) != 0
    aligned = sitk.GetArrayFromImage(_in_mr(head))
    assert magnitude[aligned > 900].mean() < 0.35 * magnitude[brain].mean()
    bone_in_brain = (aligned[brain] > 600).mean()
    off = sitk.Euler3DTransform(head.ct_from_mr)
    off.SetTranslation(np.add(off.GetTranslation(), (4, 0, 0)).tolist())
    moved = sitk.Resample(head.ct, head.qsm, off, sitk.sitkLinear, -1000.0, sitk.sitkFloat32)
    assert bone_in_brain < 0.002
    assert (sitk.GetArrayFromImage(moved)[brain] > 600).mean() > 5 * bone_in_brain


def test_the_record_of_the_transform_reproduces_its_targets(head):
    record = head.truth["ct_from_mr"]
    rebuilt = sitk.Euler3DTransform()
    rebuilt.SetCenter(record["centre_mm"])
    rebuilt.SetRotation(*np.radians(record["rotation_deg"]).tolist())
    rebuilt.SetTranslation(record["translation_mm"])
    assert len(head.truth["targets"]) >= 6
    for target in head.truth["targets"]:
        assert rebuilt.TransformPoint(target["mr_mm"]) == pytest.approx(target["ct_mm"], abs=1e-6)
        by_matrix = np.array(record["matrix"]) @ (np.array(target["mr_mm"]) - record["centre_mm"])
        assert by_matrix + record["centre_mm"] + record["translation_mm"] == pytest.approx(target["ct_mm"], abs=1e-6)


def test_the_truth_is_ready_for_json(coarse):
    assert '"calcification"' in to_json(coarse.truth)


def test_grids_differ_and_the_table_is_in_view(head):
    assert head.ct.GetSpacing() == pytest.approx((0.5, 0.5, 2.5))
    assert head.ct.GetPixelID() == sitk.sitkInt16
    for image in (head.labels, head.lesion_labels, head.magnitude):
        assert image.GetSize() == head.qsm.GetSize()
        assert image.GetDirection() == pytest.approx(head.qsm.GetDirection())
    oblique = np.reshape(head.qsm.GetDirection(), (3, 3))
    assert oblique[0, 0] < -0.9
    assert 0.01 < np.abs(oblique[2, 1]) < 0.3
    below = sitk.GetArrayViewFromImage(head.ct)[30, -30:, 160:320]
    assert (below > 0).any()


def test_the_map_is_zero_outside_the_brain_and_has_the_noise_asked(coarse):
    quiet = simulate_head(12, lesions=[], options=HeadOptions(**vars(COARSE) | {"qsm_noise_ppm": 0.0}))
    loud, still = sitk.GetArrayFromImage(coarse.qsm), sitk.GetArrayFromImage(quiet.qsm)
    brain = still != 0
    assert 0.1 < brain.mean() < 0.5
    assert (loud[~brain] == 0).all()
    lesion = sitk.GetArrayFromImage(coarse.lesion_labels) > 0
    apart = np.abs(loud - still)[brain & ~lesion]
    assert np.median(apart) / 0.6745 == pytest.approx(0.007, rel=0.1)
    assert sitk.GetArrayFromImage(quiet.lesion_labels).max() == 0
    assert quiet.truth["lesions"] == []


def test_poses_stay_within_the_limits(head, coarse):
    for scan in (head, coarse):
        record = scan.truth["ct_from_mr"]
        assert 3.9 < np.linalg.norm(record["rotation_deg"]) < 12.1
        assert 8 < np.linalg.norm(record["translation_mm"]) < 25.1
    assert head.truth["ct_from_mr"] != coarse.truth["ct_from_mr"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"region_values": {"hippocampus": (1, 1)}}, "unknown region 'hippocampus'"),
        ({"region_values": {"putamen": (float("nan"), 1)}}, "'putamen' is not a number"),
        ({"options": HeadOptions(ct_fov_mm=-1)}, "field of view"),
        ({"options": HeadOptions(qsm_noise_ppm=-1)}, "noise"),
    ],
)
def test_impossible_heads_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        simulate_head(1, **arguments)


def test_a_lesion_outside_the_brain_is_refused():
    with pytest.raises(InputError, match="outside the brain"):
        simulate_head(1, lesions=[Lesion("haemorrhage", 70.0, 0.3, 8.0, (0.0, -95.0, 0.0))], options=COARSE)


def test_ellipsoid_distance_is_exact_for_spheres_and_zero_on_any_surface(rng):
    points = rng.standard_normal((3, 500))
    points /= np.linalg.norm(points, axis=0)
    on = [(points[n] * r).astype(np.float32) for n, r in enumerate((3.0, 5.0, 9.0))]
    assert ellipsoid_distance(*on, (3.0, 5.0, 9.0)) == pytest.approx(0, abs=1e-4)
    near = [(points[n] * 7.5).astype(np.float32) for n in range(3)]
    assert ellipsoid_distance(*near, (8.0, 8.0, 8.0)) == pytest.approx(0.5, abs=1e-4)
