"""Mean change per year when lesions of one patient hang together: a model with random patients and lesions."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from phantomcal.followup.cohort import Followed
from phantomcal.followup.uncertainty import FloatArray
from phantomcal.followup.visits import counted

_MOST_ROWS = 400
_REPEATED = 3
_EDGE = 1e-4


@dataclass(frozen=True)
class MixedRate:
    """Mean change per year, and how much of its scatter lies where.

    Attributes
    ----------
    value, standard_error : float
        Percent per year; with `second` given, the difference of the second group from the first.
    ci95 : tuple of float
    p_value : float
        Of the value being zero.
    dof : int
    method, note : str
    """

    value: float
    standard_error: float
    ci95: tuple[float, float]
    p_value: float
    dof: int
    method: str
    note: str


def mixed_rate(data: Followed, second: "np.ndarray | None" = None) -> MixedRate | str:
    """Change per interval as a line through zero over its length, with random slopes of patients and their lesions.

    Parameters
    ----------
    data : Followed
    second : ndarray of bool, shape (intervals,), optional
        Which intervals belong to the second of two groups; the result is then the difference of the groups' slopes.

    Returns
    -------
    MixedRate or str
        The reason in words when nothing can be fitted.

    Notes
    -----
    Restricted maximum likelihood (statsmodels' MixedLM), Student's t on patients minus slopes. Beyond 400 intervals
    the same model in two stages: a slope for every patient with the variance that the scatter within patients gives it,
    then Paule and Mandel's moment estimate between patients with Hartung and Knapp's error. Both take the errors of
    consecutive changes as independent; they share a visit with opposite signs, so standard errors are a little large.

    References
    ----------
    N. M. Laird, J. H. Ware, Biometrics 38 (1982) 963, 10.2307/2529876; R. C. Paule, J. Mandel, J. Res. Natl. Bur.
    Stand. 87 (1982) 377, 10.6028/jres.087.022; J. Hartung, G. Knapp, Stat. Med. 20 (2001) 3875, 10.1002/sim.1009.
    """
    repeated = int((np.bincount(data.patient) > 1).sum()) if len(data.frame) else 0
    if repeated < _REPEATED:
        return f"only {counted(repeated, 'patient')} with several intervals: patients and scatter cannot be told apart"
    if np.ptp(data.percent) == 0:
        return "all changes are equal"
    if second is not None and (second.all() or not second.any()):
        return "one of the groups has no interval"
    if len(data.frame) > _MOST_ROWS:
        return _two_stages(data, second, f"{len(data.frame)} intervals: fitted in two stages instead of by likelihood")
    found = _likelihood(data, second)
    return _two_stages(data, second, f"{found}: fitted in two stages") if isinstance(found, str) else found


def _likelihood(data: Followed, second: "np.ndarray | None") -> MixedRate | str:
    from statsmodels.regression.mixed_linear_model import MixedLM

    spread = float(data.percent.std())
    table = pd.DataFrame(
        {"y": data.percent / spread, "t": data.years, "patient": data.patient, "lesion": data.lesion.astype(str)}
    )
    formula = "y ~ 0 + t"
    if second is not None:
        table["second"] = second * data.years
        formula += " + second"
    several = int((table.drop_duplicates("lesion").groupby("patient").size() > 1).sum()) >= _REPEATED
    again = (table.groupby("lesion").size() > 1).sum() >= _REPEATED
    nested = bool(several and again)
    parts = {"lesion": "0 + C(lesion):t"} if nested else None
    levels = "patients and of their lesions" if nested else "patients"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Powell's search ends safely where a variance is zero; gradients do not.
        try:
            model = MixedLM.from_formula(formula, table, groups="patient", re_formula="0 + t", vc_formula=parts)
            fit = model.fit(reml=True, method="powell")
        except (np.linalg.LinAlgError, ValueError) as fault:
            return f"the mixed model cannot be fitted ({' '.join(str(fault).split())[:80]})"
    with np.errstate(invalid="ignore"):
        error = float(np.asarray(fit.bse_fe)[-1])
    if not np.isfinite(error) or error <= 0:
        return "the likelihood has no curvature at its top"
    if not fit.converged:
        return "the fit by likelihood did not converge"
    notes = []
    between = float(np.asarray(fit.cov_re)[0, 0])
    if between < _EDGE * float(fit.scale):
        notes.append("no spread between patients was found: the model is that of independent intervals")
    if nested and float(np.asarray(fit.vcomp)[0]) < _EDGE * float(fit.scale):
        notes.append("no spread between lesions of one patient was found")
    if several and not again:
        notes.append("lesions have one interval each: their slopes cannot be told from scatter")
    dof = max(1, data.n_patients - (1 if second is None else 2))
    method = f"mixed model, random slopes of {levels}, restricted maximum likelihood, Student's t"
    return _result(float(np.asarray(fit.fe_params)[-1]) * spread, error * spread, dof, method, "; ".join(notes))


def _two_stages(data: Followed, second: "np.ndarray | None", note: str) -> MixedRate | str:
    slopes, variances, who = patient_slopes(data)
    group = np.zeros(slopes.size, dtype=bool)
    if second is not None:
        group[data.patient[second]] = True
        group = group[who]
    from statsmodels.stats.meta_analysis import combine_effects

    found = []
    for mine in [slice(None)] if second is None else [~group, group]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = combine_effects(slopes[mine], variances[mine], method_re="iterated", use_t=True)
        found.append((float(fit.mean_effect_re), float(fit.sd_eff_w_re_hksj), slopes[mine].size - 1))
    if not all(np.isfinite(se) and dof > 0 for _, se, dof in found):
        return "the mixed model cannot be fitted"
    value = found[0][0] if second is None else found[1][0] - found[0][0]
    error = float(np.sqrt(sum(se**2 for _, se, _ in found)))
    if slopes.size < data.n_patients:
        note += f"; {data.n_patients - slopes.size} patients without observed time left out"
    method = "random slopes of patients, two stages (Paule and Mandel; Hartung and Knapp)"
    return _result(value, error, sum(dof for _, _, dof in found), method, note)


def patient_slopes(data: Followed) -> tuple[FloatArray, FloatArray, "np.ndarray"]:
    """Slope through zero of every patient's changes over their lengths, its variance, and which patient it is.

    The variance is that of the scatter within lesions where they have several intervals, and of lesions about their
    patient, pooled over all patients.
    """
    n = data.n_patients
    tt = np.bincount(data.patient, weights=data.years**2, minlength=n)
    ty = np.bincount(data.patient, weights=data.years * data.percent, minlength=n)
    who = np.flatnonzero(tt > 0)
    slopes = ty[who] / tt[who]
    full = np.zeros(n)
    full[who] = slopes
    left = data.percent - full[data.patient] * data.years
    free = max(1, len(data.frame) - who.size)
    pooled = float((left**2).sum()) / free
    return slopes, np.maximum(pooled, 1e-300) / tt[who], who


def _result(value: float, error: float, dof: int, method: str, note: str) -> MixedRate:
    half = float(stats.t.ppf(0.975, dof)) * error
    p = float(2 * stats.t.sf(abs(value) / error, dof)) if error > 0 else 0.0
    return MixedRate(value, error, (value - half, value + half), p, dof, method, note)
