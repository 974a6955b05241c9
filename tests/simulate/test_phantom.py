"""Simulated phantoms give back what was put in, in every pose and grid."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.outputs import to_json
from phantomcal.protocol import load_protocol
from phantomcal.simulate.ct import CtSettings
from phantomcal.simulate.phantom import CtSession, MrSession, simulate_phantom
from phantomcal.simulate.shapes import Pose
from phantomcal.simulate.vials import Faults
from tests.simulate.drawn import means_at, small_protocol, true_of

CT = CtSession(spacing_mm=(0.8, 0.8, 2.0))
MR = MrSession(spacing_mm=(1.2, 1.2, 1.5))


@pytest.fixture(scope="module")
def shipped():
    return simulate_phantom(load_protocol("simulated-gd-ca"), 5, workers=1)


@pytest.mark.parametrize("material", ["gadolinium", "calcium"])
def test_the_shipped_phantom_has_true_ct_and_underestimated_qsm_slopes(shipped, material):
    mine = [v["material"] == material for v in shipped.truth["vials"]]
    true_hu, true_ppm = true_of(shipped.truth, "true_hu", material), true_of(shipped.truth, "true_ppm", material)
    hu = means_at(shipped.ct, shipped.truth, "ct", 4.5, 22)[mine]
    ppm = means_at(shipped.qsm, shipped.truth, "qsm", 4.5, 22)[mine]
    assert np.polyfit(true_hu, hu, 1)[0] == pytest.approx(1.0, abs=0.02)
    assert 0.85 < np.polyfit(true_ppm, ppm, 1)[0] < 0.97
    assert np.corrcoef(true_ppm, ppm)[0, 1] ** 2 > 0.99


def test_true_values_are_slope_times_concentration(shipped):
    for vial in shipped.truth["vials"]:
        slopes = shipped.truth["slopes"][vial["material"]]
        assert vial["true_hu"] == pytest.approx(slopes["ct"]["value"] * vial["concentration_mmol_per_l"])
        assert vial["true_ppm"] == pytest.approx(slopes["qsm"]["value"] * vial["concentration_mmol_per_l"])
    assert shipped.truth["slopes"]["gadolinium"]["qsm"]["value"] == pytest.approx(0.3377, abs=1e-4)
    assert shipped.truth["slopes"]["gadolinium"]["ct"]["value"] == pytest.approx(5.69)


def test_images_have_the_kinds_that_scanners_write(shipped):
    assert shipped.ct.GetPixelID() == sitk.sitkInt16
    assert shipped.qsm.GetPixelID() == shipped.magnitude.GetPixelID() == sitk.sitkFloat32
    assert shipped.magnitude.GetSize() == shipped.qsm.GetSize()
    assert shipped.ct.GetDirection() != shipped.qsm.GetDirection()
    ct, qsm = sitk.GetArrayViewFromImage(shipped.ct), sitk.GetArrayViewFromImage(shipped.qsm)
    assert (ct < -900).mean() > 0.2  # air in view
    assert (qsm == 0).mean() > 0.2  # outside the body
    assert abs(np.median(qsm[qsm != 0])) < 0.02  # referred to water
    assert to_json(shipped.truth)


def test_vials_with_iron_or_gadolinium_are_darker(shipped):
    bright = dict(
        zip(true_of(shipped.truth, "vial_id"), means_at(shipped.magnitude, shipped.truth, "qsm", 4.5, 22), strict=True)
    )
    assert bright["Gd10"] < bright["Gd5"] < 0.95 * bright["Gd0"]
    assert bright["Ca1500"] == pytest.approx(bright["Ca0"], rel=0.03)


POSES = [
    (Pose(40, 0, 0, False, (2, -3, 1)), None),
    (Pose(130, 14, 70, False, (0, 2, 0)), tuple(np.diag([-1.0, 1.0, 1.0]).ravel())),
    (Pose(250, 8, 200, True, (-3, 0, 4)), (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0)),
]


@pytest.mark.parametrize(("pose", "direction"), POSES)
def test_every_pose_mirror_and_grid_shows_the_vials_where_the_truth_says(pose, direction):
    ct = CtSession(pose=pose, spacing_mm=(0.8, 0.8, 2.0), direction=direction)
    mr = MrSession(pose=pose, spacing_mm=(1.2, 1.2, 1.5), direction=direction)
    scan = simulate_phantom(small_protocol(), 3, ct=ct, mr=mr, workers=1)
    assert scan.truth["ct"]["pose"]["mirror"] == pose.mirror
    hu = means_at(scan.ct, scan.truth, "ct", 3.0, 12)
    assert hu == pytest.approx(true_of(scan.truth, "true_hu"), abs=2.5)
    ppm = means_at(scan.qsm, scan.truth, "qsm", 3.0, 12)
    assert 0.75 < np.polyfit(true_of(scan.truth, "true_ppm"), ppm, 1)[0] < 1.0
    assert np.corrcoef(true_of(scan.truth, "true_ppm"), ppm)[0, 1] > 0.98


def test_vials_across_the_field_are_measured_worse_than_along_it():
    ratio = {}
    for name, b0 in (("along", (0, 0, 1)), ("magic", (np.sqrt(2 / 3), 0, np.sqrt(1 / 3)))):
        mr = MrSession(pose=Pose(), spacing_mm=(1.2, 1.2, 1.5), b0_direction=b0)
        scan = simulate_phantom(small_protocol(), 1, mr=mr, modalities=["qsm"], workers=1)
        ppm = means_at(scan.qsm, scan.truth, "qsm", 3.0, 12)
        ratio[name] = np.polyfit(true_of(scan.truth, "true_ppm"), ppm, 1)[0]
    assert ratio["magic"] < ratio["along"] - 0.05


def test_missing_swapped_and_bubbly_vials_show():
    faults = Faults(missing=("ga2",), bubbles=("ca0",), swapped=(("ca700", "ca1400"),))
    ct = CtSession(pose=Pose(roll_deg=30), spacing_mm=(0.8, 0.8, 2.0))
    scan = simulate_phantom(small_protocol(), 3, ct=ct, faults=faults, modalities=["ct"])
    seen = dict(zip(true_of(scan.truth, "vial_id"), means_at(scan.ct, scan.truth, "ct", 3.0, 8), strict=True))
    assert seen["ga2"] == pytest.approx(0, abs=1.5)
    assert seen["ca0"] < -100
    assert seen["ca700"] > 1.8 * seen["ca1400"]
    assert scan.truth["faults"] == {
        "ga2": "holds water only",
        "ca0": "air bubble",
        "ca700": "holds ca1400",
        "ca1400": "holds ca700",
    }
    printed = {v["vial_id"]: v["concentration_mmol_per_l"] for v in scan.truth["vials"]}
    assert printed["ca700"] == 700


def test_an_empty_vial_is_air_on_ct_and_a_void_on_the_magnitude():
    mr = MrSession(pose=Pose(roll_deg=30), spacing_mm=(1.2, 1.2, 1.5))
    ct = CtSession(pose=Pose(roll_deg=30), spacing_mm=(0.8, 0.8, 2.0))
    scan = simulate_phantom(small_protocol(), 3, ct=ct, mr=mr, faults=Faults(empty=("ga2",)), workers=1)
    names = true_of(scan.truth, "vial_id")
    hu, ppm, signal = (
        dict(zip(names, means_at(image, scan.truth, kind, 3.0, 8), strict=True))
        for image, kind in ((scan.ct, "ct"), (scan.qsm, "qsm"), (scan.magnitude, "qsm"))
    )
    assert hu["ga2"] == pytest.approx(-1000, abs=5)
    assert signal["ga2"] < 0.05 * signal["ca0"]
    assert ppm["ga2"] > 1.5
    assert scan.truth["faults"] == {"ga2": "holds air only"}
    # The grid and the noise are drawn as ever: only the one vial and what it does around it differ.
    sound = simulate_phantom(small_protocol(), 3, ct=ct, workers=1, modalities=["ct"])
    changed = sitk.GetArrayFromImage(scan.ct) != sitk.GetArrayFromImage(sound.ct)
    assert 0 < changed.mean() < 0.05


def test_a_bubble_rises_to_the_anterior_side():
    ct = CtSession(pose=Pose(roll_deg=200), spacing_mm=(0.8, 0.8, 2.0), image=CtSettings(noise_hu=0))
    scan = simulate_phantom(small_protocol(), 3, ct=ct, faults=Faults(bubbles=("ca1400",)), modalities=["ct"])
    centre = np.array(next(v["ct_centre_mm"] for v in scan.truth["vials"] if v["vial_id"] == "ca1400"))
    places = [tuple(centre + np.array([0, dy, 0])) for dy in (-2.8, 2.8)]
    values = [scan.ct[scan.ct.TransformPhysicalPointToIndex(place)] for place in places]
    assert values[0] < -700
    assert values[1] > 200


def test_a_bubble_disturbs_the_map_around_it():
    mr = MrSession(pose=Pose(), spacing_mm=(1.2, 1.2, 1.5))
    clean = simulate_phantom(small_protocol(), 3, mr=mr, modalities=["qsm"], workers=1)
    spoilt = simulate_phantom(
        small_protocol(), 3, mr=mr, faults=Faults(bubbles=("ga1",)), modalities=["qsm"], workers=1
    )
    change = means_at(spoilt.qsm, spoilt.truth, "qsm", 3.0, 10) - means_at(clean.qsm, clean.truth, "qsm", 3.0, 10)
    worst = true_of(clean.truth, "vial_id")[np.abs(change).argmax()]
    assert worst == "ga1"
    assert np.abs(change).max() > 0.3


def test_tube_voltage_and_scanner_factor_scale_the_slopes():
    ct = CtSession(spacing_mm=(0.8, 0.8, 2.0), tube_voltage_kvp=80, slope_factor=1.1)
    scan = simulate_phantom(small_protocol(), 3, ct=ct, modalities=["ct"])
    assert scan.truth["ct"]["tube_voltage_kvp"] == 80
    assert scan.truth["slopes"]["gadolinium"]["ct"]["value"] == pytest.approx(7.50 * 1.1)
    hu = means_at(scan.ct, scan.truth, "ct", 3.0, 12)
    assert np.polyfit(true_of(scan.truth, "true_hu"), hu, 1)[0] == pytest.approx(1, abs=0.02)


def test_a_crop_keeps_the_world_positions():
    mr = MrSession(pose=Pose(20), spacing_mm=(1.2, 1.2, 1.5), fov_mm=(50, 48, 30))
    ct = CtSession(pose=Pose(20), spacing_mm=(0.8, 0.8, 2.0), fov_mm=(56, 56, 30))
    scan = simulate_phantom(small_protocol(), 3, ct=ct, mr=mr, workers=1)
    assert np.array(scan.qsm.GetSize()) * scan.qsm.GetSpacing() == pytest.approx([50, 48, 30], abs=1.5)
    assert means_at(scan.ct, scan.truth, "ct", 3.0, 10) == pytest.approx(true_of(scan.truth, "true_hu"), abs=2.5)
    full = simulate_phantom(
        small_protocol(), 3, mr=MrSession(pose=Pose(20), spacing_mm=(1.2, 1.2, 1.5)), modalities=["qsm"], workers=1
    )
    cropped = means_at(scan.qsm, scan.truth, "qsm", 3.0, 10)
    assert cropped == pytest.approx(means_at(full.qsm, full.truth, "qsm", 3.0, 10), abs=0.02)


def test_equal_seeds_give_equal_scans_and_other_seeds_do_not():
    first, again, other = (
        simulate_phantom(small_protocol(), seed, ct=CT, mr=MR, workers=w) for seed, w in ((9, 1), (9, 2), (10, 1))
    )
    for name in ("ct", "qsm", "magnitude"):
        one, two = getattr(first, name), getattr(again, name)
        assert np.array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(two))
        assert one.GetOrigin() == two.GetOrigin()
    assert to_json(first.truth) == to_json(again.truth)
    assert first.truth["ct"]["pose"] != other.truth["ct"]["pose"]
    assert first.truth["ct"]["pose"] != first.truth["mr"]["pose"]


def test_ct_noise_is_what_was_asked():
    ct = CtSession(pose=Pose(), spacing_mm=(0.8, 0.8, 2.0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
    ct = replace(ct, image=CtSettings(noise_hu=4.0))
    first, second = (
        sitk.GetArrayFromImage(simulate_phantom(small_protocol(), n, ct=ct, modalities=["ct"]).ct) for n in (3, 4)
    )
    inside = first > -500
    assert (first.astype(float) - second)[inside].std() / np.sqrt(2) == pytest.approx(4.0, rel=0.03)


def test_catphan_shows_its_nominal_hu():
    ct = CtSession(spacing_mm=(1.0, 1.0, 2.5))
    scan = simulate_phantom(load_protocol("catphan-504"), 2, ct=ct)
    assert scan.qsm is None
    hu = means_at(scan.ct, scan.truth, "ct", 3.5, 3)
    assert hu == pytest.approx(true_of(scan.truth, "true_hu"), abs=6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"faults": Faults(missing=("Gd99",))}, "no vial 'Gd99'"),
        ({"modalities": ["pet"]}, "unknown modality"),
        ({"modalities": []}, "unknown modality"),
        ({"ct": CtSession(tube_voltage_kvp=200)}, "known from 80 to 140 kVp"),
        ({"ct": CtSession(spacing_mm=(0, 1, 1))}, "positive"),
        ({"ct": CtSession(fov_mm=(10, 10, -1))}, "field of view"),
        ({"mr": MrSession(b0_direction=(0, 0, 0)), "modalities": ["qsm"]}, "main field"),
    ],
)
def test_impossible_requests_are_refused_by_name(arguments, message):
    with pytest.raises(InputError, match=message):
        simulate_phantom(small_protocol(), 1, **arguments)


def test_a_protocol_without_places_cannot_be_simulated():
    with pytest.raises(InputError, match="no layout"):
        simulate_phantom(load_protocol("gd-deh-2019"), 1)


def test_a_vial_outside_the_body_is_named():
    geometry = {"vial_radius_mm": 5.0, "body_radius_mm": 20, "vial_length_mm": 40}
    with pytest.raises(InputError, match="the body only 20 mm"):
        simulate_phantom(small_protocol(geometry=geometry), 1)
