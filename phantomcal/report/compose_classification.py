"""From a classification to its report: the plane of HU and ppm, a card a lesion, what each modality adds, judgement."""

from collections.abc import Mapping, Sequence

from phantomcal.report.blocks import embedded
from phantomcal.report.classification_figures import lesion_plane, lesion_strip, modality_bars, verdict_counts
from phantomcal.report.classification_judgement import judgement_sections
from phantomcal.report.classification_tables import (
    assumption_table,
    information_table,
    inside_table,
    lesion_table,
    model_table,
    rule_table,
)
from phantomcal.report.lesion_cards import lesion_cards, lesion_name
from phantomcal.report.lesion_pictures import LesionPicture
from phantomcal.report.methods import without_repeats
from phantomcal.report.methods_lesions import classification_citations, classification_methods
from phantomcal.report.numerals import count, fixed, interval, listed, number
from phantomcal.report.page import Block, Callout, KeyNumber, Report, Section, Text, Viewer
from phantomcal.results import Classification


def classification_report(
    record: Classification,
    pictures: Mapping[str, LesionPicture] | None = None,
    masses: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    volumes: Sequence[Viewer] = (),
) -> Report:
    """The report of `classify`.

    Parameters
    ----------
    record : Classification
    pictures : mapping of str to LesionPicture, optional
        By `lesion_id`, for the cards.
    masses : mapping of str to sequence of (str, str), optional
        By `lesion_name`: what a decomposition says, for the cards.
    volumes : sequence of Viewer
        The scans with the lesions outlined.

    Returns
    -------
    Report
    """
    counts = verdict_counts(record.lesions)
    n = len(record.lesions)
    subjects = {v.subject_id for v in record.lesions if v.subject_id}
    of = f" of {count(len(subjects), 'subject')}" if subjects else ""
    lines = f" · calibration: {record.calibration}" if record.calibration else " · without a calibration"
    return Report(
        kind="Lesion report",
        title="Haemorrhage or calcification",
        subtitle=f"{count(n, 'lesion')}{of} · {_ways(record)}{lines}",
        verdict="review" if record.warnings else "info",
        verdict_text=f"Of {count(n, 'lesion')}: {listed([f'{k} {name}' for name, k in counts.items()])}.",
        key_numbers=_key_numbers(record),
        warnings=record.warnings,
        sections=_sections(record, pictures, masses, volumes),
        methods=classification_methods(record),
        references=without_repeats(classification_citations(record)),
        provenance=record.provenance,
    )


def _ways(record: Classification) -> str:
    ways = {v.evidence for v in record.lesions}
    told = [w for e, w in (("both", "QSM and CT"), ("qsm", "QSM alone"), ("ct", "CT alone")) if e in ways]
    return listed(told)


def _key_numbers(record: Classification) -> list[KeyNumber]:
    n = len(record.lesions)
    decided = sum(v.verdict != "undetermined" for v in record.lesions)
    keys = [KeyNumber("Lesions with a class", f"{decided} of {n}", f"from a probability of {record.threshold:g}")]
    gains = {g.evidence: g for g in record.information}
    if gains:
        both, alone = gains["both"], gains["qsm"]
        keys.append(
            KeyNumber(
                "Information from QSM and CT",
                f"{fixed(both.gained_bits)} bits a lesion",
                f"QSM alone {fixed(alone.gained_bits)}, CT alone {fixed(gains['ct'].gained_bits)}",
            )
        )
    if record.judgement is not None:
        main = record.judgement.callers[0]
        accuracy = main.every_lesion.accuracy
        keys.append(
            KeyNumber(
                f"Accuracy, {main.name}",
                fixed(accuracy.value, 3),
                f"95 % {interval(accuracy.ci95)} · every lesion called · n = {accuracy.n}",
            )
        )
    else:
        differ = sum(v.rule.verdict not in (v.verdict, "undetermined") for v in record.lesions)
        keys.append(KeyNumber("Rules say otherwise", f"{differ} of {n}", "than the probabilities"))
    return keys[:3]


def _sections(
    record: Classification,
    pictures: Mapping[str, LesionPicture] | None,
    masses: Mapping[str, Sequence[tuple[str, str]]] | None,
    volumes: Sequence[Viewer],
) -> list[Section]:
    sections = [_where(record)]
    if volumes:
        told = "Every lesion in the colour of its verdict; dashed: undetermined."
        sections.append(Section("The volumes", told, volumes))
    sections.append(
        Section(
            "Lesion by lesion",
            "Readings with standard errors, the probability of each class, and what the rules say beside it.",
            [lesion_cards(record.lesions, pictures, masses)],
        )
    )
    sections.append(Section("All lesions", "", [lesion_table(record)]))
    if any(v.composition is not None for v in record.lesions):
        sections.append(
            Section(
                "Inside the lesions",
                "Blood inside a calcified rim has a mean that is neither. Voxels are told apart one by one; a pattern "
                "is named only where both kinds are surely there, and never without CT.",
                [inside_table(record)],
            )
        )
    if record.information:
        told = "; ".join(f"{g.evidence} {fixed(g.gained_bits)} bits" for g in record.information)
        alone = any(g.ci95_low is None for g in record.information)
        bars = "One subject gives no interval." if alone else "Bars: 95 % intervals."
        sections.append(
            Section(
                "What each modality adds",
                "How much of the question blood or calcium each set of readings answers, by the likelihood.",
                [
                    embedded(modality_bars(record), f"Information gained: {told}.", bars),
                    information_table(record),
                ],
            )
        )
    if record.judgement is not None:
        sections += judgement_sections(record.judgement)
    if record.logistic:
        sections.append(
            Section(
                "Fitted models",
                "Where a model was fitted or given, the verdicts are its own; it knows haemorrhage and calcification "
                "only, in the proportions of the lesions that it was fitted to.",
                [model_table(record)],
            )
        )
    if record.extraction:
        sections.append(Section("How lesions were found", "", [Text(_found(record))]))
    sections.append(
        Section(
            "Rules and assumptions",
            "Rules anyone can check by hand, and the numbers behind the probabilities.",
            [rule_table(record), assumption_table(record)],
        )
    )
    return sections


def _where(record: Classification) -> Section:
    blocks: list[Block] = []
    if any(v.evidence == "both" for v in record.lesions):
        told = "; ".join(f"{lesion_name(v)}: {v.verdict}" for v in record.lesions[:20])
        blocks.append(
            embedded(
                lesion_plane(record),
                f"Lesions in the plane of CT number and susceptibility with the regions of the classes. {told}.",
                "Shaded: where a class reaches the threshold, for the median error and surroundings; white: "
                "undetermined, or contradictory. Bars: 95 %. A lesion found mixed by its voxels may stand in another "
                "region.",
            )
        )
    for evidence, name in (("qsm", "QSM alone"), ("ct", "CT alone")):
        rows = [v for v in record.lesions if v.evidence == evidence and v.probability_haemorrhage is not None]
        if rows:
            blocks.append(
                embedded(
                    lesion_strip(record, evidence),
                    f"Probability of haemorrhage of {count(len(rows), 'lesion')} read from {name}.",
                    f"{count(len(rows), 'lesion')} read from {name}. Lines: the threshold on either side.",
                )
            )
    if not record.calibration:
        blocks.append(
            Callout(
                "No calibration was given: slopes and scale are those of physics. `--calibration` puts in what this "
                "scanner measures."
            )
        )
    return Section(
        "Which lesion is what",
        "Blood lies above tissue, calcium below it and to the right; near tissue nothing can be told.",
        blocks,
    )


def _found(record: Classification) -> str:
    f = record.extraction
    return (
        f"{count(int(f['found']), 'lesion')} of at least {f['least_mm3']:g} mm³ in {number(f['searched_ml'], 4)} mL of "
        f"the map; {count(int(f['too_small']), 'smaller piece')} left out. Threshold {number(f['threshold_ppm'], 3)} "
        f"ppm (robust SD of the map {number(f['noise_ppm'], 2)} ppm), grown to {number(f['grown_to_ppm'], 3)} ppm. "
        "Means are of voxels that the map itself singled out, so that faint lesions read a little too strong. Deep "
        "nuclei, veins and sinuses look like lesions: leave them out with --exclude."
    )
