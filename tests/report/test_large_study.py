"""The report of a study of a thousand: a summary, those worth looking at, and where the rest is."""

import re

from phantomcal.report.compose_study import MOST_ALIGNMENTS, MOST_INPUTS, MOST_OUTCOMES, MOST_WARNINGS, study_report
from phantomcal.report.page import Figure, render
from phantomcal.results import InputFile, StepOutcome
from tests.report.records import alignment, provenance, study

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"></svg>'


def test_a_report_of_a_thousand_people_stays_small_and_says_what_it_leaves_out() -> None:
    names = [f"sub-{k:04d}" for k in range(1000)]
    verdicts = {"sub-0500": "fail", "sub-0600": "review", "sub-0700": "review"}
    alignments = {
        name: alignment(verdicts.get(name, "pass"), 0.2 + 0.0005 * k, reasons=[f"reason of {name}"])
        for k, name in enumerate(names)
    }
    steps = [StepOutcome(step="register", subject=name, status="done") for name in names]
    steps += [
        StepOutcome(step="sample", subject=name, status="skipped", message="no label map") for name in names[:300]
    ]
    steps.append(StepOutcome(step="sample", subject="sub-0999", status="failed", message="it broke"))
    made = provenance("run").model_copy(
        update={"inputs": [InputFile(role="ct", name=f"{n}_ct.nii.gz", sha256="0" * 64) for n in names]}
    )
    record = study(
        [],
        n_subjects=1000,
        alignments=alignments,
        steps=steps,
        warnings=[f"warning {k}" for k in range(500)],
        provenance=made,
    )
    figures = {name: Figure(SVG, f"alignment of {name}") for name in ["sub-0500", "sub-0600", "sub-0700", "sub-0999"]}
    page = render(study_report(record, alignment_pictures=figures))
    assert len(page) < 600_000
    shown = set(re.findall(r"sub-\d{4}(?!_ct)", page))
    assert {"sub-0500", "sub-0600", "sub-0700", "sub-0999"} <= shown
    assert len(shown) <= MOST_ALIGNMENTS + MOST_OUTCOMES
    assert "Predicted error of all 1000: median 0.45 mm" in page
    assert f"{MOST_OUTCOMES} of 301, failures first" in page
    assert "it broke" in page
    assert f"and {500 - MOST_WARNINGS} more, all in results.json" in page
    assert len(set(re.findall(r"sub-\d{4}_ct\.nii\.gz", page))) == MOST_INPUTS
    assert len(record.provenance.inputs) == 1000
