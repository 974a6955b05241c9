"""Dipole field against textbook solutions; inversion against known maps."""

import numpy as np
import pytest

from phantomcal.errors import InputError
from phantomcal.simulate.qsm import (
    InversionSettings,
    acquire_field,
    add_field_noise,
    block_mean,
    dipole_field,
    dipole_kernel,
    invert_field,
    padded_shape,
)

SPACING = (1.0, 1.0, 1.0)


def _axes(n, spacing=SPACING):
    line = [(np.arange(n) - n / 2 + 0.5) * s for s in spacing]
    return line[0][None, None, :], line[1][None, :, None], line[2][:, None, None]


def _disc(radius, n=72):
    x, y, z = _axes(n)
    fine = np.clip(radius - np.hypot(x, y) + 0.5, 0, 1)
    return (fine * (np.abs(z) < n)).astype(np.float32)


@pytest.mark.parametrize(("b0", "expected"), [((0, 0, 1), 1 / 3), ((1, 0, 0), -1 / 6), ((0, 2, 0), -1 / 6)])
def test_field_inside_a_long_cylinder(b0, expected):
    # chi/6 (3 cos^2 t - 1) for a cylinder along z that fills the periodic volume's length.
    chi = _disc(6.0)
    field = dipole_field(chi, SPACING, b0, padding=0.0)
    inside = _disc(4.0) > 0.99
    # The periodic plane of cylinders adds a small uniform field.
    assert field[inside].mean() == pytest.approx(expected, abs=0.02)
    assert field[inside].std() < 0.02


def test_cylinder_at_the_magic_angle_has_no_field_inside():
    b0 = (np.sqrt(2 / 3), 0, np.sqrt(1 / 3))
    field = dipole_field(_disc(6.0), SPACING, b0, padding=0.0)
    assert field[_disc(4.0) > 0.99].mean() == pytest.approx(0, abs=0.02)


def test_sphere_has_no_field_inside_and_a_dipole_outside():
    spacing = (1.0, 1.0, 1.5)
    x, y, z = _axes(64, spacing)
    r = np.sqrt(x**2 + y**2 + z**2)
    field = dipole_field(np.clip(8 - r + 0.5, 0, 1).astype(np.float32), spacing, (0, 0, 1), padding=1.0)
    assert np.abs(field[r < 6].mean()) < 0.005
    outside = (r > 12) & (r < 20)
    textbook = (1 / 3) * (8 / r) ** 3 * (3 * (z / r) ** 2 - 1)
    assert np.corrcoef(field[outside], textbook[outside])[0, 1] > 0.999
    assert np.abs(field - textbook)[outside].max() < 0.01


def test_kernel_is_a_third_across_and_minus_two_thirds_along_the_field():
    kernel = dipole_kernel((16, 16, 16), SPACING, (0, 0, 1))
    assert kernel[0, 0, 0] == 0
    assert kernel[0, 0, 3] == pytest.approx(1 / 3)
    assert kernel[3, 0, 0] == pytest.approx(-2 / 3)


def test_a_field_direction_without_length_is_refused():
    with pytest.raises(InputError, match="direction"):
        dipole_kernel((8, 8, 8), SPACING, (0, 0, 0))


def test_padded_shapes_are_even_and_large_enough():
    for n in (7, 48, 97, 143):
        (grown, *_) = padded_shape((n, n, n), 0.2)
        assert grown % 2 == 0
        assert grown >= 1.2 * n


def test_block_mean_averages_blocks(rng):
    values = rng.standard_normal((4, 6, 8)).astype(np.float32)
    small = block_mean(values, (2, 3, 4))
    assert small.shape == (2, 2, 2)
    assert small[1, 0, 1] == pytest.approx(values[2:4, 0:3, 4:8].mean(), abs=1e-6)


def test_acquired_field_is_the_signal_weighted_mean(rng):
    field = rng.standard_normal((40, 4, 4)).astype(np.float32)
    signal = rng.uniform(0, 1, field.shape).astype(np.float32)
    signal[:2, :2, :2] = 0
    coarse, bright = acquire_field(field, signal, (2, 2, 2))
    block = (slice(38, 40), slice(0, 2), slice(2, 4))
    assert coarse[19, 0, 1] == pytest.approx((field * signal)[block].sum() / signal[block].sum(), rel=1e-4)
    assert bright[19, 0, 1] == pytest.approx(signal[block].mean(), rel=1e-5)
    assert coarse[0, 0, 0] == pytest.approx(field[:2, :2, :2].mean(), abs=1e-5)
    assert bright[0, 0, 0] == 0


def test_field_noise_grows_as_the_signal_falls(rng):
    signal = np.ones((60, 60, 20), np.float32)
    signal[:, :, 10:] = 0.25
    noise = add_field_noise(np.zeros_like(signal), signal, 0.01, rng)
    assert noise[:, :, :10].std() == pytest.approx(0.01, rel=0.02)
    assert noise[:, :, 10:].std() == pytest.approx(0.04, rel=0.02)


@pytest.fixture(scope="module")
def two_balls():
    x, y, z = _axes(56)
    chi = 0.8 * (np.sqrt((x - 9) ** 2 + y**2 + z**2) < 6) - 0.5 * (np.sqrt((x + 10) ** 2 + (y - 4) ** 2 + z**2) < 6)
    mask = np.sqrt(x**2 + y**2 + z**2) < 26
    return chi.astype(np.float32), mask


def _recovered(chi, mask, settings, noise=0.0):
    field = dipole_field(chi, SPACING, (0, 0, 1), padding=0.5)
    signal = np.ones_like(field)
    if noise:
        field = add_field_noise(field, signal, noise, np.random.default_rng(1))
    return invert_field(field, signal, mask, SPACING, (0, 0, 1), settings)


def test_inversion_gives_back_a_little_less_than_the_truth(two_balls):
    chi, mask = two_balls
    found = _recovered(chi, mask, InversionSettings(), noise=0.004)
    assert (found[~mask] == 0).all()
    slope = np.polyfit(chi[mask], found[mask], 1)[0]
    assert 0.7 < slope < 0.98
    assert np.corrcoef(chi[mask], found[mask])[0, 1] > 0.95


def test_more_ridge_means_more_underestimation(two_balls):
    chi, mask = two_balls
    slopes = [
        np.polyfit(chi[mask], _recovered(chi, mask, InversionSettings(ridge=r))[mask], 1)[0] for r in (0.001, 0.02)
    ]
    assert slopes[0] > slopes[1] + 0.1


def test_conjugate_gradients_lower_the_misfit_of_the_closed_form(two_balls):
    chi, mask = two_balls
    errors = [np.abs(_recovered(chi, mask, InversionSettings(iterations=n))[mask] - chi[mask]).mean() for n in (0, 10)]
    assert errors[1] < 0.8 * errors[0]


def test_threads_do_not_change_the_map(two_balls):
    chi, mask = two_balls
    field = dipole_field(chi, SPACING, (0, 0, 1), workers=1)
    assert np.array_equal(field, dipole_field(chi, SPACING, (0, 0, 1), workers=2))
    one = invert_field(field, np.ones_like(field), mask, SPACING, (0, 0, 1), workers=1)
    assert np.array_equal(one, invert_field(field, np.ones_like(field), mask, SPACING, (0, 0, 1), workers=2))
