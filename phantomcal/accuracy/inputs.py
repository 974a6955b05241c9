"""What every measure of accuracy needs: checked arrays, and subjects as numbers."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from phantomcal.errors import InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# A spread over fewer subjects is hardly known.
FEW_SUBJECTS = 10


def as_classes(values: npt.ArrayLike, name: str = "truth") -> BoolArray:
    """Yes and no as booleans, shape (n,).

    Raises
    ------
    InputError
        Anything but truth values, 0 and 1, or no case at all.
    """
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{name} is not a list of cases", "the call", "give one value a case")
    if array.dtype != np.bool_:
        if array.dtype.kind not in "iuf" or not np.isin(array, (0, 1)).all():
            raise InputError(f"{name} holds other values than yes and no", "the call", "give booleans, or 0 and 1")
        array = array == 1
    return np.asarray(array, dtype=np.bool_)


def as_scores(values: npt.ArrayLike, n: int, name: str = "score") -> FloatArray:
    """Finite numbers, one for each of `n` cases.

    Raises
    ------
    InputError
        Another number of cases, or a value missing or infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    same_length(array, n, name)
    if not np.isfinite(array).all():
        raise InputError(f"{name} has missing or infinite values", "the call", "leave those cases out")
    return array


def same_length(array: npt.NDArray[Any], n: int, name: str) -> None:
    """Refuse an array that is not one value a case."""
    if array.shape != (n,):
        raise InputError(f"{name} has shape {array.shape} for {n} cases", "the call", "give one value a case")


def require_both_classes(truth: BoolArray) -> None:
    """Refuse cases that are all of one class."""
    positive = int(truth.sum())
    if positive in (0, truth.size):
        raise InputError(
            f"all {truth.size} cases are {'positive' if positive else 'negative'}",
            "the truth",
            "give cases of both classes",
        )


def subject_numbers(subjects: Iterable[Any] | None, n: int) -> IntArray | None:
    """Subjects counted from 0 by first appearance, or None when no subject has several cases (or none are named).

    Raises
    ------
    InputError
        Another number of cases.
    """
    if subjects is None:
        return None
    import pandas as pd

    array = np.asarray(subjects if isinstance(subjects, np.ndarray) else list(subjects))
    same_length(array, n, "subjects")
    numbers = np.asarray(pd.factorize(array, use_na_sentinel=False)[0], dtype=np.int64)
    return numbers if int(numbers.max()) + 1 < n else None


def count_subjects(numbers: IntArray | None) -> int | None:
    """How many subjects; None for independent cases."""
    return None if numbers is None else int(numbers.max()) + 1


def few_subjects(numbers: IntArray | None) -> str:
    """A remark when the spread between subjects is hardly known, else nothing."""
    n = count_subjects(numbers)
    return f"only {n} subjects: the interval is rough" if n is not None and n < FEW_SUBJECTS else ""


def joined(*parts: str) -> str:
    """Remarks in one line, empty ones left out."""
    return "; ".join(part for part in parts if part)


def percentile_ends(values: FloatArray) -> tuple[float, float]:
    """The middle 95 % of bootstrap values."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
