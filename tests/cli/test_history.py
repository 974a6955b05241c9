"""`history` and `repeatability` as a user calls them."""

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phantomcal.history.store import add_calibration
from tests.cli.conftest import Call
from tests.history.made import FIRST, LEVELS, hasty, in_control, made


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


def write(folder: Path, slope: float, name: str = "", **more: object) -> Path:
    """The output folder of a calibration."""
    out = folder / (name or f"cal-{slope:g}")
    out.mkdir(parents=True)
    (out / "calibration.json").write_text(made(slope, **more).model_dump_json(), encoding="utf-8")  # type: ignore[arg-type]
    return out


def fill(db: Path, slopes: np.ndarray, scanner: str = "A") -> None:
    engine = hasty(db)
    for k, slope in enumerate(slopes):
        add_calibration(engine, made(float(slope)), scanner, FIRST + timedelta(days=30 * k))
    engine.dispose()


def test_add_list_event_remove(call: Call, tmp_path: Path, db: Path) -> None:
    folder = write(tmp_path, 0.33, session="week 1")
    added = call("history", "add", folder, "--scanner", "A", "--date", "2024-03-01", "--baseline", "--db", db)
    assert (added.code, added.out.startswith("added: number 1, A")) == (0, True)
    again = call("history", "add", folder / "calibration.json", "--scanner", "A", "--date", "2024-03-01", "--db", db)
    assert again.code == 0
    assert "already there, nothing changed" in again.out
    other = call("history", "add", folder, "--scanner", "A", "--date", "2024-03-02", "--db", db)
    assert other.code == 2
    assert "2024-03-01" in other.err
    told = call(
        "history", "event", "tube exchanged", "--scanner", "A", "--date", "2024-04-01", "--kind", "hardware", "--db", db
    )
    assert told.code == 0
    listed = call("history", "list", "--db", db)
    assert "week 1" in listed.out
    assert "tube exchanged" in listed.out
    record = json.loads(call("history", "list", "--json", "--db", db).out)
    assert [c["scan_date"] for c in record["calibrations"]] == ["2024-03-01"]
    assert record["calibrations"][0]["baseline"] is True
    assert record["events"][0]["kind"] == "hardware"
    assert call("history", "remove", 1, "--db", db).code == 0
    assert json.loads(call("history", "list", "--json", "--db", db).out)["calibrations"] == []
    assert call("history", "remove", 1, "--db", db).code == 2


def test_the_database_may_be_named_by_the_environment(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHANTOMCAL_HISTORY", str(tmp_path / "mine.sqlite"))
    assert call("history", "add", write(tmp_path, 0.33, session="2024-03-01"), "--scanner", "A").code == 0
    assert (tmp_path / "mine.sqlite").is_file()
    assert "2024-03-01" in call("history", "list").out


def test_chart_writes_points_limits_and_a_report(
    call: Call, tmp_path: Path, db: Path, rng: np.random.Generator
) -> None:
    fill(db, in_control(rng, 30, sigma=0.001))
    call("history", "event", "coil exchanged", "--scanner", "A", "--date", "2024-08-01", "--db", db)
    out = tmp_path / "out"
    done = call("history", "chart", "--db", db, "-o", out)
    assert done.code == 0, done.err
    assert sorted(p.name for p in out.iterdir()) == ["history.csv", "history.json", "report.html"]
    table = pd.read_csv(out / "history.csv")
    assert len(table) == 30
    assert {"scan_date", "value", "standard_error", "centre", "lower", "upper", "ewma", "rules"} <= set(table.columns)
    record = json.loads((out / "history.json").read_text(encoding="utf-8"))
    assert record["status"] == "pass"
    assert table["value"].tolist() == pytest.approx([p["value"] for p in record["charts"][0]["points"]])
    assert table["upper"].iloc[0] == pytest.approx(record["charts"][0]["phases"][0]["upper"])
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "coil exchanged" in page
    assert "A: gadolinium QSM" in page
    first = {p.name: p.read_bytes() for p in out.iterdir() if p.name != "history.json"}
    call("history", "chart", "--db", db, "-o", out)
    assert {name: (out / name).read_bytes() for name in first} == first


def test_a_drift_beyond_the_tolerance_ends_with_code_1(
    call: Call, tmp_path: Path, db: Path, rng: np.random.Generator
) -> None:
    fill(db, np.append(in_control(rng, 15, sigma=0.001), 0.36))
    out = tmp_path / "out"
    assert call("history", "chart", "--db", db, "-o", out, "--tolerance", "qsm=2,12").code == 0
    done = call("history", "chart", "--db", db, "-o", out, "--tolerance", "qsm=2,5")
    assert done.code == 1
    assert "fail" in done.out
    assert (out / "report.html").is_file()


def test_tolerances_come_from_the_protocol_s_file(
    call: Call, tmp_path: Path, db: Path, rng: np.random.Generator
) -> None:
    engine = hasty(db)
    for k, slope in enumerate(np.append(in_control(rng, 12, sigma=0.001), 0.345)):
        add_calibration(engine, made(float(slope), protocol="ours"), "A", FIRST + timedelta(days=30 * k))
    engine.dispose()
    file = tmp_path / "ours.yaml"
    file.write_text(
        "name: ours\ntitle: Ours\nsource: made up\ngeometry: {vial_radius_mm: 5}\n"
        "tolerances: {slope_drift_percent: {qsm: [1, 3]}}\n"
        "vials:\n- {id: a, material: gadolinium, value: 0}\n- {id: b, material: gadolinium, value: 1}\n",
        encoding="utf-8",
    )
    out = tmp_path / "out"
    assert call("history", "chart", "--db", db, "-o", out).code == 0
    done = call("history", "chart", "--db", db, "-o", out, "--protocol", file)
    assert done.code == 1
    chart = json.loads((out / "history.json").read_text(encoding="utf-8"))["charts"][0]
    assert chart["tolerance_percent"] == [1.0, 3.0]
    assert chart["tolerance_source"] == "protocol ours"


def test_compare_needs_no_history(call: Call, tmp_path: Path, rng: np.random.Generator) -> None:
    before = write(tmp_path, 0.33, "before", noise=rng.normal(0, 0.002, len(LEVELS)))
    after = write(tmp_path, 0.36, "after", noise=rng.normal(0, 0.002, len(LEVELS)))
    done = call("history", "compare", before, after, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert "differ" in done.out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["comparison.csv", "comparison.json", "report.html"]
    table = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert table["verdict"].tolist() == ["differ"]
    assert table["difference_percent"][0] == pytest.approx(100 * 0.03 / 0.33, rel=0.1)
    assert not (tmp_path / "phantomcal-history.sqlite").exists()


def test_compare_scanners(call: Call, db: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    fill(db, in_control(rng, 6), "A")
    fill(db, in_control(rng, 6, 0.35), "B")
    done = call("history", "compare", "--scanner", "A", "--scanner", "B", "--db", db, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert "differ" in done.out
    record = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    assert record["names"] == ["A", "B"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "CAL", "--scanner", "A"], "--date"),
        (["add", "CAL", "--scanner", "A", "--date", "1.3.2024"], "YYYY-MM-DD"),
        (["add", "CAL", "--scanner", " ", "--date", "2024-01-01"], "no name"),
        (["add", "nowhere.json", "--scanner", "A", "--date", "2024-01-01"], "no such calibration"),
        (["add", "BROKEN", "--scanner", "A", "--date", "2024-01-01"], "not JSON"),
        (["add", "OTHER", "--scanner", "A", "--date", "2024-01-01"], "not a calibration"),
        (["list"], "no history here"),
        (["chart", "-o", "OUT"], "no history here"),
        (["chart", "-o", "OUT", "--tolerance", "qsm"], "ct=2,5"),
        (["chart", "-o", "OUT", "--tolerance", "qsm=5,2"], "ct=2,5"),
        (["chart", "-o", "OUT", "--quantity", "r2"], "slope or intercept"),
        (["compare"], "nothing to compare"),
        (["compare", "CAL"], "two calibrations"),
        (["compare", "CAL", "CAL", "--scanner", "A"], "either"),
    ],
)
def test_wrong_calls_are_one_line_and_write_nothing(
    call: Call, tmp_path: Path, db: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "broken.json").write_text('{"lines": [', encoding="utf-8")
    (tmp_path / "other.json").write_text('{"schema_version": "1.0"}', encoding="utf-8")
    names = {
        "CAL": write(tmp_path, 0.33),
        "BROKEN": tmp_path / "broken.json",
        "OTHER": tmp_path / "other.json",
        "OUT": tmp_path / "out",
    }
    before = set(tmp_path.rglob("*"))
    done = call("history", *[names.get(a, a) for a in arguments], "--db", db)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert str(tmp_path) not in done.err
    assert set(tmp_path.rglob("*")) == before


def test_repeatability_of_three_runs(call: Call, tmp_path: Path, rng: np.random.Generator) -> None:
    runs = [write(tmp_path, 0.33, f"run-{k}", noise=rng.normal(0, 0.01, len(LEVELS))) for k in (1, 2, 3)]
    out = tmp_path / "out"
    done = call("repeatability", *runs, "-o", out)
    assert done.code == 0, done.err
    assert sorted(p.name for p in out.iterdir()) == ["repeatability.csv", "repeatability.json", "report.html"]
    table = pd.read_csv(out / "repeatability.csv")
    assert table["level"].tolist() == ["vial"] * 6 + ["slope", "intercept", "all vials"]
    assert call("repeatability", runs[0], "-o", tmp_path / "one").code == 2
    assert not (tmp_path / "one").exists()


def test_a_chart_of_500_calibrations_loads_little(tmp_path: Path, rng: np.random.Generator) -> None:
    """The whole command; how long it takes is measured by benchmarks/history.py."""
    db = tmp_path / "history.sqlite"
    engine = hasty(db)
    record = made()
    for k, slope in enumerate(in_control(rng, 500)):
        line = record.lines[0].model_copy(update={"slope": float(slope)})
        add_calibration(
            engine, record.model_copy(update={"lines": [line]}), "A", date(2015, 1, 1) + timedelta(days=7 * k)
        )
    engine.dispose()
    code = (
        "import sys; sys.argv = ['phantomcal', *sys.argv[1:]]\n"
        "from phantomcal.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n"
        "    heavy = [m for m in ('seaborn', 'scipy.stats', 'pandas', 'statsmodels', 'pingouin') if m in sys.modules]\n"
        "    print('CODE', stop.code, heavy)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "history", "chart", "--db", db, "-o", tmp_path / "out"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    last = done.stdout.splitlines()[-1].split(maxsplit=2)
    assert last[1] in ("0", "1")
    assert last[2] == "[]", "a library that takes long to load came back into the chart"
    assert len(pd.read_csv(tmp_path / "out" / "history.csv")) == 500
