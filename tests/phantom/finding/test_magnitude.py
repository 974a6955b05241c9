"""A magnitude image shows where the vials are when the map does not."""

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import expected_values
from phantomcal.phantom.finding.locate import locate
from phantomcal.phantom.finding.magnitude import check_magnitude, darkness
from phantomcal.protocol import load_protocol
from phantomcal.results import InputFile
from phantomcal.volumes import Volume
from tests.phantom.drawn import AXIS_CENTRE_MM, drawn_phantom

SIMULATED = load_protocol("simulated-gd-ca")


def walls(like: sitk.Image, angle_deg: float, rng: np.random.Generator) -> sitk.Image:
    """Magnitude of a phantom whose vials differ from the bath by their dark walls alone, under a coil's sensitivity."""
    size, spacing = np.array(like.GetSize()), np.array(like.GetSpacing())
    z, y, x = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * s for n, s in zip(size[::-1], spacing[::-1], strict=True)), indexing="ij"
    )
    a = np.radians(angle_deg)
    layout = np.array([[v.x_mm, v.y_mm] for v in SIMULATED.vials])
    centres = layout @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + AXIS_CENTRE_MM[:2]
    signal = (np.hypot(x - AXIS_CENTRE_MM[0], y - AXIS_CENTRE_MM[1]) < 65) * (1000.0 + 4.0 * x)
    for cx, cy in centres:
        ring = np.abs(np.hypot(x - cx, y - cy) - 7.5)
        signal *= 1 - 0.6 * np.clip((1.5 - ring) / 1.5, 0, 1) * (np.abs(z) < 30)
    noisy = np.hypot(signal + rng.normal(0, 15, signal.shape), rng.normal(0, 15, signal.shape))
    image = sitk.GetImageFromArray(noisy.astype(np.float32))
    image.CopyInformation(like)
    return image


@pytest.fixture(scope="module")
def weak() -> tuple:
    """A map in which no vial stands out, and its magnitude."""
    image, truth = drawn_phantom(SIMULATED, 0.003 * expected_values(SIMULATED, "qsm"), angle_deg=25, noise=0.05)
    return image, walls(image, 25, np.random.default_rng(4)), truth


def test_walls_become_discs(weak: tuple) -> None:
    _, magnitude, truth = weak
    dark = darkness(magnitude, 2)
    array = sitk.GetArrayFromImage(dark)
    middle = array[array.shape[0] // 2]
    index = [dark.TransformPhysicalPointToIndex((x, y, 0.0))[:2] for x, y, _ in truth]
    assert min(middle[j, i] for i, j in index) > 0.15
    assert np.median(middle[middle >= 0]) < 0.08
    assert middle[0, 0] < 0  # outside the body


def test_places_are_carried_from_the_magnitude_to_a_map_that_shows_nothing(weak: tuple) -> None:
    image, magnitude, truth = weak
    with pytest.raises(InputError, match=r"not there|no vial-like"):
        locate(image, SIMULATED, "qsm")
    found = locate(image, SIMULATED, "qsm", magnitude=magnitude)
    assert found.record.seen_on == "magnitude"
    assert found.record.modality == "qsm"
    assert any("those of the magnitude" in note for note in found.record.notes)
    world = found.frame.to_world(np.column_stack([found.centres_mm, np.zeros(len(found.centres_mm))]))
    assert np.max(np.linalg.norm(world[:, :2] - truth[:, :2], axis=1)) < 0.75


def test_a_map_that_shows_its_vials_is_read_by_itself(weak: tuple) -> None:
    image, _ = drawn_phantom(SIMULATED, expected_values(SIMULATED, "qsm"), angle_deg=25, noise=0.02)
    assert locate(image, SIMULATED, "qsm", magnitude=weak[1]).record.seen_on == "qsm"


def test_a_magnitude_of_another_grid_is_refused(weak: tuple) -> None:
    image, magnitude, _ = weak
    volumes = [
        Volume(i, kind, InputFile(role=kind, name=f"{kind}.nii", sha256=""))
        for kind, i in (("qsm", image), ("magnitude", magnitude[2:]))
    ]
    with pytest.raises(InputError, match=r"not on the grid.*magnitude\.nii"):
        check_magnitude(volumes[1], volumes[0])
