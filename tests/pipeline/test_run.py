"""Whole studies: what a run writes, what one broken subject does to it, and that two runs give equal bytes."""

import copy
import json
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import yaml

from phantomcal.cli import main
from phantomcal.demo import TARGET_ERROR_MM, against_truth, target_errors_mm
from phantomcal.errors import InputError
from phantomcal.pipeline import run_study
from phantomcal.protocol import builtin_protocols
from phantomcal.results import StudyRun
from phantomcal.simulate.brain import REGIONS
from phantomcal.simulate.head import HeadOptions
from phantomcal.simulate.study import simulate_study
from tests.once import once

pytestmark = pytest.mark.slow  # heads are simulated and aligned

PEOPLE = ["sub-01", "sub-02", "sub-03", "sub-04"]
COLUMNS = ["subject_id", "session", "roi", "hemisphere", "n_voxels", "ct_hu", "ct_sd_hu", "qsm_ppm", "qsm_sd_ppm"]


class Small(NamedTuple):
    """A simulated study, its truth, and the progress and results of a run on two processes."""

    folder: Path
    truth: dict[str, Any]
    results: Path
    record: StudyRun
    told: list[tuple[str, int, int]]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Small:
    return once(tmp_path_factory, pytestconfig, "pipeline", small_study)


def small_study(root: Path) -> Small:
    """Four coarse heads and a phantom with shorter vials than the built-in one."""
    protocol = root / "small.yaml"
    raw = yaml.safe_load(builtin_protocols()["simulated-gd-ca"].read_text(encoding="utf-8"))
    raw["geometry"]["vial_length_mm"] = 50.0
    protocol.write_text(yaml.safe_dump(raw), encoding="utf-8")
    options = HeadOptions(ct_spacing_mm=(1.0, 1.0, 3.0), mr_spacing_mm=(2.0, 2.0, 2.0))
    simulate_study(
        root / "study",
        5,
        n_subjects=len(PEOPLE),
        protocol=str(protocol),
        slice_thickness_mm=(3.0,),
        head_options=options,
        jobs=2,
    )
    # As a user would lay it out: the phantom's protocol inside the study.
    protocol.rename(root / "study" / "small.yaml")
    people = root / "study" / "participants.tsv"
    people.write_text(people.read_text(encoding="utf-8").replace(str(protocol), "small.yaml"), encoding="utf-8")
    told: list[tuple[str, int, int]] = []
    record = run_study(root / "study", root / "results", jobs=2, progress=lambda *call: told.append(call))
    truth = json.loads((root / "study_truth.json").read_text(encoding="utf-8"))
    return Small(root / "study", truth, root / "results", record, told)


def part_of(small: Small, folder: Path, *subjects: str, leave_out: tuple[str, ...] = ()) -> Path:
    """A copy of the study with some of its subjects, without files whose name contains one of `leave_out`."""

    def wanted(path: Path) -> bool:
        names = [part for part in path.parts if part.startswith("sub-")]
        return (not names or names[0] in subjects) and not any(text in path.name for text in leave_out)

    study = folder / "study"
    for path in sorted(small.folder.rglob("*")):
        inside = path.relative_to(small.folder)
        if path.is_file() and wanted(inside):
            (study / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, study / inside)
    return study


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def said(record: StudyRun, step: str, subject: str = "") -> tuple[str, str]:
    """Status and message of a step."""
    (outcome,) = [s for s in record.steps if s.step == step and s.subject == subject]
    return outcome.status, outcome.message


def files_below(folder: Path) -> dict[str, bytes]:
    """Content of every file, without what may differ between two equal runs."""
    content = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix == ".json":
            data = json.dumps(without_run(json.loads(data)), sort_keys=True).encode()
        content[str(path.relative_to(folder))] = data
    return content


def without_run(value: Any) -> Any:
    """JSON without the `run` of every provenance."""
    if isinstance(value, dict):
        kept = {k: without_run(v) for k, v in value.items()}
        if "inputs" in kept and "versions" in kept:
            assert kept.pop("run")
        return kept
    return [without_run(v) for v in value] if isinstance(value, list) else value


def test_every_step_is_done_for_everyone(small: Small) -> None:
    assert small.record.n_subjects == len(PEOPLE)
    assert {(s.step, s.subject, s.status) for s in small.record.steps} == {
        ("calibrate", "sub-phantom", "done"),
        *(("register", name, "done") for name in PEOPLE),
        *(("sample", name, "done") for name in PEOPLE),
        *(("decompose", name, "done") for name in PEOPLE),
        ("correlate", "", "done"),
        ("classify", "", "done"),
    }


def test_the_record_on_disk_is_the_one_returned(small: Small) -> None:
    stored = StudyRun.model_validate_json((small.results / "results.json").read_text(encoding="utf-8"))
    assert stored == small.record
    assert len(stored.calibrations) == 1
    assert stored.correlation is not None
    assert str(small.folder) not in (small.results / "results.json").read_text(encoding="utf-8")


def test_every_output_has_its_place(small: Small) -> None:
    expected = {
        "results.json",
        "report.html",
        "regions/regions.csv",
        "regions/regions.parquet",
        "sessions/sub-phantom/session.json",
        *(f"sessions/sub-phantom/picture-{k}.svg" for k in (1, 2)),
        *(f"sessions/{who}/{name}" for who in PEOPLE for name in ("session.json", "regions.parquet")),
        *(f"sessions/{who}/picture-1.svg" for who in PEOPLE[:3]),
        *(f"calibration/sub-phantom/{name}" for name in ("vials.csv", "calibration.json", "report.html")),
        *(f"registration/{who}/{name}" for who in PEOPLE for name in ("ct_to_mr.tfm", "registration.json")),
        *(f"correlation/{name}" for name in ("correlation.csv", "correlation.json", "report.html")),
        *(f"correlation/correlation_table.{suffix}" for suffix in ("csv", "html", "tex")),
        *(f"classification/{name}" for name in ("lesions.csv", "classification.json", "report.html")),
        *(f"decomposition/{who}/decomposition.json" for who in PEOPLE),
        *(
            f"decomposition/{who}/{material}_{kind}.nii.gz"
            for who in PEOPLE
            for material in ("calcium", "iron")
            for kind in ("concentration", "standard_error", "probability")
        ),
    }
    assert set(files_below(small.results)) == expected
    assert [p.name for p in small.results.parent.iterdir() if p.name.startswith(".")] == []


def test_the_region_table_has_the_promised_columns_and_each_persons_covariates(small: Small) -> None:
    table = pd.read_csv(small.results / "regions" / "regions.csv")
    assert list(table.columns[: len(COLUMNS)]) == COLUMNS
    assert set(table["subject_id"]) == set(PEOPLE)
    assert set(REGIONS) <= set(table.loc[table["kind"] == "region", "roi"])
    assert set(table.loc[table["kind"] == "lesion", "roi"]) == {"haemorrhage", "calcification"}
    people = pd.read_csv(small.folder / "participants.tsv", sep="\t").set_index("participant_id")
    for name, rows in table.groupby("subject_id"):
        assert set(rows["age"]) == {int(people.loc[name, "age"])}


def test_region_means_are_the_values_that_were_drawn(small: Small) -> None:
    """Mean over both sides and four heads; partial volume in 2 mm voxels takes some of the contrast."""
    table = pd.read_csv(small.results / "regions" / "regions.csv")
    truth = pd.DataFrame({name: head["regions"]["putamen"] for name, head in small.truth["subjects"].items()}).T
    means = table[table["roi"] == "putamen"].groupby("subject_id")[["ct_hu", "qsm_ppm"]].mean()
    assert (means["ct_hu"] - truth["ct_hu"]).abs().max() < 2.0
    assert (means["qsm_ppm"] - truth["qsm_ppm"]).abs().max() < 0.01


def test_the_report_has_every_section_filled(small: Small) -> None:
    text = (small.results / "report.html").read_text(encoding="utf-8")
    sections = (
        "The phantom and its vials",
        "Calibration lines",
        "Alignment of CT to MR",
        "CT against QSM in each region",
        "What was done and what was left out",
        "Methods",
        "Provenance",
    )
    for title in sections:
        assert title in text, title
    for name in (*PEOPLE, "Gd2.5", "Ca1500", *REGIONS):
        assert name in text, name
    assert text.count("<svg") + text.count("data:image/") >= 6  # phantoms, lines, alignments, scatter plots
    assert 'src="http' not in text


def test_progress_counts_up_to_each_total(small: Small) -> None:
    last = {what: (done, total) for what, done, total in small.told}
    assert last == {"calibrate phantoms": (1, 1), "align and sample": (4, 4), "report": (1, 1)}
    people = [done for what, done, _ in small.told if what == "align and sample"]
    assert people == [0, 1, 2, 3, 4]


def test_estimates_stand_beside_the_truth_and_pass(small: Small) -> None:
    rows = against_truth(small.record, small.results, small.truth).set_index("quantity")
    for name in ("gadolinium slope, CT", "calcium slope, CT"):
        assert rows.loc[name, "passed"], rows.loc[name]
    aligned = rows[rows.index.str.startswith("worst target error of 4")]
    assert aligned["passed"].all()
    assert len(aligned) == 1
    assert max(target_errors_mm(small.record, small.results, small.truth).values()) < TARGET_ERROR_MM
    regions = rows[rows.index.str.startswith("r of HU and ppm")]
    assert len(regions) == len(small.truth["targets"])


def test_a_wrong_estimate_does_not_pass(small: Small) -> None:
    truth = copy.deepcopy(small.truth)
    truth["phantom"]["slopes"]["gadolinium"]["ct"]["value"] *= 1.3
    for target in truth["subjects"]["sub-03"]["targets"]:
        target["ct_mm"][2] += 4.0
    flipped = next(r for r in truth["targets"] if abs(truth["targets"][r]["pearson_r"]) > 0.6)
    truth["targets"][flipped]["pearson_r"] *= -1
    rows = against_truth(small.record, small.results, truth).set_index("quantity")
    assert not rows.loc["gadolinium slope, CT", "passed"]
    assert not rows.loc["worst target error of 4 alignments (sub-03)", "passed"]
    assert rows.loc["worst target error of 4 alignments (sub-03)", "estimate"] == pytest.approx(4.0, abs=1.0)
    assert not rows.loc[f"r of HU and ppm, {flipped}", "passed"]


def test_the_number_of_processes_changes_no_byte(small: Small, tmp_path: Path) -> None:
    """Without magnitude, so that the map itself is aligned; without a phantom; one of the two without labels."""
    study = part_of(small, tmp_path, "sub-01", "sub-02", leave_out=("T2starw", "sub-02_space", "participants"))
    records = {jobs: run_study(study, tmp_path / f"out{jobs}", jobs=jobs) for jobs in (1, 2)}
    one, two = (files_below(tmp_path / f"out{jobs}") for jobs in (1, 2))
    assert set(one) == set(two)
    assert [name for name in one if one[name] != two[name]] == []
    record = records[1]
    assert said(record, "calibrate") == ("skipped", "no phantom in participants.tsv")
    assert said(record, "sample", "sub-02") == ("skipped", "no label map")
    assert any("no participants.tsv" in w for w in record.warnings)
    assert {a.fixed_kind for a in record.alignments.values()} == {"qsm"}
    assert not (tmp_path / "out1" / "calibration").exists()


def test_one_broken_subject_is_reported_and_the_rest_goes_on(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = part_of(small, tmp_path, "sub-phantom", "sub-01", "sub-02", leave_out=("sub-01_ct", "sub-phantom_ct"))
    truncate(study / "sub-02" / "ct" / "sub-02_ct.nii.gz")
    monkeypatch.setattr(sys, "argv", ["phantomcal", "run", str(study), "-o", str(tmp_path / "out"), "--jobs", "2"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    printed = capsys.readouterr()
    assert "sub-02" in printed.out + printed.err
    assert "Traceback" not in printed.out + printed.err
    record = StudyRun.model_validate_json((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    status, message = said(record, "align and sample", "sub-02")
    assert status == "failed"
    assert "sub-02_ct.nii.gz" in message
    assert said(record, "register", "sub-01") == ("skipped", "no CT")
    assert said(record, "sample", "sub-01") == ("done", "")
    assert said(record, "calibrate", "sub-phantom") == ("done", "")
    assert said(record, "correlate") == ("skipped", "no region has both CT and QSM values")
    assert len(record.calibrations) == 1
    table = pd.read_csv(tmp_path / "out" / "regions" / "regions.csv")
    assert set(table["subject_id"]) == {"sub-01"}
    assert table["qsm_ppm"].notna().all()
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "sub-02_ct.nii.gz" in report


def test_when_nothing_can_be_read_all_reasons_are_told_and_nothing_is_left(small: Small, tmp_path: Path) -> None:
    study = part_of(small, tmp_path, "sub-phantom", "sub-01", leave_out=("_ct.nii", "T2starw"))
    truncate(study / "sub-phantom" / "anat" / "sub-phantom_Chimap.nii.gz")
    truncate(study / "sub-01" / "anat" / "sub-01_Chimap.nii.gz")
    with pytest.raises(InputError, match="nothing in the study could be analysed") as refused:
        run_study(study, tmp_path / "new" / "out", jobs=1)
    assert "sub-phantom_Chimap.nii.gz" in str(refused.value)
    assert "sub-01_Chimap.nii.gz" in str(refused.value)
    assert not (tmp_path / "new").exists()


def test_a_phantom_that_cannot_be_used_does_not_stop_the_people(small: Small, tmp_path: Path) -> None:
    study = part_of(small, tmp_path, "sub-phantom", "sub-01", leave_out=("_ct.nii", "T2starw", "small.yaml"))
    record = run_study(study, tmp_path / "out", jobs=1)
    status, message = said(record, "calibrate", "sub-phantom")
    assert status == "failed"
    assert "small.yaml" in message
    assert said(record, "sample", "sub-01") == ("done", "")


def test_a_phantom_alone_is_a_study(small: Small, tmp_path: Path) -> None:
    study = part_of(small, tmp_path, "sub-phantom", leave_out=("_ct.nii",))
    record = run_study(study, tmp_path / "out", jobs=1)
    assert said(record, "sample") == ("skipped", "no people in the study")
    assert {line.modality for line in record.calibrations[0].lines} == {"qsm"}
    assert record.correlation is None
    assert record.n_subjects == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "calibration",
        "report.html",
        "results.json",
        "sessions",
    ]


def test_a_failed_run_leaves_earlier_results_alone(small: Small, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(small.results, out)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    study = part_of(small, tmp_path, "sub-01", leave_out=("sub-01_ct", "sub-01_Chimap", "T2starw", "space-Chimap"))
    (study / "sub-01" / "anat").mkdir(parents=True)
    with pytest.raises(InputError, match="nothing in the study"):
        run_study(study, out, jobs=1)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
