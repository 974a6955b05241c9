"""`phantomcal compare` and what `correlate` writes for a paper, from the command line."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phantomcal.simulate.targets import draw_cohort
from tests.cli.conftest import Call


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    path = tmp_path / "regions.csv"
    draw_cohort(np.random.default_rng(4), n_patients=40, n_volunteers=12).to_csv(path, index=False)
    return path


def test_compare_writes_table_record_and_report(call: Call, cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "result"
    done = call("compare", cohort, "--group", "group", "--age", "age", "-o", out)
    assert done.code == 0, done.err
    assert sorted(p.name for p in out.iterdir()) == ["comparison.csv", "comparison.json", "report.html"]
    rows = pd.read_csv(out / "comparison.csv")
    record = json.loads((out / "comparison.json").read_text())
    assert len(rows) == len(record["rows"])
    assert set(rows["kind"]) == {"regions", "groups", "age", "iron"}
    assert record["provenance"]["parameters"]["ppb_per_mg"] == 9.0
    assert "choroid plexus" in done.out
    again = tmp_path / "again"
    call("compare", cohort, "--group", "group", "--age", "age", "-o", again)
    assert (again / "comparison.csv").read_bytes() == (out / "comparison.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--group", "arm"], "no column 'arm'"),
        (["--age", "sex"], "'sex'"),
        (["--ppb-per-mg", "0"], "positive number"),
        (["--reader", "group"], "error:"),
    ],
)
def test_compare_refuses_in_one_line(
    call: Call, cohort: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    out = tmp_path / "result"
    done = call("compare", cohort, *arguments, "-o", out)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert words in done.err
    assert not out.exists()


def test_correlate_says_how_clustered_rows_were_treated(call: Call, cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "result"
    done = call("correlate", cohort, "-o", out)
    assert done.code == 0, done.err
    assert "leaving out each of" in " ".join(done.out.split())
    rows = pd.read_csv(out / "correlation.csv").set_index("roi")
    assert "leaving out each of" in rows.loc["haemorrhage", "method"]
    assert rows.loc["putamen", "method"] == "independent rows"
    paper = pd.read_csv(out / "correlation_table.csv")
    assert paper["Region"].tolist() == rows.index.tolist()
    page = (out / "report.html").read_text()
    assert "Several rows of one subject" in page
    assert "Bayes factor" in page


def test_standard_errors_of_one_axis_are_refused(call: Call, cohort: Path, tmp_path: Path) -> None:
    done = call("correlate", cohort, "--x-sd", "age", "-o", tmp_path / "result")
    assert done.code == 2
    assert "give both --x-sd and --y-sd" in done.err
