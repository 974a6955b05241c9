"""Is a planned design possible, and what are repeated visits, lesions and dropout worth in it?"""

import numpy as np
import numpy.typing as npt

from phantomcal.errors import InputError
from phantomcal.results.trials import TrialDesign

FloatArray = npt.NDArray[np.float64]
_MOST_VISITS = 1000


def check_design(design: TrialDesign) -> None:
    """Refuse a design that cannot be.

    Raises
    ------
    InputError
        A share, count or correlation out of its range, named by its option.
    """
    for option, value, low, high, words in (
        ("--alpha", design.alpha, 0.0, 0.5, "a significance level lies between 0 and 0.5"),
        ("--power", design.power, 0.0, 1.0, "a power lies between 0 and 1"),
        ("--allocation", design.allocation, 0.0, 100.0, "treated patients per control patient, above 0, at most 100"),
    ):
        if not low < value < high:
            raise InputError(f"{option} {value:g}", "the call", words)
    if design.tails not in (1, 2):
        raise InputError(f"--tails {design.tails}", "the call", "a test has 1 or 2 tails")
    if design.power <= design.alpha / design.tails:
        raise InputError(
            f"--power {design.power:g} is no more than chance gives at --alpha {design.alpha:g}",
            "the call",
            "ask for a higher power",
        )
    for option, count in (("--visits", design.visits), ("--lesions", design.lesions)):
        if not 1 <= count <= _MOST_VISITS:
            raise InputError(f"{option} {count}", "the call", f"a count from 1 to {_MOST_VISITS}")
    for option, value in (("--correlation", design.correlation), ("--lesion-correlation", design.lesion_correlation)):
        if not 0.0 <= value <= 1.0:
            raise InputError(f"{option} {value:g}", "the call", "a correlation from 0 to 1")
    if design.lesions > 1 and design.visits > 1 and design.lesion_correlation > design.correlation:
        raise InputError(
            f"--lesion-correlation {design.lesion_correlation:g} above --correlation {design.correlation:g}",
            "the call",
            "two visits of one lesion are at least as alike as two lesions of one patient",
        )
    if not 0.0 <= design.dropout < 1.0:
        raise InputError(f"--dropout {design.dropout:g}", "the call", "a share from 0 to below 1, e.g. 0.15")
    if design.years is not None and not 0.0 < design.years < 200.0:
        raise InputError(f"--years {design.years:g}", "the call", "years of follow-up over all visits, above 0")
    if not 0.0 <= design.dispersion < 1e6:
        raise InputError(f"--dispersion {design.dispersion:g}", "the call", "a number from 0")


def averaged_variance(design: TrialDesign, visits: int | None = None) -> float:
    """Variance of a patient's average over visits and lesions, per variance of a single measurement.

    Parameters
    ----------
    design : TrialDesign
        Visits of one lesion correlate by `correlation`, lesions of one patient by `lesion_correlation`.
    visits : int, optional
        Of a patient who has fewer than planned.

    Returns
    -------
    float
        (1 + (m - 1) rho + (L - 1) m rho_L) / (m L).

    References
    ----------
    P. Diggle, P. Heagerty, K.-Y. Liang, S. Zeger, Analysis of Longitudinal Data, 2nd ed., Oxford 2002, section 2.4;
    M. Heo, A. C. Leon, Biometrics 64 (2008) 1256, 10.1111/j.1541-0420.2008.00993.x, for the third level.
    """
    m = design.visits if visits is None else visits
    lesions = design.lesions
    # With one visit or lesion the correlation that cannot show itself drops out.
    inflation = 1.0 + (m - 1) * design.correlation + (lesions - 1) * m * design.lesion_correlation
    return inflation / (m * lesions)


def attendance(design: TrialDesign) -> FloatArray:
    """Share of patients seen at exactly 0, 1, ..., m visits when losses are even over the visits and final.

    Returns
    -------
    ndarray, shape (visits + 1,)
        By the last visit the share `dropout` is lost; at visit j, j/m of it.
    """
    m = design.visits
    shares = np.full(m + 1, design.dropout / m)
    shares[m] = 1.0 - design.dropout
    return shares


def information_kept(design: TrialDesign) -> float:
    """Share of the information left by dropout when every visit that was made is analysed (generalised least squares).

    A patient with k visits weighs 1/variance of their average; one without any weighs nothing. Losses must not depend
    on what was not seen (missing at random).
    """
    weights = [1.0 / averaged_variance(design, k) for k in range(1, design.visits + 1)]
    return float(attendance(design)[1:] @ np.array(weights) * averaged_variance(design))
