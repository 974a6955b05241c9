"""From tests of equal slopes, between two calibrations or between scanners, to their report."""

import pandas as pd

from phantomcal.report.numerals import NONE, count, listed, number, p_number, p_value, unit_words, with_uncertainty
from phantomcal.report.page import Block, Figure, KeyNumber, Report, RowFlag, Section, TableBlock, Text
from phantomcal.report.repeatability_figures import difference_forest
from phantomcal.report.style import as_svg, width_px
from phantomcal.results.history import Comparison, EqualSlopesTest, LineComparison


def scanners_report(record: Comparison) -> Report:
    """The report of `history compare`.

    Parameters
    ----------
    record : Comparison

    Returns
    -------
    Report
    """
    two = len(record.names) == 2
    return Report(
        kind="Comparison report",
        title=f"{record.names[1]} against {record.names[0]}" if two else listed(record.names),
        subtitle=f"{record.protocol or 'no protocol'} · {count(len(record.lines), 'line')}",
        verdict="review" if any(line.verdict in ("differ", "undetermined") for line in record.lines) else "info",
        verdict_text=_verdict(record),
        key_numbers=_keys(record),
        warnings=record.warnings,
        sections=[_section(record), _tests(record)],
        methods=_methods(record),
        references=_references(record),
        provenance=record.provenance,
    )


def _name(line: LineComparison) -> str:
    return f"{line.material} {line.modality.upper()}".strip()


def _verdict(record: Comparison) -> str:
    parts = []
    for verdict in ("differ", "differ within tolerance", "agree", "undetermined"):
        names = [_name(line) for line in record.lines if line.verdict == verdict]
        if names:
            parts.append(f"{verdict}: {listed(names, most=4)}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _keys(record: Comparison) -> list[KeyNumber]:
    known = [line for line in record.lines if line.p_adjusted is not None]
    if not known:
        return []
    least = min(known, key=lambda line: line.p_adjusted or 0.0)
    keys = [KeyNumber("Smallest adjusted p", p_value(least.p_adjusted), f"{_name(least)} · {least.main_test.name}")]
    sized = [line for line in record.lines if line.difference_percent is not None]
    if sized:
        largest = max(sized, key=lambda line: abs(line.difference_percent or 0.0))
        keys.append(KeyNumber("Largest difference of slopes", _percent(largest), _name(largest)))
    return keys


def _percent(line: LineComparison) -> str:
    if line.difference_percent is None:
        return NONE
    text = f"{line.difference_percent:+.2f} %"
    if line.difference_ci95 is not None:
        text += f" [{line.difference_ci95[0]:+.2f}, {line.difference_ci95[1]:+.2f}]"
    return text.replace("-", "−")


def _section(record: Comparison) -> Section:
    blocks: list[Block] = []
    if any(line.difference_percent is not None for line in record.lines):
        tolerances = (record.provenance.parameters.get("tolerance_percent") if record.provenance else None) or {}
        canvas = difference_forest(record, tolerances)
        told = "; ".join(f"{_name(line)} {_percent(line)}, {line.verdict}" for line in record.lines)
        caption = (
            "Grey: the tolerance. Diamond: differs; square: agrees, or differs by less than the tolerance; hollow: "
            "undetermined."
        )
        alt = f"Differences of slopes in percent with 95 % intervals. {told}."
        blocks.append(Figure(as_svg(canvas), alt, caption, width_px(canvas)))
    columns = {f"s{k}": name for k, name in enumerate(record.names)}
    frame = pd.DataFrame(
        {
            "line": [_name(line) for line in record.lines],
            **{
                key: [with_uncertainty(line.slopes[k].slope, line.slopes[k].slope_se) for line in record.lines]
                for k, key in enumerate(columns)
            },
            "unit": [unit_words(line.unit) for line in record.lines],
            "difference": [_percent(line) for line in record.lines],
            "p": [p_number(line.p_adjusted) for line in record.lines],
            "verdict": [line.verdict for line in record.lines],
        }
    )
    sessions = [max(line.slopes[k].n_sessions for line in record.lines) for k in range(len(columns))]
    headings = [name + (f" (n {n})" if n > 1 else "") for name, n in zip(record.names, sessions, strict=True)]
    labels = {
        "line": "Line",
        **dict(zip(columns, headings, strict=True)),
        "unit": "Unit",
        "difference": "Difference [95 %]",
        "p": "p adjusted",
        "verdict": "Verdict",
    }
    units = {unit_words(line.unit) for line in record.lines}
    caption = "Slopes ± SE"
    if len(units) == 1:
        del labels["unit"]
        caption += f", {units.pop()}"
    if len(record.names) > 2:
        del labels["difference"]
    flags: list[RowFlag] = ["warn" if line.verdict == "differ" else "" for line in record.lines]
    note = f"Adjustment: {record.adjustment}." + (" n: sessions." if max(sessions) > 1 else "")
    blocks.append(TableBlock(frame, caption, labels, numbers=(*columns, "difference", "p"), flags=flags, note=note))
    said: dict[str, list[str]] = {}
    for line in record.lines:
        said.setdefault(line.words, []).append(_name(line))
    blocks.append(Text("\n\n".join(f"{listed(names)}: {text}." for text, names in said.items())))
    intro = (
        "Two slopes agree when any difference is surely smaller than the tolerance. A test that shows no difference "
        "does not show that there is none."
    )
    return Section("Slopes", intro, blocks)


def _tests(record: Comparison) -> Section:
    rows = [(line, test, k == 0) for line in record.lines for k, test in enumerate([line.main_test, *line.other_tests])]
    frame = pd.DataFrame(
        {
            "line": [_name(line) for line, _, _ in rows],
            "test": [test.name + (" (main)" if main else "") for _, test, main in rows],
            "statistic": [_statistic(test) for _, test, _ in rows],
            "p": [p_number(test.p_value) for _, test, _ in rows],
            "note": [test.note for _, test, _ in rows],
        }
    )
    labels = {"line": "Line", "test": "Test", "statistic": "Statistic", "p": "p", "note": "Remark"}
    if not any(frame["note"]):
        del labels["note"]
    blocks: list[Block] = [TableBlock(frame, "Tests of equal slopes", labels, numbers=("statistic", "p"))]
    spread = [
        f"{_name(line)}: I² over all sessions {line.heterogeneity_percent:.0f} %, random-effects SD between scanners "
        f"{number(line.between_scanner_sd, 2)} {unit_words(line.unit)}."
        for line in record.lines
        if line.heterogeneity_percent is not None
    ]
    if spread:
        blocks.append(Text("\n\n".join(spread)))
    return Section("Tests", "P values of this table are not adjusted.", blocks)


def _statistic(test: EqualSlopesTest) -> str:
    if test.statistic is None:
        return NONE
    df = ", ".join(f"{d:.3g}" for d in test.degrees_of_freedom)
    return f"{test.statistic_name}({df}) = {number(test.statistic, 3)}"


def _names(record: Comparison) -> set[str]:
    return {test.name for line in record.lines for test in (line.main_test, *line.other_tests)}


def _methods(record: Comparison) -> str:
    names = _names(record)
    parts = ["Slopes of calibration lines were tested for equality."]
    if "paired vials" in names:
        parts.append("The differences of each vial between the two scans were regressed on its abscissa (paired test).")
    if "Welch" in names:
        parts.append("Slopes were compared by their standard errors with Welch and Satterthwaite's degrees of freedom.")
    if "F test of equal slopes" in names:
        parts.append("The F test compares the fit with separate slopes to that with a common one (Zar).")
    if any("sessions" in name for name in names):
        parts.append("Welch's test was applied to the slopes of the sessions of each scanner (Welch 1951).")
    if any("Cochran" in name for name in names):
        parts.append("Heterogeneity was assessed by Cochran's Q, with DerSimonian and Laird's variance (1986).")
    parts.append(f"P values were adjusted: {record.adjustment}.")
    return " ".join(parts)


def _references(record: Comparison) -> list[str]:
    names = _names(record)
    cited = []
    if "F test of equal slopes" in names:
        cited.append("Zar JH. Biostatistical Analysis. Prentice Hall: comparing simple linear regression equations.")
    if any("sessions" in name for name in names):
        cited.append(
            "Welch BL. On the comparison of several mean values: an alternative approach. Biometrika "
            "1951;38:330-336. doi 10.1093/biomet/38.3-4.330"
        )
    if any("Cochran" in name for name in names):
        cited.append(
            "DerSimonian R, Laird N. Meta-analysis in clinical trials. Control Clin Trials 1986;7:177-188. "
            "doi 10.1016/0197-2456(86)90046-2"
        )
    return cited
