"""The report of `track`: what it says and draws, for few and for many."""

import numpy as np
import pytest

from phantomcal.followup.intervals import Intervals
from phantomcal.followup.track import Repeat, Tracking, track
from phantomcal.followup.visits import read_visits
from phantomcal.report.compose_tracking import tracking_report
from phantomcal.report.page import Callout, Figure, render
from phantomcal.report.tracking_figures import MOST_BARS, MOST_LINES, MOST_SWIMMERS, courses
from phantomcal.simulate.followup import FollowupOptions, simulate_visits
from tests.followup.made import table


def cohort(**options: object) -> tuple[Tracking, Intervals]:
    made = simulate_visits(3, FollowupOptions(**options))  # type: ignore[arg-type]
    return track(read_visits(made.frame), repeatability=Repeat(0.02))


def test_what_the_report_says_of_a_small_cohort() -> None:
    record, found = cohort()
    report = tracking_report(record, found)
    assert report.verdict == "info"
    assert "Lesional susceptibility rose" in report.verdict_text
    assert "10 of 16 patients passed the threshold of 6 %" in report.verdict_text
    assert "Of 5 patients with a clinical event, all passed it." in report.verdict_text
    assert report.key_numbers[2].value == "5 of 5"
    titles = [s.title for s in report.sections]
    assert titles == [
        "Courses", "Change per year", "Events", "Threshold and clinical events", "Time to the threshold", "Intervals"
    ]  # fmt: skip
    page = render(report)
    assert "10.1002/jmri.25831" in page
    assert "Fieller" in page
    assert page == render(tracking_report(record, found))


def test_a_large_cohort_is_summarised_and_says_so() -> None:
    record, found = cohort(
        patients=150, patient_years=300, lesions_per_patient=2, rate_percent=6, arms=(("placebo", 1.0), ("drug", 0.5))
    )
    report = tracking_report(record, found)
    captions = " ".join(b.caption for s in report.sections for b in s.blocks if isinstance(b, Figure))
    assert f"The {MOST_LINES} lesions of the largest changes are drawn of 300." in captions
    assert f"{MOST_BARS} of 300 lesions are drawn" in captions
    assert f"{MOST_SWIMMERS} of 150 patients are drawn" in captions
    assert "Groups compared" in [s.title for s in report.sections]
    assert len(render(report)) < 3_000_000


def test_courses_need_a_positive_start() -> None:
    frame = table([("a", 1, 0, -0.5), ("a", 1, 1, -0.6), ("b", 1, 0, -0.5), ("b", 1, 1, -0.6)])
    record, found = track(read_visits(frame))
    report = tracking_report(record, found)
    assert "No change per year can be given" in report.verdict_text
    assert isinstance(report.sections[0].blocks[0], Callout)
    assert courses(found.visits, found.frame).empty
    assert render(report)


def test_names_are_escaped() -> None:
    rows = [(f"<script>{k}", "<b>", v, 0.5 + 0.01 * k * v) for k in range(5) for v in (0, 1)]
    record, found = track(read_visits(table(rows)))
    page = render(tracking_report(record, found))
    assert "<script>1" not in page
    assert "&lt;script&gt;1" in page


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_patients_are_reported_without_an_interval(n: int) -> None:
    rows = [(f"p{k}", 1, v, 0.5 + 0.05 * v) for k in range(n) for v in (0, 1)]
    record, found = track(read_visits(table(rows)))
    assert record.rates[0].ci95 is None
    assert f"{n} patients" in tracking_report(record, found).verdict_text
    assert np.isclose(record.rates[0].percent_per_year or 0, 10)
