"""Cut-offs by exhaustive search, known optimum, bootstrap of subjects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantomcal.accuracy.cutoff import best_cutoff
from phantomcal.errors import InputError


@given(st.lists(st.tuples(st.booleans(), st.integers(-5, 5)), min_size=4, max_size=30))
@settings(max_examples=50, deadline=None)
def test_no_other_cutoff_is_better(rows: list[tuple[bool, int]]) -> None:
    truth, score = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=float)
    if truth.all() or not truth.any() or np.ptp(score) == 0:
        return
    found = best_cutoff(truth, score, n_bootstrap=200)
    tries = [(score[truth] >= t).mean() - (score[~truth] >= t).mean() for t in np.unique(score)]
    assert found.youden == pytest.approx(max(tries))
    called = score >= found.cutoff
    assert found.sensitivity.value == pytest.approx(called[truth].mean())
    assert found.specificity.value == pytest.approx((~called)[~truth].mean())


def test_wanted_sensitivity_is_reached_with_the_best_specificity(rng: np.random.Generator) -> None:
    truth = rng.random(300) < 0.4
    score = rng.standard_normal(300) + truth
    found = best_cutoff(truth, score, sensitivity=0.9, n_bootstrap=300)
    assert found.sensitivity.value is not None
    assert found.sensitivity.value >= 0.9
    higher = np.sort(score[score > found.cutoff])[1]
    assert (score[truth] >= higher).mean() < 0.9
    assert found.rule == "sensitivity at least 0.9"


def test_interval_holds_the_known_optimum_and_optimism_is_taken_off(rng: np.random.Generator) -> None:
    # Normal scores one apart with equal spread: the best cut-off is halfway, Youden's index there 0.383.
    hits, apparent, corrected, done = 0, [], [], 60
    for _ in range(done):
        truth = np.repeat([True, False], 60)
        found = best_cutoff(truth, rng.standard_normal(120) + truth, n_bootstrap=400)
        hits += found.cutoff_ci95 is not None and found.cutoff_ci95[0] <= 0.5 <= found.cutoff_ci95[1]
        apparent.append(found.youden)
        corrected.append(found.youden_corrected)
    assert hits / done >= 0.88
    assert np.mean(apparent) > 0.41  # too good
    assert abs(np.mean(corrected) - 0.383) < abs(np.mean(apparent) - 0.383)


def test_subjects_are_drawn_whole(rng: np.random.Generator) -> None:
    subjects = np.repeat(np.arange(24), 8)
    truth = np.repeat(np.arange(24) % 2 == 0, 8)
    score = truth + np.repeat(rng.standard_normal(24), 8) + 0.1 * rng.standard_normal(192)
    aware, plain = best_cutoff(truth, score, subjects), best_cutoff(truth, score)
    assert aware.cutoff == plain.cutoff
    assert aware.cutoff_ci95 is not None
    assert plain.cutoff_ci95 is not None
    assert np.ptp(aware.cutoff_ci95) > 1.3 * np.ptp(plain.cutoff_ci95)
    assert "whole subjects" in aware.method
    assert aware.n_subjects == 24


def test_same_seed_same_answer_and_order_does_not_matter(rng: np.random.Generator) -> None:
    truth = rng.random(80) < 0.5
    score = rng.standard_normal(80) + truth
    one = best_cutoff(truth, score)
    assert best_cutoff(truth, score) == one
    order = rng.permutation(80)
    mixed = best_cutoff(truth[order], score[order])
    assert mixed.cutoff == one.cutoff
    assert mixed.cutoff_ci95 == pytest.approx(one.cutoff_ci95, abs=0.25)


def test_refused() -> None:
    with pytest.raises(InputError, match="same for all"):
        best_cutoff([1, 0], [2.0, 2.0])
    with pytest.raises(InputError, match=r"sensitivity of 1\.2"):
        best_cutoff([1, 0], [2.0, 1.0], sensitivity=1.2)
    with pytest.raises(InputError, match="draws"):
        best_cutoff([1, 0], [2.0, 1.0], n_bootstrap=5)
