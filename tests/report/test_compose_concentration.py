"""The report of `concentration`: what it shows, for one reading, for many, and when nothing can be said."""

import numpy as np
import pandas as pd
import pytest

from phantomcal.outputs import provenance
from phantomcal.phantom.fitting.table import fit_table
from phantomcal.phantom.reading.concentration import Sample, main_readings, read_samples
from phantomcal.report.compose_concentration import concentration_report
from phantomcal.report.page import Callout, Figure, render
from phantomcal.results import Calibration

LEVELS = {"gadolinium": [0, 0.625, 1.25, 2.5, 5, 10], "calcium": [0, 300, 600, 900, 1200, 1500]}
SLOPES = {"gadolinium": (5.69, 0.338), "calcium": (0.208, -2.68e-4)}


@pytest.fixture
def calibration(rng: np.random.Generator) -> Calibration:
    rows = [
        {
            "material": name,
            "modality": modality,
            "concentration_mmol_per_l": x,
            "value": slope * x + rng.normal(0, noise),
        }
        for name, levels in LEVELS.items()
        for modality, slope, noise in zip(("ct", "qsm"), SLOPES[name], (0.4, 0.01), strict=True)
        for x in levels
    ]
    return fit_table(pd.DataFrame(rows), provenance("fit", [], {}, 0.0), where="vials.csv")


def test_samples_with_both_readings_are_shown_in_the_plane(calibration: Calibration) -> None:
    samples = [Sample("a", 22.8, 1.35), Sample("b", 187.0, -0.241), Sample("c", 100.0, 1.0), Sample("d", 0.0, 0.0)]
    record = read_samples(samples, calibration)
    assert [v.verdict for v in record.verdicts] == ["gadolinium", "calcium", "neither", "undetermined"]
    report = concentration_report(record, calibration)
    assert report.verdict_text == (
        "Of 4 samples with both readings: 1 gadolinium, 1 calcium, 1 neither, 1 undetermined."
    )
    which, much, every = report.sections
    assert isinstance(which.blocks[0], Figure)
    told = next(b for b in much.blocks if isinstance(b, Callout))
    assert "contradict each other for every material: c" in told.text
    assert len(every.blocks[0].frame) == 4 * 6
    page = render(report)
    assert "J R Stat Soc B 1954" in page
    assert page == render(concentration_report(record, calibration))


def test_one_modality_asks_for_no_material(calibration: Calibration) -> None:
    record = read_samples([Sample("a", hu=22.8)], calibration, material="gadolinium")
    assert record.model == ""
    report = concentration_report(record, calibration)
    assert "the material was not asked" in report.verdict_text
    key = next(k for k in report.key_numbers if k.label.startswith("Concentration"))
    assert key.value.startswith("4.")
    assert [s.title for s in report.sections] == ["How much", "All readings"]


def test_the_reading_that_counts_is_the_joint_one_of_the_likeliest_material(calibration: Calibration) -> None:
    record = read_samples([Sample("a", 22.8, 1.35), Sample("b", 22.8)], calibration)
    chosen = main_readings(record)
    assert [(r.id, r.modality, r.material) for r in chosen] == [
        ("a", "joint", "gadolinium"),
        ("b", "ct", "gadolinium"),
        ("b", "ct", "calcium"),
    ]
