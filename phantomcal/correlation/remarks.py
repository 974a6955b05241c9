"""What must a reader know beside a region's coefficients? The verdict, and warnings in words."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from phantomcal.correlation.association import Association, WithinSubjects, repeated_measures_correlation
from phantomcal.results import Behaviour

ALPHA = 0.05
FEW_ROWS = 10
FEW_SUBJECTS = 5
RANK_GAP = 0.2
COOK_LIMIT = 1.0

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass
class Remarks:
    """Sentences about one region: all of them for its note, and those that are warnings."""

    note: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        self.note.append(text)
        self.warnings.append(text)


def behaviour(a: Association, p_adjusted: float) -> Behaviour:
    """Verdict of a region: both coefficients and the interval on one side of 0, and the adjusted p below 0.05."""
    if not p_adjusted < ALPHA:
        return "undetermined"
    if a.pearson_ci95[0] > 0 and a.spearman_rho > 0:
        return "paramagnetic"
    if a.pearson_ci95[1] < 0 and a.spearman_rho < 0:
        return "diamagnetic"
    return "undetermined"


def remarks(
    group: pd.DataFrame,
    answer: Association | str,
    p_adjusted: float,
    n_tested: int,
    n_dropped: int,
    *,
    has_subjects: bool,
) -> Remarks:
    """Everything worth saying about one region.

    Parameters
    ----------
    group : pandas.DataFrame
        Its usable rows, columns ``x, y, subject, row`` (line in the file).
    answer : Association or str
        What was found, or why nothing was.
    p_adjusted : float
        Pearson's p, adjusted over `n_tested` regions.
    n_tested : int
        Regions that were tested.
    n_dropped : int
        Rows of the region left out because a value is missing.
    has_subjects : bool
        Whether the subject of each row is known.

    Returns
    -------
    Remarks
    """
    said = Remarks()
    if n_dropped:
        said.note.append(f"{n_dropped} row{'s' if n_dropped != 1 else ''} with missing values left out")
    if isinstance(answer, str):
        said.warn(f"not tested: {answer}")
        return said
    if has_subjects:
        _say_clustering(said, group)
    if answer.n < FEW_ROWS:
        said.warn(f"only {answer.n} rows: the interval is wide")
    if abs(answer.pearson_r - answer.spearman_rho) > RANK_GAP:
        said.warn(
            f"Pearson {answer.pearson_r:.2f} and Spearman {answer.spearman_rho:.2f} differ: "
            "an outlier or a curved relation"
        )
    _say_influence(said, group, answer, p_adjusted, n_tested, has_subjects)
    if behaviour(answer, p_adjusted) == "undetermined":
        if not p_adjusted < ALPHA:
            said.note.append(f"undetermined: the adjusted p {p_adjusted:.2g} is not below {ALPHA}")
        else:
            said.note.append("undetermined: Pearson and Spearman do not agree on the sign")
    return said


def _say_clustering(said: Remarks, group: pd.DataFrame) -> None:
    n, rows_of = len(group), group["subject"].value_counts()
    n_subjects = len(rows_of)
    if n_subjects == n:
        return
    text = (
        f"{n} rows come from {_word(n_subjects)} subject{'s' if n_subjects != 1 else ''}: rows of one subject are not "
        "independent, so p values and intervals are too optimistic"
    )
    if n_subjects < FEW_SUBJECTS:
        text += f"; {_word(n_subjects)} subject{'s' if n_subjects != 1 else ''} cannot speak for a population"
    said.warn(text)
    if (rows_of > 1).sum() < 3:
        return
    codes = pd.factorize(group["subject"], sort=True)[0].astype(np.int64)
    within = repeated_measures_correlation(group["x"].to_numpy(), group["y"].to_numpy(), codes)
    if isinstance(within, WithinSubjects):
        said.note.append(
            f"within subjects (repeated-measures correlation) r is {within.r:.2f}, 95 % interval {within.ci95[0]:.2f} "
            f"to {within.ci95[1]:.2f}, p {within.p:.2g}, {within.dof} degrees of freedom"
        )


def _say_influence(
    said: Remarks, group: pd.DataFrame, a: Association, p_adjusted: float, n_tested: int, has_subjects: bool
) -> None:
    """Name the row that makes the line, and say when the verdict hangs on a single row."""
    top = int(np.argmax(a.cook))
    if a.cook[top] > COOK_LIMIT:
        without = a.r_without[top]
        then = f"r is {without:.2f} instead of {a.pearson_r:.2f}" if np.isfinite(without) else "nothing varies"
        said.warn(
            f"{_row_name(group, top, has_subjects)} pulls the line (Cook's distance {a.cook[top]:.1f}): "
            f"without it {then}"
        )
    if behaviour(a, p_adjusted) == "undetermined" or a.dof < 2:
        return
    # The other regions stay as they are, so the adjustment multiplies by what it did with the row in.
    factor = p_adjusted / a.pearson_p if a.pearson_p > 0 else n_tested
    holds = (a.p_without * factor < ALPHA) & (np.sign(a.r_without) == np.sign(a.pearson_r))
    lost = np.flatnonzero(~holds)
    if lost.size == 0:
        return
    weakest = int(lost[np.argmin(np.nan_to_num(np.abs(a.r_without[lost]), nan=-1.0))])
    more = f" (and {lost.size - 1} more such rows)" if lost.size > 1 else ""
    said.warn(
        f"the verdict hangs on one row: without {_row_name(group, weakest, has_subjects)} it would be "
        f"undetermined{more}"
    )


def _row_name(group: pd.DataFrame, position: int, has_subjects: bool) -> str:
    row, subject = group["row"].iloc[position], group["subject"].iloc[position]
    if not has_subjects or subject == "":
        return f"row {row}"
    return f"row {row} (subject {subject})"


def _word(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
