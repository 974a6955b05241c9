"""From measured vials to calibration lines, with what is wrong with each said in words."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from phantomcal.materials import ExpectedSlope
from phantomcal.phantom.fitting.choice import Choice, Method, choose_fit, robust_of_all
from phantomcal.phantom.fitting.failed import exchanged, exchanged_pair, failed_vials
from phantomcal.phantom.fitting.fit import fit_line
from phantomcal.phantom.fitting.influence import influence, studentised_outlier
from phantomcal.phantom.fitting.judge import linearity_words, notes_on, number, p_words, ratio_interval
from phantomcal.phantom.fitting.linearity import ALPHA, curvature, is_bent, lack_of_fit, linear_range
from phantomcal.phantom.reading.detection import detections
from phantomcal.results import Line, LineSummary, VialInfluence

Array = NDArray[np.float64]

__all__ = ["build_line", "number"]

_SUSPECT = 0.02  # stricter than usual: every line of every scan is asked


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
    method: Method = "auto",
    zero_known: bool = False,
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
        Known standard errors; see `phantomcal.phantom.fitting.choice.choose_fit`.
    expected : ExpectedSlope, optional
        What physics predicts. With it, vials that contradict it are found and left out.
    slope_ratio : tuple of float
        Accepted measured over expected slope.
    scatter : float, optional
        Accepted residual SD in the units of y, for finding failed vials.
    method : {"auto", "ols", "wls", "york", "robust", "through-zero"}
        Which fit is the main line; auto follows the rule of `phantomcal.phantom.fitting.choice.choose_fit`.
    zero_known : bool
        Whether zero abscissa should read zero, by a reference; a blank vial says so by itself.

    Returns
    -------
    line : Line
    flags : dict of str to str
        Suspect vials by name, with the reason in words.

    Raises
    ------
    ValueError
        See `phantomcal.phantom.fitting.choice.choose_fit`.
    """
    left_out, swapped, notes = _left_out(x, y, expected, slope_ratio, scatter)
    keep = np.ones(len(x), dtype=bool)
    keep[left_out] = False
    slope_unit = f"{unit}/({abscissa_unit})" if abscissa_unit != unit else f"{unit} per {abscissa_unit}"
    kept_y, kept_x = (None if s is None else s[keep] for s in (sd_y, sd_x))
    chosen = choose_fit(
        x[keep],
        y[keep],
        kept_y,
        kept_x,
        method=method,
        zero_known=zero_known or bool(np.any(x[keep] == 0)),
        slope_unit=slope_unit,
    )
    fit = chosen.fit
    flags: dict[str, str] = {}
    for k in left_out:
        flags[names[k]] = (
            f"failed or mislabelled: reads {number(y[k])} {unit} where the line of the other vials has "
            f"{number(fit.slope * x[k] + fit.intercept)} {unit}; left out"
        )
    pair = swapped or exchanged(x, y, left_out, fit.slope, fit.intercept)
    if pair is not None:
        first, second = (names[k] for k in pair)
        notes.append(f"{first} and {second} fit the line with their values exchanged: labels or places swapped?")
    if not left_out:
        flags, said = _suspects(names, x, y, fit.slope, unit, expected)
        notes += said
    line = _record(
        chosen,
        [name for name, kept in zip(names, keep, strict=True) if kept],
        x[keep],
        y[keep],
        expected,
        slope_ratio,
        notes,
        labels={"material": material, "modality": modality, "unit": unit, "abscissa_unit": abscissa_unit},
        slope_unit=slope_unit,
    )
    return (_with_all_vials(line, names, x, y, sd_y, sd_x, left_out) if left_out else line), flags


def _left_out(
    x: Array, y: Array, expected: ExpectedSlope | None, slope_ratio: tuple[float, float], scatter: float | None
) -> tuple[list[int], tuple[int, int] | None, list[str]]:
    """Vials that contradict the expected slope, a pair among them that changed places, and a remark."""
    if expected is None or scatter is None or len(x) < 4:
        return [], None, []
    pair = exchanged_pair(x, y, expected.value, slope_ratio)
    rest = np.array([k for k in range(len(x)) if pair is None or k not in pair])
    if len(rest) >= 4:
        failed = failed_vials(x[rest], y[rest], expected.value, slope_ratio, scatter)
        if failed is None:
            return (
                [],
                None,
                ["no half of the vials forms a line with the expected slope: the series contradicts its protocol"],
            )
        return sorted({int(rest[k]) for k in failed} | set(pair or ())), pair, []
    return sorted(pair or ()), pair, []


def _suspects(
    names: Sequence[str], x: Array, y: Array, slope: float, unit: str, expected: ExpectedSlope | None
) -> tuple[dict[str, str], list[str]]:
    """Vials that stay in the line but stand out, with what the line would be without them."""
    pair = exchanged_pair(x, y) if expected is None else None
    if pair is not None:
        rest = fit_line(np.delete(x, pair), np.delete(y, pair))
        first, second = (names[k] for k in pair)
        flags = {
            names[a]: f"suspect: fits the line with the value of {names[b]}: labels or places swapped? kept in the line"
            for a, b in (pair, pair[::-1])
        }
        return flags, [
            f"{first} and {second} fit the line with their values exchanged: labels or places swapped?",
            f"without {first} and {second} the slope would be {number(rest.slope, 4)} instead of {number(slope, 4)}",
        ]
    outlier = studentised_outlier(x, y)
    if outlier is None or outlier[1] >= _SUSPECT:
        return {}, []
    k = outlier[0]
    rest = fit_line(np.delete(x, k), np.delete(y, k))
    away = number(y[k] - rest.slope * x[k] - rest.intercept)
    reason = f"suspect: off the line of the other vials by {away} {unit}".rstrip()
    return (
        {names[k]: f"{reason} (p {p_words(outlier[1])}); kept in the line"},
        [f"without {names[k]} the slope would be {number(rest.slope, 4)} instead of {number(slope, 4)}"],
    )


def _record(
    chosen: Choice,
    names: Sequence[str],
    x: Array,
    y: Array,
    expected: ExpectedSlope | None,
    slope_ratio: tuple[float, float],
    notes: list[str],
    *,
    labels: dict[str, str],
    slope_unit: str,
) -> Line:
    fit = chosen.fit
    weights = chosen.weights if chosen.kind in ("wls", "york") else None
    bend = curvature(x, y, weights)
    straight = linear_range(x, y)
    lack = lack_of_fit(x, y)
    established = fit.p_value is not None and fit.p_value < ALPHA and len(x) >= 3
    limits = [
        None if fit.residual_sd is None or fit.slope == 0 else k * fit.residual_sd / abs(fit.slope) for k in (3.3, 10)
    ]
    ratio = ratio_ci = None
    if expected is not None and expected.value:
        ratio = fit.slope / expected.value
        ratio_ci = ratio_interval(fit, expected)
    curve = fit.curve
    return Line(
        **labels,
        abscissa_range=(float(x.min()), float(x.max())),
        method=fit.method,
        n_vials=len(x),
        slope=fit.slope,
        slope_se=fit.error(0),
        slope_ci95=fit.interval(0),
        slope_unit=slope_unit,
        intercept=fit.intercept,
        intercept_se=fit.error(1),
        intercept_ci95=fit.interval(1),
        covariance_slope_intercept=None if fit.covariance is None else float(fit.covariance[0, 1]),
        r2=fit.r2,
        p_value=fit.p_value,
        residual_sd=fit.residual_sd,
        degrees_of_freedom=fit.degrees_of_freedom,
        vial_noise=fit.value_noise or None,
        abscissa_noise=fit.abscissa_noise or None,
        errors_known=fit.errors_known,
        lod=limits[0],
        loq=limits[1],
        linearity=linearity_words(bend, lack, straight if is_bent(bend) else None, len(x), labels["abscissa_unit"]),
        quadratic_p=bend[0] if bend else None,
        curvature_share=bend[1] if bend else None,
        expected_slope=expected.value if expected else None,
        expected_slope_se=expected.standard_error if expected else None,
        expected_slope_source=expected.source if expected else "",
        slope_ratio=ratio,
        slope_ratio_ci95=ratio_ci,
        established=established,
        default_rule=chosen.rule,
        alternatives=chosen.alternatives,
        lack_of_fit_p=lack,
        linear_range=straight,
        influence=_influence(names, x, y, weights, chosen.kind == "through-zero"),
        detection=detections(curve, x, y) if curve is not None else [],
        notes=notes + notes_on(fit, x, established, bend, lack, ratio, slope_ratio),
    )


def _influence(
    names: Sequence[str], x: Array, y: Array, weights: Array | None, through_zero: bool
) -> list[VialInfluence]:
    columns = influence(x, y, weights, through_zero=through_zero)
    rows = [[float(v) if np.isfinite(v) else None for v in row] for row in zip(*columns, strict=True)]
    return [
        VialInfluence(
            vial_id=name,
            leverage=row[0] or 0.0,
            studentised_residual=row[1],
            cooks_distance=row[2],
            slope_without=row[3],
        )
        for name, row in zip(names, rows, strict=True)
    ]


def _with_all_vials(
    line: Line,
    names: Sequence[str],
    x: Array,
    y: Array,
    sd_y: Array | None,
    sd_x: Array | None,
    left_out: list[int],
) -> Line:
    every = choose_fit(x, y, sd_y, sd_x, beside=False).fit
    robust = robust_of_all(x, y, line.slope_unit, len(left_out))
    return line.model_copy(
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
            "alternatives": line.alternatives + ([robust] if robust else []),
            "notes": [
                f"{', '.join(names[k] for k in left_out)} left out; with all {len(x)} vials the slope "
                f"would be {number(every.slope, 4)} instead of {number(line.slope, 4)}",
                *line.notes,
            ],
        }
    )
