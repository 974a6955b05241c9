"""Does CT rise or fall with susceptibility in each region, and is that sure? From a region table to a verdict."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from phantomcal.correlation.analysis import Analysis, Interval, analyse
from phantomcal.correlation.association import MIN_ROWS
from phantomcal.correlation.clustered import MIN_SUBJECTS, MixedModel
from phantomcal.correlation.evidence import achieved_power, bayes_factor, rows_needed
from phantomcal.correlation.inference import ADJUSTMENTS, EXACT_UP_TO, adjust_p
from phantomcal.correlation.remarks import ALPHA, Remarks, behaviour, influential_rows, r_without_rows, remarks
from phantomcal.correlation.resample import N_BOOTSTRAP
from phantomcal.correlation.rows import (
    DEFAULT_BY,
    DEFAULT_SUBJECT,
    DEFAULT_X,
    DEFAULT_Y,
    check_whole,
    natural,
    resolve,
    usable_rows,
)
from phantomcal.errors import InputError
from phantomcal.results import Correlation, InfluentialRow, RegionCorrelation
from phantomcal.tables import require_columns

__all__ = ["DEFAULT_BY", "DEFAULT_SUBJECT", "DEFAULT_X", "DEFAULT_Y", "correlate", "correlation_frame"]

_OPTIONS = {
    "x": "--x",
    "y": "--y",
    "by": "--by",
    "subject": "--subject",
    "covariate": "--covariate",
    "x_sd": "--x-sd",
    "y_sd": "--y-sd",
}
_TEXTS = ("roi", "behaviour", "note", "method", "both_axes_method", "mixed_note")
_COUNTS = ("n", "n_subjects", "n_needed", "n_skipped", "within_dof")

FloatArray = npt.NDArray[np.float64]


def correlate(
    table: pd.DataFrame,
    *,
    x: str = DEFAULT_X,
    y: str = DEFAULT_Y,
    by: str | None = DEFAULT_BY,
    subject: str | None = DEFAULT_SUBJECT,
    covariates: Sequence[str] = (),
    sds: tuple[str, str] | None = None,
    adjust: str = "holm",
    n_bootstrap: int = N_BOOTSTRAP,
    where: str = "the table",
) -> Correlation:
    """Correlate CT with susceptibility across subjects, region by region.

    Parameters
    ----------
    table : pandas.DataFrame
        A row per subject and region, as `sample_regions` makes it or `read_table` reads it.
    x, y : str
        Columns of the abscissa (HU) and the ordinate (ppm).
    by : str or None
        Column that names the region; None takes all rows as one group called ``all``. When the default column is
        missing and `x` or `y` was mapped, the same is done with a warning.
    subject : str or None
        Column that names the subject, so that rows that are not independent are treated as such. The default column may
        be missing.
    covariates : sequence of str
        Columns taken out of both before correlating (partial correlation, line at the covariates' means). Text columns
        are coded by level.
    sds : tuple of str, optional
        Columns of the standard errors of x and y, for the line with errors in both axes.
    adjust : {"holm", "bonferroni", "fdr_bh", "none"}
        How p values are adjusted for the number of regions, Pearson's and Spearman's apart.
    n_bootstrap : int
        Bootstrap samples for the BCa intervals, of a fixed seed; 0 for none.
    where : str
        The file, for messages.

    Returns
    -------
    Correlation
        Regions in natural order of their names; a region without an answer has nulls, ``undetermined`` and a note.

    Raises
    ------
    InputError
        A column missing, text in a number column, one row, a constant column, or no region with three usable rows.

    Notes
    -----
    Which inference is the headline is chosen by the data and said in `RegionCorrelation.method`: one row a subject,
    Fisher's z and t; several rows of five or more subjects, whole subjects left out in turn; fewer subjects, the
    correlation within them; a single subject, none. The result does not depend on row order.
    """
    if adjust not in ADJUSTMENTS:
        raise InputError(f"unknown p adjustment {adjust!r}", "the call", f"use one of {', '.join(ADJUSTMENTS)}")
    if x == y:
        raise InputError(f"{x!r} is to be correlated with itself", "the call", "name two columns with --x and --y")
    by, subject, warnings = resolve(table, x, y, by, subject)
    wanted = {x: "x", y: "y"} | dict.fromkeys(covariates, "covariate")
    wanted |= dict(zip(sds or (), ("x_sd", "y_sd"), strict=False))
    wanted |= {name: role for name, role in ((by, "by"), (subject, "subject")) if name is not None}
    require_columns(table, wanted, where, {name: _OPTIONS[role] for name, role in wanted.items()})
    data, dropped, gone = usable_rows(table, x, y, by, subject, covariates, where, sds)
    for words, count in gone.items():
        warnings.append(f"{_rows(count)} without {words} left out")
    if subject is not None and (data["subject"] == "").any():
        warnings.append(f"{_rows(int((data['subject'] == '').sum()))} without {subject} counted as one unknown subject")
    check_whole(data, x, y, by, len(table), where)

    regions = sorted(dropped.index, key=natural)
    by_region = dict(tuple(data.groupby("region", sort=False)))
    groups = [by_region.get(region, data.iloc[:0]) for region in regions]
    has_subjects = subject is not None
    answers = [analyse(group, (x, y), has_subjects=has_subjects, n_bootstrap=n_bootstrap) for group in groups]
    if all(isinstance(answer, str) for answer in answers):
        _refuse(answers, regions, groups, by, where)
    pearson_p = adjust_p(np.array([a.pearson_p if isinstance(a, Analysis) else np.nan for a in answers]), adjust)
    spearman_p = adjust_p(np.array([a.spearman_p if isinstance(a, Analysis) else np.nan for a in answers]), adjust)
    n_tested = int(np.isfinite(pearson_p).sum())
    rows: list[RegionCorrelation] = []
    influential: list[InfluentialRow] = []
    found: dict[str, list[str]] = {}
    for region, group, answer, p, rank_p in zip(regions, groups, answers, pearson_p, spearman_p, strict=True):
        said = remarks(group, answer, float(p), n_tested, int(dropped[region]), has_subjects=has_subjects)
        row = _region_row(region, group, answer, float(p), float(rank_p), said, has_subjects)
        if isinstance(answer, Analysis):
            named, positions = influential_rows(region, group, answer.pooled, has_subjects=has_subjects)
            influential += named
            row = row.model_copy(update={"r_without_influential": r_without_rows(group, positions)})
        rows.append(row)
        for text in said.warnings:
            found.setdefault(text, []).append(region)
    for text, names in found.items():
        warnings.append(text if len(regions) == 1 else f"{', '.join(names)}: {text}")
    return Correlation(
        x=x,
        y=y,
        by=by if by is not None else "none",
        adjustment=f"{ADJUSTMENTS[adjust]} over {n_tested} region{'s' if n_tested != 1 else ''}, "
        "Pearson and Spearman apart",
        rule=_rule(covariates, answers),
        regions=rows,
        influential=influential,
        covariates=list(covariates),
        n_bootstrap=max(n_bootstrap, 0),
        warnings=warnings,
    )


def correlation_frame(correlation: Correlation) -> pd.DataFrame:
    """The table of correlation.csv: a row per region, columns in the order of the contract, None as missing."""
    columns = list(RegionCorrelation.model_fields)
    frame = pd.DataFrame([row.model_dump() for row in correlation.regions], columns=columns)
    for name in columns:
        if name not in _TEXTS:
            frame[name] = pd.to_numeric(frame[name]).astype("Int64" if name in _COUNTS else "float64")
    return frame


def _refuse(
    answers: list[Analysis | str], regions: list[str], groups: list[pd.DataFrame], by: str | None, where: str
) -> None:
    largest = max(range(len(groups)), key=lambda i: len(groups[i]))
    raise InputError(
        f"no region can be correlated: {regions[largest]!r}, the one with most rows, says {answers[largest]}",
        where,
        f"each {by!r} needs {MIN_ROWS} rows that differ; --by none takes all rows as one group"
        if by is not None
        else "give more rows, or fewer covariates",
    )


def _region_row(
    region: str,
    group: pd.DataFrame,
    answer: Analysis | str,
    p: float,
    rank_p: float,
    said: Remarks,
    has_subjects: bool,
) -> RegionCorrelation:
    known = {
        "roi": region,
        "n": len(group),
        "n_subjects": int(group["subject"].nunique()) if has_subjects else None,
        "note": "; ".join(said.note),
    }
    if isinstance(answer, str):
        names = ("r", "ci95_low", "ci95_high", "p", "p_adjusted")
        nothing = [f"pearson_{name}" for name in names] + [f"spearman_{name}" for name in ("rho", *names[1:])]
        nothing += ["r2", "slope", "slope_se", "intercept"]
        return RegionCorrelation(**known, behaviour="undetermined", **dict.fromkeys(nothing))
    a, within, line = answer.pooled, answer.within, answer.robust_line
    mixed = answer.mixed if isinstance(answer.mixed, MixedModel) else None
    axes, bend = answer.both_axes, answer.percentage_bend
    n_eff = answer.n_eff
    k = a.n - 2 - a.dof
    values: dict[str, object] = {
        "pearson_r": a.pearson_r,
        "pearson_p": _known(answer.pearson_p),
        "pearson_p_adjusted": _known(p),
        "spearman_rho": a.spearman_rho,
        "spearman_p": _known(answer.spearman_p),
        "spearman_p_adjusted": _known(rank_p),
        "r2": a.pearson_r**2,
        "slope": a.slope,
        "slope_se": answer.slope_se,
        "intercept": a.intercept,
        "behaviour": behaviour(answer, p),
        "method": answer.method,
        "n_eff": n_eff,
        "bayes_factor_10": bayes_factor(a.pearson_r, n_eff - k) if n_eff is not None else None,
        "achieved_power": _known(achieved_power(a.pearson_r, n_eff - k)) if n_eff is not None else None,
        "n_needed": rows_needed(a.pearson_r),
        "percentage_bend_r": bend and bend[0],
        "percentage_bend_p": bend and bend[1],
        "skipped_rho": answer.skipped_rho,
        "n_skipped": answer.n_skipped,
        "robust_slope": line and line.slope,
        "both_axes_slope": axes and axes.slope,
        "both_axes_intercept": axes and axes.intercept,
        "both_axes_method": axes.method if axes else "",
        "quadratic_p": answer.quadratic_p,
        "within_r": within and within.r,
        "within_p": within and within.p,
        "within_dof": within and within.dof,
        "mixed_slope": mixed and mixed.slope,
        "mixed_slope_se": mixed and mixed.slope_se,
        "mixed_slope_p": mixed and mixed.slope_p,
        "subject_share": mixed and mixed.subject_share,
        "mixed_note": mixed.note if mixed else answer.mixed if isinstance(answer.mixed, str) else "",
    }
    for name, ends in (
        ("pearson_ci95", answer.pearson_ci95),
        ("spearman_ci95", answer.spearman_ci95),
        ("slope_ci95", answer.slope_ci95),
        ("pearson_bca95", answer.pearson_bca95),
        ("spearman_bca95", answer.spearman_bca95),
        ("robust_slope_ci95", line.ci95 if line else None),
        ("both_axes_slope_ci95", axes.ci95 if axes else None),
        ("within_ci95", within.ci95 if within else None),
    ):
        values |= _ends(name, ends)
    return RegionCorrelation(**known, **values)


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    low, high = interval if interval is not None else (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _rule(covariates: Sequence[str], answers: Sequence[Analysis | str]) -> str:
    partial = f" All coefficients are partial, {', '.join(covariates)} taken out." if covariates else ""
    designs = {answer.design for answer in answers if isinstance(answer, Analysis)}
    text = (
        f"Paramagnetic (diamagnetic) when the adjusted p of Pearson's r is below {ALPHA}, its 95 % interval lies above "
        "(below) 0 and Spearman's rho has the same sign; else undetermined."
    )
    if "independent" in designs:
        text += (
            " Pearson: t test, interval by Fisher's z. "
            f"Spearman: exact permutation test up to {EXACT_UP_TO} rows, else t; interval by Fisher's z with Bonett "
            "and Wright's standard error."
        )
    if "clustered" in designs:
        text += (
            " Regions with several rows of a subject: Fisher's z of the pooled coefficients with the standard error "
            "of leaving out whole subjects (jackknife, t with subjects - 1 degrees of freedom)."
        )
    if "within" in designs:
        text += (
            f" Regions with several rows of fewer than {MIN_SUBJECTS} subjects: p and interval of the "
            "repeated-measures correlation within subjects, and the pooled coefficients of the same sign."
        )
    return text + partial


def _rows(count: int) -> str:
    return f"{count} row{'s' if count != 1 else ''}"
