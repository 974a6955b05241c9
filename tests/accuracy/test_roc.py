"""Areas against their definition, laws that hold for every curve, coverage, and what has no answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from phantomcal.accuracy.roc import areas, compare_areas, equal_areas, holm, roc
from phantomcal.errors import InputError
from tests.accuracy.made import clustered_cases

cases = st.lists(st.tuples(st.booleans(), st.integers(-4, 4), st.integers(0, 5)), min_size=6, max_size=40).filter(
    lambda rows: 2 <= sum(row[0] for row in rows) <= len(rows) - 2
)


def by_definition(truth: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """Area and DeLong's variance by comparing every positive with every negative case."""
    over = np.subtract.outer(score[truth], score[~truth])
    wins = (over > 0) + 0.5 * (over == 0)
    m, n = wins.shape
    return wins.mean(), wins.mean(axis=1).var(ddof=1) / m + wins.mean(axis=0).var(ddof=1) / n


@given(cases)
@settings(max_examples=60, deadline=None)
def test_mid_ranks_give_what_all_pairs_give(rows: list[tuple[bool, int, int]]) -> None:
    truth, score = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=float)
    found = areas(truth, score[None])
    assert (found.values[0], found.covariance[0, 0]) == pytest.approx(by_definition(truth, score), abs=1e-12)


@given(cases, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_laws(rows: list[tuple[bool, int, int]], random: object) -> None:
    truth, score = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=float)
    subject = np.array([r[2] for r in rows])
    plain = roc(truth, score, subject)
    assert roc(truth, np.exp(score / 3) - 5, subject).auc == plain.auc
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    mixed = roc(truth[order], score[order], subject[order])
    assert mixed.auc == pytest.approx(plain.auc, abs=1e-12)
    turned, swapped = roc(truth, -score, subject), roc(~truth, score, subject)
    assert turned.auc == pytest.approx(1 - plain.auc, abs=1e-12)
    assert swapped.auc == pytest.approx(1 - plain.auc, abs=1e-12)
    assert (turned.auc_se is None) == (plain.auc_se is None) == (swapped.auc_se is None)
    if plain.auc_se is not None:
        for other in (mixed, turned, swapped):
            assert other.auc_se == pytest.approx(plain.auc_se, abs=1e-9)


def test_points_bound_the_area(rng: np.random.Generator) -> None:
    truth, score = rng.random(500) < 0.4, rng.standard_normal(500).round(1)
    found = roc(truth, score + truth)
    x = [p.false_positive_rate for p in found.points]
    y = [p.true_positive_rate for p in found.points]
    assert integrate.trapezoid(y, x) == pytest.approx(found.auc, abs=1e-12)
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    for point in found.points[1:]:
        called = score + truth >= point.threshold
        assert called[truth].mean() == pytest.approx(point.true_positive_rate)
        assert called[~truth].mean() == pytest.approx(point.false_positive_rate)


def test_perfect_separation_is_said_and_has_no_interval() -> None:
    for sign, area in ((1, 1.0), (-1, 0.0)):
        found = roc([0, 0, 0, 1, 1], sign * np.arange(5.0))
        assert (found.auc, found.auc_se, found.auc_ci95) == (area, None, None)
        assert "(2)" in found.note
        assert "(3)" in found.note


def test_one_case_of_a_class_has_no_error() -> None:
    found = roc([1, 0, 0, 0], [2.0, 1, 3, 2.5])
    assert found.auc == pytest.approx(1 / 3)
    assert found.auc_ci95 is None
    assert "too few" in found.note


def test_interval_near_one_stays_inside(rng: np.random.Generator) -> None:
    truth = np.repeat([True, False], 15)
    found = roc(truth, rng.standard_normal(30) + 2.5 * truth)
    assert 0.9 < found.auc < 1
    assert found.auc_ci95 is not None
    assert 0 < found.auc_ci95[0] < found.auc < found.auc_ci95[1] < 1
    assert "logit" in found.method
    assert found.auc - found.auc_ci95[0] > found.auc_ci95[1] - found.auc
    assert "logit" not in roc(truth, rng.standard_normal(30) + truth * 0.5).method


@pytest.mark.parametrize("shift", [0.7, 2.2])
def test_interval_covers(rng: np.random.Generator, shift: float) -> None:
    hits, done = 0, 400
    for _ in range(done):
        truth, score, _, area = clustered_cases(rng, 70, 1, shift)
        interval = roc(truth, score).auc_ci95
        hits += interval is not None and interval[0] <= area <= interval[1]
    assert 0.92 <= hits / done <= 0.98


def test_clustered_interval_covers_where_the_plain_one_does_not(rng: np.random.Generator) -> None:
    hits, plain, done = 0, 0, 250
    for _ in range(done):
        subjects = np.repeat(np.arange(30), 6)
        truth = np.repeat(np.arange(30) % 2 == 0, 6)  # a subject's lesions are of one kind, so clustering matters
        score = 0.9 * truth + rng.standard_normal(30)[subjects] + 0.5 * rng.standard_normal(180)
        area = 0.7153  # P(N(0.9, 2 * 1.25) > 0)
        for who, known in ((subjects, True), (None, False)):
            interval = roc(truth, score, who).auc_ci95
            inside = interval is not None and interval[0] <= area <= interval[1]
            hits, plain = (hits + inside, plain) if known else (hits, plain + inside)
    assert 0.92 <= hits / done <= 0.985
    assert plain / done < 0.8


def test_repeating_every_case_changes_nothing_but_the_count(rng: np.random.Generator) -> None:
    truth, score = rng.random(60) < 0.5, rng.standard_normal(60)
    once = roc(truth, score + truth)
    twice = roc(np.repeat(truth, 3), np.repeat(score + truth, 3), np.repeat(np.arange(60), 3))
    assert twice.auc == pytest.approx(once.auc)
    assert twice.auc_se == pytest.approx(once.auc_se, rel=0.02)
    assert once.n_subjects is None
    assert twice.n_subjects == 60


def test_difference_of_two_scores(rng: np.random.Generator) -> None:
    truth = rng.random(200) < 0.5
    good, same = rng.standard_normal(200) + 2 * truth, rng.standard_normal(200)
    rows = {(r.first, r.second): r for r in compare_areas(truth, {"a": good, "b": good * 2 + 1, "c": same})}
    assert rows["a", "b"].p == 1
    assert rows["a", "b"].difference == 0
    assert "same order" in rows["a", "b"].note
    assert rows["a", "c"].p_adjusted is not None
    assert rows["a", "c"].p is not None
    assert rows["a", "c"].p < 1e-6
    assert rows["a", "c"].p_adjusted >= rows["a", "c"].p
    assert rows["a", "c"].ci95 is not None
    assert rows["a", "c"].ci95[0] > 0.2
    assert equal_areas(truth, {"a": good, "b": good * 2 + 1}).p is None


def test_level_of_the_paired_comparison(rng: np.random.Generator) -> None:
    p = []
    for _ in range(400):
        truth = np.repeat([True, False], 40)
        common = rng.standard_normal(80) + truth
        p.append(compare_areas(truth, {"a": common + rng.standard_normal(80), "b": common + rng.standard_normal(80)}))
    assert 0.025 <= np.mean([row[0].p < 0.05 for row in p if row[0].p is not None]) <= 0.08


@pytest.mark.parametrize(
    ("truth", "score", "words"),
    [
        ([1, 1], [1.0, 2.0], "all 2 cases are positive"),
        ([1, 0], [1.0, np.nan], "missing"),
        ([1, 0, 2], [1.0, 2, 3], "other values"),
        ([1, 0], [1.0, 2, 3], "shape"),
        ([], [], "not a list"),
    ],
)
def test_refused(truth: list[int], score: list[float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        roc(truth, score)
    with pytest.raises(InputError, match="fewer than two"):
        compare_areas([1, 0], {"a": [1, 2]})


def test_a_hundred_thousand_cases_are_quick(rng: np.random.Generator) -> None:
    truth, score = rng.random(100_000) < 0.3, rng.standard_normal(100_000)
    found = roc(truth, score + truth)
    assert found.auc == pytest.approx(0.7602, abs=0.006)
    assert len(found.points) <= 400


def test_holm_by_hand() -> None:
    assert holm([0.04, None, 0.01, 0.03]) == pytest.approx([0.06, None, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([None]) == [None]


def test_two_perfect_scores_are_not_called_alike() -> None:
    (row,) = compare_areas([0, 0, 1, 1], {"a": [1, 2, 3, 4], "b": [2, 1, 4, 3]})
    assert (row.difference, row.p, row.standard_error) == (0, None, None)
    assert "area of exactly 0 or 1" in row.note
