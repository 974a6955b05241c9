"""Did the scanner change, do scanners differ: tests of equal slopes."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from phantomcal.errors import InputError
from phantomcal.history.store import LineRow
from phantomcal.results import Calibration, Line, VialMeasurement
from phantomcal.results.history import ComparedSlope, Comparison, EqualSlopesTest, LineComparison

Array = NDArray[np.float64]
ALPHA = 0.05
DEFAULT_TOLERANCE_PERCENT: Mapping[str, float] = {"ct": 2.0, "qsm": 5.0}
_PAIRED = "paired vials"


def compare_calibrations(
    first: Calibration,
    second: Calibration,
    names: tuple[str, str],
    tolerance_percent: Mapping[str, float] = DEFAULT_TOLERANCE_PERCENT,
) -> Comparison:
    """Whether the lines of two calibrations have equal slopes.

    Parameters
    ----------
    first, second : Calibration
        Of one protocol.
    names : tuple of str
        What to call them.
    tolerance_percent : mapping of modality to float
        Differences of this size do not matter.

    Returns
    -------
    Comparison
        Where both hold the same vials, the main test is paired: the differences of each vial are regressed on its
        abscissa, and what the two scans share (wrong concentrations) drops out. Else it is Welch's test on the slopes
        and their standard errors. The F test of equal slopes with one residual variance stands beside them.

    Raises
    ------
    InputError
        Different protocols, or no line in common.

    References
    ----------
    F test: Zar, Biostatistical Analysis, chapter 18 (comparing simple linear regression equations).
    """
    if first.protocol != second.protocol:
        raise InputError(
            f"the calibrations are of different protocols ({first.protocol} and {second.protocol})",
            " and ".join(names),
            "compare scans of one phantom",
        )
    mine = {(line.material, line.modality): line for line in first.lines}
    pairs = [(mine[k], line) for line in second.lines if (k := (line.material, line.modality)) in mine]
    pairs = [(a, b) for a, b in pairs if a.slope_unit == b.slope_unit]
    if not pairs:
        raise InputError("the calibrations have no line in common", " and ".join(names), "compare the same phantom")
    lines = [_two_lines(a, b, _vials(first, a), _vials(second, b), names) for a, b in pairs]
    alone = sorted(
        {f"{x.material} {x.modality}".strip() for x in (*first.lines, *second.lines)}
        - {f"{a.material} {a.modality}".strip() for a, _ in pairs}
    )
    warnings = [f"only in one of the two: {', '.join(alone)}"] if alone else []
    return _comparison(first.protocol, list(names), lines, warnings, tolerance_percent)


def compare_scanners(
    rows: Sequence[LineRow],
    scanners: Sequence[str],
    tolerance_percent: Mapping[str, float] = DEFAULT_TOLERANCE_PERCENT,
) -> Comparison:
    """Whether scanners measure equal slopes, from their calibrations of one phantom.

    Parameters
    ----------
    rows : sequence of LineRow
        Of one protocol.
    scanners : sequence of str
        Two or more, in the order they are named.
    tolerance_percent : mapping of modality to float

    Returns
    -------
    Comparison
        With two or more sessions on every scanner the main test is Welch's (t for two, F for more) on the sessions'
        slopes: the scatter between sessions is what a difference has to exceed. With a single session somewhere it is
        Cochran's Q on the slopes' standard errors. Both stand in the result where they can be computed.

    Raises
    ------
    InputError
        Fewer than two scanners, an unknown one, several protocols, no line in common.

    References
    ----------
    Welch 1951, 10.1093/biomet/38.3-4.330. DerSimonian and Laird 1986, 10.1016/0197-2456(86)90046-2.
    """
    names = list(dict.fromkeys(scanners))
    if len(names) < 2:
        raise InputError("a comparison needs two scanners", ", ".join(names), "give --scanner twice")
    absent = [name for name in names if not any(r.scanner == name for r in rows)]
    if absent:
        raise InputError(f"no calibration of scanner {absent[0]!r}", "", "see `phantomcal history list`")
    protocols = sorted({r.protocol for r in rows if r.scanner in names})
    if len(protocols) > 1:
        raise InputError(f"there are several phantoms ({', '.join(protocols)})", "", "choose one with --protocol")
    lines, alone = [], []
    for material, modality, unit in dict.fromkeys((r.material, r.modality, r.slope_unit) for r in rows):
        groups = [
            [r for r in rows if (r.scanner, r.material, r.modality, r.slope_unit) == (name, material, modality, unit)]
            for name in names
        ]
        if all(groups):
            lines.append(_scanner_line(groups, names))
        else:
            alone.append(f"{material} {modality} ({unit})")
    if not lines:
        raise InputError("the scanners have no line in common", ", ".join(names), "calibrate with the same phantom")
    warnings = [f"not on every scanner: {', '.join(alone)}"] if alone else []
    if all(s.n_sessions == 1 for line in lines for s in line.slopes):
        warnings.append(
            "one session each: what changes from session to session on one scanner cannot be told from a difference "
            "between scanners"
        )
    return _comparison(protocols[0], names, lines, warnings, tolerance_percent)


def _vials(record: Calibration, line: Line) -> dict[str, VialMeasurement]:
    return {v.vial_id: v for v in record.vials if v.used and v.series == line.material and v.modality == line.modality}


def _two_lines(
    a: Line,
    b: Line,
    first: dict[str, VialMeasurement],
    second: dict[str, VialMeasurement],
    names: tuple[str, str],
) -> LineComparison:
    tests: list[tuple[EqualSlopesTest, float | None, float | None]] = []  # with the difference's half width
    paired = _paired(first, second)
    if paired is not None:
        tests.append(paired)
    welch = _welch_lines(a, b)
    if welch is not None:
        tests.append(welch)
    tests += [t for t in (_ancova(first, second),) if t is not None]
    difference = b.slope - a.slope
    if not tests:
        none = EqualSlopesTest(name="none", statistic=None, p_value=None, note="too few vials for a test")
        tests = [(none, None, None)]
    main, centre, half = tests[0]
    centre = difference if centre is None else centre
    interval = None
    if half is not None and a.slope:
        low, high = sorted(100 * (centre + sign * half) / a.slope for sign in (-1, 1))
        interval = (float(low), float(high))
    return LineComparison(
        material=a.material,
        modality=a.modality,
        unit=a.slope_unit,
        slopes=[
            ComparedSlope(name=name, n_sessions=1, slope=line.slope, slope_se=line.slope_se)
            for name, line in zip(names, (a, b), strict=True)
        ],
        difference_percent=float(100 * centre / a.slope) if a.slope else None,
        difference_ci95=interval,
        main_test=main,
        p_adjusted=None,
        other_tests=[t for t, _, _ in tests[1:]],
        verdict="undetermined",
        words="",
    )


def _paired(
    first: dict[str, VialMeasurement], second: dict[str, VialMeasurement]
) -> tuple[EqualSlopesTest, float, float] | None:
    shared = [k for k in first if k in second and first[k].abscissa == second[k].abscissa]
    x = np.array([first[k].abscissa for k in shared])
    d = np.array([second[k].value - first[k].value for k in shared])
    if len(shared) < 3 or np.ptp(x) == 0:
        return None
    fit = stats.linregress(x, d)
    if fit.stderr <= 1e-12 * abs(float(np.ptp(d)) / float(np.ptp(x)) or 1.0):
        return None
    df = len(shared) - 2
    shift = d.mean()
    note = f"{len(shared)} vials; the mean vial changed by {shift:.3g} {first[shared[0]].unit}".replace("-", "−")
    test = EqualSlopesTest(
        name=_PAIRED,
        statistic=float(fit.slope / fit.stderr),
        statistic_name="t",
        degrees_of_freedom=(float(df),),
        p_value=float(fit.pvalue),
        note=note,
    )
    return test, float(fit.slope), float(stats.t.ppf(0.975, df) * fit.stderr)


def _welch_lines(a: Line, b: Line) -> tuple[EqualSlopesTest, float, float] | None:
    if not a.slope_se or not b.slope_se or min(a.n_vials, b.n_vials) < 3:
        return None
    variances = np.array([a.slope_se, b.slope_se]) ** 2
    error = float(np.sqrt(variances.sum()))
    df = float(variances.sum() ** 2 / (variances**2 / np.array([a.n_vials - 2, b.n_vials - 2])).sum())
    t = (b.slope - a.slope) / error
    test = EqualSlopesTest(
        name="Welch",
        statistic=float(t),
        statistic_name="t",
        degrees_of_freedom=(df,),
        p_value=float(2 * stats.t.sf(abs(t), df)),
        note="from the two slopes and their standard errors, taken as independent",
    )
    return test, b.slope - a.slope, float(stats.t.ppf(0.975, df) * error)


def _ancova(
    first: dict[str, VialMeasurement], second: dict[str, VialMeasurement]
) -> tuple[EqualSlopesTest, None, None] | None:
    groups = [
        (np.array([v.abscissa for v in g.values()]), np.array([v.value for v in g.values()])) for g in (first, second)
    ]
    if any(len(x) < 3 or np.ptp(x) == 0 for x, _ in groups):
        return None
    centred = [(x - x.mean(), y - y.mean()) for x, y in groups]
    sxx = np.array([(x * x).sum() for x, _ in centred])
    sxy = np.array([(x * y).sum() for x, y in centred])
    syy = sum(float((y * y).sum()) for _, y in centred)
    apart, common = syy - float((sxy**2 / sxx).sum()), syy - float(sxy.sum() ** 2 / sxx.sum())
    df = sum(len(x) for x, _ in groups) - 4
    if df < 1 or apart <= 1e-20 * syy:
        return None
    f = max(common - apart, 0.0) / (apart / df)
    test = EqualSlopesTest(
        name="F test of equal slopes",
        statistic=float(f),
        statistic_name="F",
        degrees_of_freedom=(1.0, float(df)),
        p_value=float(stats.f.sf(f, 1, df)),
        note="ordinary least squares with one residual variance, vials taken as independent",
    )
    return test, None, None


def _scanner_line(groups: Sequence[Sequence[LineRow]], names: Sequence[str]) -> LineComparison:
    slopes = [np.array([r.slope for r in g]) for g in groups]
    tests: list[EqualSlopesTest] = []
    interval = None
    if all(len(s) > 1 for s in slopes) and all(np.ptp(s) > 0 for s in slopes):
        tests.append(_welch_sessions(slopes))
        if len(slopes) == 2:
            low, high = stats.ttest_ind(slopes[1], slopes[0], equal_var=False).confidence_interval(0.95)
            interval = (float(low), float(high))
    within, heterogeneity, between = _cochran(groups)
    if within is not None:
        tests.append(within)
        if interval is None and len(slopes) == 2:
            errors = [_pooled_se(g) for g in groups]
            half = 1.959964 * float(np.hypot(errors[0], errors[1]))
            away = float(slopes[1].mean() - slopes[0].mean())
            interval = (away - half, away + half)
    if not tests:
        tests = [EqualSlopesTest(name="none", statistic=None, p_value=None, note="no scatter and no standard errors")]
    base = float(slopes[0].mean())
    two = len(slopes) == 2 and base != 0
    scaled = None
    if two and interval is not None:
        low, high = sorted(100 * bound / base for bound in interval)
        scaled = (low, high)
    return LineComparison(
        material=groups[0][0].material,
        modality=groups[0][0].modality,
        unit=groups[0][0].slope_unit,
        slopes=[
            ComparedSlope(
                name=name,
                n_sessions=len(s),
                slope=float(s.mean()),
                slope_se=float(s.std(ddof=1) / np.sqrt(len(s))) if len(s) > 1 else g[0].slope_se,
                between_session_sd=float(s.std(ddof=1)) if len(s) > 1 else None,
            )
            for name, s, g in zip(names, slopes, groups, strict=True)
        ],
        difference_percent=float(100 * (slopes[1].mean() - base) / base) if two else None,
        difference_ci95=scaled,
        main_test=tests[0],
        p_adjusted=None,
        other_tests=tests[1:],
        heterogeneity_percent=heterogeneity,
        between_scanner_sd=between,
        verdict="undetermined",
        words="",
    )


def _welch_sessions(slopes: Sequence[Array]) -> EqualSlopesTest:
    if len(slopes) == 2:
        t = stats.ttest_ind(slopes[1], slopes[0], equal_var=False)
        return EqualSlopesTest(
            name="Welch's t test of the sessions' slopes",
            statistic=float(t.statistic),
            statistic_name="t",
            degrees_of_freedom=(float(t.df),),
            p_value=float(t.pvalue),
        )
    from statsmodels.stats.oneway import anova_oneway

    f = anova_oneway(list(slopes), use_var="unequal")
    return EqualSlopesTest(
        name="Welch's F test of the sessions' slopes",
        statistic=float(f.statistic),
        statistic_name="F",
        degrees_of_freedom=tuple(float(d) for d in f.df),
        p_value=float(f.pvalue),
    )


def _pooled_se(rows: Sequence[LineRow]) -> float:
    errors = np.array([r.slope_se for r in rows], dtype=np.float64)
    return float(np.sqrt((errors**2).sum()) / len(errors))


def _cochran(groups: Sequence[Sequence[LineRow]]) -> tuple[EqualSlopesTest | None, float | None, float | None]:
    """Cochran's Q over the scanners' mean slopes; I squared over all sessions; random-effects SD of the scanners."""
    if any(not r.slope_se for g in groups for r in g):
        return None, None, None
    from statsmodels.stats.meta_analysis import combine_effects

    means = np.array([np.mean([r.slope for r in g]) for g in groups])
    variances = np.array([_pooled_se(g) ** 2 for g in groups])
    scanners = combine_effects(means, variances, method_re="dl")
    rows = [r for g in groups for r in g]
    each = np.array([float(r.slope_se or 0) ** 2 for r in rows])
    sessions = combine_effects(np.array([r.slope for r in rows]), each, method_re="dl")
    df = len(groups) - 1
    test = EqualSlopesTest(
        name="Cochran's Q of the scanners' slopes",
        statistic=float(scanners.q),
        statistic_name="Q",
        degrees_of_freedom=(float(df),),
        p_value=float(stats.chi2.sf(scanners.q, df)),
        note="standard errors of the lines; they also hold what scans of one phantom share, so Q is cautious",
    )
    tau = float(np.sqrt(max(scanners.tau2, 0.0)))
    return test, float(100 * max(sessions.i2, 0.0)), tau


def _comparison(
    protocol: str,
    names: list[str],
    lines: Sequence[LineComparison],
    warnings: list[str],
    tolerance_percent: Mapping[str, float],
) -> Comparison:
    adjusted = _holm([line.main_test.p_value for line in lines])
    judged = []
    for line, p in zip(lines, adjusted, strict=True):
        verdict, words = _verdict(line, p, tolerance_percent.get(line.modality))
        judged.append(line.model_copy(update={"p_adjusted": p, "verdict": verdict, "words": words}))
    return Comparison(
        protocol=protocol,
        names=names,
        lines=judged,
        adjustment=f"Holm over {len(lines)} line{'s' if len(lines) > 1 else ''}",
        warnings=warnings,
    )


def _holm(values: Sequence[float | None]) -> list[float | None]:
    known = [(p, k) for k, p in enumerate(values) if p is not None]
    result: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (p, k) in enumerate(sorted(known)):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        result[k] = largest
    return result


def _verdict(line: LineComparison, p: float | None, tolerance: float | None) -> tuple[str, str]:
    limits, interval = (f"{tolerance:g} %" if tolerance else ""), line.difference_ci95
    small = tolerance is not None and interval is not None and max(abs(b) for b in interval) <= tolerance
    if p is not None and p < ALPHA:
        if small:
            return "differ within tolerance", f"the slopes differ, but surely by less than {limits}"
        return "differ", "the slopes differ"
    if small:
        return "agree", f"any difference is smaller than {limits}"
    if p is None:
        return "undetermined", "there are too few values for a test"
    if interval is None or tolerance is None:
        return "undetermined", "no difference was shown, which is not to say that there is none"
    return "undetermined", f"no difference was shown, but one of more than {limits} cannot be ruled out"
