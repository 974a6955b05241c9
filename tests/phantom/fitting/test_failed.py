"""Failed and exchanged vials: found, and sound ones left alone."""

import numpy as np
import pytest

from phantomcal.materials import ExpectedSlope
from phantomcal.phantom.fitting.failed import exchanged_pair, failed_vials
from phantomcal.phantom.fitting.lines import build_line

GADOLINIUM = np.array([0, 0.625, 1.25, 2.5, 5, 10]) / 10
CALCIUM = np.arange(6) / 5
LABELS = {"material": "m", "modality": "ct", "unit": "HU", "abscissa_unit": "mmol/L"}


def flags(x: np.ndarray, y: np.ndarray) -> set[int]:
    expected = ExpectedSlope(1.0, 0.0, "", "")
    _, found = build_line([str(k) for k in range(len(x))], x, y, expected=expected, scatter=0.15, **LABELS)
    return {int(k) for k in found}


@pytest.mark.parametrize("levels", [GADOLINIUM, CALCIUM])
def test_sound_vials_are_rarely_flagged(rng: np.random.Generator, levels: np.ndarray) -> None:
    false = sum(len(flags(levels, levels + rng.normal(0, s, 6))) for s in (0.002, 0.01, 0.03) for _ in range(60))
    assert false / (180 * 6) < 0.02


@pytest.mark.parametrize(("levels", "scatter"), [(GADOLINIUM, 0.005), (CALCIUM, 0.02)])
def test_exchanged_vials_are_flagged(rng: np.random.Generator, levels: np.ndarray, scatter: float) -> None:
    hit = 0
    for _ in range(60):
        y = levels + rng.normal(0, scatter, 6)
        a, b = rng.choice(6, 2, replace=False)
        y[[a, b]] = y[[b, a]]
        hit += len(flags(levels, y) & {int(a), int(b)})
    assert hit / 120 >= 0.95


def test_neighbours_closer_than_the_noise_are_not_called_exchanged(rng: np.random.Generator) -> None:
    x = np.array([0.0, 0.005, 0.5, 0.75, 1.0, 1.25])
    assert all(exchanged_pair(x, x + rng.normal(0, 0.02, 6)) is None for _ in range(100))


def test_an_exchange_must_leave_the_slope_that_physics_allows() -> None:
    x = np.linspace(0.2, 1, 5)
    y = x[[4, 1, 2, 3, 0]]
    assert exchanged_pair(x, y, 1.0, (0.5, 1.5)) == (0, 4)
    # The other exchange that makes a line makes a falling one.
    assert exchanged_pair(x, y, -1.0, (0.5, 1.5)) == (1, 3)


def test_a_long_series_takes_no_time(rng: np.random.Generator) -> None:
    x = np.linspace(0, 1, 24)
    y = x + rng.normal(0, 0.01, 24)
    y[5] += 2
    assert failed_vials(x, y, 1.0, (0.5, 1.5), 0.05) == [5]
