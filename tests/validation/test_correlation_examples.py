"""Published and real examples of region sampling and CT-QSM correlation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from phantomcal.correlation.association import WithinSubjects, repeated_measures_correlation
from phantomcal.correlation.correlate import correlate
from phantomcal.correlation.regions import read_lookup, sample_regions
from phantomcal.tables import read_table


@pytest.mark.realdata
@pytest.mark.parametrize("by", ["roi", None])
def test_real_bone_regions(real_data: Path, by: str | None) -> None:
    """Diefenbach et al., Magn Reson Med 2018, 10.1002/mrm.27531: chi = -0.0020 HU + 0.3210, r = -0.800."""
    table = read_table(real_data / "ct-qsm-bone-rois" / "rois.csv")
    found = correlate(table, x="mean_ct", y="mean_chi", by=by, subject="subject")
    (row,) = found.regions
    assert (row.n, row.n_subjects) == (39, 2)
    assert row.slope == pytest.approx(-0.00200643, abs=5e-9)
    assert row.intercept == pytest.approx(0.32099, abs=5e-6)
    assert row.pearson_r == pytest.approx(-0.8001, abs=5e-5)
    assert row.spearman_rho == pytest.approx(-0.8423, abs=5e-5)
    assert row.behaviour == "diamagnetic"
    said = "39 rows come from two subjects: rows of one subject are not independent"
    assert said in row.note
    assert any(said in words for words in found.warnings)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("x", "y", "slope", "intercept", "r"),
    [("mean_ct", "mean_r2s", 0.2540, 46.354, 0.902), ("mean_r2s", "mean_chi", -0.00634, 0.4987, -0.7115)],
)
def test_real_bone_relaxation_rates(real_data: Path, x: str, y: str, slope: float, intercept: float, r: float) -> None:
    """The two other lines published for the same rows."""
    table = read_table(real_data / "ct-qsm-bone-rois" / "rois.csv")
    (row,) = correlate(table, x=x, y=y, by=None, subject="subject").regions
    assert row.slope == pytest.approx(slope, rel=1e-3)
    assert row.intercept == pytest.approx(intercept, rel=1e-3)
    assert row.pearson_r == pytest.approx(r, abs=5e-4)


@pytest.mark.realdata
def test_real_brain_map_gives_its_24_region_means(real_data: Path) -> None:
    """COSMOS map of the 2016 QSM challenge. 918 voxels of the sagittal stratum lie outside the map's mask."""
    folder = real_data / "qsm-brain-cosmos"
    labels = sitk.ReadImage(str(folder / "sub-01_desc-atlas_dseg.nii.gz"))
    qsm = sitk.ReadImage(str(folder / "sub-01_Chimap.nii.gz"))
    mask = sitk.ReadImage(str(folder / "sub-01_desc-brain_mask.nii.gz"))
    expected = pd.read_csv(folder / "dseg.tsv", sep="\t")
    frame = sample_regions(labels, read_lookup(folder / "dseg.tsv"), qsm=qsm)
    assert list(frame["roi"]) == list(expected["name"])
    assert len(frame) == 24
    # The lookup table is printed to 0.1 ppb.
    np.testing.assert_allclose(frame["qsm_ppm"], expected["measured_cosmos_ppb"] / 1000, atol=5.1e-5)
    assert list(frame["n_voxels"]) == list(expected["n_vox"])
    assert frame.attrs["warnings"] == [
        "Sagittal stratum: 918 of 2758 voxels lie outside the measured part of the map and are left out"
    ]
    masked = sample_regions(labels, read_lookup(folder / "dseg.tsv"), qsm=qsm, mask=mask)
    pd.testing.assert_frame_equal(frame, masked)


def test_repeated_measures_of_bland_and_altman_1995() -> None:
    """BMJ 310 (1995) 446, intramural pH and PaCO2 of eight subjects: r -0.51, p 0.0008; pingouin ships the data."""
    import pingouin

    data = pingouin.read_dataset("rm_corr")
    codes = pd.factorize(data["Subject"])[0].astype(np.int64)
    found = repeated_measures_correlation(data["pH"].to_numpy(), data["PacO2"].to_numpy(), codes)
    assert isinstance(found, WithinSubjects)
    assert found.r == pytest.approx(-0.50677, abs=5e-6)
    assert found.dof == 38
    assert found.p == pytest.approx(0.000847, abs=5e-7)
    assert found.ci95 == pytest.approx((-0.71, -0.23), abs=5e-3)
    (row,) = correlate(data, x="pH", y="PacO2", by=None, subject="Subject").regions
    assert "47 rows come from eight subjects" in row.note
    assert "r is -0.51, 95 % interval -0.71 to -0.23, p 0.00085, 38 degrees of freedom" in row.note
