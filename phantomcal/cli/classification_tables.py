"""What `classify` prints."""

from pathlib import Path

from rich.markup import escape

from phantomcal.results import Classification, LesionVerdict
from phantomcal.terminal import _console, _number, _table, _warn

_MOST_ROWS = 40


def show_classification(record: Classification, out: Path) -> None:
    """Lesions with their verdicts, what each modality told, and how well the labels were met."""
    console = _console()
    table = _table("lesion", "HU", "ppm", "verdict", "P(blood)", "P(calcium)", "rules say", "note")
    table.columns[-1].justify = "left"
    for v in record.lesions[:_MOST_ROWS]:
        table.add_row(
            escape(_name(v)),
            _number(v.ct_hu, 3),
            _number(v.qsm_ppm, 3),
            v.verdict,
            _probability(v.probability_haemorrhage),
            _probability(v.probability_calcification),
            v.rule.verdict,
            escape(v.note),
        )
    console.print(table)
    if len(record.lesions) > _MOST_ROWS:
        console.print(f"and {len(record.lesions) - _MOST_ROWS} more lesions in lesions.csv")
    told = {name: sum(v.verdict == name for v in record.lesions) for name in _VERDICTS}
    console.print(", ".join(f"{n} {name}" for name, n in told.items() if n))
    if record.information:
        console.print(
            "bits gained: " + ", ".join(f"{_WAYS[g.evidence]} {g.gained_bits:.2f}" for g in record.information)
        )
    if record.judgement is not None:
        _show_judgement(record, console)
    _warn(console, record.warnings)
    console.print(escape(str(out / "report.html")))


_VERDICTS = ("haemorrhage", "calcification", "mixed", "undetermined")
_WAYS = {"qsm": "QSM alone", "ct": "CT alone", "both": "both"}


def _show_judgement(record: Classification, console: "object") -> None:
    assert record.judgement is not None
    table = _table("against the truth", "n", "undetermined", "sensitivity", "specificity", "accuracy", "AUC")
    for c in record.judgement.callers:
        every = c.every_lesion
        table.add_row(
            c.name,
            str(c.n),
            str(c.n_undetermined),
            _number(every.sensitivity.value, 3),
            _number(every.specificity.value, 3),
            _number(every.accuracy.value, 3),
            _number(None if c.roc is None else c.roc.auc, 3),
        )
    console.print(table)  # type: ignore[attr-defined]


def _name(v: LesionVerdict) -> str:
    return " ".join(part for part in (v.subject_id, v.session, v.lesion_id) if part)


def _probability(p: float | None) -> str:
    """Never rounded to 0 or 1."""
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else ">0.999" if p > 0.999 else f"{p:.3f}"
