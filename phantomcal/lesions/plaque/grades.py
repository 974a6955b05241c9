"""Does a measure rise with a histology grade?"""

import numpy as np
from scipy import stats

from phantomcal.accuracy.inputs import FloatArray, IntArray
from phantomcal.correlation.association import associate
from phantomcal.correlation.clustered import cluster_aware, jackknife_se
from phantomcal.correlation.inference import EXACT_UP_TO
from phantomcal.correlation.resample import prepare
from phantomcal.results.plaque import GradeCorrelation

_NEARLY_ONE = 1 - 1e-12
_MOST_LEFT_OUT = 100


def grade_correlation(grade: str, values: FloatArray, grades: FloatArray, patient: IntArray) -> GradeCorrelation:
    """Spearman's rho and Kendall's tau-b of a measure with ordinal grades.

    Parameters
    ----------
    grade : str
    values, grades : ndarray, shape (n,)
        Finite.
    patient : ndarray of int, shape (n,)

    Returns
    -------
    GradeCorrelation
        Where patients have several rows, interval and p come from leaving out whole patients on Fisher's z scale, with
        Student's t on patients - 1 degrees of freedom; with fewer than five patients there is neither.
    """
    people, codes = np.unique(patient, return_inverse=True)
    n, m = values.size, people.size
    known = {"grade": grade, "n": n, "n_patients": m, "p_adjusted": None}
    found = associate(values, grades)
    if isinstance(found, str):
        nothing = dict.fromkeys(("spearman_rho", "spearman_ci95", "kendall_tau", "kendall_ci95", "p"))
        return GradeCorrelation(**known, **nothing, method="none", note=found)
    tau = float(stats.kendalltau(values, grades).statistic)
    known |= {"spearman_rho": found.spearman_rho, "kendall_tau": tau}
    few_levels = "" if np.unique(grades).size > 2 else "two grades only"
    if m == n:
        exact = n <= EXACT_UP_TO
        return GradeCorrelation(
            **known,
            spearman_ci95=found.spearman_ci95,
            kendall_ci95=_kendall_ends(tau, values, grades, codes.astype(np.int64)),
            p=found.spearman_p,
            method=f"Spearman, {'exact' if exact else 't'}; independent rows",
            note=few_levels,
        )
    aware = cluster_aware(found, prepare(values, grades), codes.astype(np.int64), found.axis_slope)
    if isinstance(aware, str):
        return GradeCorrelation(
            **known,
            spearman_ci95=None,
            kendall_ci95=None,
            p=None,
            method="none",
            note=f"{aware}: no interval, no p",
        )
    return GradeCorrelation(
        **known,
        spearman_ci95=aware.spearman_ci95,
        kendall_ci95=_kendall_ends(tau, values, grades, codes.astype(np.int64)),
        p=aware.spearman_p,
        method="Spearman on Fisher's z, whole patients left out (jackknife), t",
        note=few_levels,
    )


def _kendall_ends(tau: float, values: FloatArray, grades: FloatArray, codes: IntArray) -> tuple[float, float] | None:
    # Of very many patients, groups of them are left out instead: their number is what t rests on.
    codes = codes % _MOST_LEFT_OUT
    m = int(codes.max()) + 1
    if m < 3 or abs(tau) > _NEARLY_ONE:
        return None
    # tau of all rows but a patient's: once a patient, in compiled code.
    without = np.array([stats.kendalltau(values[codes != i], grades[codes != i]).statistic for i in range(m)])
    if not np.isfinite(without).all():
        return None
    z = float(np.arctanh(tau))
    error = jackknife_se(z, np.arctanh(np.clip(without, -_NEARLY_ONE, _NEARLY_ONE)))
    half = float(stats.t.ppf(0.975, m - 1)) * error
    return float(np.tanh(z - half)), float(np.tanh(z + half))
