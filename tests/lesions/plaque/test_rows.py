"""Words, units, patients and grades of plaque tables."""

import numpy as np
import pandas as pd
import pytest

from phantomcal.errors import InputError
from phantomcal.lesions.plaque.rows import component_of, sections_of


def table(**columns: object) -> pd.DataFrame:
    base: dict[str, object] = {
        "patient_id": ["a", "a", "b", "b"],
        "component": ["IPH", "calcified", "IPH", "Fibrous tissue"],
        "qsm_ppm": [0.2, -0.5, 0.3, 0.0],
    }
    return pd.DataFrame(base | columns)


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("IPH", "haemorrhage"),
        ("Intraplaque hemorrhage", "haemorrhage"),
        ("intra-plaque_haemorrhage ", "haemorrhage"),
        ("Calcium", "calcification"),
        ("LRNC", "lipid core"),
        ("lipid-rich necrotic core", "lipid core"),
        ("Fibrous cap", "fibrous"),
        ("thrombus", None),
        ("IPH + calcification", None),
    ],
)
def test_words(word: str, meaning: str | None) -> None:
    assert component_of(word) == meaning


def test_unknown_words_stay_and_are_said() -> None:
    found = sections_of(table(component=["IPH", "thrombus", "IPH", "media"]))
    assert found.components == ["haemorrhage", "media", "thrombus"]
    assert any("'media', 'thrombus'" in text for text in found.warnings)
    assert found.named_as["haemorrhage"] == ["IPH"]
    assert found.patient_column == "patient_id"
    assert found.clustered


def test_ppb_is_converted_and_said() -> None:
    ppb = table(qsm_ppb=[200.0, -500, 300, 0]).drop(columns="qsm_ppm")
    found = sections_of(ppb)
    assert sorted(found.frame["qsm_ppm"]) == pytest.approx([-0.5, 0, 0.2, 0.3])
    assert any("ppb to ppm" in text for text in found.warnings)


def test_grades_found_named_and_counted() -> None:
    data = table(**{"Glycophorin A": [2, 0, 3, 1], "von_Kossa_grade": ["-", "+++", "±", "+"], "SMA": [1, 1, 2, 2]})
    found = sections_of(data, grades=["SMA"])
    assert found.grades == {
        "grade glycophorin_a": "Glycophorin A",
        "grade von_kossa": "von_Kossa_grade",
        "grade SMA": "SMA",
    }
    by_row = found.frame.set_index("row")["grade von_kossa"]
    assert [by_row[row] for row in (2, 3, 4, 5)] == [0, 3, 0.5, 1]
    # Named as well as found: once.
    assert len(sections_of(data, grades=["Glycophorin A"]).grades) == 2


def test_rows_without_name_or_value_are_counted() -> None:
    found = sections_of(table(component=["IPH", "", "calc", "calc"], qsm_ppm=[0.2, 0.1, np.nan, -0.4]))
    assert len(found.frame) == 2
    assert any("1 row without component" in text for text in found.warnings)
    assert any("1 row without a value" in text for text in found.warnings)


def test_without_patients_rows_are_independent_and_that_is_said() -> None:
    found = sections_of(table().drop(columns="patient_id"))
    assert found.patient_column is None
    assert not found.clustered
    assert any("--subject" in text for text in found.warnings)
    asked = sections_of(table(), patient="none")
    assert not asked.clustered


@pytest.mark.parametrize(
    ("columns", "options", "words"),
    [
        ({"component": ["IPH"] * 4}, {}, "one component only"),
        ({"component": [""] * 4}, {}, "no usable row"),
        ({"qsm_ppm": [200.0, -500, 300, 100]}, {}, "cannot be ppm"),
        ({"qsm_ppm": ["x", "1", "2", "3"]}, {}, "'x' in row 2"),
        ({"qsm_ppm": [np.nan] * 4}, {}, "no value of either"),
        ({"von Kossa": ["some", "+", "-", "+"]}, {}, "'some' in row 2"),
        ({}, {"component": "tissue"}, "no column 'tissue'"),
        ({}, {"grades": ["SMA"]}, "no column 'SMA'"),
        ({}, {"grades": ["qsm_ppm"]}, "cannot be a grade"),
        ({}, {"patient": "who"}, "no column 'who'"),
        ({}, {"ct": "hu"}, "no column 'hu'"),
    ],
)
def test_refused(columns: dict[str, object], options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        sections_of(table(**columns), **options)  # type: ignore[arg-type]


def test_no_measure_at_all() -> None:
    with pytest.raises(InputError, match="neither a column"):
        sections_of(table().drop(columns="qsm_ppm"))
