"""CT imaging: noise, point spread, rounding and the table."""

import numpy as np
import pytest

from phantomcal.simulate.ct import CtSettings, blur, draw_table, grainy_noise, scan
from phantomcal.simulate.shapes import grid_around

GRID = grid_around((0, 0, 0), (40, 40, 40), (0.5, 0.5, 2.0), np.eye(3))


def test_noise_has_the_given_sd_whatever_its_grain(rng):
    for grain in ((0, 0, 0), (0, 0.7, 0.7), (0.4, 1.5, 1.0)):
        noise = grainy_noise((20, 120, 120), 9.0, grain, rng)
        assert noise.std() == pytest.approx(9.0, rel=0.03)
        assert noise.mean() == pytest.approx(0, abs=0.3)


def test_grain_correlates_neighbours_in_plane_only(rng):
    noise = grainy_noise((30, 100, 100), 1.0, (0, 0.8, 0.8), rng)
    assert np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1] > 0.4
    assert abs(np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]) < 0.02


def test_blur_has_the_given_width():
    edge = np.zeros((1, 1, 401), np.float32)
    edge[..., 200:] = 1
    spread = np.diff(blur(edge, 3.0, 0.1, 2)[0, 0])
    position = np.arange(spread.size) * 0.1
    middle = (spread * position).sum()
    sd = np.sqrt((spread * (position - middle) ** 2).sum())
    assert sd * 2.3548 == pytest.approx(3.0, rel=0.02)


def test_a_scan_is_rounded_clipped_and_noisy(rng):
    hu = np.full(GRID.shape, 40.0, np.float32)
    hu[:5] = -5000
    hu[15:] = 9000
    stored = scan(hu, GRID, CtSettings(slice_fwhm_mm=0, noise_hu=6.0), rng)
    assert stored.dtype == np.int16
    assert stored.min() == -1024
    assert stored.max() == 3071
    assert stored[6:14].mean() == pytest.approx(40, abs=0.3)
    assert stored[6:14].std() == pytest.approx(6, rel=0.03)


def test_without_noise_a_flat_volume_stays_flat(rng):
    stored = scan(np.full(GRID.shape, 17.2, np.float32), GRID, CtSettings(noise_hu=0.0), rng)
    assert (stored == 17).all()


def test_the_table_lies_below_and_leaves_the_object_alone():
    hu = np.full((2, 100, 60), -1000.0, np.float32)
    hu[:, :50] = 30.0
    y = (np.arange(100, dtype=np.float32) - 50)[None, :, None]
    x = (np.arange(60, dtype=np.float32) - 30)[None, None, :]
    draw_table(hu, x, y, 2.0)
    assert (hu[:, :50] == 30).all()
    column = hu[0, :, 30]
    assert (column[50:52] == -1000).all()
    assert column[52] == 60
    assert column[70] == -930
