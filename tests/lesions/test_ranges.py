"""More materials than readings: the ranges are those of linear programming."""

import numpy as np
import pytest
from scipy.optimize import linprog

from phantomcal.lesions.decompose import Baseline, decompose, physics_system
from phantomcal.lesions.ranges import ambiguity, feasible_amounts

THREE = physics_system({"calcium": "hydroxyapatite", "iron": "ferritin", "gadolinium": "gadolinium"})
NONE = Baseline(0.0, 0.0)
NOISE = {"hu_se": 4.0, "ppm_se": 0.007}


@pytest.mark.parametrize("amounts", [(300.0, 3.0, 0.0), (500.0, 1.0, 2.0), (0.0, 0.0, 4.0), (800.0, 0.0, 0.0)])
def test_ranges_are_the_extremes_of_linear_programming(amounts: tuple[float, ...]) -> None:
    y = THREE.slopes @ np.array(amounts)
    found = feasible_amounts(y[0], y[1], **NOISE, system=THREE, baseline=NONE)
    scale = np.array([1000.0, 10.0, 10.0])
    for k in range(3):
        for sign, bound in ((1, found.low), (-1, found.high)):
            cost = np.zeros(3)
            cost[k] = sign
            best = linprog(cost, A_eq=THREE.slopes * scale, b_eq=y, bounds=[(0, None)] * 3, method="highs")
            assert best.status == 0
            assert bound[k] == pytest.approx(sign * best.fun * scale[k], rel=1e-5, abs=1e-5 * scale[k])
        assert found.low[k] - 1e-6 <= amounts[k] <= found.high[k] + 1e-6
    assert found.exact


def test_two_materials_have_no_range(rng: np.random.Generator) -> None:
    two = THREE.pair(0, 1)
    hu, ppm = 30 * rng.standard_normal(200), 0.2 * rng.standard_normal(200)
    ranges = feasible_amounts(hu, ppm, **NOISE, system=two, baseline=NONE)
    solved = decompose(hu, ppm, **NOISE, system=two, baseline=NONE)
    np.testing.assert_allclose(ranges.low, solved.amounts, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ranges.high, solved.amounts, rtol=1e-9, atol=1e-9)


def test_readings_no_mixture_gives_get_the_nearest_one() -> None:
    found = feasible_amounts(-50.0, 0.2, **NOISE, system=THREE, baseline=NONE)
    assert not found.exact
    np.testing.assert_array_equal(found.low, found.high)
    assert (found.low >= 0).all()


def test_missing_readings_stay_missing() -> None:
    found = feasible_amounts(np.array([np.nan]), np.array([0.1]), **NOISE, system=THREE, baseline=NONE)
    assert np.isnan(found.low).all()


def test_what_cannot_be_told_apart_is_named() -> None:
    words = ambiguity(THREE)
    assert any("gadolinium cannot be told from a mixture of" in w for w in words)
    assert ambiguity(THREE.pair(0, 1)) == []
