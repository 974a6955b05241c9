"""Kappa: laws, standard errors against the spread of repeated studies, clustering, what has no answer."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from phantomcal.accuracy.kappa import fleiss_kappa, kappa
from phantomcal.errors import InputError


def readings(rng: np.random.Generator, n: int, readers: int = 2) -> np.ndarray:
    truth = rng.integers(0, 4, n)
    return np.stack([np.where(rng.random(n) < 0.7, truth, rng.integers(0, 4, n)) for _ in range(readers)])


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_value_and_standard_error(rng: np.random.Generator, weights: str | None) -> None:
    studies = [kappa(*readings(rng, 100), weights) for _ in range(300)]
    values = [study.value for study in studies if study.value is not None]
    errors = [study.standard_error for study in studies if study.standard_error is not None]
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)
    a, b = readings(rng, 60)
    assert kappa(a, b, weights).value == pytest.approx(cohen_kappa_score(a, b, weights=weights))
    assert kappa(b, a, weights).value == pytest.approx(kappa(a, b, weights).value)
    renamed = np.array(["a", "b", "c", "d"])
    found = kappa(renamed[a], renamed[b], weights, categories=list("abcd"))
    assert found.value == pytest.approx(kappa(a, b, weights).value)


def test_clustered_readings_are_less_sure(rng: np.random.Generator) -> None:
    a, b = readings(rng, 40)
    subjects = np.repeat(np.arange(40), 5)
    once, aware = kappa(a, b), kappa(np.repeat(a, 5), np.repeat(b, 5), subjects=subjects)
    plain = kappa(np.repeat(a, 5), np.repeat(b, 5))
    assert aware.value == pytest.approx(once.value)
    assert aware.standard_error == pytest.approx(once.standard_error, rel=0.15)
    assert plain.standard_error is not None
    assert once.standard_error is not None
    assert plain.standard_error < 0.5 * once.standard_error


def test_several_readers(rng: np.random.Generator) -> None:
    studies = [fleiss_kappa(readings(rng, 60, 3).T) for _ in range(200)]
    values = [study.value for study in studies if study.value is not None]
    errors = [study.standard_error for study in studies if study.standard_error is not None]
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)
    calls = readings(rng, 50, 3).T
    assert fleiss_kappa(calls[:, ::-1]).value == pytest.approx(fleiss_kappa(calls).value)


def test_no_answer_is_said() -> None:
    constant = kappa([1, 1, 1], [1, 1, 1])
    assert constant.value is None
    assert "one category" in constant.note
    perfect = kappa([1, 0, 1, 0], [1, 0, 1, 0])
    assert perfect.value == 1
    assert perfect.ci95 is None
    assert "perfect" in perfect.note
    assert fleiss_kappa([[1, 1], [1, 1]]).value is None
    with pytest.raises(InputError, match="ordered"):
        kappa(["a", "b"], ["a", "b"], "linear")
    with pytest.raises(InputError, match="no category"):
        kappa(["a", "b"], ["a", "c"], categories=["a", "b"])
    with pytest.raises(InputError, match="weights"):
        kappa([1], [1], "cubic")
    with pytest.raises(InputError, match="shape"):
        kappa([1, 2], [1])
