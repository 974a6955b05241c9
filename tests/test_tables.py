"""Tables in every dress users bring them in, and messages that say what is wrong where."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantomcal.errors import InputError
from phantomcal.tables import numeric_column, read_table, require_columns


def write(folder: Path, text: str, name: str = "t.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "name", "encoding"),
    [
        ("roi,ct_hu\nputamen,41.5\ncaudate,\n", "t.csv", "utf-8"),
        ("roi;ct_hu\r\nputamen;41.5\r\ncaudate;\r\n", "t.csv", "utf-8"),
        ("\ufeffroi,ct_hu\nputamen,41.5\ncaudate,n/a\n", "t.csv", "utf-8"),
        ("roi\tct_hu\nputamen\t41.5\ncaudate\tn/a\n", "t.tsv", "utf-8"),
        ("roi\tct_hu\nputamen\t41.5\ncaudate\t\n", "t.TSV", "utf-16"),
        (" roi , ct_hu ,\nputamen , 41.5,\n\ncaudate,NA,\n\n", "t.csv", "utf-8"),
    ],
)
def test_same_table_in_every_dress(tmp_path: Path, text: str, name: str, encoding: str) -> None:
    frame = read_table(write(tmp_path, text, name, encoding))
    assert list(frame.columns) == ["roi", "ct_hu"]
    assert list(frame["roi"]) == ["putamen", "caudate"]
    np.testing.assert_array_equal(frame["ct_hu"].to_numpy(), [41.5, np.nan])


def test_separators_inside_quotes_are_text(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, '"roi;name","ct;hu;mean"\n"left, caudal",3\n'))
    assert frame.to_dict("list") == {"roi;name": ["left, caudal"], "ct;hu;mean": [3]}


def test_parquet_gives_what_csv_gives(tmp_path: Path) -> None:
    frame = pd.DataFrame({"roi ": ["a", "b"], "ct_hu": [1.5, np.nan], "n": [3, 4]}, index=[7, 9])
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet"), read_table(tmp_path / "t.csv"), check_dtype=False)


def test_codes_stay_text_and_na_may_be_a_name(tmp_path: Path) -> None:
    frame = read_table(
        write(tmp_path, "subject_id,uid,roi,x\n007,1234567890123456789,NA,1\n010,1234567890123456780,NA,2\n")
    )
    assert list(frame["subject_id"]) == ["007", "010"]
    assert frame["uid"].nunique() == 2
    assert list(frame["roi"]) == ["NA", "NA"]


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=20))
def test_written_numbers_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    path = tmp_path_factory.mktemp("t") / "t.csv"
    pd.DataFrame({"key": "k", "v": values}).to_csv(path, index=False)
    np.testing.assert_array_equal(numeric_column(read_table(path), "v").to_numpy(), values)


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("", "t.csv", ["the table is empty", "t.csv"]),
        ("\n\n", "t.csv", ["the table is empty"]),
        ("roi,ct_hu\n", "t.csv", ["header but no rows", "t.csv"]),
        ("roi,ct_hu\na,1\nb,1,5\n", "t.csv", ["row 3 has 3 fields, the header has 2", "separated by commas", "t.csv"]),
        ("roi,ct_hu\na\n", "t.csv", ["row 2 has 1 fields"]),
        ("roi,roi\na,b\n", "t.csv", ["column 'roi' is there twice"]),
        ('roi,ct_hu\n"a,1\n', "t.csv", ["unreadable table"]),
        ("x", "t.xlsx", ["unknown table format '.xlsx'", ".csv, .tsv, .parquet"]),
        ("x", "t", ["unknown table format", "without a suffix"]),
        ("PAR1 broken", "t.parquet", ["not a readable Parquet file", "t.parquet"]),
        ("a,b\n\0,1\n", "t.csv", ["not text"]),
    ],
)
def test_unusable_files_are_refused_by_name(tmp_path: Path, text: str, name: str, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        read_table(write(tmp_path, text, name))
    for word in words:
        assert word in str(error.value)


def test_missing_file_folder_and_encoding(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not exist.*nowhere\.csv"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_table(tmp_path)
    with pytest.raises(InputError, match="not UTF-8"):
        read_table(write(tmp_path, "roi,ct_hu\nnoyau gris médian,1\n", encoding="latin-1"))


def test_missing_columns_name_themselves_the_others_and_the_option() -> None:
    frame = pd.DataFrame({"mean_ct": [1.0], "roi": ["a"]})
    with pytest.raises(InputError) as error:
        require_columns(frame, ["ct_hu", "roi", "qsm_ppm"], "rois.csv", {"ct_hu": "--x", "qsm_ppm": "--y"})
    assert str(error.value) == (
        "no column 'ct_hu' and no column 'qsm_ppm', in rois.csv: the table has 'mean_ct' and 'roi'; "
        "name the right one with --x and --y"
    )
    require_columns(frame, ["roi"])


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("high", ["column 'ct_hu' holds 'high' in row 4, which is not a number"]),
        ("41,5", ["decimal comma in column 'ct_hu', row 4: '41,5'", "write '41.5'", "decimal points"]),
        ("<5", ["'<5' in row 4"]),
        ("inf", ["'inf' in row 4"]),
        ("1e999", ["'1e999' in row 4"]),
        ("0x10", ["'0x10' in row 4"]),
    ],
)
def test_text_in_a_number_column_is_named_with_its_row(tmp_path: Path, cell: str, words: list[str]) -> None:
    # The blank line and the blank cell must not shift the row that is named.
    path = write(tmp_path, f"roi;ct_hu\na;1\n\nb;{cell}\nc;\n")
    with pytest.raises(InputError) as error:
        numeric_column(read_table(path), "ct_hu", "rois.csv")
    assert "rois.csv" in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_several_bad_rows_are_counted() -> None:
    with pytest.raises(InputError, match=r"'x' in row 3, which is not a number \(1 more rows as well\)"):
        numeric_column(pd.DataFrame({"v": ["1", "x", "y"]}), "v")


def test_numbers_in_every_notation() -> None:
    frame = pd.DataFrame({"v": ["1", " -2.5 ", "+3e2", "\u22124", ".5", "6.", "007", None, "NaN", "n/a", ""]})
    values = numeric_column(frame, "v")
    np.testing.assert_array_equal(values.to_numpy(), [1, -2.5, 300, -4, 0.5, 6, 7, np.nan, np.nan, np.nan, np.nan])


def test_columns_that_are_no_numbers_at_all() -> None:
    with pytest.raises(InputError, match="bool values"):
        numeric_column(pd.DataFrame({"v": [True, False]}), "v")
    with pytest.raises(InputError, match="row 3"):
        numeric_column(pd.DataFrame({"v": [1.0, np.inf]}), "v")
    with pytest.raises(InputError, match="no column 'w'"):
        numeric_column(pd.DataFrame({"v": [1.0]}), "w")
    nullable = pd.DataFrame({"v": pd.array([1, None], dtype="Int64")})
    np.testing.assert_array_equal(numeric_column(nullable, "v").to_numpy(), [1, np.nan])
