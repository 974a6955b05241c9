"""Fixtures shared by all tests."""

import os
from pathlib import Path

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that gives the same numbers in every run."""
    return np.random.default_rng(20200)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data sets; tests that need it skip where it is absent, but never in CI."""
    folder = Path(os.environ.get("PHANTOMCAL_REALDATA", _BESIDE))
    if not folder.is_dir():
        message = f"no real data at {folder}: set PHANTOMCAL_REALDATA"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder
