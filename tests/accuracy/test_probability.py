"""Reliability of probabilities right, too bold, or all alike; cross-validation that never sees a subject twice."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from phantomcal.accuracy.crossvalidate import out_of_fold
from phantomcal.accuracy.probability import reliability
from phantomcal.accuracy.roc import roc
from phantomcal.errors import InputError


def test_right_probabilities(rng: np.random.Generator) -> None:
    p = rng.random(4000)
    found = reliability(rng.random(4000) < p, p)
    assert found.ece < found.ece_if_calibrated_95 * 1.2
    assert found.slope_ci95 is not None
    assert found.slope_ci95[0] < 1 < found.slope_ci95[1]
    assert found.intercept_ci95 is not None
    assert found.intercept_ci95[0] < 0 < found.intercept_ci95[1]
    assert found.brier == pytest.approx(1 / 6, abs=0.01)
    total = found.brier_reliability - found.brier_resolution + found.brier_uncertainty + found.brier_within_bins
    assert total == pytest.approx(found.brier)
    assert abs(found.brier_within_bins) < 0.002
    assert sum(row.observed.n for row in found.bins) == 4000


def test_bold_probabilities_are_found_out(rng: np.random.Generator) -> None:
    logit = rng.standard_normal(3000)
    truth = rng.random(3000) < 1 / (1 + np.exp(-logit))
    found = reliability(truth, 1 / (1 + np.exp(-2 * logit)), bins="count")
    assert found.slope == pytest.approx(0.5, abs=3 * (found.slope_se or 0))
    assert found.slope_ci95 is not None
    assert found.slope_ci95[1] < 1
    assert found.ece > 2 * found.ece_if_calibrated_95
    assert found.ece_ci95 is not None
    assert found.ece_ci95[0] <= found.ece <= found.ece_ci95[1]
    assert {row.observed.n for row in found.bins} == {300}


def test_order_and_class_do_not_matter(rng: np.random.Generator) -> None:
    p = rng.random(200)
    truth = rng.random(200) < p
    one, other = reliability(truth, p, 4), reliability(~truth, 1 - p, 4)
    assert other.ece == pytest.approx(one.ece)
    assert other.brier == pytest.approx(one.brier)
    assert other.slope == pytest.approx(one.slope)
    order = rng.permutation(200)
    assert reliability(truth[order], p[order], 4).ece == pytest.approx(one.ece)


def test_clusters_widen(rng: np.random.Generator) -> None:
    p = rng.random(60)
    truth = rng.random(60) < p
    many, subjects = [np.repeat(x, 6) for x in (truth, p)], np.repeat(np.arange(60), 6)
    aware, plain, once = reliability(*many, subjects=subjects), reliability(*many), reliability(truth, p)
    assert aware.slope == pytest.approx(once.slope)
    assert aware.slope_se is not None
    assert plain.slope_se is not None
    assert aware.slope_se > 1.8 * plain.slope_se
    assert np.ptp(aware.brier_ci95 or 0) > 1.8 * np.ptp(plain.brier_ci95 or 0)


def test_no_slope_is_said() -> None:
    apart = reliability([0, 0, 1, 1], [0.1, 0.2, 0.8, 1.0])
    assert apart.slope is None
    assert "completely" in apart.note
    assert reliability([0, 1, 1], [0.5, 0.5, 0.5]).slope is None
    assert "one class" in reliability([1, 1], [0.5, 0.9]).note
    with pytest.raises(InputError, match="outside 0 to 1"):
        reliability([1, 0], [50.0, 20.0])


def test_subjects_never_stand_on_both_sides(rng: np.random.Generator) -> None:
    subjects = np.repeat(np.arange(30), 4)
    y = rng.random(120) < 0.4
    X = rng.standard_normal((120, 2)) + y[:, None]
    seen: list[set[float]] = []

    def fit(rows: np.ndarray, truth: np.ndarray):  # type: ignore[no-untyped-def]
        seen.append(set(rows[:, 0]))
        return lambda test: np.full(len(test), truth.mean())

    found = out_of_fold(fit, X, y, subjects)
    assert len(seen) == found.n_folds == 5
    assert found.n_groups == 30
    for fold in range(5):
        inside = found.fold == fold
        assert not set(subjects[inside]) & set(subjects[~inside])
        assert not set(X[inside, 0]) & seen[fold]
    assert np.isfinite(found.probability).all()
    assert np.array_equal(out_of_fold(fit, X, y, subjects).fold, found.fold)


def test_noise_is_not_praised(rng: np.random.Generator) -> None:
    # Lesions of a subject look alike: a model that has seen the subject knows them all, out of fold it knows nothing.
    subjects = np.repeat(np.arange(40), 5)
    held_out, seen = [], []
    for _ in range(8):
        y = np.repeat(rng.random(40) < 0.5, 5)
        X = np.repeat(rng.standard_normal((40, 8)), 5, axis=0)
        held_out.append(roc(y, out_of_fold(LogisticRegression(), X, y, subjects).probability).auc)
        seen.append(roc(y, out_of_fold(LogisticRegression(), X, y).probability).auc)
    assert np.mean(held_out) < 0.57
    assert np.mean(seen) > 0.68
    strong = out_of_fold(LogisticRegression(), X + 5 * y[:, None], y, subjects)
    assert roc(y, strong.probability, subjects).auc > 0.95


def test_cross_validation_refused(rng: np.random.Generator) -> None:
    X = rng.standard_normal((6, 1))
    with pytest.raises(InputError, match="single subject"):
        out_of_fold(LogisticRegression(), X, [1, 1, 0, 0, 0, 0], ["a", "a", "b", "b", "c", "c"])
    with pytest.raises(InputError, match="rows of shape"):
        out_of_fold(LogisticRegression(), X[:4], [1, 1, 0, 0, 0, 0])
    few = out_of_fold(LogisticRegression(), X, [1, 1, 0, 0, 0, 0])
    assert few.n_folds == 2
    assert "2 folds" in few.method
