"""The certificate: what it says, and that it is one sheet of paper."""

import re
import shutil
import subprocess

import pytest

from phantomcal.phantom.fitting.appraise import appraised
from phantomcal.protocol import load_protocol
from phantomcal.report.compose_calibration import calibration_report
from phantomcal.report.compose_certificate import certificate, certificate_number
from phantomcal.report.page import Report, render
from phantomcal.results import Detection
from tests.report.records import calibration, series
from tests.report.test_page import Page

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


def two_modalities(rng, **more):
    record = calibration(
        [
            (series(rng, "gadolinium", "ct", 5.69, noise=1.0), 5.69),
            (series(rng, "gadolinium", "qsm", 0.31), 0.3377),
            (series(rng, "calcium", "ct", 0.208, levels=range(0, 1600, 300), noise=1.5), 0.208),
            (series(rng, "calcium", "qsm", -2.5e-4, levels=range(0, 1600, 300)), -2.68e-4),
        ],
        **more,
    )
    protocol = load_protocol("simulated-gd-ca").model_copy(update={"batch": "2026-A", "temperature_sd_celsius": 0.5})
    return appraised(record, protocol)


def test_identity_conditions_and_statements(rng):
    record = two_modalities(
        rng, references={"qsm": {"ReferenceRegion": "bulk water", "ReconstructionAlgorithm": "MEDI"}}
    )
    sheet = certificate(record, "All is well.")
    identity, conditions = dict(sheet.identity), dict(sheet.conditions)
    assert identity["Protocol"] == "simulated-gd-ca"
    assert identity["Batch of the vials"] == "2026-A"
    assert identity["Session"] == "2026-01"
    assert identity["Date of scan"] == "not stated"
    assert identity["Vials"] == "24 of 24 used"
    assert identity["Inputs (SHA-256)"] == "qsm 3f5a3f5a3f5a"
    assert conditions["Temperature"] == "20.00 ± 0.50 °C"
    assert conditions["CT tube voltage"] == "120 kVp"
    assert conditions["MR field"] == "3 T"
    assert conditions["QSM reference"] == "bulk water"
    assert conditions["QSM algorithm"] == "MEDI"
    statements = dict(sheet.statements)
    assert "as the protocol states them" in statements["Traceability"]
    assert "no link to a national standard" in statements["Traceability"]
    assert "repeatability" in statements["Uncertainty"]
    assert "ends with the next calibration" in statements["Validity"]
    assert "Date of issue" in sheet.signatures


def test_a_scan_date_is_shown_when_the_scan_tells_it(rng):
    record = two_modalities(rng, references={"ct": {"AcquisitionDate": "2026-03-01"}})
    assert dict(certificate(record, "").identity)["Date of scan"] == "2026-03-01"


def test_slopes_carry_the_expanded_uncertainty_of_their_budget(rng):
    record = two_modalities(rng)
    line = record.lines[1]
    results, limits = (table.frame for table in certificate(record, "").tables)
    shown = float(re.search(r"± ([\d.]+)", results["slope"][1])[1])
    assert shown == pytest.approx(line.budget.expanded, rel=0.05)
    assert float(results["k95"][1]) == pytest.approx(line.budget.coverage_factor_95, abs=0.005)
    assert list(limits["verdict"]) == [found.slope_verdict.split(":")[0] for found in record.lines]


def test_limits_are_those_of_the_standard_that_is_named(rng):
    record = two_modalities(rng)
    by_ich = certificate(record, "").tables[1]
    assert "(ICH Q2)" in by_ich.caption
    din = Detection(standard="DIN 32645", alpha=0.05, critical_value=0.4, lod=0.8, loq=1.2)
    record = record.model_copy(
        update={"lines": [line.model_copy(update={"detection": [din]}) for line in record.lines]}
    )
    table = certificate(record, "").tables[1]
    assert "(DIN 32645)" in table.caption
    assert list(table.frame["lod"]) == ["0.80"] * 4


def test_the_number_tells_certificates_apart_and_repeats_for_equal_runs(rng):
    record = two_modalities(rng)
    number = certificate_number(record)
    assert re.fullmatch(r"[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}", number)
    again = record.model_copy(update={"provenance": record.provenance.model_copy(update={"run": {"duration_s": 9.0}})})
    assert certificate_number(again) == number
    changed = record.lines[0].model_copy(update={"slope": record.lines[0].slope * 1.001})
    assert certificate_number(record.model_copy(update={"lines": [changed, *record.lines[1:]]})) != number


def test_vials_left_out_and_lines_not_established_are_on_the_sheet(rng):
    vials = series(rng, "calcium", "qsm", -2.5e-4, levels=range(0, 1600, 300), failed=(1, 2))
    two = series(rng, levels=(0, 10))
    sheet = certificate(appraised(calibration([(vials, -2.68e-4), (two, None)])), "")
    assert "left out: Caq300 and Caq600" in dict(sheet.identity)["Vials"]
    assert sheet.tables[0].flags == ["warn", "warn"]
    assert list(sheet.tables[0].frame["state"]) == ["yes", "no"]


def test_the_report_ends_in_it(rng):
    html = render(calibration_report(two_modalities(rng)))
    page = Page(html)
    sections = [attrs for tag, attrs in page.tags if tag == "section"]
    assert sections[-1]["id"] == "certificate"
    assert ("a", {"href": "#certificate"}) in page.tags
    for words in ("Calibration certificate", "Traceability", "Checked by", "2026-A"):
        assert words in page.text


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium to print")
@pytest.mark.parametrize("n_lines", [1, 16])
def test_it_prints_on_one_page(rng, tmp_path, n_lines):
    names = [f"material {i}" for i in range(n_lines)]
    record = appraised(calibration([(series(rng, name), 0.3377) for name in names]))
    report = Report("A phantom", "", "pass", "Fine.", [], [], certificate=certificate(record, "Fine."))
    (tmp_path / "page.html").write_text(render(report), encoding="utf-8")
    subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--print-to-pdf={tmp_path / 'page.pdf'}",
            (tmp_path / "page.html").as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", (tmp_path / "page.pdf").read_bytes()))
    assert pages == 2, "one with the title, one with the certificate"
