"""What must a reader know beside a region's coefficients? The verdict, and warnings in words."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from phantomcal.correlation.analysis import Analysis
from phantomcal.correlation.association import Association
from phantomcal.correlation.clustered import MIN_SUBJECTS
from phantomcal.correlation.resample import prepare, resampled
from phantomcal.correlation.rows import covariates_of
from phantomcal.results import Behaviour, InfluentialRow

ALPHA = 0.05
FEW_ROWS = 10
RANK_GAP = 0.2
COOK_LIMIT = 1.0
MOST_INFLUENTIAL = 10
# A row drives the result when leaving it out moves Fisher's z by more than half its standard error.
MOVED = 0.5

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass
class Remarks:
    """Sentences about one region: all of them for its note, and those that are warnings."""

    note: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        self.note.append(text)
        self.warnings.append(text)


def behaviour(found: Analysis, p_adjusted: float) -> Behaviour:
    """Verdict of a region: coefficients and interval on one side of 0, and the adjusted p below 0.05."""
    interval = found.headline_ci95
    if not p_adjusted < ALPHA or interval is None:
        return "undetermined"
    a = found.pooled
    if interval[0] > 0 and a.pearson_r > 0 and a.spearman_rho > 0:
        return "paramagnetic"
    if interval[1] < 0 and a.pearson_r < 0 and a.spearman_rho < 0:
        return "diamagnetic"
    return "undetermined"


def influential_rows(
    region: str, group: pd.DataFrame, a: Association, *, has_subjects: bool
) -> tuple[list[InfluentialRow], npt.NDArray[np.int64]]:
    """Rows that drive the result, largest Cook's distance first, ten at most, and their positions in the group."""
    if a.dof < 2:
        return [], np.empty(0, dtype=np.int64)
    near_one = 1.0 - 1e-12
    z = np.arctanh(np.clip(a.r_without, -near_one, near_one))
    moved = np.abs(z - np.arctanh(np.clip(a.pearson_r, -near_one, near_one))) * np.sqrt(max(a.dof - 1, 1))
    drives = (a.cook > COOK_LIMIT) | ~np.isfinite(z) | ((moved > MOVED) & (a.cook > 4.0 / a.n))
    chosen = np.flatnonzero(drives)
    chosen = chosen[np.argsort(-a.cook[chosen], kind="stable")][:MOST_INFLUENTIAL]
    rows = [
        InfluentialRow(
            roi=region,
            row=str(group["row"].iloc[i]),
            subject=str(group["subject"].iloc[i]) if has_subjects else "",
            x=float(group["x"].iloc[i]),
            y=float(group["y"].iloc[i]),
            cook=float(a.cook[i]),
            leverage=float(a.leverage[i]),
            r_without=float(a.r_without[i]) if np.isfinite(a.r_without[i]) else None,
        )
        for i in chosen
    ]
    return rows, chosen


def r_without_rows(group: pd.DataFrame, positions: npt.NDArray[np.int64]) -> float | None:
    """Pearson's r with several rows left out at once; None without rows, or when too little is left."""
    if positions.size == 0 or len(group) - positions.size < 3:
        return None
    weights = np.ones((1, len(group)))
    weights[0, positions] = 0.0
    pairs = prepare(group["x"].to_numpy(), group["y"].to_numpy(), covariates_of(group))
    r = float(resampled(pairs, weights).r[0])
    return r if np.isfinite(r) else None


def remarks(
    group: pd.DataFrame,
    answer: Analysis | str,
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
    answer : Analysis or str
        What was found, or why nothing was.
    p_adjusted : float
        The headline p of Pearson's r, adjusted over `n_tested` regions.
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
    a = answer.pooled
    if has_subjects:
        _say_clustering(said, group, answer)
    if a.n < FEW_ROWS:
        said.warn(f"only {a.n} rows: the interval is wide")
    if a.dof >= 2 and abs(a.pearson_r - a.spearman_rho) > RANK_GAP:
        said.warn(
            f"Pearson {a.pearson_r:.2f} and Spearman {a.spearman_rho:.2f} differ: an outlier or a curved relation"
        )
    if answer.quadratic_p is not None and answer.quadratic_p < ALPHA / max(n_tested, 1):
        said.note.append(f"the relation is curved: a quadratic term has p {answer.quadratic_p:.2g}")
    _say_influence(said, group, answer, p_adjusted, n_tested, has_subjects)
    if behaviour(answer, p_adjusted) == "undetermined":
        if answer.design == "none":
            said.note.append("undetermined: no p value can be given")
        elif not p_adjusted < ALPHA:
            said.note.append(f"undetermined: the adjusted p {p_adjusted:.2g} is not below {ALPHA}")
        elif answer.design == "within":
            said.note.append("undetermined: pooled and within-subject correlations do not agree on the sign")
        else:
            said.note.append("undetermined: Pearson and Spearman do not agree on the sign")
    return said


def _say_clustering(said: Remarks, group: pd.DataFrame, found: Analysis) -> None:
    n, n_subjects = len(group), group["subject"].nunique()
    if n_subjects == n:
        return
    subjects = f"{_word(n_subjects)} subject{'s' if n_subjects != 1 else ''}"
    text = f"{n} rows come from {subjects}: rows of one subject are not independent, so "
    if found.design == "clustered":
        said.note.append(text + "intervals and p values come from leaving out whole subjects")
        if found.n_eff is not None and found.n_eff < 0.95 * n:
            said.note.append(f"the rows are worth {found.n_eff:.0f} independent ones")
    elif found.design == "within":
        text += "the p value is of the correlation within subjects"
        if n_subjects < MIN_SUBJECTS:
            text += f"; {subjects} cannot speak for a population"
        said.warn(text + ", and the pooled coefficients have no interval")
    else:
        said.warn(
            text + f"no p value or interval is given; {subjects} cannot speak for a population "
            "(--subject none if the rows are independent)"
        )
    within = found.within
    if within is not None and found.design != "none":
        said.note.append(
            f"within subjects (repeated-measures correlation) r is {within.r:.2f}, 95 % interval {within.ci95[0]:.2f} "
            f"to {within.ci95[1]:.2f}, p {within.p:.2g}, {within.dof} degrees of freedom"
        )
        if found.design == "clustered" and within.p < ALPHA and within.r * found.pooled.pearson_r < 0:
            said.warn(
                f"between rows r is {found.pooled.pearson_r:.2f} but within subjects {within.r:.2f}: "
                "subjects differ in level, the two answer different questions"
            )


def _say_influence(
    said: Remarks, group: pd.DataFrame, found: Analysis, p_adjusted: float, n_tested: int, has_subjects: bool
) -> None:
    """Name the row that makes the line, and say when the verdict hangs on a single row or subject."""
    a = found.pooled
    if a.dof < 2:  # without one of three rows any line is perfect
        return
    top = int(np.argmax(a.cook))
    if a.cook[top] > COOK_LIMIT:
        without = a.r_without[top]
        then = f"r is {without:.2f} instead of {a.pearson_r:.2f}" if np.isfinite(without) else "nothing varies"
        said.warn(
            f"{_row_name(group, top, has_subjects)} pulls the line (Cook's distance {a.cook[top]:.1f}): "
            f"without it {then}"
        )
    if behaviour(found, p_adjusted) == "undetermined":
        return
    # The other regions stay as they are, so the adjustment multiplies by what it did with the row in.
    factor = p_adjusted / found.pearson_p if found.pearson_p > 0 else n_tested
    if found.design == "independent":
        names = [_row_name(group, i, has_subjects) for i in range(a.n)]
        r_without, p_without, unit = a.r_without, a.p_without, "row"
    elif found.cluster is not None and found.cluster.z_without.size == group["subject"].nunique():
        codes = pd.factorize(group["subject"])[1]
        names = [f"subject {name}" for name in codes]
        r_without, unit = found.cluster.without.r, "subject"
        # The standard error without one subject is taken as that of all.
        p_without = 2 * stats.t.sf(np.abs(found.cluster.z_without) / found.cluster.z_se, found.cluster.dof)
    else:
        return
    holds = (p_without * factor < ALPHA) & (np.sign(r_without) == np.sign(a.pearson_r))
    lost = np.flatnonzero(~holds)
    if lost.size == 0:
        return
    weakest = int(lost[np.argmin(np.nan_to_num(np.abs(r_without[lost]), nan=-1.0))])
    more = f" (and {lost.size - 1} more such {unit}s)" if lost.size > 1 else ""
    said.warn(f"the verdict hangs on one {unit}: without {names[weakest]} it would be undetermined{more}")


def _row_name(group: pd.DataFrame, position: int, has_subjects: bool) -> str:
    row, subject = group["row"].iloc[position], group["subject"].iloc[position]
    if not has_subjects or subject == "":
        return f"row {row}"
    return f"row {row} (subject {subject})"


def _word(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
