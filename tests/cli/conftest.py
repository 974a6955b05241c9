"""The command line called as a user would, in this process."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.cli import main
from phantomcal.phantom.finding.candidates import expected_values
from phantomcal.protocol import load_protocol
from tests.phantom.drawn import drawn_phantom


class Outcome(NamedTuple):
    """Exit code and what was printed."""

    code: int
    out: str
    err: str


Call = Callable[..., Outcome]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run ``phantomcal ARGS`` and return code, stdout and stderr."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["phantomcal", *(str(a) for a in arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capsys.readouterr()
        return Outcome(int(stop.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def phantom_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small QSM map (ppm) of the simulated phantom's layout."""
    protocol = load_protocol("simulated-gd-ca")
    image, _ = drawn_phantom(protocol, expected_values(protocol, "qsm"), angle_deg=70, noise=0.02)
    path = tmp_path_factory.mktemp("phantom") / "scan_Chimap.nii.gz"
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def volume(tmp_path: Path) -> Callable[..., Path]:
    """Write an array as NIfTI and return its path."""

    def write(
        array: np.ndarray,
        name: str = "volume.nii.gz",
        origin: tuple[float, ...] = (0.0, 0.0, 0.0),
        vector: bool = False,
    ) -> Path:
        image = sitk.GetImageFromArray(array, isVector=vector)
        if image.GetDimension() == 3:
            image.SetOrigin(origin)
        path = tmp_path / name
        sitk.WriteImage(image, str(path))
        return path

    return write
