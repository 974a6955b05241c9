import re

import numpy as np
import pandas as pd
import pytest

from phantomcal.report.compose import (
    alignment_report,
    calibration_report,
    correlation_report,
    study_report,
)
from phantomcal.report.compose_alignment import MOST_PICTURES, alignment_section
from phantomcal.report.methods import calibration_methods, without_repeats
from phantomcal.report.page import Callout, Figure, TableBlock, render
from phantomcal.results import StepOutcome
from tests.report.records import alignment, calibration, correlation, region_table, series, study
from tests.report.test_page import PNG, Page


def gadolinium_and_calcium(rng, **more):
    return calibration(
        [
            (series(rng, "gadolinium", "ct", 5.69, noise=1.0), 5.69),
            (series(rng, "gadolinium", "qsm", 0.31), 0.3377),
            (series(rng, "calcium", "ct", 0.208, levels=range(0, 1600, 300), noise=1.5), 0.208),
            (series(rng, "calcium", "qsm", -2.5e-4, levels=range(0, 1600, 300)), -2.68e-4),
        ],
        **more,
    )


def with_failed(rng, **more):
    vials = series(rng, "calcium", "qsm", -2.5e-4, levels=range(0, 1600, 300), failed=(1, 2))
    return calibration([(vials, -2.68e-4)], status="warn", **more)


def titles(report):
    return [section.title for section in report.sections]


def tables(report):
    return {b.caption: b for section in report.sections for b in section.blocks if isinstance(b, TableBlock)}


class TestCalibration:
    def test_every_section_is_filled_and_rendered(self, rng):
        report = calibration_report(gadolinium_and_calcium(rng), [Figure(PNG, "overlay")])
        assert titles(report) == [
            "The phantom and its vials",
            "Calibration lines",
            "Slopes against expectation",
            "Vials",
        ]
        assert all(section.blocks for section in report.sections)
        page = Page(render(report))
        assert len(page.all("img")) == 3
        assert all(image["alt"].strip() for image in page.all("img"))
        assert report.methods
        assert report.references

    def test_up_to_three_lines_show_their_slopes_more_are_summed_up(self, rng):
        few = calibration_report(calibration([(series(rng), 0.3377)]))
        slope = few.key_numbers[0]
        assert slope.label == "Slope of gadolinium in QSM"
        assert re.fullmatch(r"0\.3\d+ ± 0\.00\d+ ppm per\xa0mmol/L", slope.value)
        assert len(few.key_numbers) == 3
        many = calibration_report(gadolinium_and_calcium(rng))
        assert many.key_numbers[0].value == "4 of 4"
        assert many.key_numbers[2].value == "24 of 24"
        assert len(many.key_numbers) == 3

    def test_the_ratio_furthest_from_one_is_the_one_named(self, rng):
        record = gadolinium_and_calcium(rng)
        ratios = [0.9, 1.05, 0.4, 1.8]
        lines = [
            line.model_copy(update={"slope_ratio": ratio, "slope_ratio_ci95": None})
            for line, ratio in zip(record.lines, ratios, strict=True)
        ]
        key = calibration_report(record.model_copy(update={"lines": lines})).key_numbers[1]
        assert key.value == "0.40"
        assert "calcium, CT" in key.detail

    def test_vials_left_out_are_said_once_in_each_place(self, rng):
        record = with_failed(rng)
        report = calibration_report(record)
        out = tables(report)["The same lines with and without the vials left out"].frame
        assert list(out["out"]) == ["Caq300 and Caq600"]
        vials = tables(report)["Measured vials"]
        assert [flag for flag, used in zip(vials.flags, vials.frame["used"], strict=True) if used == "no"] == [
            "warn"
        ] * 2
        page = render(report)
        assert "Vial Caq300 in QSM: failed: does not follow the line." in page
        spoken = with_failed(np.random.default_rng(20200), warnings=["Caq300 and Caq600 failed and are left out."])
        page = render(calibration_report(spoken))
        assert "Vial Caq300 in QSM" not in page
        assert page.count("Caq300 and Caq600 failed and are left out.") == 2, "at the top and beside the vials"

    def test_a_note_that_a_warning_repeats_is_not_shown_twice(self, rng):
        record = calibration([(series(rng), None)])
        noted = record.lines[0].model_copy(update={"notes": ["only three levels", "another note"]})
        record = record.model_copy(update={"lines": [noted], "warnings": ["gadolinium: only three levels"]})
        notes = [b.text for s in calibration_report(record).sections for b in s.blocks if isinstance(b, Callout)]
        assert notes == ["gadolinium, QSM: another note"]

    @pytest.mark.parametrize(
        ("status", "verdict", "words"),
        [
            ("pass", "pass", "within the tolerances"),
            ("warn", "warn", "Usable with care"),
            ("fail", "fail", "check failed"),
        ],
    )
    def test_the_status_is_the_verdict(self, rng, status, verdict, words):
        report = calibration_report(calibration([(series(rng), 0.33)], status=status))
        assert report.verdict == verdict
        assert words in report.verdict_text

    def test_a_line_that_is_not_established_is_named_even_when_nothing_failed(self, rng):
        record = calibration([(series(rng, levels=(0.2, 0.6)), None)], locations=[])
        report = calibration_report(record)
        assert "not established as a line: gadolinium, QSM" in report.verdict_text
        assert "– (two vials)" in render(report)

    def test_methods_say_what_was_done_and_only_that(self, rng):
        measured = calibration_methods(gadolinium_and_calcium(rng))
        for words in ("located automatically in CT and QSM", "effective number", "ICH Q2", "Curie law", "Bilgic"):
            assert words in measured
        assert "Left out" not in measured
        assert "Caq300 (calcium, QSM)" in calibration_methods(with_failed(rng))
        vials = [v.model_copy(update={"n_effective": None}) for v in series(rng, levels=(0, 1, 2))]
        typed = calibration_methods(calibration([(vials, None)], locations=[], references={}))
        assert "taken from a table" in typed
        for words in ("located", "effective number", "quadratic", "Bilgic", "compared with expected"):
            assert words not in typed

    def test_references_are_listed_once_per_doi(self):
        cited = [
            "Hooper et al., Guidelines, doi 10.1101/2024.02.18.580843 (layout)",
            "Hooper, doi 10.1101/2024.02.18.580843",
            "",
        ]
        assert without_repeats([*cited, "ICH Q2", "ICH Q2"]) == [cited[0], "ICH Q2"]

    def test_two_runs_give_the_same_page(self, rng):
        record = gadolinium_and_calcium(rng)
        assert render(calibration_report(record)) == render(calibration_report(record))


class TestAlignment:
    def test_the_error_comes_first_and_the_transform_is_complete(self):
        report = alignment_report(alignment(predicted_error_mm=0.41), [Figure(PNG, "panels")])
        assert report.key_numbers[0].value == "0.41 mm"
        assert report.verdict == "pass"
        text = Page(render(report)).text
        for number in ("3.20", "−1.40", "−22.30", "98.0 %", "Independent repeats agree."):
            assert number in text

    def test_a_doubtful_one_says_so(self):
        report = alignment_report(alignment("review"))
        assert report.verdict == "review"
        assert "look at the picture first" in render(report)

    def test_of_many_subjects_the_least_certain_are_pictured(self):
        many = {f"sub-{i}": alignment(predicted_error_mm=0.1 * i) for i in range(9)}
        many["sub-1"] = alignment("fail", 0.1)
        pictures = {name: Figure(PNG, name) for name in many}
        section = alignment_section(many, pictures)
        shown = [block.alt for block in section.blocks if isinstance(block, Figure)]
        assert shown == ["sub-1", "sub-8", "sub-7", "sub-6", "sub-5", "sub-4"]
        assert len(shown) == MOST_PICTURES
        assert "3 more" in section.intro
        table = next(block for block in section.blocks if isinstance(block, TableBlock))
        assert len(table.frame) == 9
        assert table.flags[1] == "fail"
        assert list(section.warnings) == ["sub-1: look at the picture first"]


class TestCorrelation:
    def test_verdicts_numbers_and_tables(self, rng):
        table = region_table(rng, {"globus pallidus": 0.8, "putamen": 0.0, "choroid plexus": -0.8})
        record = correlation(table)
        report = correlation_report(record, table, "group", "subject_id")
        assert report.verdict_text == (
            "Of 3 regions: 1 paramagnetic (globus pallidus), 1 diamagnetic (choroid plexus), 1 undetermined."
        )
        assert report.key_numbers[0].value == "2 of 3"
        best = max(record.regions, key=lambda region: abs(region.pearson_r))
        assert best.roi in report.key_numbers[1].detail
        assert "ppm per HU" in report.key_numbers[2].value
        shown = tables(report)
        assert list(shown["Correlation of CT number with susceptibility"].frame["roi"]) == list(table["roi"].unique())
        assert shown["Correlation of CT number with susceptibility"].flags == ["", "muted", ""]
        assert "10.1148/radiol.2019182934" in render(report)

    def test_clustered_values_are_said_to_be(self, rng):
        table = region_table(rng, {"bone": -0.8}).assign(
            subject_id=lambda t: ["a" if i % 2 else "b" for i in range(len(t))]
        )
        report = correlation_report(
            correlation(table, warnings=["40 rows come from two subjects"]), table, subject="subject_id"
        )
        assert report.verdict == "review"
        assert "several values come from the same person" in report.methods
        assert "40 / 2" in render(report)

    def test_no_region_is_a_page_that_says_so(self, rng):
        table = region_table(rng, {"a": 0.5})
        empty = correlation(table).model_copy(update={"regions": [], "warnings": ["every region has one row"]})
        text = Page(render(correlation_report(empty, table))).text
        assert "No region could be correlated." in text
        assert "every region has one row" in text


class TestStudy:
    def test_every_section_is_there_and_filled(self, rng):
        cal = gadolinium_and_calcium(rng)
        table = region_table(rng, {"globus pallidus": 0.8, "choroid plexus": -0.8})
        truth = pd.DataFrame(
            [{"quantity": "slope", "estimate": 0.31, "truth": 0.34, "unit": "ppm/(mmol/L)", "tolerance_percent": 5.0}]
        )
        run = study([cal], correlation(table), warnings=["sub-02 has no CT"])
        report = study_report(
            run,
            [[Figure(PNG, "CT"), Figure(PNG, "QSM")]],
            {"sub-01": Figure(PNG, "sub-01")},
            table,
            "group",
            truth=truth,
        )
        assert titles(report) == [
            "Estimate against truth",
            "The phantom and its vials",
            "Calibration lines",
            "Slopes against expectation",
            "Vials",
            "Alignment of CT to MR",
            "CT against QSM in each region",
            "Correlations of all regions",
            "What was done and what was left out",
        ]
        assert all(section.blocks for section in report.sections)
        assert len(report.key_numbers) == 3
        page = Page(render(report))
        assert len(page.all("img")) == 8
        for words in ("sub-02 has no CT", "no CT", "mutual information", "Pearson's", "Oshima", "1 step left out"):
            assert words in page.text
        assert tables(report)["Estimates and truth"].flags == ["warn"]

    def test_several_phantoms_are_told_apart(self, rng):
        runs = [gadolinium_and_calcium(rng, session=name) for name in ("January", "May")]
        report = study_report(study(runs))
        assert "January: Calibration lines" in titles(report)
        assert "May: Calibration lines" in titles(report)

    def test_a_study_without_anything_still_has_a_page(self):
        run = study([], alignments={}, steps=[StepOutcome(step="sample", status="skipped", message="no labels")])
        report = study_report(run)
        assert titles(report) == ["What was done and what was left out"]
        assert report.key_numbers[0].value == "0 of 1"
        assert "no labels" in render(report)

    @pytest.mark.parametrize(
        ("changes", "verdict"),
        [
            ({}, "pass"),
            ({"alignments": {"sub-01": alignment("review")}}, "review"),
            ({"alignments": {"sub-01": alignment("fail")}}, "fail"),
            ({"steps": [StepOutcome(step="register", subject="sub-01", status="failed", message="x")]}, "fail"),
            ({"steps": [StepOutcome(step="register", subject="sub-01", status="review", message="x")]}, "review"),
        ],
    )
    def test_the_worst_part_decides_the_verdict_and_is_named(self, changes, verdict):
        report = study_report(study([], **changes))
        assert report.verdict == verdict
        assert ("sub-01" in report.verdict_text) == (verdict != "pass")

    def test_a_weak_calibration_decides_too(self, rng):
        assert study_report(study([with_failed(rng)])).verdict == "review"
        failed = with_failed(rng).model_copy(update={"status": "fail"})
        assert study_report(study([failed])).verdict == "fail"
