"""Several rows of one subject: what do they say about other subjects, and what within each?"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from phantomcal.correlation.association import Association, associate, is_constant
from phantomcal.correlation.inference import fisher_interval
from phantomcal.correlation.resample import Coefficients, FloatArray, IntArray, Pairs, jackknife

# A spread over fewer subjects is hardly known: t with three degrees of freedom multiplies it by 3.2.
MIN_SUBJECTS = 5
_NEARLY_ONE = 1.0 - 1e-12
_REPEATED_FOR_MIXED = 3


@dataclass(frozen=True)
class ClusterAware:
    """Inference on the pooled coefficients that lets rows of one subject hang together.

    Attributes
    ----------
    dof : int
        Subjects - 1 - covariates.
    pearson_ci95, pearson_p, spearman_ci95, spearman_p, slope_se, slope_ci95
        As of an `Association`, from the spread of the coefficients when each subject is left out.
    axis_slope_ci95 : tuple of float
        Of the reduced-major-axis slope.
    n_eff : float
        Independent rows whose Fisher z would have the same standard error, at most the rows there are.
    z_without, z_se : ndarray, shape (subjects,), and float
        Fisher's z of Pearson's r without each subject (or group of subjects beyond 1000), and its standard error.
    without : Coefficients
        All coefficients without each subject.
    """

    dof: int
    pearson_ci95: tuple[float, float]
    pearson_p: float
    spearman_ci95: tuple[float, float]
    spearman_p: float
    slope_se: float
    slope_ci95: tuple[float, float]
    axis_slope_ci95: tuple[float, float]
    n_eff: float
    z_without: FloatArray
    z_se: float
    without: Coefficients


@dataclass(frozen=True)
class WithinSubjects:
    """Repeated-measures correlation."""

    r: float
    dof: int
    p: float
    ci95: tuple[float, float]


@dataclass(frozen=True)
class MixedModel:
    """Line of a model with a random intercept per subject.

    Attributes
    ----------
    slope, slope_se, slope_p : float
        Restricted maximum likelihood, Wald test.
    subject_share : float
        Variance between subjects as a share of all variance about the line.
    note : str
        What to know before it is used; empty when the fit is sound.
    """

    slope: float
    slope_se: float
    slope_p: float
    subject_share: float
    note: str


def jackknife_se(estimate: float, without: FloatArray) -> float:
    """Standard error of an estimate from its values with each unit left out, about the estimate itself (CR3)."""
    units = without.size
    return float(np.sqrt((units - 1) / units * np.sum((without - estimate) ** 2)))


def cluster_aware(a: Association, pairs: Pairs, subject: IntArray, axis_slope: float) -> ClusterAware | str:
    """Intervals and p values of the pooled coefficients by leaving out whole subjects.

    Parameters
    ----------
    a : Association
        Of all rows pooled: r between two values of a row drawn at random from the population of rows.
    pairs : Pairs
        The same rows, from `resample.prepare`.
    subject : ndarray of int, shape (n,)
        Subject of each row, counted from 0 without gaps.
    axis_slope : float
        The reduced-major-axis slope of all rows.

    Returns
    -------
    ClusterAware or str
        The reason in words when there are too few subjects, or one carries all variation.

    Notes
    -----
    Delete-one-subject jackknife, correlations on Fisher's z, with Student's t on subjects - 1 - covariates degrees of
    freedom. For a slope this is the CR3 estimator, which keeps its level with few and unequal clusters where the plain
    sandwich does not.

    References
    ----------
    J. G. MacKinnon, M. O. Nielsen, M. D. Webb, J. Appl. Econometrics 38 (2023) 671, 10.48550/arXiv.2301.04527.
    """
    n_subjects = int(subject.max()) + 1
    k = a.n - 2 - a.dof
    dof = n_subjects - 1 - k
    if n_subjects < MIN_SUBJECTS + k:
        return f"fewer than {MIN_SUBJECTS + k} subjects"
    without, _ = jackknife(pairs, subject)
    if not all(np.isfinite(values).all() for values in without.all()):
        return "nothing is left to correlate without one of the subjects"
    z, rank_z = _z(a.pearson_r), _z(a.spearman_rho)
    z_without = _z(without.r)
    z_se = jackknife_se(float(z), z_without)
    rank_se = jackknife_se(float(rank_z), _z(without.rho))
    slope_se = jackknife_se(a.slope, without.slope)
    log_se = jackknife_se(float(np.log(abs(axis_slope))), np.log(np.abs(without.axis_slope))) if axis_slope else 0.0
    units = without.r.size
    t = float(stats.t.ppf(0.975, min(dof, units - 1)))
    spread = sorted((axis_slope * np.exp(-t * log_se), axis_slope * np.exp(t * log_se)))
    return ClusterAware(
        dof=dof,
        pearson_ci95=(float(np.tanh(z - t * z_se)), float(np.tanh(z + t * z_se))),
        pearson_p=_t_p(float(z), z_se, dof),
        spearman_ci95=(float(np.tanh(rank_z - t * rank_se)), float(np.tanh(rank_z + t * rank_se))),
        spearman_p=_t_p(float(rank_z), rank_se, dof),
        slope_se=slope_se,
        slope_ci95=(a.slope - t * slope_se, a.slope + t * slope_se),
        axis_slope_ci95=(float(spread[0]), float(spread[1])),
        n_eff=float(min(a.n, 3 + k + 1 / z_se**2)) if z_se > 0 else float(a.n),
        z_without=z_without,
        z_se=z_se,
        without=without,
    )


def _z(r: float | FloatArray) -> FloatArray:
    return np.asarray(np.arctanh(np.clip(r, -_NEARLY_ONE, _NEARLY_ONE)), dtype=np.float64)


def _t_p(estimate: float, error: float, dof: int) -> float:
    return float(2 * stats.t.sf(abs(estimate) / error, dof)) if error > 0 else 0.0


def repeated_measures_correlation(
    x: FloatArray, y: FloatArray, subject: IntArray, covariates: FloatArray | None = None
) -> WithinSubjects | str:
    """Correlation within subjects: one slope for all, each subject at its own level.

    The residuals of both columns about their subjects' means are correlated, which is the analysis of covariance of
    `pingouin.rm_corr` without its import of seconds; a test holds the two together.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Paired finite values.
    subject : ndarray of int, shape (n,)
        Subject of each row, counted from 0.
    covariates : ndarray, shape (n, k), optional
        Taken out as well, within subjects.

    Returns
    -------
    WithinSubjects or str
        r with n - subjects - 1 - k degrees of freedom, or the reason in words why there is none.

    References
    ----------
    J. M. Bland, D. G. Altman, BMJ 310 (1995) 446; J. Z. Bakdash, L. R. Marusich, Front. Psychol. 8 (2017) 456.
    """
    count = np.bincount(subject)
    lost = int((count > 0).sum()) - 1
    if x.size - lost - 2 < 1:
        return "too few rows per subject"
    share = np.maximum(count, 1)

    def within(values: FloatArray) -> FloatArray:
        return np.asarray(values - (np.bincount(subject, weights=values) / share)[subject], dtype=np.float64)

    dx, dy = within(x), within(y)
    if any(_flat(inner, outer) for inner, outer in ((dx, x), (dy, y))):
        return "nothing varies within subjects"
    z = None
    if covariates is not None:
        columns = [within(column) for column in covariates.T]
        kept = [inner for inner, outer in zip(columns, covariates.T, strict=True) if not _flat(inner, outer)]
        z = np.column_stack(kept) if kept else None
    a = associate(dx, dy, z)
    if isinstance(a, str):
        return a
    dof = a.dof - lost
    if dof < 1:
        return "too few rows per subject"
    r = a.pearson_r
    p = float(2 * stats.t.sf(abs(r) * np.sqrt(dof / max(1 - r**2, 1e-300)), dof))
    return WithinSubjects(r, dof, p, fisher_interval(r, dof + 2))


def _flat(inner: FloatArray, outer: FloatArray) -> bool:
    centred = outer - outer.mean()
    return bool(inner @ inner <= 1e-18 * (centred @ centred)) or is_constant(outer)


def mixed_model(
    x: FloatArray, y: FloatArray, subject: IntArray, covariates: FloatArray | None = None
) -> MixedModel | str:
    """Slope of y on x with a random intercept per subject, by `statsmodels.MixedLM`.

    Parameters
    ----------
    x, y, subject, covariates
        As `repeated_measures_correlation`.

    Returns
    -------
    MixedModel or str
        The slope lies between that of subjects' means and that within subjects. The reason in words when the model
        cannot be fitted or did not converge.

    References
    ----------
    N. M. Laird, J. H. Ware, Biometrics 38 (1982) 963, 10.2307/2529876.
    """
    repeated = int((np.bincount(subject) > 1).sum())
    if repeated < _REPEATED_FOR_MIXED:
        return f"only {repeated} subjects have several rows"
    sx, sy = float(x.std()), float(y.std())
    columns = [np.ones_like(x), (x - x.mean()) / sx]
    if covariates is not None:
        spread = covariates.std(axis=0)
        columns += [((covariates - covariates.mean(axis=0)) / np.where(spread > 0, spread, 1.0))[:, spread > 0]]
    from statsmodels.regression.mixed_linear_model import MixedLM
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            result = MixedLM((y - y.mean()) / sy, np.column_stack(columns), groups=subject).fit(reml=True)
            se = float(result.bse_fe[1])
        except (np.linalg.LinAlgError, ValueError) as error:
            return f"the mixed model cannot be fitted ({' '.join(str(error).split())[:80]})"
    between, about = float(np.asarray(result.cov_re)[0, 0]), float(result.scale)
    if not result.converged:
        return "the mixed model did not converge"
    if not np.isfinite(se) or se <= 0:
        return "the mixed model has no standard error"
    share = between / (between + about)
    at_edge = share < 1e-4 or any(issubclass(w.category, ConvergenceWarning) for w in said)
    note = "no variance between subjects was found: the line is that of independent rows" if at_edge else ""
    slope = float(result.fe_params[1])
    return MixedModel(slope * sy / sx, se * sy / sx, float(2 * stats.norm.sf(abs(slope) / se)), share, note)


def subject_codes(names: npt.NDArray[np.object_]) -> IntArray:
    """Subjects counted from 0 in order of first appearance, so that names do not matter."""
    import pandas as pd

    return np.asarray(pd.factorize(names)[0], dtype=np.int64)


def line_band(x: FloatArray, y: FloatArray, subject: IntArray, at: FloatArray) -> FloatArray | None:
    """Half width of the 95 % band of the regression line, whole subjects left out in turn where they have several rows.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    subject : ndarray of int, shape (n,)
        Counted from 0; each row its own for independent rows, which gives the usual band.
    at : ndarray, shape (m,)
        Where the band is wanted.

    Returns
    -------
    ndarray, shape (m,), or None
        None with fewer than three rows, or fewer than five subjects of several rows.
    """
    n, n_subjects = x.size, int(subject.max(initial=-1)) + 1
    spread = float(((x - x.mean()) ** 2).sum())
    if n < 3 or spread == 0:
        return None
    slope = float((x - x.mean()) @ (y - y.mean())) / spread
    fitted = y.mean() + slope * (at - x.mean())
    if n_subjects == n:
        scatter = np.sqrt(((y - y.mean() - slope * (x - x.mean())) ** 2).sum() / (n - 2))
        t = float(stats.t.ppf(0.975, n - 2))
        return np.asarray(t * scatter * np.sqrt(1 / n + (at - x.mean()) ** 2 / spread), dtype=np.float64)
    if n_subjects < MIN_SUBJECTS:
        return None
    dx, dy = x - x.mean(), y - y.mean()
    left = [values.sum() - np.bincount(subject, weights=values) for values in (np.ones(n), dx, dy, dx * dx, dx * dy)]
    count, mx, my = left[0], left[1] / left[0], left[2] / left[0]
    sxx, sxy = left[3] / count - mx**2, left[4] / count - mx * my
    if (sxx <= 1e-12 * spread / n).any():
        return None
    lines = y.mean() + my[:, None] + (sxy / sxx)[:, None] * (at[None, :] - x.mean() - mx[:, None])
    error = np.sqrt((n_subjects - 1) / n_subjects * ((lines - fitted) ** 2).sum(axis=0))
    return np.asarray(float(stats.t.ppf(0.975, n_subjects - 1)) * error, dtype=np.float64)
