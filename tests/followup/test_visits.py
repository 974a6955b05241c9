import numpy as np
import pandas as pd
import pytest

from phantomcal.errors import InputError
from phantomcal.followup.visits import read_visits
from tests.followup.made import table


def test_dates_become_years_since_the_subjects_first_visit() -> None:
    rows = [("a", 1, "2020-01-01", 0.5), ("a", 1, "2021-01-01", 0.6), ("a", 2, "2022-01-01", 0.6)]
    visits = read_visits(table(rows, "subject_id lesion_id date qsm_ppm"))
    assert visits.frame["years"].tolist() == pytest.approx([0, 366 / 365.25, 731 / 365.25])
    assert visits.has_dates
    assert not visits.has_events
    assert visits.warnings == []


def test_ppb_and_ppm_and_both() -> None:
    rows = [("a", 1, 0, 500.0), ("a", 1, 1, 530.0)]
    assert read_visits(table(rows, "subject_id lesion_id years qsm_ppb")).frame["qsm_ppm"].tolist() == [0.5, 0.53]
    mixed = pd.DataFrame(
        {"subject_id": "a", "lesion_id": 1, "years": [0, 1], "qsm_ppm": [0.5, None], "qsm_ppb": [None, 530]}
    )
    visits = read_visits(mixed)
    assert visits.frame["qsm_ppm"].tolist() == [0.5, 0.53]
    assert "1 row in ppb" in visits.warnings[0]
    mixed.loc[0, "qsm_ppb"] = 400.0
    with pytest.raises(InputError, match="disagree in row 2"):
        read_visits(mixed)


def test_the_column_that_is_named_counts_not_its_sibling() -> None:
    frame = table([("a", 1, 0, 0.5, 100), ("a", 1, 1, 0.6, 200)], "subject_id lesion_id years qsm_ppm chi_ppb")
    assert read_visits(frame, columns={"qsm_ppb": "chi_ppb"}).frame["qsm_ppm"].tolist() == [0.1, 0.2]


def test_standard_errors_from_what_there_is() -> None:
    frame = table([("a", 1, 0, 0.5), ("a", 1, 1, 0.6)]).assign(qsm_sd_ppb=20.0, n_voxels=100)
    visits = read_visits(frame)
    assert visits.frame["qsm_se_ppm"].tolist() == pytest.approx([0.002, 0.002])
    assert "n_voxels" in visits.se_source
    assert "too small" in visits.warnings[0]
    better = read_visits(frame.assign(n_effective=4))
    assert better.frame["qsm_se_ppm"].tolist() == pytest.approx([0.01, 0.01])
    assert better.warnings == []
    assert read_visits(frame.assign(qsm_se_ppm=0.03)).frame["qsm_se_ppm"].tolist() == [0.03, 0.03]


def test_events_as_people_write_them() -> None:
    rows = [("a", 1, k, 0.5, e) for k, e in enumerate(["", "yes", "no", "1", "0", "TRUE", "haemorrhage", "n/a"])]
    events = read_visits(table(rows, "subject_id lesion_id years qsm_ppm event")).frame["event"]
    assert events.fillna(-1).tolist() == [-1, 1, 0, 1, 0, 1, 1, -1]
    with pytest.raises(InputError, match="'perhaps' in column 'event', row 2"):
        read_visits(table([("a", 1, 0, 0.5, "perhaps")], "subject_id lesion_id years qsm_ppm event"))


def test_what_is_out_of_order_is_said() -> None:
    rows = [("a", 1, "2021-01-01", 0.6, 2), ("a", 1, "2020-01-01", 0.5, 1), ("b", 1, "2021-01-01", 0.6, 1),
            ("b", 1, "2020-01-01", 0.5, 2)]  # fmt: skip
    visits = read_visits(table(rows, "subject_id lesion_id date qsm_ppm visit"))
    assert visits.frame["qsm_ppm"].tolist() == [0.5, 0.6, 0.5, 0.6]
    assert any("2 lesions with rows not in order" in w for w in visits.warnings)
    assert any("visit numbers and dates disagree in 1 places (subjects b)" in w for w in visits.warnings)


def test_years_beside_dates() -> None:
    rows = [("a", 1, "2020-01-01", 3.0, 0.5), ("a", 1, "2021-01-01", 5.0, 0.6), ("a", 1, None, 6.0, 0.7)]
    visits = read_visits(table(rows, "subject_id lesion_id date years qsm_ppm"))
    assert visits.frame["years"].tolist() == pytest.approx([0, 1.002, 3.0], abs=0.001)
    assert any("disagree" in w for w in visits.warnings)
    assert any("1 row without a date" in w for w in visits.warnings)


def test_rows_without_a_time_are_left_out_and_said() -> None:
    visits = read_visits(table([("a", 1, 0, 0.5), ("a", 1, None, 0.6), ("a", 1, 2, 0.7)]))
    assert len(visits.frame) == 2
    assert "1 of 3 rows without a date or time" in visits.warnings[0]


def test_groups_have_one_value_per_subject() -> None:
    rows = [("a", 1, 0, 0.5, "drug"), ("a", 1, 1, 0.5, ""), ("b", 1, 0, 0.5, ""), ("b", 1, 1, 0.5, "")]
    visits = read_visits(table(rows, "subject_id lesion_id years qsm_ppm arm"))
    assert visits.frame["arm"].tolist() == ["drug", "drug", "", ""]
    assert "no arm for 1 subject (b)" in visits.warnings[0]
    rows[1] = ("a", 1, 1, 0.5, "placebo")
    with pytest.raises(InputError, match="subject a has several values of 'arm'"):
        read_visits(table(rows, "subject_id lesion_id years qsm_ppm arm"))


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (table([("a", 1, 0, 300.0)]), "300 in row 2 cannot be ppm"),
        (table([("a", 1, 0, 0.3), ("a", 1, 1, 300.0)]), "row 3 cannot be ppm .1 of 2 rows."),
        (table([("", 1, 0, 0.3)]), "no subject_id in row 2"),
        (table([("a", 1, 0)], "subject_id lesion_id years"), "no column 'qsm_ppm'"),
        (table([("a", 0, 0.3)], "subject_id years qsm_ppm"), "no column 'lesion_id'"),
        (table([("a", 1, 0.3)], "subject_id lesion_id qsm_ppm"), "no column 'date' and no column 'years'"),
        (table([("a", 1, 2020, 0.3)]), "years since the first visit"),
        (table([("a", 1, np.nan, 0.3)]), "no row has a time"),
        (table([("a", 1, 0, 0.3)]).assign(volume_mm3=-1.0), "negative volumes"),
        (table([("a", 1, 0, 0.3)]).assign(qsm_se_ppm=-1.0), "negative standard errors"),
    ],
)
def test_bad_tables_are_refused(frame: pd.DataFrame, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_visits(frame, "visits.csv")
