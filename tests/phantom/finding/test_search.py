"""What a user's choice excludes is said, and a symmetric layout is settled by it."""

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import expected_values
from phantomcal.phantom.finding.locate import locate
from phantomcal.phantom.finding.overrides import Orientation
from phantomcal.protocol import load_protocol
from tests.phantom.drawn import drawn_phantom
from tests.phantom.finding.test_locate import symmetric

SIMULATED = load_protocol("simulated-gd-ca")


@pytest.fixture(scope="module")
def scan() -> sitk.Image:
    return drawn_phantom(SIMULATED, expected_values(SIMULATED, "qsm"), angle_deg=42, noise=0.02, size=(104, 104, 40))[0]


@pytest.mark.parametrize("said", [Orientation(42.0, True), Orientation(-100.0, False), Orientation(None, True)])
def test_a_wrong_orientation_is_said_to_exclude_the_right_one(scan: sitk.Image, said: Orientation) -> None:
    with pytest.raises(InputError, match=r"excludes the orientation that fits best: turned 42 degrees.*--orient 42$"):
        locate(scan, SIMULATED, "qsm", orientation=said)


def test_a_wrong_axis_is_said_to_exclude_the_right_one(scan: sitk.Image) -> None:
    with pytest.raises(InputError, match=r"\(axis 0\) excludes.*vials along axis 2"):
        locate(scan, SIMULATED, "qsm", axis=0)


def test_the_right_orientation_changes_nothing(scan: sitk.Image) -> None:
    free, said = (locate(scan, SIMULATED, "qsm", orientation=o) for o in (None, Orientation(45.0, False)))
    assert np.allclose(free.centres_mm, said.centres_mm, atol=1e-6)
    assert said.record.notes == []


def test_chosen_slices_are_measured(scan: sitk.Image) -> None:
    free = locate(scan, SIMULATED, "qsm")
    assert free.record.first_slice < 15 < 22 < free.record.last_slice
    chosen = locate(scan, SIMULATED, "qsm", slices=(15, 22))
    assert (chosen.record.first_slice, chosen.record.last_slice) == (15, 22)
    assert np.allclose(chosen.centres_mm, free.centres_mm, atol=0.1)
    assert locate(scan, SIMULATED, "qsm", slices=(None, 22)).record.first_slice == free.record.first_slice
    beyond = locate(scan, SIMULATED, "qsm", slices=(0, 39))
    assert any("beyond" in note for note in beyond.record.notes)
    with pytest.raises(InputError, match=r"--last-slice 40.*0 to 39"):
        locate(scan, SIMULATED, "qsm", slices=(None, 40))


def test_a_symmetric_layout_is_refused_with_both_ways_out_and_settled_by_one() -> None:
    protocol = symmetric([2, 8, 2, 8])
    image, _ = drawn_phantom(protocol, expected_values(protocol, "qsm"), noise=0.02, size=(96, 96, 36))
    words = r"^two orientations explain the image equally well: add a marker vial or --orient"
    with pytest.raises(InputError, match=words + r".*--orient (0|180|-180)"):
        locate(image, protocol, "qsm", where="scan.nii")
    for degrees in (0.0, 180.0):
        found = locate(image, protocol, "qsm", orientation=Orientation(degrees, False))
        assert abs(abs(found.record.rotation_deg) - degrees) < 1.0
        assert found.record.margin > 1.25


def test_without_expected_values_a_rotationally_symmetric_layout_is_not_guessed() -> None:
    protocol = symmetric([1, 3, 6, 10])
    unknown = protocol.model_copy(update={"materials": {}})
    image, _ = drawn_phantom(protocol, expected_values(protocol, "qsm"), noise=0.02, size=(96, 96, 36))
    with pytest.raises(InputError, match="equally well"):
        locate(image, unknown, "qsm")


def test_an_empty_vial_and_a_strong_lean_together_are_found() -> None:
    values = expected_values(SIMULATED, "ct")
    values[4] = -1000.0
    image, truth = drawn_phantom(
        SIMULATED,
        values,
        angle_deg=-70,
        mirrored=True,
        tilt_deg=15.0,
        noise=8.0,
        outside=-1000.0,
        spacing=(1.2, 1.2, 2.0),
        size=(140, 130, 50),
    )
    found = locate(image, SIMULATED, "ct")
    assert found.record.tilt_deg == pytest.approx(15.0, abs=0.7)
    axis = found.frame.axes[2]
    world = found.frame.to_world(np.column_stack([found.centres_mm, np.full(12, sum(found.along_mm) / 2)]))
    away = world - truth
    assert np.max(np.linalg.norm(away - np.outer(away @ axis, axis), axis=1)) < 1.0
