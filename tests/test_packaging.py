"""The wheel holds all that the program needs, and nothing that it does not."""

import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel as pip makes it, from a copy of what it is made of, with the build backend that is installed."""
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("phantomcal", "protocols", "reports/templates"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = out.glob("*.whl")
    return zipfile.ZipFile(made)


def test_every_module_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    expected = {path.relative_to(ROOT).as_posix() for path in (ROOT / "phantomcal").rglob("*.py*") if path.is_file()}
    expected = {name for name in expected if "__pycache__" not in name}
    assert expected <= set(wheel.namelist())
    assert {"phantomcal/__init__.pyi", "phantomcal/py.typed"} <= set(wheel.namelist())


@pytest.mark.parametrize(
    ("folder", "place"),
    [("protocols", "phantomcal/_shipped/protocols"), ("reports/templates", "phantomcal/_shipped/templates")],
)
def test_protocols_and_templates_are_in_the_wheel_as_they_are(wheel: zipfile.ZipFile, folder: str, place: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert wheel.read(f"{place}/{path.relative_to(ROOT / folder).as_posix()}") == path.read_bytes()


def test_nothing_else_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"phantomcal"}
    assert not [name for name in names if name.endswith((".pyc", ".nii", ".nii.gz", ".dcm", ".csv"))]
    assert sum(info.compress_size for info in wheel.infolist()) < 3_000_000


def test_what_the_wheel_says_of_itself(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    said = Parser().parsestr(wheel.read(name).decode())
    assert said["Name"] == "phantomcal"
    assert said["Requires-Python"] == ">=3.11"
    assert {"physics", "postgres", "dicom"} <= set(said.get_all("Provides-Extra") or [])
    (points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "phantomcal = phantomcal.cli:main" in wheel.read(points).decode()
