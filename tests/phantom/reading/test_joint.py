"""HU and ppm together: the right material, calibrated probabilities, intervals that cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantomcal.phantom.fitting.fit import fit_line
from phantomcal.phantom.reading.joint import Pair, read_jointly

LEVELS = {"gadolinium": np.array([0, 0.625, 1.25, 2.5, 5, 10]), "calcium": np.arange(6) * 300.0}
TRUE = {"gadolinium": (5.69, 0.338), "calcium": (0.208, -2.68e-4)}


def drawn(rng: np.random.Generator, noise: tuple[float, float], scale: tuple[float, float] = (1, 1)) -> dict[str, Pair]:
    pairs = {}
    for name, x in LEVELS.items():
        curves = [
            fit_line(x, k * (b * x + rng.normal(0, s, 6))).curve
            for b, s, k in zip(TRUE[name], noise, scale, strict=True)
        ]
        assert curves[0] is not None
        assert curves[1] is not None
        pairs[name] = Pair(curves[0], curves[1], (0.0, float(x.max())))
    return pairs


def test_samples_of_one_material_are_named(rng: np.random.Generator) -> None:
    pairs = drawn(rng, (0.3, 0.01))
    for name, amount in (("gadolinium", 4.0), ("calcium", 900.0)):
        hu, ppm = (b * amount for b in TRUE[name])
        found = read_jointly(pairs, hu, ppm)
        assert found.verdict == name
        m = found.materials[name]
        assert m.probability > 0.99
        low, high = m.interval or (0, 0)
        assert low < amount < high
        assert low < m.amount < high
        assert sum(k.probability for k in found.materials.values()) == pytest.approx(1)


def test_a_mixture_is_neither(rng: np.random.Generator) -> None:
    pairs = drawn(rng, (0.3, 0.01))
    hu, ppm = (0.5 * (TRUE["gadolinium"][k] * 8 + TRUE["calcium"][k] * 1200) for k in (0, 1))
    found = read_jointly(pairs, hu, ppm)
    assert found.verdict == "neither"
    assert "contradict each other" in found.note


def test_nothing_is_undetermined(rng: np.random.Generator) -> None:
    found = read_jointly(drawn(rng, (0.3, 0.01)), 0.1, 0.001)
    assert found.verdict == "undetermined"
    assert all(m.below_critical for m in found.materials.values())
    assert "nothing is detected" in found.note


def test_a_noisier_reading_is_less_certain(rng: np.random.Generator) -> None:
    pairs = drawn(rng, (3.0, 0.1))
    sharp = read_jointly(pairs, 20.0, 0.2, hu_se=0.0, ppm_se=0.0)
    vague = read_jointly(pairs, 20.0, 0.2, hu_se=30.0, ppm_se=1.0)
    assert max(m.probability for m in vague.materials.values()) < max(m.probability for m in sharp.materials.values())
    widths = [np.ptp(k.materials["calcium"].interval or (0, 0)) for k in (sharp, vague)]
    assert widths[1] > widths[0]


def test_two_readings_are_better_than_one(rng: np.random.Generator) -> None:
    from phantomcal.phantom.reading.inverse import read_back

    pairs = drawn(rng, (3.0, 0.1))
    both = read_jointly(pairs, 5.69 * 5, 0.338 * 5).materials["gadolinium"]
    singles = [read_back(pairs["gadolinium"].ct, 5.69 * 5), read_back(pairs["gadolinium"].qsm, 0.338 * 5)]
    assert np.ptp(both.interval or (0, 0)) < min(np.ptp(s.interval or (0, np.inf)) for s in singles)


def test_probabilities_are_calibrated_and_intervals_cover(rng: np.random.Generator) -> None:
    said, true, inside = [], [], 0
    n = 300
    for _ in range(n):
        own = str(rng.choice(list(LEVELS)))
        amount = rng.uniform(0, LEVELS[own].max())
        noise = (20.0, 0.3)
        hu, ppm = (b * amount + rng.normal(0, s) for b, s in zip(TRUE[own], noise, strict=True))
        found = read_jointly(drawn(rng, noise), hu, ppm).materials
        low, high = found[own].interval or (-np.inf, np.inf)
        inside += low <= amount <= high
        said += [m.probability for m in found.values()]
        true += [name == own for name in found]
    assert 0.92 <= inside / n <= 0.98
    p, hit = np.array(said), np.array(true)
    for low, high in ((0.0, 0.1), (0.1, 0.4), (0.4, 0.6), (0.6, 0.9), (0.9, 1.01)):
        chosen = (p >= low) & (p < high)
        assert abs(hit[chosen].mean() - p[chosen].mean()) < 0.12
    # One over the other: the mean of what is said equals how often it is so.
    assert np.mean((p - hit) ** 2) < np.mean((0.5 - hit) ** 2)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.floats(0.01, 100), st.floats(0.01, 100))
def test_units_of_the_readings_change_no_probability(seed: int, k: float, m: float) -> None:
    one = read_jointly(drawn(np.random.default_rng(seed), (3.0, 0.1)), 20.0, 0.3)
    other = read_jointly(drawn(np.random.default_rng(seed), (3.0, 0.1), (k, m)), 20.0 * k, 0.3 * m)
    assert other.verdict == one.verdict
    for name, found in one.materials.items():
        assert other.materials[name].probability == pytest.approx(found.probability, abs=1e-6)
        assert other.materials[name].amount == pytest.approx(found.amount, rel=1e-6)


def test_no_material_is_refused() -> None:
    with pytest.raises(ValueError, match="both lines"):
        read_jointly({}, 1.0, 1.0)
