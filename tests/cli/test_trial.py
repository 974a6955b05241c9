"""`trial` as a user calls it."""

import json
from pathlib import Path

import pandas as pd
import pytest

from phantomcal.simulate.trial import TrialOptions, simulate_trial
from tests.cli.conftest import Call
from tests.cli.test_bad_input import assert_refused


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trial") / "visits.csv"
    made = simulate_trial(3, TrialOptions(treated_percent=1.0, dropout=0.2, crossed=0.1, per_arm=8, lesions=1))
    made.to_csv(path, index=False)
    return path


def test_files_and_terminal(call: Call, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call("trial", table, "-o", out, "--visits", 2)
    assert done.code == 0
    assert sorted(p.name for p in out.iterdir()) == ["analyses.csv", "patients.csv", "report.html", "trial.json"]
    assert "primary: mean change" in done.out
    assert "drug - placebo" in done.out
    record = json.loads((out / "trial.json").read_text(encoding="utf-8"))
    primary = record["contrasts"][0]
    assert primary["role"] == "primary"
    assert primary["ci95"][0] < primary["estimate"] < primary["ci95"][1]
    assert record["planned_visits_said"]
    assert len(pd.read_csv(out / "patients.csv")) == 16
    rows = pd.read_csv(out / "analyses.csv")
    assert rows["estimate"].iloc[0] == pytest.approx(primary["estimate"], rel=1e-6)
    page = (out / "report.html").read_text(encoding="utf-8")
    for words in ("Who was in it", "The difference", "Welch", "Flow of patients"):
        assert words in page
    assert str(tmp_path) not in page
    assert {i["role"] for i in record["provenance"]["inputs"]} == {"table"}


def test_equal_inputs_give_equal_bytes(call: Call, table: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert call("trial", table, "-o", tmp_path / name).code == 0
    for name in ("patients.csv", "analyses.csv", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_other_names_ppb_and_a_list_of_participants(call: Call, table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table)
    people = frame.drop_duplicates("subject_id")[["subject_id", "arm", "received_arm", "per_protocol", "reason"]]
    people.to_csv(tmp_path / "people.tsv", sep="\t", index=False)
    visits = frame[["subject_id", "lesion_id", "years"]].assign(chi_ppb=1000 * frame["qsm_ppm"])
    visits.to_csv(tmp_path / "visits.csv", index=False)
    one, other = tmp_path / "one", tmp_path / "other"
    assert call("trial", table, "-o", one).code == 0
    asked = ("--participants", tmp_path / "people.tsv", "--qsm-column", "chi_ppb")
    assert call("trial", tmp_path / "visits.csv", *asked, "-o", other).code == 0
    pd.testing.assert_frame_equal(pd.read_csv(one / "analyses.csv"), pd.read_csv(other / "analyses.csv"), rtol=1e-4)
    renamed = frame.rename(columns={"arm": "group"})
    renamed.to_csv(tmp_path / "renamed.csv", index=False)
    assert call("trial", tmp_path / "renamed.csv", "--arm-column", "group", "-o", tmp_path / "third").code == 0
    assert (tmp_path / "third" / "analyses.csv").read_bytes() == (one / "analyses.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--control", "sugar"], ["'sugar'", "placebo, drug"]),
        (["--visits", 0], ["--visits 0"]),
        (["--threshold", 0], ["--threshold"]),
        (["--arm-column", "branch"], ["'branch'"]),
        (["--date-order", "ymd"], ["--date-order"]),
        (["--participants", "nowhere.csv"], ["nowhere.csv"]),
    ],
)
def test_wrong_calls_are_refused(
    call: Call, table: Path, tmp_path: Path, arguments: list[object], words: list[str]
) -> None:
    out = tmp_path / "out"
    assert_refused(call("trial", table, *arguments, "-o", out), out, *words)


def test_tables_without_arms_or_values_are_refused(call: Call, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    frame = pd.read_csv(table)
    frame.drop(columns="arm").to_csv(tmp_path / "a.csv", index=False)
    assert_refused(call("trial", tmp_path / "a.csv", "-o", out), out, "'arm'", "a.csv")
    frame[frame["years"] == 0].to_csv(tmp_path / "b.csv", index=False)
    assert_refused(call("trial", tmp_path / "b.csv", "-o", out), out, "two visits")
    assert_refused(call("trial", tmp_path / "none.csv", "-o", out), out, "none.csv")
