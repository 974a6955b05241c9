"""Which fit is the main line, by a stated rule, and which stand beside it."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from phantomcal.phantom.fitting.fit import LineFit, fit_line, fit_through_zero
from phantomcal.phantom.fitting.robust import LEAST_VIALS, robust_line, theil_sen
from phantomcal.results import LineAlternative

Array = NDArray[np.float64]
Method = Literal["auto", "ols", "wls", "york", "robust", "through-zero"]
METHODS: tuple[str, ...] = get_args(Method)

_CONSISTENT = 0.05  # p of chi squared below which the errors do not explain the scatter
_DIFFER = 1.5  # largest over smallest standard error from which weights change anything
_MATTER = 0.1  # share of a vial's variance that errors of x must have
NAMES = {
    "ols": "ordinary",
    "wls": "weighted",
    "york": "errors in both axes",
    "robust": "robust",
    "through-zero": "through zero",
}


@dataclass(frozen=True)
class Choice:
    """The main fit and the others.

    Attributes
    ----------
    fit : LineFit
    kind : str
        One of `METHODS` other than auto.
    weights : ndarray or None
        What each vial weighs in it; None when all weigh the same.
    rule : str
        Why this fit is the main one, in words.
    alternatives : list of LineAlternative
    """

    fit: LineFit
    kind: str
    weights: Array | None
    rule: str
    alternatives: list[LineAlternative]


def choose_fit(
    x: Array,
    y: Array,
    sd_y: Array | None = None,
    sd_x: Array | None = None,
    *,
    method: Method = "auto",
    zero_known: bool = False,
    slope_unit: str = "",
    beside: bool = True,
) -> Choice:
    """Fit a line in every way the data allow and pick the main one.

    The rule of ``auto``: (1) errors in both axes when both are known, together explain the scatter (chi squared, p of
    0.05 or more), and the errors of x make up a tenth or more of the variance of any vial; (2) weighted when the
    standard errors are known, explain the scatter, and the largest is at least 1.5 times the smallest; (3) ordinary
    otherwise. Standard errors that do not explain the scatter cannot weight a line: what scatters the vials is then
    something else, which does not follow them.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    sd_y, sd_x : ndarray, shape (n,), optional
        Known standard errors, all positive.
    method : {"auto", "ols", "wls", "york", "robust", "through-zero"}
    zero_known : bool
        Whether a reading of zero at abscissa zero is expected, by a blank vial or a reference.
    slope_unit : str
    beside : bool
        Whether to fit the alternatives as well.

    Returns
    -------
    Choice

    Raises
    ------
    ValueError
        The method asked for needs errors that are not known, or more vials; or see `fit_line`.
    """
    plain = fit_line(x, y)
    kind, rule = (_automatic(x, y, sd_y, sd_x)) if method == "auto" else (method, f"{NAMES[method]}: as asked for")
    fits: dict[str, LineFit] = {"ols": plain}
    if sd_y is not None:
        if beside or kind == "wls":
            fits["wls"] = fit_line(x, y, sd_y)
        if sd_x is not None and (beside or kind == "york"):
            fits["york"] = fit_line(x, y, sd_y, sd_x)
    if (beside and len(x) >= LEAST_VIALS) or kind == "robust":
        fits["robust"] = robust_line(x, y)
    if ((beside and zero_known) or kind == "through-zero") and np.any(x):
        weighted = kind == "wls" and sd_y is not None
        fits["through-zero"] = fit_through_zero(x, y, sd_y if weighted else None)
    if kind not in fits:
        raise ValueError(
            "errors in both axes need the standard errors of both" if kind == "york" else "weights need standard errors"
        )
    main = fits[kind] if sd_y is None else replace(fits[kind], value_noise=float(np.sqrt(np.mean(sd_y**2))))
    others = [
        _beside(fit, len(x), slope_unit, _note(name, kind, fit, plain, sd_y, main))
        for name, fit in fits.items()
        if beside and name != kind
    ]
    if beside and len(x) >= LEAST_VIALS:
        others.append(_theil_sen(x, y, plain, slope_unit))
    if kind == "through-zero":
        rule += f"; {_zero_test(plain)}"
    return Choice(main, kind, _weights(kind, main, sd_y, sd_x), rule, others)


def robust_of_all(x: Array, y: Array, slope_unit: str, left_out: int) -> LineAlternative | None:
    """The robust line of all vials, when some were left out of the main one."""
    if len(x) < LEAST_VIALS or not left_out:
        return None
    told = f"all {len(x)} vials, {left_out} of them left out of the main line: needs no decision about them"
    return _beside(robust_line(x, y), len(x), slope_unit, told)


def _automatic(x: Array, y: Array, sd_y: Array | None, sd_x: Array | None) -> tuple[str, str]:
    if len(x) < 3:
        return "ols", "ordinary: two vials leave nothing to choose by"
    if sd_y is None:
        return "ols", "ordinary: no standard errors of the vials are known"
    weighted = fit_line(x, y, sd_y)
    words = "their standard errors"
    chi2, share = weighted.reduced_chi2 or 0.0, 0.0
    if sd_x is not None:
        both = fit_line(x, y, sd_y, sd_x)
        extra = (both.slope * sd_x) ** 2
        share = float(np.max(extra / (extra + sd_y**2)))
        if share >= _MATTER:
            chi2, words = both.reduced_chi2 or 0.0, "the standard errors of both axes"
    p = float(stats.chi2.sf(chi2 * (len(x) - 2), len(x) - 2))
    told = f"reduced χ² {chi2:.2g}"
    if p < _CONSISTENT:
        odds = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
        return (
            "ols",
            f"ordinary: the vials scatter about the line more than {words} say ({told}, {odds}), so that these cannot "
            "weight it",
        )
    if share >= _MATTER:
        return (
            "york",
            f"errors in both axes: both are known, explain the scatter ({told}), and those of the abscissa make up "
            f"up to {100 * share:.0f} % of a vial's variance",
        )
    apart = float(np.max(sd_y) / np.min(sd_y))
    if apart >= _DIFFER:
        return (
            "wls",
            f"weighted: the standard errors are known, explain the scatter ({told}), and the largest is {apart:.3g} "
            "times the smallest",
        )
    return "ols", f"ordinary: the standard errors of the vials are alike (largest {apart:.3g} times the smallest)"


def _weights(kind: str, fit: LineFit, sd_y: Array | None, sd_x: Array | None) -> Array | None:
    if kind == "wls" and sd_y is not None:
        return np.asarray(1.0 / sd_y**2)
    if kind == "york" and sd_y is not None and sd_x is not None:
        return np.asarray(1.0 / (sd_y**2 + (fit.slope * sd_x) ** 2))
    return None


def _note(name: str, kind: str, fit: LineFit, plain: LineFit, sd_y: Array | None, main: LineFit) -> str:
    if name == "through-zero":
        return _zero_test(plain)
    if name in ("wls", "york") and fit.reduced_chi2 is not None and fit.reduced_chi2 > 1:
        return f"reduced χ² {fit.reduced_chi2:.3g}: the errors are widened by its root"
    if name == "ols" and sd_y is not None:
        return "takes all vials as equally uncertain"
    if name == "robust" and main.slope:
        apart = 100 * (fit.slope / main.slope - 1)
        error = main.error(0)
        if error is not None and abs(fit.slope - main.slope) > 2 * error:
            return f"{apart:+.2g} % from the main line: some vials pull it".replace("-", "−")
        return "agrees with the main line: no vial pulls it"
    return ""


def _zero_test(plain: LineFit) -> str:
    error = plain.error(1)
    if error is None or plain.degrees_of_freedom < 1:
        return "whether the intercept differs from 0 cannot be tested"
    if error == 0:
        return "the intercept is 0" if plain.intercept == 0 else "the intercept differs from 0"
    p = float(2 * stats.t.sf(abs(plain.intercept) / error, plain.degrees_of_freedom))
    odds = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    if p < _CONSISTENT:
        return f"the intercept differs from 0 ({odds}): a line through zero is bent to it"
    return f"the intercept does not differ from 0 ({odds})"


def _beside(fit: LineFit, n: int, slope_unit: str, note: str) -> LineAlternative:
    return LineAlternative(
        method=fit.method,
        n_vials=n,
        slope=fit.slope,
        slope_se=fit.error(0),
        slope_ci95=fit.interval(0),
        slope_unit=slope_unit,
        intercept=fit.intercept,
        intercept_se=fit.error(1),
        r2=fit.r2,
        p_value=fit.p_value,
        residual_sd=fit.residual_sd,
        note=note,
    )


def _theil_sen(x: Array, y: Array, plain: LineFit, slope_unit: str) -> LineAlternative:
    slope, intercept, interval = theil_sen(x, y)
    return LineAlternative(
        method="Theil-Sen (median of all slopes)",
        n_vials=len(x),
        slope=slope,
        slope_se=None,
        slope_ci95=interval if all(np.isfinite(interval)) else None,
        slope_unit=slope_unit,
        intercept=intercept,
        r2=plain.r2,
        p_value=None,
        residual_sd=None,
        note="a check without assumptions about the scatter; interval from Kendall's distribution",
    )
