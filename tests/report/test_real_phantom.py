"""The report of the real 20-vial phantom: its failed vials explained, its slopes judged, its certificate filled."""

import time

import pytest

from phantomcal.phantom.fitting.appraise import appraised
from phantomcal.protocol import load_protocol
from phantomcal.report.compose_calibration import calibration_report
from phantomcal.report.page import render
from phantomcal.steps.calibration import run_calibration
from tests.report.test_page import Page


@pytest.mark.realdata
def test_failed_calcium_vials_are_explained_and_the_certificate_says_so(real_data):
    volume = real_data / "qsm-phantom-20-vial" / "sub-phantom_ses-month24_run-1_Chimap.nii.gz"
    calibrated = run_calibration("qsm-20-vial", qsm=volume, started=time.perf_counter())
    record = appraised(calibrated.record, load_protocol("qsm-20-vial"))
    explained = {d.vial_id: d for d in record.diagnoses}
    assert set(explained) == {"Cl10", "Cl20"}
    for name, twin in (("Cl10", "Cl20"), ("Cl20", "Cl10")):
        found = explained[name]
        assert found.deviation_sd > 10
        assert found.value == pytest.approx(0.15, abs=0.02)
        assert found.noise_ratio < 0.4
        causes = " ".join(found.causes)
        for words in ("lost or never had its contents", "plain gel", f"{twin} reads the same"):
            assert words in causes
        assert any("line of the other 3 vials" in action for action in found.actions)
    verdicts = {line.material: line.slope_verdict.split(":")[0] for line in record.lines}
    assert verdicts == {
        "CaCO3": "undetermined",
        "CaCl2": "undetermined",
        "ferritin": "undetermined",
        "USPIO": "agrees",
    }
    for line in record.lines:
        assert line.budget.entries[0].source == "unexplained scatter"
        assert line.budget.combined >= line.slope_se
        assert {"noise", "position", "partial volume"} <= {entry.source for entry in line.budget.entries}
    report = calibration_report(record)
    assert dict(report.certificate.identity)["Vials"] == "18 of 20 used; left out: Cl20 and Cl10"
    text = Page(render(report)).text
    for words in ("Flagged vials explained", "What to do:", "Calibration certificate", "Certificate"):
        assert words in text
