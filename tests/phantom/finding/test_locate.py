"""Vials are found whatever the pose, named right, or refused in words."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import expected_values
from phantomcal.phantom.finding.locate import locate
from phantomcal.phantom.finding.overrides import Orientation
from phantomcal.protocol import Protocol, load_protocol
from tests.phantom.drawn import drawn_phantom

TWENTY = load_protocol("qsm-20-vial")
SIMULATED = load_protocol("simulated-gd-ca")


def world_centres(image: sitk.Image, protocol: Protocol, **options: object) -> np.ndarray:
    found = locate(image, protocol, "qsm", **options)  # type: ignore[arg-type]
    middle = sum(found.along_mm) / 2
    return found.frame.to_world(np.column_stack([found.centres_mm, np.full(len(found.centres_mm), middle)]))


# Without shrinking: an example takes seconds, and one failing pose is as good as another.
@settings(
    max_examples=6, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(angle=st.floats(-180, 180), mirrored=st.booleans())
def test_any_roll_and_mirror_image_names_every_vial_right(angle: float, mirrored: bool) -> None:
    image, truth = drawn_phantom(
        TWENTY, expected_values(TWENTY, "qsm"), angle_deg=angle, mirrored=mirrored, noise=0.03, size=(110, 110, 36)
    )
    centres = world_centres(image, TWENTY)
    assert np.max(np.linalg.norm(centres[:, :2] - truth[:, :2], axis=1)) < 0.75


@pytest.mark.parametrize("tilt_deg", [4.0, 10.0])
def test_leaning_vials_are_followed(tilt_deg: float) -> None:
    image, truth = drawn_phantom(SIMULATED, expected_values(SIMULATED, "qsm"), tilt_deg=tilt_deg, noise=0.02)
    found = locate(image, SIMULATED, "qsm")
    assert found.record.tilt_deg == pytest.approx(tilt_deg, abs=0.5)
    axis = found.frame.axes[2]
    middle = sum(found.along_mm) / 2
    world = found.frame.to_world(np.column_stack([found.centres_mm, np.full(len(found.centres_mm), middle)]))
    away = world - truth  # only the distance across the vials counts
    assert np.max(np.linalg.norm(away - np.outer(away @ axis, axis), axis=1)) < 0.75


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True)])
def test_order_and_direction_of_storage_do_not_matter(order: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    image, truth = drawn_phantom(SIMULATED, expected_values(SIMULATED, "qsm"), angle_deg=33, noise=0.02)
    stored = sitk.Flip(sitk.PermuteAxes(image, order), flips)
    found = locate(stored, SIMULATED, "qsm")
    assert found.record.axis == order.index(2)
    assert not found.record.mirrored
    assert found.record.rotation_deg == pytest.approx(33, abs=0.5)
    middle = sum(found.along_mm) / 2
    world = found.frame.to_world(np.column_stack([found.centres_mm, np.full(len(found.centres_mm), middle)]))
    assert np.max(np.linalg.norm(world[:, :2] - truth[:, :2], axis=1)) < 0.75


def test_failed_vials_do_not_turn_the_layout() -> None:
    values = expected_values(TWENTY, "qsm")
    names = [v.id for v in TWENTY.vials]
    values[[names.index("Cl10"), names.index("Cl20")]] = 0.15
    image, truth = drawn_phantom(TWENTY, values, angle_deg=90, noise=0.03, size=(110, 110, 36))
    assert np.max(np.linalg.norm(world_centres(image, TWENTY)[:, :2] - truth[:, :2], axis=1)) < 0.75


def test_only_the_range_where_vials_are_whole_is_used() -> None:
    image, _ = drawn_phantom(SIMULATED, expected_values(SIMULATED, "qsm"), noise=0.02)
    low, high = locate(image, SIMULATED, "qsm").along_mm
    assert -30 < low < -22
    assert 22 < high < 30


def test_an_image_without_the_layout_is_refused_by_name(rng: np.random.Generator) -> None:
    noise = sitk.GetImageFromArray(rng.normal(0, 0.1, (40, 100, 100)).astype(np.float32))
    with pytest.raises(InputError, match=r"qsm-20-vial.*scan\.nii"):
        locate(noise, TWENTY, "qsm", where="scan.nii")


def test_another_phantom_is_refused() -> None:
    image, _ = drawn_phantom(SIMULATED, expected_values(SIMULATED, "qsm"), noise=0.02)
    with pytest.raises(InputError, match="qsm-20-vial"):
        locate(image, TWENTY, "qsm")


def symmetric(values: list[float]) -> Protocol:
    """Four vials on a square, all of one material."""
    vials = [
        {"id": f"v{k}", "material": "gadolinium", "value": value, "x_mm": 30.0 * x, "y_mm": 30.0 * y}
        for k, (value, (x, y)) in enumerate(zip(values, [(1, 0), (0, 1), (-1, 0), (0, -1)], strict=True))
    ]
    return Protocol.model_validate(
        {
            "name": "square",
            "title": "Square",
            "source": "test",
            "geometry": {"vial_radius_mm": 7, "body_radius_mm": 60, "vial_length_mm": 60},
            "materials": {"gadolinium": {"substance": "gadolinium"}},
            "vials": vials,
        }
    )


def test_symmetric_layout_is_settled_by_values() -> None:
    protocol = symmetric([1, 3, 6, 10])
    image, truth = drawn_phantom(
        protocol, expected_values(protocol, "qsm"), angle_deg=90, noise=0.02, size=(100, 100, 40)
    )
    assert np.max(np.linalg.norm(world_centres(image, protocol)[:, :2] - truth[:, :2], axis=1)) < 0.75


def test_two_orientations_that_explain_the_image_equally_well_are_refused_unless_one_is_chosen() -> None:
    protocol = symmetric([2, 8, 2, 8])
    image, truth = drawn_phantom(protocol, expected_values(protocol, "qsm"), noise=0.02, size=(100, 100, 40))
    with pytest.raises(InputError, match=r"equally well: add a marker vial or --orient"):
        locate(image, protocol, "qsm")
    centres = world_centres(image, protocol, orientation=Orientation(0.0, False))
    assert np.max(np.linalg.norm(centres[:, :2] - truth[:, :2], axis=1)) < 0.75
