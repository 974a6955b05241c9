"""From tracked lesions to their report: verdict, courses, events, time to the threshold, groups, scanner correction."""

from phantomcal.followup.intervals import Intervals
from phantomcal.report.blocks import embedded
from phantomcal.report.methods_tracking import tracking_citations, tracking_methods
from phantomcal.report.numerals import count, interval, listed, number, percent, with_uncertainty
from phantomcal.report.page import Block, Callout, KeyNumber, Report, Section
from phantomcal.report.tracking_figures import (
    MOST_BARS,
    MOST_LINES,
    MOST_SWIMMERS,
    correction_plot,
    courses,
    spaghetti,
    survival_curves,
    swimmers,
    waterfall,
)
from phantomcal.report.tracking_tables import (
    against_table,
    contrast_table,
    event_table,
    interval_table,
    rate_table,
    scale_table,
    session_table,
    share_table,
    side_by_side,
    survival_table,
)
from phantomcal.results.tracking import EventTiming, Survival, Tracking


def tracking_report(record: Tracking, found: Intervals) -> Report:
    """The report of `track`.

    Parameters
    ----------
    record : Tracking
    found : Intervals
        What it was made from.

    Returns
    -------
    Report
    """
    return Report(
        kind="Follow-up report",
        title=f"{count(record.n_lesions, 'lesion')} over time",
        subtitle=(
            f"{count(record.n_patients, 'patient')} · {count(record.n_visits, 'lesion visit')} · "
            f"{number(record.patient_years, 3)} patient-years · threshold {record.threshold_percent:g} %"
        ),
        verdict="review" if record.warnings else "info",
        verdict_text=_verdict(record),
        key_numbers=_keys(record),
        warnings=record.warnings,
        sections=_sections(record, found),
        methods=tracking_methods(record),
        references=tracking_citations(record),
        provenance=record.provenance,
    )


def _verdict(record: Tracking) -> str:
    rate = record.rates[0]
    if rate.percent_per_year is None:
        return f"No change per year can be given: {rate.note}."
    if rate.ci95 is None:
        return f"Susceptibility changed by {number(rate.percent_per_year, 3)} % per patient-year; {rate.note}."
    low, high = rate.ci95
    told = "rose" if low > 0 else "fell" if high < 0 else "neither rose nor fell demonstrably"
    value = number(rate.percent_per_year, 3)
    text = f"Lesional susceptibility {told}: {value} % per patient-year (95 % {interval(rate.ci95)})."
    for share in record.shares[:1]:
        text += f" {share.count} of {share.n} patients passed the threshold of {record.threshold_percent:g} %."
    patient = next((a for a in record.against_clinical if a.unit == "patient"), None)
    if patient is not None and patient.true_positive + patient.false_negative:
        missed = patient.false_negative
        ill = count(patient.true_positive + missed, "patient")
        told = "all passed it" if not missed else f"{missed} did not pass it"
        text += (
            f" Of {ill} with a clinical event, {told}."
            if patient.true_positive + missed > 1
            else (f" The patient with a clinical event {'did not pass' if missed else 'passed'} it.")
        )
    return text


def _keys(record: Tracking) -> list[KeyNumber]:
    rate = record.rates[0]
    keys = [
        KeyNumber(
            "Change per patient-year",
            f"{with_uncertainty(rate.percent_per_year, rate.standard_error)} %",
            f"95 % {interval(rate.ci95)} · {count(rate.n_patients, 'patient')}, {number(rate.years, 3)} patient-years",
        )
    ]
    for share in record.shares[:1]:
        bounds = share.ci95_exact
        told = "" if bounds is None else f"exact 95 % {percent(bounds[0], 0)} to {percent(bounds[1], 0)}"
        keys.append(KeyNumber("Patients past the threshold", f"{share.count} of {share.n}", told))
    patient = next((a for a in record.against_clinical if a.unit == "patient"), None)
    if patient is not None and patient.shares[0].value is not None:
        sensitivity = patient.shares[0]
        bounds = sensitivity.ci95_exact
        told = "" if bounds is None else f"exact 95 % {percent(bounds[0], 0)} to {percent(bounds[1], 0)}"
        value = f"{sensitivity.count} of {sensitivity.n}"
        keys.append(KeyNumber("Clinical events with a threshold rise", value, f"sensitivity by patient · {told}"))
    elif record.event_rates:
        first = record.event_rates[0]
        value = f"{with_uncertainty(first.per_year, first.standard_error)} per year"
        keys.append(KeyNumber("Threshold events", value, f"exact 95 % {interval(first.ci95)} per patient-year"))
    return keys


def _sections(record: Tracking, found: Intervals) -> list[Section]:
    sections = [_courses(record, found)]
    if record.sessions:
        sections.append(_found_again(record))
    if record.correction is not None:
        sections.append(_correction(record, found))
    sections.append(
        Section(
            "Change per year",
            "The total counts every year of observation alike; the mixed model weighs patients by how much they tell.",
            [rate_table(record.rates)],
        )
    )
    sections.append(_events(record, found))
    if record.against_clinical:
        sections.append(_clinical(record))
    if record.survival:
        sections.append(_time(record))
    if record.contrasts:
        intro = "Every group against the first. Grey rows: no difference is established."
        sections.append(Section("Groups compared", intro, [contrast_table(record.contrasts)]))
    sections.append(
        Section(
            "Intervals",
            "A row per lesion and pair of consecutive visits.",
            [interval_table(found.frame, record.threshold_percent)],
        )
    )
    return sections


def _courses(record: Tracking, found: Intervals) -> Section:
    table = courses(found.visits, found.frame)
    if table.empty:
        text = "No lesion has two visits and a positive first value: courses in per cent cannot be drawn."
        return Section("Courses", "", [Callout(text, "warn")])
    passed = int(table["passed"].sum())
    threshold = record.threshold_percent
    some = (
        f" The {MOST_LINES} lesions of the largest changes are drawn of {len(table)}."
        if len(table) > MOST_LINES
        else ""
    )
    few = f" {MOST_BARS} of {len(table)} lesions are drawn, evenly over the ranks." if len(table) > MOST_BARS else ""
    odd = int((~table["whole"].fillna(True).astype(bool)).sum())
    caution = (
        f" {count(odd, 'lesion')} with a changed reconstruction or unit somewhere: see the remarks." if odd else ""
    )
    blocks: list[Block] = [
        embedded(
            spaghetti(table, found.visits, found.frame, threshold),
            f"Courses of {len(table)} lesions in per cent of the first visit; {passed} rise by {threshold:g} % or more "
            "between two visits.",
            f"A diamond marks the visit at which a rise of {threshold:g} % since the visit before was found.{some}",
        ),
        embedded(
            waterfall(table, threshold),
            f"Total change of each lesion, from {number(table['total_percent'].max(), 3)} to "
            f"{number(table['total_percent'].min(), 3)} per cent.",
            f"A lesion may pass the threshold in one interval and end below it, or creep past it.{few}{caution}",
        ),
    ]
    return Section("Courses", "How every lesion went, relative to its first visit.", blocks)


def _found_again(record: Tracking) -> Section:
    told = listed([f"{n} {word}" for word, n in record.appearances.items()])
    intro = f"Lesions found again in the images: {told}. Growing and shrinking: by 20 % of the volume or more."
    more = "" if all(s.used for s in record.sessions) else "Sessions that could not be aligned were left out."
    blocks: list[Block] = [session_table(record.sessions)]
    return Section("Lesions found again", intro, [*blocks, Callout(more, "fail")] if more else blocks)


def _correction(record: Tracking, found: Intervals) -> Section:
    correction = record.correction
    assert correction is not None
    blocks: list[Block] = [side_by_side(correction, record.rates)]
    known = found.frame["comparable"] & found.frame["change_percent_uncorrected"].notna()
    if known.any():
        blocks.append(
            embedded(
                correction_plot(found.frame, record.threshold_percent),
                f"Change as measured and corrected of {int(known.sum())} intervals; {correction.events_lost} threshold "
                f"events lost, {correction.events_gained} gained.",
                "Away from the diagonal the scanner's scale changed between the two visits.",
            )
        )
    blocks.append(scale_table(correction))
    intro = (
        f"{correction.n_corrected} of {count(correction.n_visits, 'visit')} were brought to one scale by phantom "
        "calibrations. All other numbers of this report are corrected."
    )
    return Section("Scanner correction", intro, blocks)


def _events(record: Tracking, found: Intervals) -> Section:
    people = found.frame["subject_id"].nunique()
    some = (
        f" {MOST_SWIMMERS} of {people} patients are drawn, those with events first." if people > MOST_SWIMMERS else ""
    )
    blocks: list[Block] = []
    if record.event_rates:
        blocks.append(event_table(record.event_rates))
    if record.shares:
        blocks.append(share_table(record.shares, "With at least one event"))
    blocks.append(
        embedded(
            swimmers(found.visits, found.frame, record.threshold_percent),
            f"Visits and events of {min(people, MOST_SWIMMERS)} patients on a line each.",
            f"Events stand at the visit that found them.{some}",
        )
    )
    return Section("Events", "By patient, lesions with an event at one visit count once.", blocks)


def _clinical(record: Tracking) -> Section:
    blocks: list[Block] = [against_table(record.against_clinical)]
    if record.timing is not None:
        blocks.append(Callout(_timing(record.timing), "info", "Which came first"))
    return Section("Threshold and clinical events", "Does a rise go with bleeding or growth?", blocks)


def _timing(timing: EventTiming) -> str:
    parts = [
        f"{n} {words}"
        for n, words in (
            (timing.before, "had passed the threshold before"),
            (timing.same, "passed it in the same interval"),
            (timing.after, "only later"),
            (timing.never, "never"),
        )
        if n
    ]
    text = f"Of {count(timing.n, 'lesion')} with a clinical event, {listed(parts)}."
    if timing.lead_years_median is not None and timing.lead_years_range is not None and any(timing.lead_years_range):
        text += (
            f" The rise was found a median of {number(timing.lead_years_median, 2)} years before the clinical event "
            f"(range {interval(timing.lead_years_range)})."
        )
    return f"{text} {timing.note[0].upper()}{timing.note[1:]}."


def _time(record: Tracking) -> Section:
    whole = [s for s in record.survival if not s.group and s.unit == "patient"]
    groups = [s for s in record.survival if s.group]
    blocks: list[Block] = []
    for curves in (whole, *_by_column(groups)):
        told = "; ".join(f"{s.group or 'all'}: {s.events} of {s.n}" for s in curves)
        blocks.append(
            embedded(survival_curves(curves), f"Share of patients without a threshold event over time. {told}.")
        )
    blocks.append(survival_table(record.survival))
    return Section("Time to the threshold", "From the first visit to the visit that found the first rise.", blocks)


def _by_column(curves: list[Survival]) -> list[list[Survival]]:
    columns = list(dict.fromkeys(c.group.split(": ")[0] for c in curves))
    return [[c for c in curves if c.group.startswith(f"{name}: ")] for name in columns]
