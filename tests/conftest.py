"""Fixtures shared by all tests."""

import os
from pathlib import Path

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


def require_in_ci(there: bool, message: str) -> None:
    """Skip a test whose data or program is absent, with the reason; where `CI` is set it fails instead."""
    if there:
        return
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that gives the same numbers in every run."""
    return np.random.default_rng(20200)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data sets; tests that need it skip where it is absent, but never in CI."""
    folder = Path(os.environ.get("PHANTOMCAL_REALDATA", _BESIDE))
    require_in_ci(folder.is_dir(), f"no real data at {folder}: set PHANTOMCAL_REALDATA")
    return folder
