"""The functions of ``import phantomcal as pc``: the commands' numbers without their files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import phantomcal as pc
from phantomcal.steps.fit import fit_step


@pytest.fixture
def vials() -> pd.DataFrame:
    """Gadolinium at six levels in both modalities, close to physics."""
    rng = np.random.default_rng(4)
    levels = np.array([0, 0.5, 1, 2, 4, 8.0])
    rows = [
        {"material": "gadolinium", "modality": modality, "concentration_mmol_per_l": c, "value": b * c + e}
        for modality, b, noise in (("ct", 5.7, 0.3), ("qsm", 0.338, 0.01))
        for c, e in zip(levels, rng.normal(0, noise, 6), strict=True)
    ]
    return pd.DataFrame(rows)


def test_every_name_is_there_and_documented() -> None:
    for name in dir(pc):
        assert name.startswith("__") or getattr(pc, name).__doc__


def test_the_package_loads_without_its_science() -> None:
    code = "import sys, phantomcal; print(sorted(m for m in sys.modules if m in ('pandas', 'numpy', 'phantomcal.api')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'callibrate'"):
        pc.callibrate  # type: ignore[attr-defined]  # noqa: B018


def test_fit_gives_the_numbers_of_the_command(vials: pd.DataFrame, tmp_path: Path) -> None:
    table = tmp_path / "vials.csv"
    vials.to_csv(table, index=False)
    fit_step(table, tmp_path / "out", x="concentration_mmol_per_l", y="value")
    written = json.loads((tmp_path / "out" / "calibration.json").read_text())
    assert pc.fit(table).frame()["slope"].tolist() == [line["slope"] for line in written["lines"]]
    assert pc.fit(vials).frame()["slope"].tolist() == pc.fit(table).frame()["slope"].tolist()


def test_a_stored_calibration_reads_a_sample_back(vials: pd.DataFrame, tmp_path: Path) -> None:
    table = tmp_path / "vials.csv"
    vials.to_csv(table, index=False)
    fit_step(table, tmp_path / "out", x="concentration_mmol_per_l", y="value")
    read = pc.concentration(pc.load_calibration(tmp_path / "out"), hu=22.8, ppm=1.352)
    together = read.frame()
    assert together["concentration_mmol_per_l"].iloc[0] == pytest.approx(4.0, rel=0.05)


def test_a_reading_of_nothing_is_refused(vials: pd.DataFrame) -> None:
    with pytest.raises(pc.InputError, match="nothing to read"):
        pc.concentration(pc.fit(vials))


def test_lesions_are_classified_from_a_frame() -> None:
    lesions = pd.DataFrame(
        {"subject_id": ["a", "b"], "lesion_id": [1, 1], "ct_hu": [70.0, 190.0], "qsm_ppm": [0.3, -0.25]}
    )
    assert pc.classify(lesions).frame()["verdict"].tolist() == ["haemorrhage", "calcification"]


def test_visits_are_tracked_and_an_exact_threshold_counts() -> None:
    visits = pd.DataFrame({"subject_id": ["a", "a"], "lesion_id": [1, 1], "years": [0.0, 1.0], "qsm_ppm": [0.5, 0.53]})
    events = pc.track(visits).frame("event_rates")
    assert events.set_index("event")["events"].to_dict()["threshold"] == 1


def test_a_trial_is_sized_as_published() -> None:
    """Time-averaged difference of means, sigma 1, difference 0.5, two visits, correlation 0.8: 62 per arm."""
    table = pc.power("mean", differences=[0.5], sd=1.0, visits=2, correlation=0.8, power=0.9, alpha=0.1)
    assert table.frame("rows")["n_per_arm"].tolist() == [62]


@pytest.mark.realdata
def test_a_real_table_correlates_as_published(real_data: Path) -> None:
    """Diefenbach et al. 2018, doi 10.1002/mrm.27531."""
    table = real_data / "ct-qsm-bone-rois" / "rois.csv"
    found = pc.correlate(table, x="mean_ct", y="mean_chi", by=None, subject="subject").frame()
    assert found["pearson_r"].iloc[0] == pytest.approx(-0.8001, abs=5e-5)
