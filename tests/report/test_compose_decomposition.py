"""The report of `decompose`: maps the right way up, lesions on cards, ranges where nothing is determined."""

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.lesions.amounts import decompose_samples
from phantomcal.lesions.decompose import Baseline, physics_system
from phantomcal.lesions.mass import lesion_masses
from phantomcal.phantom.reading.concentration import Sample
from phantomcal.report.compose_decomposition import decomposition_report
from phantomcal.report.content import Cards, Figure, TableBlock
from phantomcal.report.decomposition_figures import Scene, standing, standing_spacing
from phantomcal.report.page import render
from phantomcal.results import BaselineUsed, DecomposedMaterial, Decomposition

FORMS = {"calcium": "hydroxyapatite", "iron": "ferritin"}


def record_of(names: tuple[str, ...], **more: object) -> Decomposition:
    system = physics_system({n: {**FORMS, "gadolinium": "gadolinium"}[n] for n in names})
    materials = [
        DecomposedMaterial(
            name=n,
            line="",
            form=c.form,
            ct_slope_hu=system.slopes[0, k],
            ct_slope_se=0.01,
            qsm_slope_ppm=system.slopes[1, k],
            qsm_slope_se=1e-4,
            calibrated_range_mmol_per_l=(0.0, 100.0),
            critical_mmol_per_l=20.0 if len(names) == 2 else None,
        )
        for k, (n, c) in enumerate(zip(names, system.components, strict=True))
    ]
    base = BaselineUsed(kind="constant", hu=33.0, ppm=0.0, hu_se=1.0, ppm_se=0.002, note="as given")
    fields = {"noise_hu": 3.0, "noise_ppm": 0.007, "told_apart": "told apart", **more}
    return Decomposition(calibration="physics", materials=materials, baseline=base, **fields)


@pytest.fixture
def scene() -> Scene:
    rng = np.random.default_rng(2)
    shape = (24, 30, 28)
    labels = np.zeros(shape, np.uint8)
    labels[10:15, 12:17, 10:15] = 1
    hu = 33 + 120.0 * (labels > 0) + 3 * rng.standard_normal(shape)
    ppm = -0.2 * (labels > 0) + 0.007 * rng.standard_normal(shape)
    grid = sitk.GetImageFromArray(ppm.astype(np.float32))
    grid.SetSpacing((1.0, 1.1, 1.5))
    amounts = {"calcium": np.maximum(hu - 33, 0) / 0.136, "iron": np.maximum(ppm, 0) / 0.08}
    return Scene(hu, ppm, np.ones(shape, np.bool_), labels, amounts, grid)


def test_lesions_are_shown_on_cards_over_anatomy_and_in_the_plane(scene: Scene) -> None:
    assert scene.labels is not None
    lesions = lesion_masses(scene.hu, scene.ppm, scene.labels, (1.0, 1.1, 1.5), physics_system(FORMS))
    record = record_of(("calcium", "iron"), lesions=lesions, error_correlation=0.4, condition_number=1.5)
    report = decomposition_report(record, scene)
    assert report.verdict_text == "Of 1 lesion, told from nothing: calcium in 1 and iron in 0."
    assert [s.title for s in report.sections] == [
        "Where it is",
        "Lesions",
        "How well each mass is known",
        "What can be told apart",
        "What it rests on",
    ]
    cards = report.sections[1].blocks[0]
    assert isinstance(cards, Cards)
    (card,) = cards.cards
    assert (card.verdict, card.tone) == ("calcium", "calcium")
    assert {"Calcium", "Iron", "Volume"} <= {name for name, _ in card.facts}
    assert "sum over 1 lesion" in report.key_numbers[0].detail
    page = render(report)
    assert page == render(decomposition_report(record, scene))
    assert "Welch" in report.methods
    assert any("Cressie" in r for r in report.references)


def test_ranges_are_called_ranges() -> None:
    system = physics_system({**FORMS, "gadolinium": "gadolinium"})
    rows = decompose_samples([Sample("a", 80.0, 0.5, 2.0, 0.01)], system, Baseline(33.0, 0.0))
    report = decomposition_report(record_of(("calcium", "iron", "gadolinium"), regions=rows, told_apart="ranges only"))
    table = next(b for s in report.sections for b in s.blocks if isinstance(b, TableBlock) and b.caption == "Amounts")
    assert table.labels["amount"] == "Range"
    assert "interval" not in table.labels
    assert "corners of the feasible set" in report.methods
    render(report)


def test_rows_of_a_table_need_no_pictures_of_anatomy() -> None:
    rows = decompose_samples([Sample("a", 35.0, 0.5, 2.0, 0.01)], physics_system(FORMS), Baseline(33.0, 0.0))
    report = decomposition_report(record_of(("calcium", "iron"), regions=rows))
    assert [s.title for s in report.sections] == ["What can be told apart", "Amounts", "What it rests on"]
    assert isinstance(report.sections[0].blocks[0], Figure)
    assert report.verdict_text == "Told from nothing: calcium in 0 of 1 and iron in 1 of 1."


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "PIR", "ASL"])
def test_pictures_stand_upright_whatever_the_grid(orientation: str) -> None:
    values = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.0, 2.0, 3.0))
    turned = sitk.DICOMOrient(image, orientation)
    np.testing.assert_array_equal(standing(sitk.GetArrayFromImage(turned), turned), values)
    assert standing_spacing(turned) == (3.0, 2.0, 1.0)
