"""What a line's numbers mean, in words."""

import numpy as np
from numpy.typing import NDArray

from phantomcal.materials import ExpectedSlope
from phantomcal.phantom.fitting.fit import LineFit
from phantomcal.phantom.fitting.linearity import ALPHA, is_bent

Array = NDArray[np.float64]


def number(value: float, digits: int = 3) -> str:
    """A number for a sentence, with a true minus sign."""
    return f"{value:.{digits}g}".replace("-", "−")


def p_words(p: float) -> str:
    """A p value after the letter p."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def ratio_interval(fit: LineFit, expected: ExpectedSlope) -> tuple[float, float] | None:
    """95 % interval of measured over expected slope, with the errors of both."""
    error = fit.error(0)
    if error is None:
        return None
    ratio = fit.slope / expected.value
    relative = np.hypot(error / expected.value, ratio * expected.standard_error / expected.value)
    t = fit.quantile(0.975)
    return float(ratio - t * relative), float(ratio + t * relative)


def linearity_words(
    bend: tuple[float, float] | None,
    lack: float | None,
    straight: tuple[float, float] | None,
    n: int,
    abscissa_unit: str,
) -> str:
    """What quadratic term, lack of fit and the straight range say.

    Parameters
    ----------
    bend : (p, share) or None
        Of `phantomcal.phantom.fitting.linearity.curvature`.
    lack : float or None
        p of the lack of fit.
    straight : (low, high) or None
        Range to name, when the whole line is bent.
    n : int
        Vials.
    abscissa_unit : str
    """
    if bend is None:
        told = f"not testable with {n} vials (needs four levels)"
    elif bend[0] < ALPHA:
        told = f"curved by up to {100 * bend[1]:.2g} % of the span: quadratic term p {p_words(bend[0])}"
    else:
        told = f"no curvature detected: quadratic term p {p_words(bend[0])}"
    if lack is not None:
        told += f"; lack of fit against replicates p {p_words(lack)}"
    if straight is not None:
        told += f"; straight from {number(straight[0], 4)} to {number(straight[1], 4)} {abscissa_unit}"
    return told


def notes_on(
    fit: LineFit,
    x: Array,
    established: bool,
    bend: tuple[float, float] | None,
    lack: float | None,
    ratio: float | None,
    accepted: tuple[float, float],
) -> list[str]:
    """What a reader of the line must not miss."""
    said = []
    levels = len(np.unique(x))
    if len(x) == 2:
        said.append("two vials always lie on a line: no error, no R², no test")
    elif not established and fit.p_value is not None:
        r2 = f"R² {fit.r2:.3f} " if fit.r2 is not None else ""
        said.append(f"not established: {r2}with {len(x)} vials has p {p_words(fit.p_value)}")
    if 2 < levels < 5:
        said.append(f"{levels} levels; a calibration needs at least five (ICH Q2)")
    if fit.r2 is not None and fit.r2 < 0.90 and len(x) > 2:
        said.append(f"R² {fit.r2:.2f} is below 0.90 (QIBA)")
    if bend is not None and is_bent(bend):
        said.append(
            f"the points bend by up to {100 * bend[1]:.2g} % of the span: a straight line misreads its middle and ends"
        )
    if lack is not None and lack < ALPHA and not is_bent(bend):
        said.append(f"the level means miss the line by more than replicates scatter (lack of fit p {p_words(lack)})")
    if ratio is not None and not accepted[0] <= ratio <= accepted[1]:
        said.append(f"slope is {number(ratio)} times the expected one, outside {accepted[0]:g} to {accepted[1]:g}")
    return said
