"""Published and real examples of region sampling and CT-QSM correlation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from phantomcal.correlation.clustered import WithinSubjects, repeated_measures_correlation
from phantomcal.correlation.compare import compare
from phantomcal.correlation.correlate import correlate
from phantomcal.correlation.expected_iron import iron_mg_per_100g
from phantomcal.correlation.regions import read_lookup, sample_regions
from phantomcal.tables import read_table
from tests.validation.conftest import Published

DIEFENBACH = ("Diefenbach et al., Magn Reson Med 2018", "10.1002/mrm.27531")


@pytest.mark.source(*DIEFENBACH)
@pytest.mark.realdata
@pytest.mark.parametrize("by", ["roi", None])
def test_real_bone_regions(published: Published, real_data: Path, by: str | None) -> None:
    """Regions of two heels: chi = -0.0020 HU + 0.3210, r = -0.800."""
    table = read_table(real_data / "ct-qsm-bone-rois" / "rois.csv")
    found = correlate(table, x="mean_ct", y="mean_chi", by=by, subject="subject")
    (row,) = found.regions
    published("regions and subjects", (row.n, row.n_subjects), (39, 2))
    published("slope of ppm on HU", row.slope, -0.00200643, abs=5e-9)
    published("its intercept, ppm", row.intercept, 0.32099, abs=5e-6)
    published("Pearson's r", row.pearson_r, -0.8001, abs=5e-5)
    published("Spearman's rho", row.spearman_rho, -0.8423, abs=5e-5)
    assert row.behaviour == "diamagnetic"
    said = "39 rows come from two subjects: rows of one subject are not independent"
    assert said in row.note
    assert any(said in words for words in found.warnings)
    # The plain p, 9e-10, takes 39 regions of two heels as 39 people. What is given is of the regions within each.
    assert "repeated-measures correlation within subjects (36 degrees of freedom)" in row.method
    assert row.pearson_p == row.within_p
    assert row.within_r == pytest.approx(-0.80, abs=0.05)
    assert row.pearson_ci95_low is row.spearman_p is row.slope_se is row.bayes_factor_10 is None


@pytest.mark.source(*DIEFENBACH)
@pytest.mark.realdata
@pytest.mark.parametrize(
    ("x", "y", "slope", "intercept", "r"),
    [("mean_ct", "mean_r2s", 0.2540, 46.354, 0.902), ("mean_r2s", "mean_chi", -0.00634, 0.4987, -0.7115)],
)
def test_real_bone_relaxation_rates(
    published: Published, real_data: Path, x: str, y: str, slope: float, intercept: float, r: float
) -> None:
    """The two other lines published for the same rows."""
    table = read_table(real_data / "ct-qsm-bone-rois" / "rois.csv")
    (row,) = correlate(table, x=x, y=y, by=None, subject="subject").regions
    published(f"slope of {y} on {x}", row.slope, slope, rel=1e-3)
    published("its intercept", row.intercept, intercept, rel=1e-3)
    published("its r", row.pearson_r, r, abs=5e-4)


@pytest.mark.source("QSM reconstruction challenge 2016, COSMOS map and its region means", "10.1002/mrm.26830")
@pytest.mark.realdata
def test_real_brain_map_gives_its_24_region_means(published: Published, real_data: Path) -> None:
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
    means = expected["measured_cosmos_ppb"] / 1000
    np.testing.assert_allclose(frame["qsm_ppm"], means, atol=5.1e-5)
    away = np.abs(frame["qsm_ppm"].to_numpy() - means.to_numpy())
    published("24 region means: largest difference from the table, ppm", away.max(), between=(0, 5.2e-5))
    published("voxels of the 24 regions", list(frame["n_voxels"]), list(expected["n_vox"]))
    assert frame.attrs["warnings"] == [
        "Sagittal stratum: 918 of 2758 voxels lie outside the measured part of the map and are left out"
    ]
    masked = sample_regions(labels, read_lookup(folder / "dseg.tsv"), qsm=qsm, mask=mask)
    pd.testing.assert_frame_equal(frame, masked)


@pytest.mark.source("Bland and Altman, BMJ 1995, data as shipped by pingouin", "10.1136/bmj.310.6977.446")
def test_repeated_measures_of_bland_and_altman_1995(published: Published) -> None:
    """BMJ 310 (1995) 446, intramural pH and PaCO2 of eight subjects: r -0.51, p 0.0008; pingouin ships the data."""
    import pingouin

    data = pingouin.read_dataset("rm_corr")
    codes = pd.factorize(data["Subject"])[0].astype(np.int64)
    found = repeated_measures_correlation(data["pH"].to_numpy(), data["PacO2"].to_numpy(), codes)
    assert isinstance(found, WithinSubjects)
    published("repeated-measures correlation", found.r, -0.50677, abs=5e-6)
    published("its degrees of freedom", found.dof, 38)
    published("its p", found.p, 0.000847, abs=5e-7)
    published("its 95 % interval", found.ci95, (-0.71, -0.23), abs=5e-3)
    (row,) = correlate(data, x="pH", y="PacO2", by=None, subject="Subject").regions
    assert "47 rows come from eight subjects" in row.note
    assert "leaving out each of 8 subjects" in row.method
    assert row.within_r == pytest.approx(-0.50677, abs=5e-6)
    assert row.pearson_p is not None
    assert row.pearson_p > 0.05  # pooled, the two are hardly related: the relation lies within subjects
    assert "r is -0.51, 95 % interval -0.71 to -0.23, p 0.00085, 38 degrees of freedom" in row.note


@pytest.mark.source("Anscombe, Am Stat 1973, third set", "10.1080/00031305.1973.10478966")
def test_anscombes_third_set(published: Published) -> None:
    """F. J. Anscombe, Am. Stat. 27 (1973) 17: one outlier; a robust fit's slope is 0.345 to 0.347."""
    x = [10.0, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5]
    y = [7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73]
    found = correlate(pd.DataFrame({"ct_hu": x, "field": y}), y="field", by=None, subject=None)
    (row,) = found.regions
    published("correlate: slope by least squares", row.slope, 0.4997, abs=5e-5)
    published("correlate: robust slope", row.robust_slope, 0.346, abs=1e-3)
    assert (row.skipped_rho, row.n_skipped) == (pytest.approx(1.0), 1)
    assert row.percentage_bend_r == pytest.approx(1.0, abs=1e-4)
    assert "row 4 pulls the line" in row.note  # line 4 of the file is the third point
    assert found.influential[0].row == "4"
    assert found.influential[0].r_without == pytest.approx(1.0, abs=1e-4)


@pytest.mark.source("Bland and Altman, Lancet 1986", "10.1016/S0140-6736(86)90837-8")
@pytest.mark.parametrize("layout", ["column", "rows"])
def test_limits_of_agreement_of_bland_and_altman_1986(published: Published, layout: str) -> None:
    """Lancet 327 (1986) 307, peak flow with two meters: bias -2.118, SD 38.765, limits -78.10 and 73.86."""
    wright = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
    mini = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
    table = pd.DataFrame(
        {"subject_id": range(17), "roi": "lung", "ct_hu": range(17), "a_mini": mini, "b_wright": wright}
    )
    options: dict[str, str] = {"y": "a_mini", "second": "b_wright"}
    if layout == "rows":
        table = table.melt(["subject_id", "roi", "ct_hu"], var_name="meter", value_name="flow")
        options = {"y": "flow", "reader": "meter"}
    found = compare(table, **options)
    rows = {row.quantity: row for row in found.rows}
    bias = rows[f"bias of {options['y']}"]
    how = "compare, readers in columns" if layout == "column" else "compare, readers in rows"
    published(f"{how}: bias, l/min", bias.estimate, -2.118, abs=5e-4)
    published(f"{how}: SD of the differences, l/min", found.agreement[0].bland_altman.sd, 38.765, abs=5e-4)
    published(f"{how}: lower limit of agreement, l/min", rows["lower limit of agreement"].estimate, -78.10, abs=5e-3)
    published(f"{how}: upper limit of agreement, l/min", rows["upper limit of agreement"].estimate, 73.86, abs=5e-3)
    published(f"{how}: p of the bias", bias.p, 0.824, abs=5e-3)


def test_intraclass_correlation_of_shrout_and_fleiss_1979() -> None:
    """Psychol. Bull. 86 (1979) 420, four judges; `compare` is given two of them."""
    from phantomcal.phantom.repeating.agreement import intraclass

    judges = np.array([(9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7)], float)
    six = {icc.form: icc.value for icc in intraclass(judges)}
    expected = {
        "ICC(1,1)": 0.17,
        "ICC(2,1)": 0.29,
        "ICC(3,1)": 0.71,
        "ICC(1,k)": 0.44,
        "ICC(2,k)": 0.62,
        "ICC(3,k)": 0.91,
    }
    assert six == pytest.approx(expected, abs=5e-3)
    table = pd.DataFrame(
        {"subject_id": range(6), "roi": "a", "ct_hu": range(6), "one": judges[:, 0], "two": judges[:, 1]}
    )
    rows = {row.quantity: row for row in compare(table, y="one", second="two").rows}
    by_hand = {icc.form: icc.value for icc in intraclass(judges[:, :2])}
    assert rows["ICC(2,1)"].estimate == by_hand["ICC(2,1)"]


@pytest.mark.source("Hallgren and Sourander, J Neurochem 1958", "10.1111/j.1471-4159.1958.tb12607.x")
def test_iron_of_hallgren_and_sourander_1958(published: Published) -> None:
    """J. Neurochem. 3 (1958) 41: iron in mg per 100 g of fresh tissue at birth, at 50 years, and where it ends."""
    age = np.array([0.0, 50.0, 1000.0])
    curves = {
        "pallidum": [0.37, 21.54216, 21.78],
        "putamen": [0.46, 13.10140, 15.08],
        "caudate": [0.33, 9.19706, 9.99],
        "frontal cortex": [0.03, 3.35031, 3.87],
    }
    for region, iron in curves.items():
        found = iron_mg_per_100g(region, age)
        published(f"iron of the {region} at 0, 50 and 1000 years, mg/100 g", found, iron, abs=1e-4)
