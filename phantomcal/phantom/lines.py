"""From measured vials to calibration lines, with what is wrong with each said in words."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from phantomcal.materials import ExpectedSlope
from phantomcal.phantom.failed import exchanged, failed_vials
from phantomcal.phantom.fit import LineFit, curvature, fit_line, studentised_outlier
from phantomcal.results import Line, LineSummary

Array = NDArray[np.float64]
ALPHA = 0.05
_SUSPECT = 0.01  # stricter: every line of every scan is asked
_BEND = 0.02  # share of the span below which a significant bend changes no reading that matters


def number(value: float, digits: int = 3) -> str:
    """A number for a sentence, with a true minus sign."""
    return f"{value:.{digits}g}".replace("-", "−")


def build_line(
    names: Sequence[str],
    x: Array,
    y: Array,
    *,
    material: str,
    modality: str,
    unit: str,
    abscissa_unit: str,
    sd_y: Array | None = None,
    sd_x: Array | None = None,
    expected: ExpectedSlope | None = None,
    slope_ratio: tuple[float, float] = (0.5, 1.5),
    scatter: float | None = None,
) -> tuple[Line, dict[str, str]]:
    """Fit one line and judge it.

    Parameters
    ----------
    names : sequence of str
        Vials, in the order of the values.
    x, y : ndarray, shape (n,)
        Abscissa and measured HU or ppm; at least two different abscissae.
    material, modality, unit, abscissa_unit : str
        Labels of the line.
    sd_y, sd_x : ndarray, optional
        Known standard errors; see `phantomcal.phantom.fit.fit_line`.
    expected : ExpectedSlope, optional
        What physics predicts. With it, vials that contradict it are found and left out.
    slope_ratio : tuple of float
        Accepted measured over expected slope.
    scatter : float, optional
        Accepted residual SD in the units of y, for finding failed vials.

    Returns
    -------
    line : Line
    flags : dict of str to str
        Suspect vials by name, with the reason in words.
    """
    flags: dict[str, str] = {}
    keep = np.ones(len(x), dtype=bool)
    notes: list[str] = []
    if expected is not None and scatter is not None and len(x) >= 4:
        failed = failed_vials(x, y, expected.value, slope_ratio, scatter)
        if failed is None:
            notes.append(
                "no half of the vials forms a line with the expected slope: the series contradicts its protocol"
            )
        else:
            keep[failed] = False
    fit = fit_line(x[keep], y[keep], *(None if s is None else s[keep] for s in (sd_y, sd_x)))
    left_out = [int(k) for k in np.flatnonzero(~keep)]
    for k in left_out:
        awaited = fit.slope * x[k] + fit.intercept
        flags[names[k]] = (
            f"failed or mislabelled: reads {number(y[k])} {unit} where the line of the other vials has "
            f"{number(awaited)} {unit}; left out"
        )
    swapped = exchanged(x, y, left_out, fit.slope, fit.intercept)
    if swapped is not None:
        first, second = (names[k] for k in swapped)
        notes.append(f"{first} and {second} fit the line with their values exchanged: labels or places swapped?")
    if not left_out:
        outlier = studentised_outlier(x, y)
        if outlier is not None and outlier[1] < _SUSPECT:
            k = outlier[0]
            rest = fit_line(np.delete(x, k), np.delete(y, k))
            flags[names[k]] = (
                f"suspect: off the line of the other vials by "
                f"{number(y[k] - rest.slope * x[k] - rest.intercept)} {unit} (p {_p(outlier[1])}); kept in the line"
            )
            notes.append(
                f"without {names[k]} the slope would be {number(rest.slope, 4)} instead of {number(fit.slope, 4)}"
            )
    line = _record(fit, x[keep], y[keep], material, modality, unit, abscissa_unit, expected, slope_ratio, notes)
    if left_out:
        every = fit_line(x, y, sd_y, sd_x)
        line = line.model_copy(
            update={
                "excluded": [names[k] for k in left_out],
                "all_vials": LineSummary(
                    n_vials=len(x),
                    slope=every.slope,
                    slope_se=every.error(0),
                    slope_ci95=every.interval(0),
                    intercept=every.intercept,
                    r2=every.r2,
                    p_value=every.p_value,
                    residual_sd=every.residual_sd,
                ),
                "notes": [
                    f"{', '.join(names[k] for k in left_out)} left out; with all {len(x)} vials the slope "
                    f"would be {number(every.slope, 4)} instead of {number(fit.slope, 4)}",
                    *line.notes,
                ],
            }
        )
    return line, flags


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _record(
    fit: LineFit,
    x: Array,
    y: Array,
    material: str,
    modality: str,
    unit: str,
    abscissa_unit: str,
    expected: ExpectedSlope | None,
    slope_ratio: tuple[float, float],
    notes: list[str],
) -> Line:
    bend = curvature(x, y)
    established = fit.p_value is not None and fit.p_value < ALPHA and len(x) >= 3
    limits = [
        None if fit.residual_sd is None or fit.slope == 0 else k * fit.residual_sd / abs(fit.slope) for k in (3.3, 10)
    ]
    ratio = ratio_ci = None
    if expected is not None and expected.value:
        ratio = fit.slope / expected.value
        ratio_ci = _ratio_interval(fit, expected)
    return Line(
        material=material,
        modality=modality,
        unit=unit,
        abscissa_unit=abscissa_unit,
        abscissa_range=(float(x.min()), float(x.max())),
        method=fit.method,
        n_vials=len(x),
        slope=fit.slope,
        slope_se=fit.error(0),
        slope_ci95=fit.interval(0),
        slope_unit=f"{unit}/({abscissa_unit})" if abscissa_unit != unit else f"{unit} per {abscissa_unit}",
        intercept=fit.intercept,
        intercept_se=fit.error(1),
        intercept_ci95=fit.interval(1),
        covariance_slope_intercept=None if fit.covariance is None else float(fit.covariance[0, 1]),
        r2=fit.r2,
        p_value=fit.p_value,
        residual_sd=fit.residual_sd,
        lod=limits[0],
        loq=limits[1],
        linearity=_linearity(bend, len(x)),
        quadratic_p=bend[0] if bend else None,
        curvature_share=bend[1] if bend else None,
        expected_slope=expected.value if expected else None,
        expected_slope_se=expected.standard_error if expected else None,
        expected_slope_source=expected.source if expected else "",
        slope_ratio=ratio,
        slope_ratio_ci95=ratio_ci,
        established=established,
        notes=notes + _notes(fit, x, y, unit, abscissa_unit, established, bend, ratio, slope_ratio),
    )


def _ratio_interval(fit: LineFit, expected: ExpectedSlope) -> tuple[float, float] | None:
    error = fit.error(0)
    if error is None:
        return None
    ratio = fit.slope / expected.value
    relative = np.hypot(error / expected.value, ratio * expected.standard_error / expected.value)
    t = float(stats.t.ppf(0.975, fit.degrees_of_freedom))
    return float(ratio - t * relative), float(ratio + t * relative)


def _linearity(bend: tuple[float, float] | None, n: int) -> str:
    if bend is None:
        return f"not testable with {n} vials (needs four levels)"
    if bend[0] < ALPHA:
        return f"curved by up to {100 * bend[1]:.2g} % of the span: quadratic term p {_p(bend[0])}"
    return f"no curvature detected: quadratic term p {_p(bend[0])}"


def _notes(
    fit: LineFit,
    x: Array,
    y: Array,
    unit: str,
    abscissa_unit: str,
    established: bool,
    bend: tuple[float, float] | None,
    ratio: float | None,
    accepted: tuple[float, float],
) -> list[str]:
    said = []
    levels = len(np.unique(x))
    if len(x) == 2:
        said.append("two vials always lie on a line: no error, no R², no test")
    elif not established and fit.p_value is not None:
        r2 = f"R² {fit.r2:.3f} " if fit.r2 is not None else ""
        said.append(f"not established: {r2}with {len(x)} vials has p {_p(fit.p_value)}")
    if 2 < levels < 5:
        said.append(f"{levels} levels; a calibration needs at least five (ICH Q2)")
    if fit.r2 is not None and fit.r2 < 0.90 and len(x) > 2:
        said.append(f"R² {fit.r2:.2f} is below 0.90 (QIBA)")
    if bend is not None and bend[0] < ALPHA and bend[1] > _BEND:
        said.append(
            f"the points bend by up to {100 * bend[1]:.2g} % of the span: a straight line misreads its middle and ends"
        )
    if ratio is not None and not accepted[0] <= ratio <= accepted[1]:
        said.append(f"slope is {number(ratio)} times the expected one, outside {accepted[0]:g} to {accepted[1]:g}")
    return said
