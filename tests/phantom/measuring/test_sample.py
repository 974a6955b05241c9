"""Vials are measured in their own voxels with an honest standard error."""

import numpy as np
import pytest
from scipy import ndimage

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import expected_values
from phantomcal.phantom.finding.locate import locate
from phantomcal.phantom.measuring.sample import measure, statistics
from phantomcal.protocol import load_protocol
from tests.phantom.drawn import drawn_phantom

SIMULATED = load_protocol("simulated-gd-ca")


def test_means_and_positions_are_those_drawn() -> None:
    values = expected_values(SIMULATED, "qsm")
    image, truth = drawn_phantom(SIMULATED, values, angle_deg=20, noise=0.02)
    measured = measure(image, locate(image, SIMULATED, "qsm"), SIMULATED, "qsm")
    assert [m.vial_id for m in measured] == [v.id for v in SIMULATED.vials]
    assert np.allclose([m.value for m in measured], values, atol=0.005)
    assert np.allclose([(m.x_mm, m.y_mm) for m in measured], truth[:, :2], atol=0.5)
    assert all(m.unit == "ppm" and m.used and m.flag == "" for m in measured)


def test_standard_error_knows_that_neighbours_share_noise(rng: np.random.Generator) -> None:
    mask = np.zeros((30, 14, 14), dtype=bool)
    mask[:, 2:12, 2:12] = True
    means, errors = [], []
    for _ in range(60):
        smooth = ndimage.gaussian_filter(rng.normal(size=mask.shape), 1.0).astype(np.float32)
        s = statistics(smooth, mask)
        means.append(s.mean)
        errors.append(s.sem)
        assert s.n_effective < 0.3 * s.n
    # The spread of the means over repeats is what the standard error claims to be.
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.35)


def test_independent_voxels_count_in_full(rng: np.random.Generator) -> None:
    mask = np.ones((20, 10, 10), dtype=bool)
    s = statistics(rng.normal(size=mask.shape).astype(np.float32), mask)
    assert s.n_effective == pytest.approx(s.n, rel=0.1)
    assert s.sem == pytest.approx(s.sd / np.sqrt(s.n), rel=0.1)


def test_a_gradient_belongs_to_the_vial_and_not_to_the_noise(rng: np.random.Generator) -> None:
    mask = np.ones((20, 10, 10), dtype=bool)
    noise = rng.normal(size=mask.shape)
    ramp = np.linspace(-5, 5, 20)[:, None, None]
    plain, sloped = statistics(noise.astype(np.float32), mask), statistics((noise + ramp).astype(np.float32), mask)
    assert sloped.sem == pytest.approx(plain.sem, rel=0.05)
    assert sloped.sd > 2 * plain.sd


def test_a_vial_cut_off_by_the_field_of_view_is_an_error_by_name() -> None:
    values = expected_values(SIMULATED, "qsm")
    image, _ = drawn_phantom(SIMULATED, values, noise=0.02)
    cropped = image[:, : image.GetSize()[1] // 2 + 18, :]
    with pytest.raises(InputError, match=r"vial '(Ca600|Gd10|Gd2.5)'|not there"):
        measure(cropped, locate(cropped, SIMULATED, "qsm"), SIMULATED, "qsm", "half.nii")
