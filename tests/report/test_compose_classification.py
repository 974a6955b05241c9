"""The report of `classify`: what it shows, and what it leaves out."""

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.lesions.assumptions import Assumptions
from phantomcal.lesions.classify import classify_lesions
from phantomcal.lesions.combine import with_compositions
from phantomcal.lesions.judge import judge_lesions
from phantomcal.lesions.measure import measure_lesions
from phantomcal.lesions.voxels import look_inside
from phantomcal.report.classification_figures import lesion_plane, lesion_strip
from phantomcal.report.compose_classification import classification_report
from phantomcal.report.lesion_cards import MOST_CARDS, MOST_WITHOUT_PICTURES, lesion_cards
from phantomcal.report.lesion_pictures import lesion_pictures
from phantomcal.report.page import Cards, Report, TableBlock, render
from phantomcal.results import Classification
from tests.lesions.drawn import drawn_head
from tests.lesions.test_classify import NAN, drawn_labels, table


def titles(report: Report) -> list[str]:
    return [s.title for s in report.sections]


def cards(report: Report) -> Cards:
    return next(b for s in report.sections for b in s.blocks if isinstance(b, Cards))


@pytest.fixture(scope="module")
def plain() -> Classification:
    return classify_lesions(
        table((65.0, 0.4), (180.0, -0.3), (210.0, 0.4), (33.0, 0.0), (NAN, 0.2), (150.0, NAN)), prior={"nothing": 0.1}
    )


@pytest.fixture(scope="module")
def judged() -> Classification:
    frame = drawn_labels(40).assign(second="calcification")
    record = classify_lesions(frame, fit=True, reader_column="second")
    return record.model_copy(update={"judgement": judge_lesions(record)[0]})


def test_verdicts_stand_first_and_every_lesion_has_a_card(plain: Classification) -> None:
    report = classification_report(plain)
    assert report.verdict_text == "Of 6 lesions: 2 haemorrhage, 2 calcification, 1 mixed and 1 undetermined."
    assert [c.tone for c in cards(report).cards] == ["iron", "calcium", "mixed", "undetermined", "iron", "calcium"]
    facts = dict(cards(report).cards[0].facts)
    assert facts["CT"].startswith("65.0 ± 1.4")
    assert facts["QSM"].endswith("ppm")
    assert 0.9 < float(facts["P(haemorrhage)"]) < 1
    assert titles(report)[:3] == ["Which lesion is what", "Lesion by lesion", "All lesions"]
    assert "Against the truth" not in titles(report)
    assert "Inside the lesions" not in titles(report)


def test_the_page_says_rules_numbers_and_sources(plain: Classification) -> None:
    page = render(classification_report(plain))
    for words in (
        "clotted blood reaches 60 to 90 HU",
        "−0.10 ppm at 60 HU",
        "Prior: haemorrhage",
        "10.1148/radiol.2019182934",
        "Registration error",
        "without a calibration",
    ):
        assert words in page
    assert page == render(classification_report(plain))


def test_text_of_users_files_is_escaped() -> None:
    record = classify_lesions(table((65.0, 0.4), subject_id="<script>x</script>"))
    page = render(classification_report(record))
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page


def test_judged_lesions_get_tables_curves_and_readers(judged: Classification) -> None:
    report = classification_report(judged)
    for title in (
        "Against the truth",
        "Receiver operating characteristics",
        "What both modalities add to one",
        "Do the probabilities mean what they say?",
        "Readers",
        "Fitted models",
    ):
        assert title in titles(report)
    assert "every lesion called" in report.key_numbers[2].detail
    told = next(s for s in report.sections if s.title == "Against the truth")
    assert "undetermined" in told.intro
    counts = next(b for b in told.blocks if isinstance(b, TableBlock))
    assert sum(counts.frame[name][i] for name in list(counts.labels)[1:] for i in range(2)) == 40
    text = report.methods
    assert "cross-validation" in text
    assert "Wilson" in text
    assert any("DeLong" in r or "Obuchowski" in r for r in report.references)


def test_many_lesions_keep_the_page_small_and_those_to_look_at_come_first() -> None:
    rows = [(65.0, 0.4)] * 100 + [(33.0, 0.0)]
    record = classify_lesions(table(*rows))
    block = cards(classification_report(record))
    assert len(block.cards) == MOST_WITHOUT_PICTURES
    assert block.cards[0].verdict == "undetermined"
    assert f"{MOST_WITHOUT_PICTURES} of 101" in block.caption
    assert MOST_CARDS == 60


def test_volumes_give_pictures_and_what_lies_inside() -> None:
    head = drawn_head()
    frame = measure_lesions(head["labels"], qsm=head["qsm"], ct=head["ct"])
    inside = look_inside(head["labels"], Assumptions(), qsm=head["qsm"], ct=head["ct"])
    record = with_compositions(classify_lesions(frame), {str(k): i.composition for k, i in inside.items()})
    pictures = lesion_pictures(head["labels"], {1: "1", 2: "2", 3: "3"}, qsm=head["qsm"], ct=head["ct"])
    assert np.nanmax(pictures["2"].hu) > 120
    assert np.nanmin(pictures["2"].ppm) < -0.2
    assert pictures["2"].outline.sum() == pytest.approx(np.pi * 16, rel=0.2)
    report = classification_report(record, pictures, {"3": [("Calcium", "12 ± 1 mg")]})
    shown = cards(report).cards
    assert all(card.figure is not None and "outlined" in card.figure.alt for card in shown)
    assert ("Calcium", "12 ± 1 mg") in shown[2].facts
    assert shown[2].verdict == "mixed"
    assert "Inside the lesions" in titles(report)
    assert "Fisher's exact test" in report.methods
    assert len(render(report)) < 1_500_000


def test_an_oblique_map_is_pictured_in_the_worlds_axial_plane() -> None:
    head = drawn_head()
    turned = sitk.DICOMOrient(head["qsm"], "RSA")
    labels = sitk.DICOMOrient(head["labels"], "RSA")
    straight = lesion_pictures(head["labels"], {1: "1"}, qsm=head["qsm"])["1"]
    other = lesion_pictures(labels, {1: "1"}, qsm=turned)["1"]
    np.testing.assert_allclose(straight.ppm, other.ppm, atol=1e-6)


def test_figures_refuse_what_they_cannot_draw(plain: Classification) -> None:
    only = classify_lesions(table((NAN, 0.2)))
    with pytest.raises(ValueError, match="both readings"):
        lesion_plane(only)
    with pytest.raises(ValueError, match="ct only"):
        lesion_strip(only, "ct")
    assert lesion_cards([]).cards == []
    axes = lesion_plane(plain).axes[0]
    low, high = axes.get_xlim()
    assert low < 33
    assert high > 210
