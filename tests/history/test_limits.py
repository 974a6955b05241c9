"""Control limits and rules against textbook constants, hand-made patterns, and run lengths of published theory."""

import numpy as np
import pytest

from phantomcal.history.limits import (
    BEYOND_3,
    D2,
    D4,
    EIGHT,
    EWMA,
    EWMA_LAMBDA,
    EWMA_LIMIT,
    FOUR_OF_FIVE,
    RANGE,
    RULES,
    TWO_OF_THREE,
    Limits,
    broken_rules,
    ewma,
    ewma_half_width,
    limits,
)

KNOWN = Limits(n=1000, centre=0.0, sigma=1.0, degrees_of_freedom=600.0, moving_range=D2)


def marked(z: list[float], rule: str) -> list[int]:
    return np.flatnonzero(broken_rules(np.array(z, dtype=float), KNOWN)[rule]).tolist()


def test_constants_are_those_of_the_tables():
    assert pytest.approx(1.128, abs=5e-4) == D2
    assert pytest.approx(3.267, abs=1e-3) == D4


def test_an_individuals_chart_of_a_textbook():
    # Montgomery's paint primer viscosity: batches 1 to 15, mean 33.52, mean moving range 0.48.
    viscosity = [
        33.75,
        33.05,
        34.00,
        33.81,
        33.46,
        34.02,
        33.68,
        33.27,
        33.49,
        33.20,
        33.62,
        33.00,
        33.54,
        33.12,
        33.84,
    ]
    found = limits(np.array(viscosity))
    assert found.centre == pytest.approx(33.52, abs=0.005)
    assert found.moving_range == pytest.approx(0.48, abs=0.005)
    assert found.sigma is not None
    assert found.centre + 3 * found.sigma == pytest.approx(34.80, abs=0.01)
    assert found.centre - 3 * found.sigma == pytest.approx(32.24, abs=0.01)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_points_set_no_limits(n):
    found = limits(np.arange(n, dtype=float))
    assert found.sigma is None
    assert not any(flags.any() for flags in broken_rules(np.arange(30.0), found).values())


def test_equal_points_set_no_limits():
    assert limits(np.full(12, 0.33)).sigma is None


def test_patterns():
    assert marked([0, 3.01, 0, -3.01, 2.99], BEYOND_3) == [1, 3]
    assert marked([0, 2.1, 0, 2.1, 0, 0, 2.1], TWO_OF_THREE) == [3]
    assert marked([2.1, -2.1, 2.1], TWO_OF_THREE) == [2]
    assert marked([2.1, -2.1, 0, -2.1], TWO_OF_THREE) == [3]
    assert marked([1.1, 1.1, 0, 1.1, 1.1, 0, 1.1], FOUR_OF_FIVE) == [4]
    assert marked([1.1, 1.1, 1.1, -1.1, -1.1], FOUR_OF_FIVE) == []
    assert marked([0.1] * 7 + [-0.1] + [0.1] * 8, EIGHT) == [15]
    assert marked([-0.1] * 9, EIGHT) == [7, 8]
    assert marked([0, 1.8, -1.9, 0], RANGE) == [2]  # 3.7 is more than 3.267 times 1.128


def test_the_average_remembers_and_its_limits_widen_to_their_asymptote():
    values = np.array([1.0, 0, 0, 0])
    assert ewma(values, 0.0) == pytest.approx([0.2, 0.16, 0.128, 0.1024])
    width = ewma_half_width(200, 2.0)
    assert width[0] == pytest.approx(EWMA_LIMIT * 2 * EWMA_LAMBDA)
    assert width[-1] == pytest.approx(EWMA_LIMIT * 2 * np.sqrt(EWMA_LAMBDA / (2 - EWMA_LAMBDA)))
    assert (np.diff(width) > -1e-15).all()


def test_a_slow_drift_is_seen_by_the_average_before_any_point_is_beyond_its_limits(rng):
    z = rng.normal(size=60) * 0.8 + np.linspace(0, 2.0, 60)
    broken = broken_rules(z, KNOWN)
    assert broken[EWMA].any()
    first = {rule: np.flatnonzero(flags)[0] if flags.any() else 60 for rule, flags in broken.items()}
    assert first[EWMA] < first[BEYOND_3]


def test_false_alarms_with_known_limits_are_those_of_theory(rng):
    """0.27 % of points beyond three sigma; average run lengths 370, 92 (Champ and Woodall 1987) and 370 (EWMA)."""
    runs, length = 400, 1500
    z = rng.normal(size=(runs, length))
    flags = [broken_rules(row, KNOWN) for row in z]
    beyond = np.mean([f[BEYOND_3].mean() for f in flags])
    assert beyond == pytest.approx(0.0027, abs=4 * np.sqrt(0.0027 / z.size))
    four = (BEYOND_3, TWO_OF_THREE, FOUR_OF_FIVE, EIGHT)

    def mean_run(rules: tuple[str, ...]) -> tuple[float, float]:
        # Runs that end after the simulated stretch are cut there: events per point at risk still estimate 1 / ARL.
        first = [np.flatnonzero(np.any([f[r] for r in rules], axis=0)) for f in flags]
        ends = sum(len(k) > 0 for k in first)
        at_risk = sum(int(k[0]) + 1 if len(k) else length for k in first)
        return at_risk / ends, at_risk / ends / np.sqrt(ends)

    for rules, theory in (((BEYOND_3,), 370.4), (four, 91.75), ((EWMA,), 371.0)):
        found, error = mean_run(rules)
        assert found == pytest.approx(theory, abs=4 * error + 0.02 * theory), rules


def test_the_average_s_run_length_by_markov_chain():
    """Brook and Evans' chain with asymptotic limits: why 2.86 and not 2.7."""
    from scipy.stats import norm

    def run_length(width: float, states: int = 301) -> float:
        half = width * np.sqrt(EWMA_LAMBDA / (2 - EWMA_LAMBDA))
        step = 2 * half / states
        at = -half + step * (np.arange(states) + 0.5)
        kept = (1 - EWMA_LAMBDA) * at[:, None]
        move = norm.cdf((at + step / 2 - kept) / EWMA_LAMBDA) - norm.cdf((at - step / 2 - kept) / EWMA_LAMBDA)
        return float(np.linalg.solve(np.eye(states) - move, np.ones(states))[states // 2])

    assert run_length(EWMA_LIMIT) == pytest.approx(370.4, rel=0.01)
    assert run_length(2.962) == pytest.approx(500, rel=0.01)  # Lucas and Saccucci's table
    assert run_length(2.7) == pytest.approx(238, rel=0.01)


@pytest.mark.parametrize("n", [5, 10, 20])
def test_sigma_is_unbiased_and_as_uncertain_as_its_degrees_of_freedom_say(rng, n):
    found = [limits(row) for row in rng.normal(size=(3000, n))]
    sigma = np.array([f.sigma for f in found])
    df = found[0].degrees_of_freedom
    assert sigma.mean() == pytest.approx(1.0, abs=4 * sigma.std() / np.sqrt(3000))
    assert sigma.var() == pytest.approx(1 / (2 * df), rel=0.12)


def test_limits_from_few_points_give_more_false_alarms(rng):
    """What the page says: with ten baseline points clearly more than one good point in 370 falls outside."""
    rate = {}
    for n in (10, 40):
        outside = [broken_rules(row[n:], limits(row[:n]))[BEYOND_3].mean() for row in rng.normal(size=(1500, n + 60))]
        rate[n] = np.mean(outside)
    assert 0.008 < rate[10] < 0.03
    assert 0.0027 < rate[40] < 0.008


def test_every_rule_has_its_own_words():
    assert len(set(RULES)) == len(RULES) == 6
