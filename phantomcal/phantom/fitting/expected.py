"""A measured slope against what physics or the literature expects: ratio, interval and a verdict in words."""

import math

from scipy import stats

from phantomcal.materials import why_no_ct_slope
from phantomcal.protocol import Protocol
from phantomcal.results import Calibration, Line


def physics_verdict(
    ratio: float | None, interval: tuple[float, float] | None, tolerance: tuple[float, float] = (0.5, 1.5)
) -> str:
    """Whether a slope agrees with its expectation, in words.

    Parameters
    ----------
    ratio : float or None
        Measured over expected slope.
    interval : (low, high) or None
        Its 95 % interval, with the uncertainty of both slopes.
    tolerance : (low, high)
        Accepted ratio; an interval that reaches beyond is too wide to call an agreement.

    Returns
    -------
    str
        Starts with ``agrees`` (the interval holds 1 and lies within the tolerance), ``deviates`` (it excludes 1) or
        ``undetermined`` (it holds 1 but reaches beyond the tolerance, or there is no interval). Empty without a ratio.
    """
    if ratio is None:
        return ""
    if interval is None:
        return "undetermined: the slope has no standard error"
    low, high = interval
    bounds = f"{_words(low)} to {_words(high)}"
    if low > 1 or high < 1:
        if ratio < 0:
            return f"deviates: the slope has the wrong sign (95 % interval of the ratio {bounds})"
        percent = 100 * abs(ratio - 1)
        side = "above" if ratio > 1 else "below"
        inside = tolerance[0] <= ratio <= tolerance[1]
        return (
            f"deviates: {percent:.2g} % {side} the expected slope (95 % interval of the ratio {bounds}), "
            f"{'inside' if inside else 'outside'} the accepted {tolerance[0]:g} to {tolerance[1]:g}"
        )
    if tolerance[0] <= low and high <= tolerance[1]:
        return f"agrees: the 95 % interval of the ratio, {bounds}, holds 1 and lies within the accepted range"
    return (
        f"undetermined: the 95 % interval of the ratio, {bounds}, holds 1 but reaches beyond the accepted "
        f"{tolerance[0]:g} to {tolerance[1]:g}"
    )


def ratio_interval(line: Line) -> tuple[float, float] | None:
    """95 % interval of the measured over the expected slope, with everything the line's budget knows.

    Parameters
    ----------
    line : Line
        With a budget; without one the interval that the fit alone gives is returned.

    Returns
    -------
    (low, high) or None
        ratio (1 -+ t u), u^2 being the relative variances of both slopes and t Student's factor at the effective
        degrees of freedom (Welch-Satterthwaite), where the expected slope's error counts as exactly known. The
        temperature's part is left to the expected slope, which carries it already.
    """
    if line.budget is None or not line.slope or not line.expected_slope or line.slope_ratio is None:
        return line.slope_ratio_ci95
    if line.slope_se is None:
        return None
    entries = [e for e in line.budget.entries if e.source != "temperature" or not line.expected_slope_se]
    measured = [(e.contribution / line.slope) ** 2 for e in entries]
    total = math.fsum(measured) + ((line.expected_slope_se or 0.0) / line.expected_slope) ** 2
    shared = math.fsum(
        m**2 / e.degrees_of_freedom for m, e in zip(measured, entries, strict=True) if e.degrees_of_freedom
    )
    factor = float(stats.t.ppf(0.975, total**2 / shared) if shared > 0 else stats.norm.ppf(0.975))
    half = abs(line.slope_ratio) * factor * math.sqrt(total)
    return line.slope_ratio - half, line.slope_ratio + half


def with_verdicts(calibration: Calibration, protocol: Protocol | None = None) -> Calibration:
    """The same calibration with interval and verdict of the slope ratio in every line.

    A line without an expected slope says why there is none, as far as that is known.

    Parameters
    ----------
    calibration : Calibration
    protocol : Protocol, optional
        For the accepted ratio, and for the reason where nothing is expected.

    Returns
    -------
    Calibration
    """
    accepted = protocol.tolerances.slope_ratio if protocol else (0.5, 1.5)
    lines = []
    for line in calibration.lines:
        interval = ratio_interval(line)
        verdict = physics_verdict(line.slope_ratio, interval, accepted) or _nothing_expected(line, protocol)
        if verdict.startswith("agrees") and _only_without(line, accepted):
            # Vials are left out by the expected slope, so that agreeing with it afterwards proves little.
            verdict = (
                f"undetermined: the line agrees only without {', '.join(line.excluded)}, left out because they "
                "contradict this very expectation"
            )
        lines.append(line.model_copy(update={"slope_ratio_ci95": interval, "slope_verdict": verdict}))
    return calibration.model_copy(update={"lines": lines})


def _only_without(line: Line, accepted: tuple[float, float]) -> bool:
    if not line.excluded or line.all_vials is None or not line.expected_slope:
        return False
    return not accepted[0] <= line.all_vials.slope / line.expected_slope <= accepted[1]


def _nothing_expected(line: Line, protocol: Protocol | None) -> str:
    entry = protocol.materials.get(line.material) if protocol else None
    if protocol is None or entry is None or not protocol.is_concentration:
        return ""
    if line.modality == "ct":
        reason = why_no_ct_slope(entry.substance, protocol.tube_voltage_kvp)
    else:
        reason = f"no molar susceptibility is shipped for {entry.substance or 'a material without substance'}"
    return f"undetermined: {reason}" if reason else ""


def _words(bound: float) -> str:
    return f"{bound:.2f}".replace("-", "−")
