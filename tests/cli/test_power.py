"""`power` as a user calls it."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import Call
from tests.cli.test_bad_input import assert_refused

PROPORTION = ("power", "--outcome", "proportion", "--baseline", 0.31, "--effect", 0.5)
MEAN = ("power", "--outcome", "mean", "--sd", 1)


def test_a_table_on_the_terminal(call: Call) -> None:
    done = call(*PROPORTION, "--effect", "20%", "--visits", 2, "--correlation", 0.8, "--power", 0.9, "--alpha", 0.1)
    assert done.code == 0
    assert "805" in done.out
    assert "113" in done.out
    assert done.err == ""


def test_json_is_only_json_and_the_folder_has_the_rest(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("--difference", 0.5, "--difference", 1, "--simulate", 300, "--dropout", 0.1, "--json", "-o", out)
    done = call(*MEAN, *asked)
    assert done.code == 0
    rows = json.loads(done.out)["rows"]
    assert [row["difference"] for row in rows] == [0.5, 1.0]
    assert all(row["n_per_arm"] == row["n_control"] and "effect" not in row for row in rows)
    assert all(0 < row["simulation"]["power"] <= 1 for row in rows)
    assert sorted(p.name for p in out.iterdir()) == ["power.csv", "power.json", "report.html"]
    assert list(pd.read_csv(out / "power.csv")["n_per_arm"]) == [row["n_per_arm"] for row in rows]
    saved = json.loads((out / "power.json").read_text(encoding="utf-8"))
    assert saved["rows"][0]["n_per_arm"] == rows[0]["n_per_arm"]
    assert saved["provenance"]["command"] == "power"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "For the protocol" in page
    assert str(tmp_path) not in page


def test_equal_calls_give_equal_bytes(call: Call, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert call(*PROPORTION, "--simulate", 200, "--seed", 7, "-o", tmp_path / name).code == 0
    for name in ("power.csv", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_power_of_a_given_size_and_what_it_detects(call: Call) -> None:
    done = call(*MEAN, "--difference", 0.5, "--n", 64, "--n", 10, "--json")
    large, small = json.loads(done.out)["rows"]
    assert large["solved_for"] == "power"
    assert large["power"] == pytest.approx(0.8074, abs=1e-3)  # G*Power: 0.8015 by t
    assert large["power_student"] == pytest.approx(0.8015, abs=1e-3)
    assert small["power"] < large["power"]
    done = call("power", "--outcome", "proportion", "--baseline", 0.31, "--n", 226, "--json")
    (row,) = json.loads(done.out)["rows"]
    assert row["solved_for"] == "effect"
    back = call("power", "--outcome", "proportion", "--baseline", 0.31, "--effect", row["effect"], "--json")
    assert json.loads(back.out)["rows"][0]["n_per_arm"] == 226


def test_relative_effects_of_means_and_increases(call: Call) -> None:
    done = call(*MEAN[:3], "--sd", 10, "--baseline", 7.93, "--effect", 0.5, "--json")
    other = call(*MEAN[:3], "--sd", 10, "--difference", 3.965, "--json")
    assert json.loads(done.out)["rows"][0]["n_per_arm"] == json.loads(other.out)["rows"][0]["n_per_arm"]
    done = call("power", "--outcome", "proportion", "--baseline", 0.3, "--effect", "-0.5", "--json")
    (row,) = json.loads(done.out)["rows"]
    assert row["treated"] == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--outcome", "median", "--baseline", 1, "--effect", 0.2], ["median", "mean, proportion, rate"]),
        (["--outcome", "mean", "--difference", 0.5], ["--sd"]),
        (["--outcome", "mean", "--sd", 1], ["no effect", "--difference"]),
        (["--outcome", "mean", "--sd", 0, "--difference", 1], ["--sd 0"]),
        (["--outcome", "mean", "--sd", 1, "--difference", 0], ["difference of 0"]),
        (["--outcome", "mean", "--sd", 1, "--effect", 0.5], ["--baseline"]),
        (["--outcome", "mean", "--sd", 1, "--difference", 1, "--years", 2], ["--years", "rate"]),
        (["--outcome", "proportion", "--effect", 0.5], ["no baseline"]),
        (["--outcome", "proportion", "--baseline", 31, "--effect", 0.5], ["31", "0.31"]),
        (["--outcome", "proportion", "--baseline", 0.31, "--effect", 20], ["20", "0.2 or 20%"]),
        (["--outcome", "proportion", "--baseline", 0.31, "--effect", "much"], ["much", "no number"]),
        (["--outcome", "proportion", "--baseline", 0.8, "--effect", -0.5], ["1.2", "between 0 and 1"]),
        (["--outcome", "proportion", "--baseline", 0.3, "--effect", 0.5, "--sd", 1], ["--sd", "proportion"]),
        (["--outcome", "rate", "--baseline", 0.3, "--effect", 1], ["above 0"]),
        (["--outcome", "rate", "--baseline", -1, "--effect", 0.5], ["-1", "events per patient-year"]),
        (["--outcome", "rate", "--baseline", 0.3, "--effect", 0.5, "--dispersion", -1], ["--dispersion"]),
        (["--outcome", "proportion", "--baseline", 0.01, "--n", 3], ["no reduction"]),
    ],
)
def test_wrong_calls_are_refused_in_a_line(
    call: Call, tmp_path: Path, arguments: list[object], words: list[str]
) -> None:
    out = tmp_path / "out"
    assert_refused(call("power", *arguments, "-o", out), out, *words)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--alpha", 0),
        ("--alpha", 0.7),
        ("--power", 1),
        ("--power", 0.01),
        ("--tails", 3),
        ("--visits", 0),
        ("--correlation", 1.5),
        ("--dropout", 1),
        ("--dropout", -0.1),
        ("--allocation", 0),
        ("--lesions", 0),
        ("--simulate", 5),
        ("--seed", -1),
        ("--n", 1),
    ],
)
def test_impossible_designs_are_refused_in_a_line(call: Call, tmp_path: Path, option: str, value: float) -> None:
    out = tmp_path / "out"
    more = ("--simulate", 200) if option == "--seed" else ()
    assert_refused(call(*PROPORTION, option, value, *more, "-o", out), out, option)


def test_correlations_that_decide_must_be_said(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert_refused(call(*PROPORTION, "--visits", 2, "-o", out), out, "--correlation")
    assert_refused(call(*PROPORTION, "--lesions", 2, "-o", out), out, "--lesion-correlation")
    both = ("--visits", 2, "--correlation", 0.2, "--lesions", 2, "--lesion-correlation", 0.5)
    assert_refused(call(*PROPORTION, *both, "-o", out), out, "--lesion-correlation 0.5")
