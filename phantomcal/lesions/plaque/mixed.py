"""Means of the components for an average patient: a mixed model with a random intercept of the patient."""

import warnings
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from phantomcal.accuracy.inputs import FloatArray, IntArray, joined
from phantomcal.results.plaque import EstimatedMean, MixedMeans

_REPEATED = 3
_UNEQUAL = 3.0


@dataclass(frozen=True)
class Contrast:
    """Difference of two estimated means."""

    first: str
    second: str
    difference: float
    standard_error: float
    ci95: tuple[float, float]
    p: float


@dataclass(frozen=True)
class Mixed:
    """A fitted model: its record, the contrasts of all pairs, and what speaks against it."""

    record: MixedMeans
    contrasts: list[Contrast]
    warning: str


def mixed_means(values: FloatArray, codes: IntArray, patient: IntArray, names: list[str]) -> Mixed | str:
    """Estimated means by restricted maximum likelihood.

    Parameters
    ----------
    values : ndarray, shape (n,)
    codes, patient : ndarray of int, shape (n,)
        Component (its place in `names`) and patient.
    names : list of str

    Returns
    -------
    Mixed or str
        The reason in words when the model cannot be fitted or did not converge. Wald tests with Student's t and F on
        patients - 1 degrees of freedom, which is cautious.

    References
    ----------
    N. M. Laird, J. H. Ware, Biometrics 38 (1982) 963, 10.2307/2529876.
    """
    people, groups = np.unique(patient, return_inverse=True)
    repeated = int((np.bincount(groups) > 1).sum())
    if repeated < _REPEATED:
        who = "one patient has" if repeated == 1 else f"{repeated} patients have"
        return f"{who} several rows, fewer than {_REPEATED}"
    if values.size <= len(names) + 1 or np.ptp(values) == 0:
        return "too few rows, or values that do not vary"
    scale = float(values.std())
    k = len(names)
    design = np.eye(k)[codes]
    from statsmodels.regression.mixed_linear_model import MixedLM
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            result = MixedLM((values - values.mean()) / scale, design, groups=groups).fit(reml=True)
            covariance = np.asarray(result.cov_params())[:k, :k] * scale**2
        except (np.linalg.LinAlgError, ValueError) as fault:
            return f"the mixed model cannot be fitted ({' '.join(str(fault).split())[:80]})"
    if not result.converged:
        return "the mixed model did not converge"
    if not np.isfinite(covariance).all() or (np.diag(covariance) <= 0).any():
        return "the mixed model has no standard errors"
    means = np.asarray(result.fe_params) * scale + values.mean()
    between, about = float(np.asarray(result.cov_re)[0, 0]), float(result.scale)
    dof = people.size - 1
    t = float(stats.t.ppf(0.975, dof))

    def ends(middle: float, error: float) -> tuple[float, float]:
        return middle - t * error, middle + t * error

    estimated = []
    for name, mean, variance in zip(names, means, np.diag(covariance), strict=True):
        error = float(np.sqrt(variance))
        interval = ends(float(mean), error)
        estimated.append(EstimatedMean(component=name, mean=float(mean), standard_error=error, ci95=interval))
    contrasts = []
    for i, j in combinations(range(k), 2):
        difference = float(means[i] - means[j])
        error = float(np.sqrt(covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]))
        p = float(2 * stats.t.sf(abs(difference) / error, dof))
        contrasts.append(Contrast(names[i], names[j], difference, error, ends(difference, error), p))
    against = np.column_stack([-np.ones(k - 1), np.eye(k - 1)])
    shift, spread = against @ means, against @ covariance @ against.T
    f = float(shift @ np.linalg.solve(spread, shift)) / (k - 1)
    share = between / (between + about)
    at_edge = share < 1e-4 or any(issubclass(w.category, ConvergenceWarning) for w in said)
    edge = "no variance between patients was found: as if rows were independent" if at_edge else ""
    spreads = [float(values[codes == code].std(ddof=1)) for code in range(k) if (codes == code).sum() > 2]
    spreads = [sd for sd in spreads if sd > 0]
    unequal = ""
    if spreads and max(spreads) > _UNEQUAL * min(spreads):
        times = max(spreads) / min(spreads)
        unequal = f"SDs of the components differ {times:.1f}-fold, which the model takes as equal: rely on the ranks"
    record = MixedMeans(
        means=estimated,
        patient_share=share,
        statistic=f,
        dof=k - 1,
        dof_denominator=dof,
        p=float(stats.f.sf(f, k - 1, dof)),
        n=values.size,
        n_patients=people.size,
        note=joined(edge, unequal),
    )
    return Mixed(record, contrasts, unequal)
