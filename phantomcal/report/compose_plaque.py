"""From plaque components to their report."""

from typing import TYPE_CHECKING

from phantomcal.report.accuracy_blocks import areas_table, comparison_table, cutoff_table
from phantomcal.report.accuracy_figures import roc_figure
from phantomcal.report.blocks import embedded
from phantomcal.report.columns import table_of
from phantomcal.report.methods_plaque import plaque_methods
from phantomcal.report.numerals import (
    NONE,
    count,
    fixed,
    interval,
    listed,
    number,
    p_number,
    p_value,
    percent,
    quantity,
    with_interval,
    with_uncertainty,
)
from phantomcal.report.page import Block, Callout, KeyNumber, Report, RowFlag, Section, TableBlock, Text
from phantomcal.report.plaque_figures import component_strips, grade_panels
from phantomcal.results import AreaComparison, Plaque
from phantomcal.results.plaque import PlaqueMeasure, PlaqueRoc

if TYPE_CHECKING:
    from phantomcal.lesions.plaque.rows import Sections

_LIMIT = 0.05
_NAMES = {"qsm": "QSM", "ct": "CT"}


def plaque_report(record: Plaque, sections: "Sections") -> Report:
    """The report of `plaque`.

    Parameters
    ----------
    record : Plaque
    sections : Sections
        The rows that were analysed.

    Returns
    -------
    Report
    """
    methods, references = plaque_methods(record)
    patients = f" of {count(record.n_patients, 'patient')}" if record.n_patients is not None else ""
    parts: list[Section] = []
    for measure in record.measures:
        parts += _measure_sections(measure, record, sections)
    if record.area_comparisons:
        parts.append(_compared(record.area_comparisons))
    parts.append(_names(record))
    return Report(
        kind="Plaque report",
        title="Carotid plaque components",
        subtitle=f"{count(record.n, 'section')}{patients} · {listed(record.components)}",
        verdict="review" if record.warnings else "info",
        verdict_text=_verdict(record),
        key_numbers=_keys(record),
        warnings=record.warnings,
        sections=parts,
        methods=methods,
        references=references,
        provenance=record.provenance,
    )


def _verdict(record: Plaque) -> str:
    said = []
    for measure in record.measures:
        decided = [pair for pair in measure.pairs if pair.p_adjusted is not None and pair.p_adjusted < _LIMIT]
        if not measure.pairs:
            said.append(f"{_NAMES[measure.modality]}: too few rows to compare components.")
            continue
        said.append(
            f"{_NAMES[measure.modality]}: {len(decided)} of {count(len(measure.pairs), 'pair')} of components differ "
            f"(adjusted p below {_LIMIT})."
        )
    return " ".join(said)


def _keys(record: Plaque) -> list[KeyNumber]:
    keys = []
    for measure in record.measures:
        for found in measure.rocs:
            area = found.roc
            low_high = "no interval" if area.auc_ci95 is None else f"95 % {interval(area.auc_ci95)}"
            cases = f"{area.n_positive} against {area.n_negative} sections"
            label = f"Area, {found.target} by {_NAMES[measure.modality]}"
            keys.append(KeyNumber(label, fixed(area.auc, 3), f"{low_high} · {cases}"))
    if len(keys) < 3:
        measure = record.measures[0]
        for row in measure.components[: 3 - len(keys)]:
            value = with_uncertainty(row.mean, row.standard_error, measure.unit)
            keys.append(KeyNumber(f"Mean, {row.component}", value, f"n {row.n} of {count(row.n_patients, 'patient')}"))
    return keys[:3]


def _measure_sections(measure: PlaqueMeasure, record: Plaque, sections: "Sections") -> list[Section]:
    name = _NAMES[measure.modality]
    told = "; ".join(
        f"{row.component} {with_interval(row.mean, row.ci95)} {measure.unit}" for row in measure.components if row.n
    )
    clustered = measure.n_patients < measure.n
    blocks: list[Block] = [
        embedded(
            component_strips(sections.frame, measure),
            f"{quantity(measure.measure)[0]} of every section by component, with means and 95 % intervals: {told}.",
            "A point is a section; beneath the points the mean with its 95 % interval, "
            + ("patients as clusters." if clustered else "sections independent."),
        ),
        _statistics_table(measure),
    ]
    parts = [Section(f"{name}: what each component reads", "", blocks)]
    if measure.pairs:
        parts.append(_difference_section(measure, name))
    if measure.rocs:
        parts.append(_roc_section(measure, name))
    if measure.grades:
        parts.append(_grade_section(measure, name, sections))
    return parts


def _statistics_table(measure: PlaqueMeasure) -> TableBlock:
    rows = measure.components
    columns = {
        "component": [row.component for row in rows],
        "n": [f"{row.n} / {row.n_patients}" for row in rows],
        "mean": [with_uncertainty(row.mean, row.standard_error) for row in rows],
        "ci": [interval(row.ci95) for row in rows],
        "sd": [number(row.sd, 3) for row in rows],
        "median": [number(row.median, 3) for row in rows],
        "quartiles": [interval(row.quartiles) for row in rows],
        "range": [interval(None if row.lowest is None else (row.lowest, row.highest)) for row in rows],
        "note": [row.note for row in rows],
    }
    labels = {
        "component": "Component",
        "n": "n / patients",
        "mean": "Mean ± SE",
        "ci": "95 % interval",
        "sd": "SD",
        "median": "Median",
        "quartiles": "Quartiles",
        "range": "Range",
    }
    if any(columns["note"]):
        labels["note"] = "Remark"
    return TableBlock(
        table_of(columns),
        "Descriptive statistics",
        labels,
        dict.fromkeys(("mean", "ci", "sd", "median", "quartiles", "range"), measure.unit),
        numbers=("n", "mean", "ci", "sd", "median", "quartiles", "range"),
        note="SE and interval of the mean by leaving out whole patients, t.",
    )


def _difference_section(measure: PlaqueMeasure, name: str) -> Section:
    head = measure.tests[0]
    size = f" ({head.effect_size_name} {fixed(head.effect_size)})" if head.effect_size is not None else ""
    intro = f"Are all components alike? {p_value(head.p, head.note)}{size}, {head.test}."
    blocks: list[Block] = [_test_table(measure), _pair_table(measure)]
    if measure.mixed is not None:
        blocks.append(_mixed_table(measure))
    elif measure.mixed_note and measure.n_patients < measure.n:
        blocks.append(Callout(f"No mixed model: {measure.mixed_note}.", "warn"))
    return Section(f"{name}: do the components differ", intro, blocks)


def _test_table(measure: PlaqueMeasure) -> TableBlock:
    rows = measure.tests
    columns = {
        "test": [row.test for row in rows],
        "statistic": [number(row.statistic, 4) for row in rows],
        "dof": [_dof(row.dof, row.dof_denominator) for row in rows],
        "p": [p_number(row.p) for row in rows],
        "patients": ["yes" if row.accounts_for_patients else "no" for row in rows],
        "note": [row.note for row in rows],
    }
    labels = {
        "test": "Test",
        "statistic": "Statistic",
        "dof": "Degrees of freedom",
        "p": "p",
        "patients": "Knows patients",
        "note": "Remark",
    }
    if not any(columns["note"]):
        del labels["note"]
    flags: list[RowFlag] = ["" if row.accounts_for_patients else "muted" for row in rows]
    return TableBlock(
        table_of(columns), "All components together", labels, numbers=("statistic", "dof", "p"), flags=flags
    )


def _dof(first: float | None, second: float | None) -> str:
    if first is None:
        return NONE
    return f"{first:g}" if second is None else f"{first:g}, {second:g}"


def _pair_table(measure: PlaqueMeasure) -> TableBlock:
    pairs = measure.pairs
    columns = {
        "pair": [f"{pair.first} − {pair.second}" for pair in pairs],
        "difference": [with_interval(pair.mean_difference, pair.mean_difference_ci95) for pair in pairs],
        "higher": [with_interval(pair.superiority, pair.superiority_ci95) for pair in pairs],
        "p": [p_number(pair.p) for pair in pairs],
        "adjusted": [p_number(pair.p_adjusted) for pair in pairs],
        "dunn": [p_number(pair.dunn_p_adjusted) for pair in pairs],
    }
    clustered = measure.pair_test and not measure.pair_test.startswith("Dunn")
    labels = {
        "pair": "Components",
        "difference": "Difference of means [95 %]",
        "higher": "First reads higher [95 %]",
        "p": "p",
        "adjusted": "p adjusted",
    }
    if clustered:
        labels["dunn"] = "Dunn"
    flags: list[RowFlag] = [
        "" if pair.p_adjusted is not None and pair.p_adjusted < _LIMIT else "muted" for pair in pairs
    ]
    note = f"p: {measure.pair_test}. First reads higher: chance that a section of the first exceeds one of the second."
    if clustered:
        note += " Dunn: adjusted p of Dunn's test, which ignores that sections share patients."
    for text in dict.fromkeys(pair.note for pair in pairs if pair.note):
        those = listed([f"{pair.first} − {pair.second}" for pair in pairs if pair.note == text])
        note += f" {those}: {text}."
    return TableBlock(
        table_of(columns),
        "Pairs of components",
        labels,
        {"difference": measure.unit},
        numbers=("difference", "higher", "p", "adjusted", "dunn"),
        flags=flags,
        note=note,
    )


def _mixed_table(measure: PlaqueMeasure) -> TableBlock:
    assert measure.mixed is not None
    mixed = measure.mixed
    names = [row.component for row in mixed.means] + [f"{p.first} − {p.second}" for p in measure.pairs]
    columns = {
        "name": names,
        "value": [with_uncertainty(row.mean, row.standard_error) for row in mixed.means]
        + [with_uncertainty(p.mixed_difference, p.mixed_standard_error) for p in measure.pairs],
        "ci": [interval(row.ci95) for row in mixed.means] + [interval(p.mixed_ci95) for p in measure.pairs],
        "p": [NONE] * len(mixed.means) + [p_number(p.mixed_p) for p in measure.pairs],
        "adjusted": [NONE] * len(mixed.means) + [p_number(p.mixed_p_adjusted) for p in measure.pairs],
    }
    labels = {
        "name": "Component, or difference",
        "value": "Estimate ± SE",
        "ci": "95 % interval",
        "p": "p",
        "adjusted": "p adjusted",
    }
    note = (
        f"Random intercept of {count(mixed.n_patients, 'patient')}; share of the variance within components that lies "
        f"between patients: {percent(mixed.patient_share, 0)}."
    )
    if mixed.note:
        note += f" {mixed.note[0].upper()}{mixed.note[1:]}."
    return TableBlock(
        table_of(columns),
        "Mixed model: means for an average patient",
        labels,
        dict.fromkeys(("value", "ci"), measure.unit),
        numbers=("value", "ci", "p", "adjusted"),
        note=note,
    )


def _roc_section(measure: PlaqueMeasure, name: str) -> Section:
    rocs = [row.roc for row in measure.rocs]
    cutoffs = [row.cutoff for row in measure.rocs if row.cutoff is not None]
    told = "; ".join(f"{row.name}: area {with_interval(row.auc, row.auc_ci95)}" for row in rocs)
    blocks: list[Block] = [
        embedded(
            roc_figure(rocs, cutoffs),
            f"Receiver operating characteristic of one component against all others. {told}.",
            "The diagonal is chance. Marks: the chosen cut-offs.",
        ),
        areas_table(rocs),
    ]
    if cutoffs:
        blocks.append(cutoff_table(cutoffs, measure.unit))
    blocks += [Callout(f"{name}: {row.note}.", "warn") for row in measure.rocs if row.note]
    intro = " ".join(_rest(row) for row in measure.rocs)
    return Section(f"{name}: one component against the rest", intro, blocks)


def _rest(row: PlaqueRoc) -> str:
    side = "above" if row.direction == "above" else "below"
    return f"{row.target[0].upper()}{row.target[1:]}, expected {side}, against {listed(row.rest)}."


def _grade_section(measure: PlaqueMeasure, name: str, sections: "Sections") -> Section:
    rows = measure.grades
    columns = {
        "grade": [row.grade for row in rows],
        "n": [f"{row.n} / {row.n_patients}" for row in rows],
        "rho": [with_interval(row.spearman_rho, row.spearman_ci95) for row in rows],
        "tau": [with_interval(row.kendall_tau, row.kendall_ci95) for row in rows],
        "p": [p_number(row.p) for row in rows],
        "adjusted": [p_number(row.p_adjusted) for row in rows],
        "note": [row.note for row in rows],
    }
    labels = {
        "grade": "Grade",
        "n": "n / patients",
        "rho": "Spearman's rho [95 %]",
        "tau": "Kendall's tau-b [95 %]",
        "p": "p",
        "adjusted": "p adjusted",
    }
    if any(columns["note"]):
        labels["note"] = "Remark"
    methods = "; ".join(dict.fromkeys(row.method for row in rows if row.method != "none"))
    table = TableBlock(
        table_of(columns),
        "Rank correlation with histology grades",
        labels,
        numbers=("n", "rho", "tau", "p", "adjusted"),
        note=f"p of Spearman's rho: {methods}." if methods else "",
    )
    blocks: list[Block] = []
    if any(row.n for row in rows):
        where = {shown: column for column, shown in sections.grades.items()}
        told = "; ".join(f"{row.grade}: rho {with_interval(row.spearman_rho, row.spearman_ci95)}" for row in rows)
        blocks.append(embedded(grade_panels(sections.frame, measure, where), f"Sections by histology grade. {told}."))
    return Section(
        f"{name}: histology grades",
        "Over all components, so a correlation here may be the difference between components.",
        [*blocks, table],
    )


def _compared(rows: list[AreaComparison]) -> Section:
    return Section(
        "QSM against CT",
        "Calcification told from the rest, on sections that have both.",
        [comparison_table(rows)],
    )


def _names(record: Plaque) -> Section:
    words = "; ".join(f"{name}: {listed([repr(word) for word in record.named_as[name]])}" for name in record.components)
    patients = (
        f"Patients: column {record.patient_column!r}."
        if record.patient_column is not None
        else "Rows were taken as independent."
    )
    return Section("What the table calls them", "", [Text(f"{words}.\n\n{patients}")])
