"""Outputs appear whole or not at all, and equal results give equal text."""

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomcal import __version__
from phantomcal.errors import InputError
from phantomcal.outputs import hash_files, input_file, output_file, output_folder, provenance, to_json, write_record
from phantomcal.results import Provenance, VialMeasurement

Opener = Callable[[Path], AbstractContextManager[Path]]


def _tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def _break_off(opener: Opener, path: Path, error: type[BaseException]) -> None:
    def write_half() -> None:
        with opener(path) as scratch:
            (scratch if opener is output_file else scratch / "half.txt").write_text("half")
            raise error

    with pytest.raises(error):
        write_half()


def test_a_folder_appears_only_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "out"
    with output_folder(out) as scratch:
        (scratch / "sub").mkdir()
        (scratch / "sub" / "x.txt").write_text("1")
        assert not out.exists()
    assert _tree(tmp_path) == ["a", "a/b", "a/b/out", "a/b/out/sub", "a/b/out/sub/x.txt"]


def test_a_file_appears_only_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "a" / "table.csv"
    with output_file(out) as scratch:
        assert scratch.suffix == ".csv"  # writers choose their format by it
        scratch.write_text("1")
        assert not out.exists()
    assert _tree(tmp_path) == ["a", "a/table.csv"]


@pytest.mark.parametrize("opener", [output_folder, output_file])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_error_nothing_is_left(tmp_path: Path, opener: Opener, error: type[BaseException]) -> None:
    _break_off(opener, tmp_path / "a" / "b" / "out", error)
    assert _tree(tmp_path) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("keep")
    _break_off(opener, tmp_path / "mine" / "new" / "out", error)
    assert _tree(tmp_path) == ["mine", "mine/note.txt"]


def test_a_failed_second_run_leaves_the_first_alone(tmp_path: Path) -> None:
    with output_folder(tmp_path / "out") as scratch:
        (scratch / "half.txt").write_text("whole")
    with output_file(tmp_path / "table.csv") as scratch:
        scratch.write_text("whole")
    _break_off(output_folder, tmp_path / "out", RuntimeError)
    _break_off(output_file, tmp_path / "table.csv", RuntimeError)
    assert (tmp_path / "out" / "half.txt").read_text() == "whole"
    assert (tmp_path / "table.csv").read_text() == "whole"
    assert _tree(tmp_path) == ["out", "out/half.txt", "table.csv"]


def test_a_second_run_replaces_its_own_files_and_keeps_others(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    for name in ("old.txt", "same.txt", "sub/old.txt", "sub/same.txt"):
        (out / name).write_text("old")
    with output_folder(out) as scratch:
        (scratch / "sub" / "deeper").mkdir(parents=True)
        for name in ("same.txt", "sub/same.txt", "sub/deeper/new.txt"):
            (scratch / name).write_text("new")
    read = {name: (out / name).read_text() for name in _tree(out) if (out / name).is_file()}
    assert read == {
        "old.txt": "old",
        "same.txt": "new",
        "sub/deeper/new.txt": "new",
        "sub/old.txt": "old",
        "sub/same.txt": "new",
    }
    assert _tree(tmp_path)[0] == "out"  # no scratch folder beside it


def test_what_an_interrupted_run_left_behind_does_not_get_into_the_next(tmp_path: Path) -> None:
    with output_folder(tmp_path / "out") as scratch:
        leftover = scratch
    shutil.rmtree(tmp_path / "out")
    leftover.mkdir()
    (leftover / "stale.txt").write_text("stale")
    with output_folder(tmp_path / "out") as scratch:
        (scratch / "x.txt").write_text("1")
    assert _tree(tmp_path / "out") == ["x.txt"]


def test_two_runs_at_once_do_not_mix(tmp_path: Path) -> None:
    with output_folder(tmp_path / "out") as first, output_folder(tmp_path / "out") as second:
        (first / "1.txt").write_text("1")
        (second / "2.txt").write_text("2")
        assert _tree(first) == ["1.txt"]
        assert _tree(second) == ["2.txt"]
    assert _tree(tmp_path / "out") == ["1.txt", "2.txt"]


def test_results_of_an_earlier_run_are_replaced_when_the_new_ones_are_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("registration/sub-01", "regions", "mine"):
        (out / name).mkdir(parents=True)
        (out / name / "old.txt").write_text("old")
    replaced = ("registration", "regions", "never-made")

    def fail() -> None:
        with output_folder(out, replaces=replaced):
            raise RuntimeError

    before = _tree(out)
    with pytest.raises(RuntimeError):
        fail()
    assert _tree(out) == before
    with output_folder(out, replaces=replaced) as scratch:
        (scratch / "regions").mkdir()
        (scratch / "regions" / "new.txt").write_text("new")
    assert _tree(out) == ["mine", "mine/old.txt", "regions", "regions/new.txt"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_a_result_folder_is_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with output_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("name", ["", " ", "/"])
def test_a_folder_needs_a_name(name: str) -> None:
    with pytest.raises(InputError, match=r"no usable output folder.*-o"), output_folder(name):
        pass


def test_names_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(InputError, match=r"taken by a file.*-o"), output_folder(file):
        pass
    with pytest.raises(InputError, match=r"cannot write.*-o"), output_folder(file / "out"):
        pass
    with pytest.raises(InputError, match=r"is a folder.*-o"), output_file(tmp_path):
        pass
    assert file.read_text() == "mine"
    assert _tree(tmp_path) == ["file"]


def test_json_has_null_where_there_is_no_number() -> None:
    text = to_json({"a": math.nan, "b": [math.inf, -math.inf, 1.5], "c": (1, math.nan), "d": {"e": math.nan}})
    assert json.loads(text) == {"a": None, "b": [None, None, 1.5], "c": [1, None], "d": {"e": None}}


def test_json_is_readable_and_ends_with_a_newline() -> None:
    assert to_json({"name": "Müller, µmol"}) == '{\n  "name": "Müller, µmol"\n}\n'


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    )
)
def test_json_text_is_stable_and_keeps_every_value(value: object) -> None:
    text = to_json(value)
    assert json.loads(text) == value
    assert to_json(json.loads(text)) == text


def test_a_record_keeps_its_numbers_and_says_null_for_the_missing(tmp_path: Path) -> None:
    vial = VialMeasurement(
        vial_id="Gd1",
        material="gadolinium",
        series="gadolinium",
        concentration_mmol_per_l=0.1 + 0.2,
        abscissa=0.1 + 0.2,
        abscissa_unit="mmol/L",
        modality="ct",
        value=math.nan,
        unit="HU",
        used=True,
    )
    write_record(vial, tmp_path / "vial.json")
    read = json.loads((tmp_path / "vial.json").read_text(encoding="utf-8"))
    assert read["abscissa"] == 0.1 + 0.2
    assert read["value"] is None
    assert read["sd"] is None
    assert list(read) == list(VialMeasurement.model_fields)


def test_hashes_are_those_of_the_content(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"one" * 700_000)
    second.write_bytes(b"two")
    assert hash_files([first]) == hashlib.sha256(first.read_bytes()).hexdigest()
    assert hash_files([first, second]) == hashlib.sha256(first.read_bytes() + b"two").hexdigest()
    assert hash_files([first, second]) != hash_files([second, first])


def test_an_input_is_named_without_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(b"x")
    entry = input_file("ct", path)
    assert (entry.role, entry.name) == ("ct", "ct.nii.gz")
    assert entry.sha256 == hashlib.sha256(b"x").hexdigest()


def test_only_run_differs_between_two_provenances() -> None:
    records = [provenance("fit", [], {"by": "material"}, time.perf_counter() - age) for age in (0.0, 5.0)]
    first, second = (r.model_dump() for r in records)
    assert second.pop("run")["duration_s"] - first.pop("run")["duration_s"] == pytest.approx(5.0, abs=0.5)
    assert first == second
    assert first["versions"]["phantomcal"] == __version__
    assert {"python", "numpy", "SimpleITK"} <= set(first["versions"])
    assert isinstance(records[0], Provenance)
