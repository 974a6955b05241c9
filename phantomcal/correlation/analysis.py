"""Everything that is computed for one region: coefficients, and inference that fits how its rows came about."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from phantomcal.correlation.association import Association, associate, residual_pair
from phantomcal.correlation.clustered import (
    MIN_SUBJECTS,
    ClusterAware,
    MixedModel,
    WithinSubjects,
    cluster_aware,
    jackknife_se,
    mixed_model,
    repeated_measures_correlation,
    subject_codes,
)
from phantomcal.correlation.inference import t_test_p
from phantomcal.correlation.resample import (
    MIN_UNITS,
    N_BOOTSTRAP,
    FloatArray,
    IntArray,
    Pairs,
    bca_interval,
    bootstrap,
    jackknife,
    prepare,
)
from phantomcal.correlation.robust import RobustLine, percentage_bend, skipped, theil_sen
from phantomcal.correlation.rows import covariates_of

Design = Literal["independent", "clustered", "within", "none"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class BothAxes:
    """A line that lets both columns have errors."""

    slope: float
    ci95: Interval | None
    intercept: float
    method: str


@dataclass(frozen=True)
class Analysis:
    """What is known about one region.

    Attributes
    ----------
    pooled : Association
        Of all rows, as if independent; only its coefficients and influence hold when they are not.
    design : {"independent", "clustered", "within", "none"}
        What the headline inference is: one row a subject; whole subjects left out in turn; within the few subjects
        there are; none, because all rows are of one subject.
    method : str
        The same in words.
    pearson_ci95, pearson_p, spearman_ci95, spearman_p, slope_se, slope_ci95
        The headline; None or NaN where the design gives none.
    n_eff : float or None
        Independent rows worth as much.
    cluster : ClusterAware or None
    within : WithinSubjects or None
    mixed : MixedModel, str or None
        The reason in words when the model has no answer.
    pearson_bca95, spearman_bca95 : tuple of float, or None
    percentage_bend, skipped_rho, n_skipped, robust_line, both_axes, quadratic_p
        As in `RegionCorrelation`.
    """

    pooled: Association
    design: Design
    method: str
    pearson_ci95: Interval | None
    pearson_p: float
    spearman_ci95: Interval | None
    spearman_p: float
    slope_se: float | None
    slope_ci95: Interval | None
    n_eff: float | None
    cluster: ClusterAware | None
    within: WithinSubjects | None
    mixed: MixedModel | str | None
    pearson_bca95: Interval | None
    spearman_bca95: Interval | None
    percentage_bend: tuple[float, float | None] | None
    skipped_rho: float | None
    n_skipped: int | None
    robust_line: RobustLine | None
    both_axes: BothAxes | None
    quadratic_p: float | None

    @property
    def headline_ci95(self) -> Interval | None:
        """The interval that the verdict looks at."""
        return self.within.ci95 if self.design == "within" and self.within is not None else self.pearson_ci95


def analyse(
    group: pd.DataFrame,
    names: tuple[str, str],
    *,
    has_subjects: bool,
    n_bootstrap: int = N_BOOTSTRAP,
) -> Analysis | str:
    """Analyse one region.

    Parameters
    ----------
    group : pandas.DataFrame
        Its rows, as `rows.usable_rows` makes them.
    names : tuple of str
        What x and y are called in messages.
    has_subjects : bool
        Whether the subject of each row is known.
    n_bootstrap : int
        Bootstrap samples; 0 for none.

    Returns
    -------
    Analysis or str
        The reason in words when nothing can be correlated.
    """
    x, y, z = group["x"].to_numpy(), group["y"].to_numpy(), covariates_of(group)
    a = associate(x, y, z, names)
    if isinstance(a, str):
        return a
    pairs = prepare(x, y, z)
    subject = subject_codes(group["subject"].to_numpy(dtype=object)) if has_subjects else np.arange(a.n)
    n_subjects = int(subject.max()) + 1
    repeated = n_subjects < a.n
    cluster = within = mixed = None
    design: Design = "independent"
    method = "independent rows"
    if repeated:
        answer = cluster_aware(a, pairs, subject, a.axis_slope)
        inside = repeated_measures_correlation(x, y, subject, z)
        within = inside if isinstance(inside, WithinSubjects) else None
        mixed = mixed_model(x, y, subject, z)
        cluster = answer if isinstance(answer, ClusterAware) else None
        design, method = _design(n_subjects, answer, inside)
    robust_x, robust_y = residual_pair(x, y, z)
    bend = percentage_bend(robust_x, robust_y)
    if bend is not None:
        p = float(t_test_p(bend[0], a.dof))
        bend = (bend[0], p) if design == "independent" else (bend[0], np.nan)
    cleaned = skipped(robust_x, robust_y)
    r_bca, rho_bca = _bca(a, pairs, subject if repeated else None, n_bootstrap)
    if z is not None:
        robust_x, robust_y = robust_x + x.mean(), robust_y + y.mean()
    plain = design == "independent"
    source: Association | ClusterAware | None = a if plain else cluster
    line = theil_sen(robust_x, robust_y)
    if line is not None and not plain:
        line = replace(line, ci95=None)
    return Analysis(
        pooled=a,
        design=design,
        method=method,
        pearson_ci95=source.pearson_ci95 if source else None,
        pearson_p=_headline_p(a, design, cluster, within),
        spearman_ci95=source.spearman_ci95 if source else None,
        spearman_p=source.spearman_p if source else float("nan"),
        slope_se=source.slope_se if source else None,
        slope_ci95=source.slope_ci95 if source else None,
        n_eff=float(a.n) if plain else cluster.n_eff if cluster else None,
        cluster=cluster,
        within=within,
        mixed=mixed,
        pearson_bca95=r_bca,
        spearman_bca95=rho_bca,
        percentage_bend=None if bend is None else (bend[0], None if np.isnan(bend[1]) else bend[1]),
        skipped_rho=cleaned[0] if cleaned else None,
        n_skipped=int(cleaned[1].sum()) if cleaned else None,
        robust_line=line,
        both_axes=_both_axes(group, a, z, plain, pairs, cluster),
        quadratic_p=_quadratic_p(x, y, z, subject, design),
    )


def _design(n_subjects: int, answer: ClusterAware | str, inside: WithinSubjects | str) -> tuple[Design, str]:
    if isinstance(answer, ClusterAware):
        return "clustered", (
            f"all rows pooled, inference by leaving out each of {n_subjects} subjects in turn (t, {answer.dof} degrees "
            "of freedom), because rows of one subject are not independent"
        )
    if n_subjects == 1:
        return "none", "no inference: all rows are of one subject"
    if isinstance(inside, str):
        return "none", f"no inference: {answer}, and {inside}"
    return "within", (
        f"p of the repeated-measures correlation within subjects ({inside.dof} degrees of freedom), because with "
        f"{answer} it speaks for these subjects only"
        if answer.startswith("fewer")
        else f"p of the repeated-measures correlation within subjects ({inside.dof} degrees of freedom): {answer}"
    )


def _headline_p(a: Association, design: Design, cluster: ClusterAware | None, within: WithinSubjects | None) -> float:
    if design == "independent":
        return a.pearson_p
    if design == "clustered" and cluster is not None:
        return cluster.pearson_p
    return within.p if design == "within" and within is not None else float("nan")


def _bca(
    a: Association, pairs: Pairs, subject: IntArray | None, n_bootstrap: int
) -> tuple[Interval | None, Interval | None]:
    unit = np.arange(a.n) if subject is None else subject
    if n_bootstrap <= 0 or int(unit.max()) + 1 < MIN_UNITS:
        return None, None
    samples = bootstrap(pairs, subject, n_bootstrap)
    without, _ = jackknife(pairs, unit)
    return (
        bca_interval(a.pearson_r, samples.r, without.r),
        bca_interval(a.spearman_rho, samples.rho, without.rho),
    )


def _both_axes(
    group: pd.DataFrame,
    a: Association,
    z: FloatArray | None,
    plain: bool,
    pairs: Pairs,
    cluster: ClusterAware | None,
) -> BothAxes | None:
    """York's line where standard errors of both columns are given, else the reduced major axis."""
    x, y = group["x"].to_numpy(), group["y"].to_numpy()
    if "x_sd" in group and z is None and group[["x_sd", "y_sd"]].notna().all(axis=None):
        from phantomcal.phantom.fitting.fit import fit_line

        line = fit_line(x, y, group["y_sd"].to_numpy(), group["x_sd"].to_numpy())
        said = line.method if plain else f"{line.method}; its interval takes rows as independent and is left out"
        return BothAxes(line.slope, line.interval(0) if plain else None, line.intercept, said)
    sure = a.pearson_ci95 if plain else cluster.pearson_ci95 if cluster else None
    # Its size is the ratio of the spreads whatever r is: without a sure sign it says nothing about a relation.
    if sure is None or sure[0] <= 0 <= sure[1]:
        return None
    interval: Interval | None = cluster.axis_slope_ci95 if cluster else None
    if plain and a.n >= MIN_SUBJECTS:
        from scipy import stats

        without, _ = jackknife(pairs, np.arange(a.n))
        if np.isfinite(without.axis_slope).all() and (np.sign(without.axis_slope) == np.sign(a.axis_slope)).all():
            error = jackknife_se(float(np.log(abs(a.axis_slope))), np.log(np.abs(without.axis_slope)))
            half = float(stats.t.ppf(0.975, a.dof)) * error
            ends = sorted((a.axis_slope * float(np.exp(-half)), a.axis_slope * float(np.exp(half))))
            interval = (ends[0], ends[1])
    said = "reduced major axis: the ratio of the error variances taken as that of the variances"
    return BothAxes(a.axis_slope, interval, float(y.mean() - a.axis_slope * x.mean()), said)


def _quadratic_p(x: FloatArray, y: FloatArray, z: FloatArray | None, subject: IntArray, design: Design) -> float | None:
    """The quadratic term is the partial association of x squared once x and the covariates are out."""
    if np.unique(x).size < 4 or design not in ("independent", "clustered"):
        return None
    centred = (x - x.mean()) / x.std()
    beside = centred[:, None] if z is None else np.column_stack([centred, z])
    a = associate(centred**2, y, beside)
    if isinstance(a, str) or a.dof < 2:
        return None
    if design == "independent":
        return a.pearson_p
    answer = cluster_aware(a, prepare(centred**2, y, beside), subject, a.axis_slope)
    return answer.pearson_p if isinstance(answer, ClusterAware) else None
