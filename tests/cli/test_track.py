"""`track` and `simulate visits`, as a user calls them."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from phantomcal.history.database import open_history
from phantomcal.history.store import add_calibration
from phantomcal.results import Calibration, Tracking
from phantomcal.results.repeatability import Agreement, Repeatability, WithinSubject
from phantomcal.simulate.followup import simulate_visits
from tests.cli.conftest import Call
from tests.cli.test_bad_input import assert_refused
from tests.followup.drawn import head, pose

CONTRACT = ["subject_id", "lesion_id", "years", "change_percent", "change_percent_per_year", "threshold_event", "event"]


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    path = tmp_path / "visits.csv"
    simulate_visits(3).frame.to_csv(path, index=False)
    return path


def test_a_table_gives_intervals_a_record_and_a_report(call: Call, visits: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call("track", visits, "-o", out)
    assert done.code == 0, done.err
    assert sorted(p.name for p in out.iterdir()) == ["intervals.csv", "report.html", "tracking.json"]
    rows = pd.read_csv(out / "intervals.csv")
    assert list(rows.columns[:7]) == CONTRACT
    assert len(rows) == 22
    assert rows["threshold_event"].dtype == bool
    assert (rows["threshold_event"] == (rows["change_percent"] >= 6)).all()
    record = Tracking.model_validate_json((out / "tracking.json").read_text(encoding="utf-8"))
    assert (record.n_patients, record.n_intervals) == (16, 22)
    assert record.rates[0].percent_per_year == pytest.approx(rows["change_percent"].sum() / rows["years"].sum())
    assert str(tmp_path) not in (out / "tracking.json").read_text(encoding="utf-8")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Threshold and clinical events" in page
    assert "per patient-year" in done.out


def test_exactly_six_per_cent_through_the_whole_command(call: Call, tmp_path: Path) -> None:
    table, out = tmp_path / "v.csv", tmp_path / "out"
    table.write_text("subject_id,lesion_id,years,qsm_ppm\na,1,0,0.5\na,1,1,0.53\nb,1,0,0.5\nb,1,1,0.529\n")
    assert call("track", table, "-o", out).code == 0
    assert pd.read_csv(out / "intervals.csv")["threshold_event"].tolist() == [True, False]


def test_equal_inputs_give_equal_bytes(call: Call, visits: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert call("track", visits, "-o", tmp_path / name, "--repeatability", 0.02).code == 0
    for name in ("intervals.csv", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    one, other = (json.loads((tmp_path / n / "tracking.json").read_text()) for n in ("a", "b"))
    one["provenance"].pop("run")
    other["provenance"].pop("run")
    assert one == other


def test_columns_can_be_named_and_groups_compared(call: Call, visits: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(visits).rename(
        columns={"subject_id": "who", "lesion_id": "which", "date": "when", "event": "bled"}
    )
    frame["chi_ppb"] = 1000 * frame.pop("qsm_ppm")
    frame["qsm_se_ppm"] *= 1.0
    frame["site"] = np.where(frame["who"].str[-1].isin(list("02468")), "north", "south")
    table, out = tmp_path / "t.tsv", tmp_path / "out"
    frame.to_csv(table, index=False, sep="\t")
    named = ("--subject-column", "who", "--lesion-column", "which", "--date-column", "when", "--qsm-column", "chi_ppb")
    done = call("track", table, *named, "--event-column", "bled", "--group", "site", "-o", out)
    assert done.code == 0, done.err
    assert "site: south against north" in done.out
    plain = tmp_path / "plain"
    assert call("track", visits, "-o", plain).code == 0
    one, other = (pd.read_csv(p / "intervals.csv")["change_percent"] for p in (out, plain))
    assert one.to_numpy() == pytest.approx(other.to_numpy(), rel=1e-5)
    assert "site" in pd.read_csv(out / "intervals.csv").columns


def test_a_repeatability_record_gives_the_second_threshold(call: Call, visits: Path, tmp_path: Path) -> None:
    within = WithinSubject(
        n_subjects=19, n_runs=2, degrees_of_freedom=19, wsd=0.0024, wsd_ci95=(0.0018, 0.0035), rc=0.0065,
        rc_ci95=(0.005, 0.0095), wcv_percent=None, wcv_ci95=None, wcv_n=0,
    )  # fmt: skip
    agreement = Agreement(modality="qsm", unit="ppm", vials=["a"] * 19, within=within, bland_altman=[], icc=[])
    path, out = tmp_path / "repeatability.json", tmp_path / "out"
    path.write_text(Repeatability(protocol="p", runs=["1", "2"], agreement=[agreement], rows=[]).model_dump_json())
    assert call("track", visits, "--repeatability", path, "-o", out).code == 0
    record = Tracking.model_validate_json((out / "tracking.json").read_text(encoding="utf-8"))
    assert record.repeatability_ppm == 0.0065
    assert record.repeatability_ci95 == (0.005, 0.0095)
    rows = pd.read_csv(out / "intervals.csv")
    assert (rows["repeatability_event"] == (rows["change_ppm"] >= 0.0065)).all()
    assert {r.event for r in record.event_rates} == {"threshold", "repeatability", "clinical"}


def test_drift_from_simulation_to_correction(call: Call, tmp_path: Path) -> None:
    sim, out, db = tmp_path / "sim", tmp_path / "out", tmp_path / "h.sqlite"
    assert (
        call("simulate", "visits", "-o", sim, "--seed", 4, "--patients", 30, "--patient-years", 30, "--drift", 5).code
        == 0
    )
    engine = open_history(db, create=True)
    for place in sorted((sim / "calibrations").iterdir()):
        record = Calibration.model_validate_json((place / "calibration.json").read_text(encoding="utf-8"))
        add_calibration(engine, record, "A", date.fromisoformat(place.name))
    engine.dispose()
    done = call("track", sim / "visits.csv", "--history", db, "-o", out)
    assert done.code == 0, done.err
    record = Tracking.model_validate_json((out / "tracking.json").read_text(encoding="utf-8"))
    assert record.correction is not None
    truth = json.loads((sim / "truth.json").read_text(encoding="utf-8"))
    assert record.correction.events_corrected == truth["patients_rising"]
    assert record.correction.rates_uncorrected[0].percent_per_year > record.rates[0].percent_per_year + 3  # type: ignore[operator]
    rows = pd.read_csv(out / "intervals.csv")
    assert {"change_percent_uncorrected", "threshold_event_uncorrected"} <= set(rows.columns)
    assert "scanner correction" in done.out
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "As measured and corrected" in page


def test_simulated_visits_are_the_same_for_one_seed(call: Call, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert call("simulate", "visits", "-o", tmp_path / name, "--drift", 2).code == 0
    files = [p.relative_to(tmp_path / "a") for p in sorted((tmp_path / "a").rglob("*")) if p.is_file()]
    assert len(files) > 20
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    refused = call("simulate", "visits", "-o", tmp_path / "c", "--patients", 10, "--patient-years", 3)
    assert_refused(refused, tmp_path / "c", "patient-years")


def _written(folder: Path, name: str, images: tuple[sitk.Image, sitk.Image, sitk.Image]) -> str:
    paths = [folder / f"{name}_{kind}.nii.gz" for kind in ("Chimap", "lesions", "mag")]
    for image, path in zip(images, paths, strict=True):
        sitk.WriteImage(image, str(path))
    return ",".join(str(p) for p in paths)


def test_images_of_two_sessions(call: Call, tmp_path: Path) -> None:
    spot = (-30.0, 10.0, 0.0)
    first = _written(tmp_path, "one", head([(spot, 9, 0.40), ((20.0, 30.0, 10.0), 8, 0.3)]))
    later = _written(tmp_path, "two", head([(spot, 9, 0.44)], pose(4)))
    out = tmp_path / "out"
    done = call(
        "track", "--session", f"2020-01-01={first}", "--session", f"2021-01-01={later}", "--subject", "p7", "-o", out
    )
    assert done.code == 0, done.err
    assert sorted(p.name for p in out.iterdir()) == ["intervals.csv", "report.html", "tracking.json", "visits.csv"]
    table = pd.read_csv(out / "visits.csv")
    assert len(table) == 3
    assert set(table["appearance"]) == {"same", "gone"}
    (row,) = pd.read_csv(out / "intervals.csv").to_dict("records")
    assert row["change_percent"] == pytest.approx(10, abs=0.01)
    assert row["threshold_event"] is True
    again = tmp_path / "again"
    assert call("track", out / "visits.csv", "-o", again).code == 0
    (same,) = pd.read_csv(again / "intervals.csv").to_dict("records")
    assert same["change_percent"] == pytest.approx(row["change_percent"], rel=1e-5)


def test_a_study_of_several_sessions(call: Call, tmp_path: Path) -> None:
    study, spot = tmp_path / "study", (-30.0, 10.0, 0.0)
    for name, ppm, there in (("ses-1", 0.40, None), ("ses-2", 0.43, pose(3))):
        images = head([(spot, 9, ppm)], there)
        anat = study / "sub-01" / name / "anat"
        labels = study / "derivatives" / "manual" / "sub-01" / name / "anat"
        anat.mkdir(parents=True)
        labels.mkdir(parents=True)
        stem = f"sub-01_{name}"
        sitk.WriteImage(images[0], str(anat / f"{stem}_Chimap.nii.gz"))
        sitk.WriteImage(images[1], str(labels / f"{stem}_space-Chimap_label-lesion_dseg.nii.gz"))
        sitk.WriteImage(images[2], str(anat / f"{stem}_part-mag_T2starw.nii.gz"))
    (study / "participants.tsv").write_text("participant_id\tarm\nsub-01\tdrug\n")
    (study / "sub-01" / "sub-01_sessions.tsv").write_text(
        "session_id\tacq_time\tscanner\tevent\nses-1\t2020-01-01\tA\tn/a\nses-2\t2021-07-01\tA\t1\n"
    )
    out = tmp_path / "out"
    done = call("track", "--study", study, "-o", out)
    assert done.code == 0, done.err
    (row,) = pd.read_csv(out / "intervals.csv").to_dict("records")
    assert row["change_percent"] == pytest.approx(7.5, abs=0.01)
    assert row["years"] == pytest.approx(1.5, abs=0.01)
    assert (row["event"], row["arm"], row["subject_id"]) == (True, "drug", "sub-01")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--threshold", "0"], ["--threshold"]),
        (["--threshold", "nan"], ["--threshold"]),
        (["--repeatability", "-1"], ["--repeatability"]),
        (["--repeatability", "much"], ["'much'", "--repeatability"]),
        (["--date-order", "ymd"], ["dmy or mdy"]),
        (["--group", "site"], ["no column 'site'"]),
        (["--qsm-column", "chi"], ["no column 'chi'"]),
        (["--history", "no.sqlite"], ["no.sqlite"]),
        (["--session", "2020-01-01=a,b"], ["not one source"]),
    ],
)
def test_bad_calls_are_refused(
    call: Call, visits: Path, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    out = tmp_path / "out"
    assert_refused(call("track", visits, "-o", out, *arguments), out, *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["not one source"]),
        (["--session", "a.nii.gz"], ["'a.nii.gz' is no session", "LABEL=MAP"]),
        (["--session", "then=a.nii.gz"], ["'then' is neither a date"]),
        (["--session", "2020-01-01=missing.nii.gz,x.nii.gz"], ["missing.nii.gz"]),
        (["--study", "nowhere"], ["nowhere"]),
    ],
)
def test_bad_sources_are_refused(call: Call, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    out = tmp_path / "out"
    assert_refused(call("track", "-o", out, *arguments), out, *words)
