"""Classes against the truth: tables, curves, calibration of the probabilities, readers."""

from phantomcal.report.accuracy_blocks import (
    cutoff_table,
    diagnostic_blocks,
    kappa_table,
    paired_table,
    proportion_words,
    reliability_blocks,
    roc_blocks,
)
from phantomcal.report.columns import table_of
from phantomcal.report.numerals import NONE
from phantomcal.report.page import Block, Callout, Section, TableBlock, Text
from phantomcal.results import CallerAccuracy, LesionJudgement


def judgement_sections(judgement: LesionJudgement) -> list[Section]:
    """Sections for lesions whose class is known.

    Parameters
    ----------
    judgement : LesionJudgement

    Returns
    -------
    list of Section
    """
    main = judgement.callers[0]
    first: list[Block] = [_confusion(judgement), _callers(judgement), _undecided(judgement)]
    first += [Callout(note, "warn") for note in judgement.notes]
    sections = [
        Section("Against the truth", judgement.handling, first),
        Section(
            f"{main.name} in detail",
            "Haemorrhage against calcification, every lesion called.",
            diagnostic_blocks(main.every_lesion, "haemorrhage", "calcification"),
        ),
    ]
    curves = [c.roc for c in judgement.callers if c.roc is not None]
    if curves:
        blocks = roc_blocks(curves, judgement.areas)
        if judgement.cutoffs:
            blocks.append(cutoff_table(judgement.cutoffs))
        sections.append(
            Section(
                "Receiver operating characteristics",
                "How well the probability of haemorrhage puts haemorrhages before calcifications. Areas are compared "
                "on the lesions with both readings.",
                blocks,
            )
        )
    if judgement.paired:
        sections.append(
            Section(
                "What both modalities add to one",
                "The same lesions called from QSM and CT together, and otherwise.",
                [paired_table(calls) for calls in judgement.paired],
            )
        )
    believed = next((c for c in judgement.callers if c.reliability is not None), None)
    if believed is not None and believed.reliability is not None:
        sections.append(
            Section(
                "Do the probabilities mean what they say?",
                f"Probability of haemorrhage from {believed.name}, against the share that are haemorrhages.",
                reliability_blocks(believed.reliability, believed.name),
            )
        )
    if judgement.agreement:
        rows = [(f"{a.first} and {a.second}", a.kappa) for a in judgement.agreement]
        sections.append(Section("Readers", "Agreement beyond chance over all classes.", [kappa_table(rows)]))
    return sections


def _callers(judgement: LesionJudgement) -> TableBlock:
    rows = judgement.callers
    return TableBlock(
        table_of(
            {
                "name": [c.name for c in rows],
                "n": [c.n for c in rows],
                "sensitivity": [proportion_words(c.every_lesion.sensitivity) for c in rows],
                "specificity": [proportion_words(c.every_lesion.specificity) for c in rows],
                "accuracy": [proportion_words(c.every_lesion.accuracy) for c in rows],
            }
        ),
        "Haemorrhage (positive) against calcification, every lesion called",
        {
            "name": "Called by",
            "n": "Lesions",
            "sensitivity": "Sensitivity [95 %]",
            "specificity": "Specificity [95 %]",
            "accuracy": "Accuracy [95 %]",
        },
        numbers=("sensitivity", "specificity", "accuracy"),
    )


def _undecided(judgement: LesionJudgement) -> TableBlock:
    rows = judgement.callers
    return TableBlock(
        table_of(
            {
                "name": [c.name for c in rows],
                "open": [f"{c.n_undetermined} of {c.n}" for c in rows],
                "accuracy": [_decided(c) for c in rows],
            }
        ),
        "Decided lesions only",
        {"name": "Called by", "open": "Undetermined", "accuracy": "Accuracy of the decided [95 %]"},
        numbers=("accuracy",),
        note="The sign of the susceptibility and 100 HU, taken bare, decide always.",
    )


def _decided(caller: CallerAccuracy) -> str:
    if caller.n_undetermined == 0:
        return proportion_words(caller.every_lesion.accuracy)
    return NONE if caller.decided is None else proportion_words(caller.decided.accuracy)


def _confusion(judgement: LesionJudgement) -> Block:
    if not judgement.confusion:
        return Text("No lesion is labelled.")
    verdicts = list(next(iter(judgement.confusion.values())))
    columns: dict[str, list[object]] = {"truth": list(judgement.confusion)}
    columns |= {name: [row[name] for row in judgement.confusion.values()] for name in verdicts}
    return TableBlock(
        table_of(columns), "Truth (rows) against verdict", {"truth": "Truth", **{name: name for name in verdicts}}
    )
