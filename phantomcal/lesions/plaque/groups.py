"""Do the components differ? Ranks with patients as clusters; Kruskal-Wallis and Dunn beside, for the record."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from phantomcal.accuracy.inputs import FloatArray, IntArray
from phantomcal.accuracy.roc import roc
from phantomcal.correlation.inference import adjust_p
from phantomcal.lesions.plaque.mixed import Contrast, Mixed
from phantomcal.results.plaque import ComponentPair, GroupTest

CLUSTERED_PAIRS = (
    "differences of mean ranks over all components, standard error by leaving out whole patients (jackknife), "
    "Student's t on patients - 1 degrees of freedom"
)
_ENOUGH = 8
INDEPENDENT_PAIRS = "Dunn's test on the ranks of all components"


@dataclass(frozen=True)
class Ranks:
    """Mean ranks of the components, and their covariance between patients.

    Attributes
    ----------
    names : list of str
    counts : ndarray of int, shape (k,)
    mean_ranks : ndarray, shape (k,)
    covariance : ndarray, shape (k, k), or None
        From leaving out whole patients; None when a component is in one patient only.
    n_patients, fewest : int
        Patients in all, and in the component with fewest.
    tie_variance : float
        Variance of the ranks over all rows, ties accounted for.
    """

    names: list[str]
    counts: IntArray
    mean_ranks: FloatArray
    covariance: FloatArray | None
    n_patients: int
    fewest: int
    tie_variance: float


def mean_ranks(values: FloatArray, codes: IntArray, patient: IntArray, names: list[str]) -> Ranks:
    """Mean ranks of components, with the covariance that patients' clusters give.

    Parameters
    ----------
    values : ndarray, shape (n,)
    codes, patient : ndarray of int, shape (n,)
        Component (its place in `names`) and patient, each counted from 0.
    names : list of str
        Each with at least one row.
    """
    k, g = len(names), int(patient.max()) + 1
    ranks = stats.rankdata(values)
    cell = patient * k + codes
    sums = np.bincount(cell, weights=ranks, minlength=g * k).reshape(g, k)
    counts = np.bincount(cell, minlength=g * k).reshape(g, k)
    total, n = sums.sum(axis=0), counts.sum(axis=0)
    present = counts.sum(axis=1) > 0
    left = n - counts[present]
    covariance = None
    m, fewest = int(present.sum()), int((counts > 0).sum(axis=0).min())
    if (left > 0).all() and m > 1:
        shift = (total - sums[present]) / left - total / n
        covariance = (m - 1) / m * shift.T @ shift
    return Ranks(names, n.astype(np.int64), total / n, covariance, m, fewest, float(ranks.var(ddof=1)))


def group_tests(
    values: FloatArray, codes: IntArray, ranks: Ranks, mixed: Mixed | str, clustered: bool
) -> list[GroupTest]:
    """Tests that all components read alike; the headline first.

    The headline is Kruskal and Wallis' test for independent rows. For clustered ones it is a Wald test of the mean
    ranks with the covariance of leaving out whole patients, as Hotelling's F.

    Returns
    -------
    list of GroupTest
    """
    k, n = len(ranks.names), values.size
    found = []
    if np.ptp(values) == 0:
        return [_none("Kruskal-Wallis", "all values are equal", not clustered)]
    samples = [values[codes == code] for code in range(k)]
    kruskal = stats.kruskal(*samples)
    plain = GroupTest(
        test="Kruskal-Wallis",
        statistic=float(kruskal.statistic),
        dof=k - 1,
        p=float(kruskal.pvalue),
        effect_size=float(kruskal.statistic) / (n - 1),
        effect_size_name="epsilon squared",
        accounts_for_patients=not clustered,
        note="takes sections of one patient as independent: too small where they are alike" if clustered else "",
    )
    if not clustered:
        found.append(plain)
    else:
        found += [_clustered_test(ranks, plain), plain]
    if isinstance(mixed, Mixed):
        m = mixed.record
        found.append(
            GroupTest(
                test="mixed model, random intercept of the patient: Wald F of the means",
                statistic=m.statistic,
                dof=m.dof,
                dof_denominator=m.dof_denominator,
                p=m.p,
                accounts_for_patients=True,
                note=m.note,
            )
        )
    return found


def _clustered_test(ranks: Ranks, plain: GroupTest) -> GroupTest:
    name = "Wald test of mean ranks, whole patients left out (jackknife), Hotelling's F"
    k, m = len(ranks.names), ranks.n_patients
    spare = m - k + 1
    if ranks.covariance is None:
        return _none(name, "a component is in one patient only", True)
    if spare < 1:
        return _none(name, f"{m} patients are too few for {k} components", True)
    contrast = np.column_stack([-np.ones(k - 1), np.eye(k - 1)])
    shift, spread = contrast @ ranks.mean_ranks, contrast @ ranks.covariance @ contrast.T
    if np.linalg.matrix_rank(spread) < k - 1:
        return _none(name, "the patients do not vary enough to test", True)
    f = float(shift @ np.linalg.solve(spread, shift)) * spare / ((m - 1) * (k - 1))
    return GroupTest(
        test=name,
        statistic=f,
        dof=k - 1,
        dof_denominator=spare,
        p=float(stats.f.sf(f, k - 1, spare)),
        effect_size=plain.effect_size,
        effect_size_name=plain.effect_size_name,
        accounts_for_patients=True,
        note="" if ranks.fewest >= _ENOUGH else f"a component in {ranks.fewest} patients only: rough",
    )


def _none(test: str, note: str, accounts: bool) -> GroupTest:
    return GroupTest(test=test, statistic=None, p=None, accounts_for_patients=accounts, note=note)


def component_pairs(
    values: FloatArray,
    codes: IntArray,
    patient: IntArray,
    ranks: Ranks,
    mixed: Mixed | str,
    clustered: bool,
    adjust: str = "holm",
) -> list[ComponentPair]:
    """Every pair of components: means, the chance to read higher, ranks, mixed model.

    Returns
    -------
    list of ComponentPair
        P values adjusted over the pairs, each kind apart.
    """
    pairs = list(combinations(range(len(ranks.names)), 2))
    rows: list[dict[str, Any]] = [_pair(i, j, values, codes, patient, ranks, clustered) for i, j in pairs]
    by_names = {(c.first, c.second): c for c in mixed.contrasts} if isinstance(mixed, Mixed) else {}
    rows = [row | _from_model(by_names.get((row["first"], row["second"]))) for row in rows]
    for p_name in ("p", "dunn_p", "mixed_p"):
        p = np.array([np.nan if row[p_name] is None else row[p_name] for row in rows], dtype=np.float64)
        for row, value in zip(rows, adjust_p(p, adjust), strict=True):
            row[f"{p_name}_adjusted"] = float(value) if np.isfinite(value) else None
    return [ComponentPair(**row) for row in rows]


def _pair(
    i: int, j: int, values: FloatArray, codes: IntArray, patient: IntArray, ranks: Ranks, clustered: bool
) -> dict[str, Any]:
    first, second = codes == i, codes == j
    either = first | second
    distance = float(ranks.mean_ranks[i] - ranks.mean_ranks[j])
    higher = roc(first[either], values[either], patient[either] if clustered else None)
    notes = [higher.note] if higher.note else []
    if higher.auc in (0.0, 1.0):
        notes = ["the two do not overlap here: no interval of the chance to read higher"]
    z = p_dunn = p = None
    spread = ranks.tie_variance * (1 / ranks.counts[i] + 1 / ranks.counts[j])
    if spread > 0:
        z = distance / float(np.sqrt(spread))
        p_dunn = float(2 * stats.norm.sf(abs(z)))
    if not clustered:
        p = p_dunn
    elif ranks.covariance is None:
        notes.append("a component is in one patient only: no test")
    else:
        own = np.zeros(len(ranks.names))
        own[i], own[j] = 1.0, -1.0
        error = float(np.sqrt(max(float(own @ ranks.covariance @ own), 0.0)))
        if error > 0:
            p = float(2 * stats.t.sf(abs(distance) / error, ranks.n_patients - 1))
    difference, interval = _mean_difference(values[first], patient[first], values[second], patient[second])
    return {
        "first": ranks.names[i],
        "second": ranks.names[j],
        "n_first": int(first.sum()),
        "n_second": int(second.sum()),
        "mean_difference": difference,
        "mean_difference_ci95": interval,
        "superiority": higher.auc,
        "superiority_ci95": higher.auc_ci95,
        "mean_rank_difference": distance,
        "p": p,
        "dunn_z": z,
        "dunn_p": p_dunn,
        "note": "; ".join(notes),
    }


def _mean_difference(
    a: FloatArray, patient_a: IntArray, b: FloatArray, patient_b: IntArray
) -> tuple[float, tuple[float, float] | None]:
    """Difference of means, every patient left out on both sides at once."""
    difference = float(a.mean() - b.mean())
    people, place = np.unique(np.concatenate([patient_a, patient_b]), return_inverse=True)
    sides = []
    for values, where in ((a, place[: a.size]), (b, place[a.size :])):
        left = values.size - np.bincount(where, minlength=people.size)
        if (left == 0).any():
            return difference, None
        sides.append((values.sum() - np.bincount(where, weights=values, minlength=people.size)) / left)
    m = people.size
    error = float(np.sqrt((m - 1) / m * (((sides[0] - sides[1]) - difference) ** 2).sum()))
    fewest = min(np.unique(patient_a).size, np.unique(patient_b).size)
    half = float(stats.t.ppf(0.975, fewest - 1)) * error
    return difference, (difference - half, difference + half)


def _from_model(contrast: Contrast | None) -> dict[str, Any]:
    return {
        "mixed_difference": contrast and contrast.difference,
        "mixed_standard_error": contrast and contrast.standard_error,
        "mixed_ci95": contrast and contrast.ci95,
        "mixed_p": contrast and contrast.p,
    }
