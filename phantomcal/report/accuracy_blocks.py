"""Accuracy as blocks of the page: figures with the words that belong to them, and tables."""

from collections.abc import Iterable, Sequence

from phantomcal.report.accuracy_figures import proportion_forest, reliability_figure, roc_figure
from phantomcal.report.blocks import embedded
from phantomcal.report.columns import table_of
from phantomcal.report.numerals import (
    NONE,
    count,
    fixed,
    interval,
    number,
    p_number,
    with_interval,
)
from phantomcal.report.page import Block, Figure, TableBlock
from phantomcal.results import (
    AreaComparison,
    Cutoff,
    DiagnosticTable,
    Kappa,
    LikelihoodRatio,
    PairedCalls,
    Proportion,
    Reliability,
    RocResult,
)


def roc_blocks(
    results: Sequence[RocResult],
    comparisons: Sequence[AreaComparison] = (),
    cutoffs: Sequence[Cutoff] = (),
    unit: str = "",
) -> list[Block]:
    """ROC curves of scores of the same cases: figure, areas, cut-offs, comparisons.

    Parameters
    ----------
    results : sequence of RocResult
        At least one, named.
    comparisons : sequence of AreaComparison
    cutoffs : sequence of Cutoff
        Marked on the curves of the same name.
    unit : str
        Of the scores, for cut-offs.

    Returns
    -------
    list of Block
    """
    told = "; ".join(f"{r.name or 'score'}: area {with_interval(r.auc, r.auc_ci95)}" for r in results)
    marked = " Marks: the chosen cut-offs." if cutoffs else ""
    blocks: list[Block] = [
        embedded(
            roc_figure(results, cutoffs),
            f"Receiver operating characteristic. {told}.",
            f"The diagonal is chance.{marked}",
        ),
        areas_table(results),
    ]
    if cutoffs:
        blocks.append(cutoff_table(cutoffs, unit))
    if comparisons:
        blocks.append(comparison_table(comparisons))
    return blocks


def areas_table(results: Sequence[RocResult]) -> TableBlock:
    """Areas under the curves with standard error, interval and cases."""
    labels = {"name": "Score", "auc": "Area", "se": "SE", "ci": "95 % interval", "n": "Cases"}
    columns = {
        "name": [r.name or "score" for r in results],
        "auc": [fixed(r.auc, 3) for r in results],
        "se": [number(r.auc_se, 2) for r in results],
        "ci": [interval(r.auc_ci95) for r in results],
        "n": [f"{r.n_positive} against {r.n_negative}" + _of(r.n_subjects) for r in results],
        "note": [r.note for r in results],
    }
    if any(r.note for r in results):
        labels["note"] = "Remark"
    return TableBlock(
        table_of(columns),
        "Area under the curve",
        labels,
        numbers=("auc", "se", "ci"),
        note=_sentence("; ".join(_longest(r.method for r in results))),
    )


def cutoff_table(cutoffs: Sequence[Cutoff], unit: str = "") -> TableBlock:
    """Cut-offs with their bootstrap intervals and what they do on the cases that chose them."""
    columns = {
        "name": [c.name or "score" for c in cutoffs],
        "rule": [c.rule for c in cutoffs],
        "cutoff": [f"{'≥' if c.positive == 'above' else '≤'} {number(c.cutoff, 3)}" for c in cutoffs],
        "ci": [interval(c.cutoff_ci95) for c in cutoffs],
        "sensitivity": [proportion_words(c.sensitivity) for c in cutoffs],
        "specificity": [proportion_words(c.specificity) for c in cutoffs],
        "youden": [f"{fixed(c.youden)} ({fixed(c.youden_corrected)})" for c in cutoffs],
    }
    labels = {
        "name": "Score",
        "rule": "Rule",
        "cutoff": "Cut-off",
        "ci": "95 % interval",
        "sensitivity": "Sensitivity",
        "specificity": "Specificity",
        "youden": "Youden (corrected)",
    }
    if len({c.rule for c in cutoffs}) == 1:
        del labels["rule"]
    draws = sorted({c.n_bootstrap for c in cutoffs})
    note = (
        f"Rule: {', '.join(dict.fromkeys(c.rule for c in cutoffs))}. Intervals of cut-offs: "
        f"{', '.join(dict.fromkeys(c.method for c in cutoffs))}, {draws[-1]} draws. Sensitivity and specificity are "
        "those of the cases that chose the cut-off, hence optimistic; the corrected index takes the optimism off."
    )
    units = {"cutoff": unit, "ci": unit} if unit else {}
    return TableBlock(
        table_of(columns),
        "Cut-offs",
        labels,
        units,
        numbers=("cutoff", "ci", "sensitivity", "specificity", "youden"),
        note=note,
    )


def comparison_table(comparisons: Sequence[AreaComparison]) -> TableBlock:
    """Differences of areas."""
    columns = {
        "pair": [f"{c.first} − {c.second}" for c in comparisons],
        "difference": [with_interval(c.difference, c.ci95, 3) for c in comparisons],
        "se": [number(c.standard_error, 2) for c in comparisons],
        "z": [fixed(c.z) for c in comparisons],
        "p": [p_number(c.p) for c in comparisons],
        "adjusted": [p_number(c.p_adjusted) for c in comparisons],
        "note": [c.note for c in comparisons],
    }
    labels = {"pair": "Scores", "difference": "Difference [95 %]", "se": "SE", "z": "z", "p": "p"}
    if len(comparisons) > 1:
        labels["adjusted"] = "p adjusted"
    if any(c.note for c in comparisons):
        labels["note"] = "Remark"
    note = _sentence("; ".join(dict.fromkeys(c.method for c in comparisons)))
    if len(comparisons) > 1:
        note += " Adjusted by Holm."
    return TableBlock(
        table_of(columns),
        "Areas compared on the same cases",
        labels,
        numbers=("difference", "se", "z", "p", "adjusted"),
        note=note,
    )


def diagnostic_blocks(table: DiagnosticTable, positive: str = "positive", negative: str = "negative") -> list[Block]:
    """The two-by-two table and its measures.

    Parameters
    ----------
    table : DiagnosticTable
    positive, negative : str
        What the two classes are.

    Returns
    -------
    list of Block
    """
    cells: dict[str, list[str] | list[int]] = {
        "truth": [positive, negative],
        "yes": [table.true_positive, table.false_positive],
        "no": [table.false_negative, table.true_negative],
    }
    measures = [
        table.sensitivity,
        table.specificity,
        table.positive_predictive_value,
        table.negative_predictive_value,
        table.accuracy,
    ]
    counted = TableBlock(
        table_of(cells),
        "Calls against the truth",
        {"truth": "Truth", "yes": f"Called {positive}", "no": f"Called {negative}"},
        numbers=("yes", "no"),
        note=_sentence(f"{count(table.n, 'case')}{_of(table.n_subjects)}; {table.note}"),
    )
    blocks: list[Block] = [counted]
    drawn = [m for m in measures if m.value is not None]
    if drawn:
        told = "; ".join(f"{m.name} {proportion_words(m)}" for m in drawn)
        blocks.append(embedded(proportion_forest(drawn), f"Measures with 95 % intervals: {told}."))
    blocks.append(_ratio_table(measures, (table.likelihood_ratio_positive, table.likelihood_ratio_negative)))
    return blocks


def _ratio_table(measures: Sequence[Proportion], ratios: Sequence[LikelihoodRatio]) -> TableBlock:
    everything: list[Proportion | LikelihoodRatio] = [*measures, *ratios]
    columns = {
        "name": [_capital(m.name) for m in everything],
        "value": [fixed(m.value, 3) for m in measures] + [number(r.value, 3) for r in ratios],
        "ci": [interval(m.ci95) for m in everything],
        "cases": [f"{m.count} of {m.n}" for m in measures] + [NONE] * len(ratios),
        "note": [m.note for m in everything],
    }
    labels = {"name": "Measure", "value": "Value", "ci": "95 % interval", "cases": "Cases", "note": "Remark"}
    if not any(columns["note"]):
        del labels["note"]
    methods = dict.fromkeys(m.method for m in everything if m.method)
    return TableBlock(
        table_of(columns), "Measures", labels, numbers=("value", "ci", "cases"), note=_sentence("; ".join(methods))
    )


def paired_table(calls: PairedCalls) -> TableBlock:
    """Two callers of the same cases by McNemar's test."""
    columns: dict[str, list[str] | list[int]] = {
        "measure": [_capital(t.measure) for t in calls.tests],
        "n": [t.n for t in calls.tests],
        "first": [t.only_first_right for t in calls.tests],
        "second": [t.only_second_right for t in calls.tests],
        "difference": [with_interval(t.difference, t.ci95, 3) for t in calls.tests],
        "p": [p_number(t.p) for t in calls.tests],
        "adjusted": [p_number(t.p_adjusted) for t in calls.tests],
        "note": [t.note for t in calls.tests],
    }
    labels = {
        "measure": "Measure",
        "n": "Cases",
        "first": f"Only {calls.first} right",
        "second": f"Only {calls.second} right",
        "difference": "Difference [95 %]",
        "p": "p",
        "adjusted": "p adjusted",
    }
    if any(t.note for t in calls.tests):
        labels["note"] = "Remark"
    methods = dict.fromkeys(t.method for t in calls.tests if t.method != "none")
    note = _sentence("; ".join(methods)) + " Adjusted by Holm over sensitivity and specificity."
    return TableBlock(
        table_of(columns),
        f"{calls.first} against {calls.second} on the same {count(calls.n, 'case')}{_of(calls.n_subjects)}",
        labels,
        numbers=("difference", "p", "adjusted"),
        note=note,
    )


def kappa_table(kappas: Sequence[tuple[str, Kappa]]) -> TableBlock:
    """Agreement of readers, a row per named comparison."""
    records = [k for _, k in kappas]
    columns = {
        "name": [name for name, _ in kappas],
        "kappa": [with_interval(k.value, k.ci95) for k in records],
        "se": [number(k.standard_error, 2) for k in records],
        "observed": [fixed(k.observed_agreement, 3) for k in records],
        "chance": [fixed(k.expected_agreement, 3) for k in records],
        "n": [f"{count(k.n, 'case')}, {k.n_readers} readers{_of(k.n_subjects)}" for k in records],
        "weights": [k.weights for k in records],
        "note": [k.note for k in records],
    }
    labels = {
        "name": "Readers",
        "kappa": "Kappa [95 %]",
        "se": "SE",
        "observed": "Agreement",
        "chance": "By chance",
        "n": "Cases",
        "weights": "Weights",
        "note": "Remark",
    }
    if {k.weights for k in records} == {"none"}:
        del labels["weights"]
    if not any(k.note for k in records):
        del labels["note"]
    return TableBlock(
        table_of(columns),
        "Agreement of readers",
        labels,
        numbers=("kappa", "se", "observed", "chance"),
        note=_sentence("; ".join(dict.fromkeys(k.method for k in records))),
    )


def reliability_blocks(reliability: Reliability, name: str = "") -> list[Block]:
    """Calibration of probabilities: picture and numbers.

    Parameters
    ----------
    reliability : Reliability
    name : str
        Whose probabilities.

    Returns
    -------
    list of Block
    """
    r = reliability
    told = "; ".join(
        f"stated {fixed(row.mean_probability)}, observed {fixed(row.observed.value)} of {row.observed.n}"
        for row in r.bins
    )
    figure: Figure = embedded(
        reliability_figure(r),
        f"Observed share against stated probability{f' of {name}' if name else ''}: {told}.",
        "On the diagonal probabilities mean what they say. Bars: 95 % intervals.",
    )
    columns = {
        "name": ["Expected calibration error", "Brier score", "Slope", "Intercept"],
        "value": [fixed(r.ece, 3), fixed(r.brier, 3), fixed(r.slope), fixed(r.intercept)],
        "ci": [interval(r.ece_ci95), interval(r.brier_ci95), interval(r.slope_ci95), interval(r.intercept_ci95)],
        "ideal": [
            f"{fixed(r.ece_if_calibrated, 3)} by chance alone at this n (95th percentile "
            f"{fixed(r.ece_if_calibrated_95, 3)})",
            f"reliability {fixed(r.brier_reliability, 3)} − resolution {fixed(r.brier_resolution, 3)} + uncertainty "
            f"{fixed(r.brier_uncertainty, 3)}, and {fixed(r.brier_within_bins, 3)} within bins",
            "1; below it the probabilities are too bold, above it too timid",
            "0; above it they are too low on the whole, below it too high",
        ],
    }
    labels = {"name": "Measure", "value": "Value", "ci": "95 % interval", "ideal": "To compare with"}
    note = _sentence(f"{count(r.n, 'case')}, {r.n_positive} positive{_of(r.n_subjects)}; {r.method}")
    if r.note:
        note += f" {_sentence(r.note)}"
    return [figure, TableBlock(table_of(columns), "Calibration", labels, numbers=("value", "ci"), note=note)]


def proportion_words(p: Proportion) -> str:
    """A proportion with its interval, or why there is none: ``0.92 [0.85, 0.96]``."""
    return f"{NONE} ({p.note})" if p.value is None else with_interval(p.value, p.ci95)


def _longest(methods: Iterable[str]) -> list[str]:
    """Methods without those that another one begins with."""
    found = list(dict.fromkeys(methods))
    return [text for text in found if not any(other != text and other.startswith(text) for other in found)]


def _of(n_subjects: int | None) -> str:
    return "" if n_subjects is None else f" of {count(n_subjects, 'subject')}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    return f"{_capital(text).rstrip('.')}." if text else ""
