"""Choices of region sampling: each does what it says, is recorded, and refuses what it cannot do."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from scipy import ndimage

from phantomcal.cli import main
from phantomcal.correlation.regions import Sampling, sample_regions
from phantomcal.errors import InputError


def image(array: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> sitk.Image:
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(spacing)
    return made


@pytest.fixture
def labels() -> np.ndarray:
    """Left and right putamen, a caudate on the left only, and a ventricle."""
    array = np.zeros((14, 20, 24), np.uint16)
    array[2:9, 3:10, 3:10], array[2:9, 3:10, 14:21] = 11, 50
    array[2:9, 12:18, 3:9] = 12
    array[10:13, 4:16, 10:14] = 4
    return array


LOOKUP = pd.DataFrame(
    {"index": [11, 50, 12, 4], "name": ["Left-Putamen", "Right-Putamen", "Left-Caudate", "Lateral-Ventricle"]}
)


@pytest.fixture
def ppm(labels: np.ndarray) -> np.ndarray:
    level = np.zeros(51)
    level[[11, 50, 12, 4]] = 0.10, 0.14, 0.06, 0.02
    return np.asarray(level[labels] + np.random.default_rng(2).normal(0, 0.01, labels.shape))


def test_sides_are_merged_into_one_region_of_all_voxels(labels: np.ndarray, ppm: np.ndarray) -> None:
    frame = sample_regions(image(labels), LOOKUP, qsm=image(ppm), sampling=Sampling(merge_hemispheres=True))
    assert list(frame["roi"]) == ["Lateral-Ventricle", "Putamen", "Caudate"]
    assert list(frame["label"]) == [4, 11, 12]
    assert set(frame["hemisphere"]) == {""}
    both = np.isin(labels, [11, 50])
    putamen = frame[frame["roi"] == "Putamen"].iloc[0]
    assert putamen["n_voxels"] == both.sum()
    assert putamen["qsm_ppm"] == pytest.approx(ppm[both].mean(), rel=1e-12)
    assert putamen["qsm_sd_ppm"] == pytest.approx(ppm[both].std(ddof=1), rel=1e-9)
    assert "Caudate: only its left side is in the map" in frame.attrs["warnings"]
    assert set(frame["sampling"]) == {"sides merged"}


@pytest.mark.parametrize("distance", [0.9, 1.0, 1.5, 2.0, 2.9])
def test_erosion_in_mm_leaves_what_is_further_from_every_other_label(labels: np.ndarray, distance: float) -> None:
    """Against distance maps of each label, on voxels that are no cubes."""
    spacing = (1.0, 1.4, 2.0)
    frame = sample_regions(
        image(labels, spacing), qsm=image(labels + 1.0, spacing), sampling=Sampling(erode_mm=distance)
    )
    for row in frame.itertuples():
        padded = np.pad(labels == row.label, 3)
        depth = ndimage.distance_transform_edt(padded, sampling=spacing[::-1])
        assert row.n_voxels == (depth > distance + 1e-6).sum()


def test_an_hu_window_keeps_or_leaves_out_the_same_voxels_of_both(labels: np.ndarray, ppm: np.ndarray) -> None:
    hu = np.full(labels.shape, 40.0)
    stone = (labels == 11) & (np.indices(labels.shape)[2] < 6)
    hu[stone] = 300.0
    ppm[stone] = -0.5
    both = {"ct": image(hu), "qsm": image(ppm)}
    without = sample_regions(
        image(labels), LOOKUP, **both, sampling=Sampling(hu_window=(100, 3000), hu_window_mode="out")
    ).set_index("label")
    only = sample_regions(image(labels), LOOKUP, **both, sampling=Sampling(hu_window=(100, 3000))).set_index("label")
    kept = (labels == 11) & ~stone
    assert without.loc[11, "n_voxels"] == kept.sum()
    assert without.loc[11, "qsm_ppm"] == pytest.approx(ppm[kept].mean())
    assert without.loc[11, "ct_hu"] == 40.0
    assert f"{stone.sum()} of {(labels == 11).sum()} voxels are left out by the HU window" in without.loc[11, "note"]
    assert only.loc[11, "n_voxels"] == stone.sum()
    assert only.loc[11, "qsm_ppm"] == -0.5
    assert only.loc[50, "flag"] == "vanished"
    assert np.isnan(only.loc[50, "qsm_ppm"])
    assert set(only["sampling"]) == {"only 100 to 3000 HU"}
    assert set(without["sampling"]) == {"without 100 to 3000 HU"}


@pytest.mark.parametrize("reference", ["Lateral-Ventricle", "lateral-ventricle", "whole-brain"])
def test_a_reference_is_subtracted_and_recorded(labels: np.ndarray, ppm: np.ndarray, reference: str) -> None:
    plain = sample_regions(image(labels), LOOKUP, qsm=image(ppm), ct=image(ppm * 300))
    frame = sample_regions(
        image(labels), LOOKUP, qsm=image(ppm), ct=image(ppm * 300), sampling=Sampling(reference=reference)
    )
    value = ppm[labels == 4].mean() if reference != "whole-brain" else ppm.mean()
    assert frame["qsm_reference_ppm"].tolist() == pytest.approx([value] * 4)
    assert (plain["qsm_ppm"] - frame["qsm_ppm"]).to_numpy() == pytest.approx(value)
    assert (plain["qsm_median_ppm"] - frame["qsm_median_ppm"]).to_numpy() == pytest.approx(value)
    assert frame["ct_hu"].tolist() == plain["ct_hu"].tolist()
    assert frame["qsm_sd_ppm"].tolist() == plain["qsm_sd_ppm"].tolist()
    own = frame["label"] != 4
    together = np.hypot(plain["qsm_sem_ppm"], frame["qsm_reference_sem_ppm"])
    assert frame.loc[own, "qsm_sem_ppm"].tolist() == pytest.approx(together[own].tolist())
    if reference != "whole-brain":
        assert frame.loc[~own, "qsm_ppm"].item() == pytest.approx(0.0, abs=1e-12)
        assert "it is the reference" in frame.loc[~own, "note"].item()
        assert np.isnan(frame.loc[~own, "qsm_sem_ppm"].item())
    assert set(plain["reference"]) == {"none"}
    assert plain["qsm_reference_ppm"].isna().all()


def test_a_reference_without_its_side_is_both_sides(labels: np.ndarray, ppm: np.ndarray) -> None:
    frame = sample_regions(image(labels), LOOKUP, qsm=image(ppm), sampling=Sampling(reference="putamen"))
    assert frame["qsm_reference_ppm"].iloc[0] == pytest.approx(ppm[np.isin(labels, [11, 50])].mean())


def test_a_reference_known_already_is_used(labels: np.ndarray, ppm: np.ndarray) -> None:
    """As lesions use the reference of the regions' map."""
    how = Sampling(reference="CSF")
    frame = sample_regions(image(labels), LOOKUP, qsm=image(ppm), sampling=how, reference_ppm=(0.05, 0.001))
    assert frame.loc[1, "qsm_ppm"] == pytest.approx(ppm[labels == 11].mean() - 0.05)
    assert set(frame["qsm_reference_sem_ppm"]) == {0.001}


def test_percentiles_have_their_columns(labels: np.ndarray, ppm: np.ndarray) -> None:
    frame = sample_regions(image(labels), qsm=image(ppm), sampling=Sampling(percentiles=(5.0, 50.0, 97.5)))
    own = ppm[labels == 12]
    row = frame[frame["label"] == 12].iloc[0]
    assert row["qsm_p5_ppm"] == pytest.approx(np.percentile(own, 5))
    assert row["qsm_median_ppm"] == pytest.approx(np.median(own))
    assert row["qsm_p97.5_ppm"] == pytest.approx(np.percentile(own, 97.5))
    assert np.isnan(row["ct_median_hu"])


def test_only_the_regions_asked_for_and_an_error_by_name(labels: np.ndarray, ppm: np.ndarray) -> None:
    how = Sampling(regions=("left-caudate", "Right-Putamen"))
    frame = sample_regions(image(labels), LOOKUP, qsm=image(ppm), sampling=how)
    assert dict(zip(frame["roi"], frame["label"], strict=True)) == {"Left-Caudate": 12, "Right-Putamen": 50}
    with pytest.raises(InputError, match=r"no region 'Left-Putamn'.*Left-Putamen"):
        sample_regions(image(labels), LOOKUP, qsm=image(ppm), sampling=Sampling(regions=("Left-Putamn",)))
    more = pd.concat([LOOKUP, pd.DataFrame({"index": [77], "name": ["Red-Nucleus"]})])
    with pytest.raises(InputError, match="'Red-Nucleus' is in the lookup table but in no voxel"):
        sample_regions(image(labels), more, qsm=image(ppm), sampling=Sampling(regions=("Red-Nucleus",)))


def test_labels_on_another_grid_read_the_map_by_one_interpolation(labels: np.ndarray) -> None:
    """A map that is a plane in space: its value at the centre of every labelled voxel is known."""
    k, j, i = np.indices((12, 14, 16))
    qsm = image(0.01 * (2.0 * i) + 0.02 * (2.0 * j) - 0.005 * (2.0 * k) + 1.0, (2.0, 2.0, 2.0))
    frame = sample_regions(image(labels), qsm=qsm, qsm_transform=sitk.Transform(3, sitk.sitkIdentity))
    for row in frame.itertuples():
        z, y, x = np.nonzero(labels == row.label)
        assert row.qsm_ppm == pytest.approx((0.01 * x + 0.02 * y - 0.005 * z + 1.0).mean(), abs=1e-9)
        assert row.qsm_n_effective <= row.n_voxels / 8 + 1e-9
    with pytest.raises(InputError, match=r"another grid than the QSM map.*--qsm-transform"):
        sample_regions(image(labels), qsm=qsm)


def test_a_warped_ct_is_read_through_its_displacement(labels: np.ndarray) -> None:
    """A transform that is no matrix goes another way to the same values."""
    k, j, i = np.indices(labels.shape)
    ct = image(3.0 * i + 2.0 * j - k)
    field = sitk.GetImageFromArray(np.broadcast_to([0.5, 0.25, 0.0], (*labels.shape, 3)).copy(), isVector=True)
    warped = sample_regions(image(labels), ct=ct, transform=sitk.DisplacementFieldTransform(field))
    shifted = sample_regions(image(labels), ct=ct, transform=sitk.TranslationTransform(3, (0.5, 0.25, 0.0)))
    assert warped["ct_hu"].tolist() == pytest.approx(shifted["ct_hu"].tolist(), abs=1e-9)
    plain = sample_regions(image(labels), ct=ct)
    assert (warped["ct_hu"] - plain["ct_hu"]).tolist() == pytest.approx([2.0] * 4, abs=1e-9)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"erode_mm": -1.0}, "cannot erode by -1 mm"),
        ({"trim_percent": 50.0}, "cannot trim 50 %"),
        ({"hu_window": (100.0, 100.0)}, "an empty HU window"),
        ({"hu_window_mode": "outside"}, "unknown HU window mode"),
        ({"percentiles": (101.0,)}, "no percentile 101"),
    ],
)
def test_impossible_choices_are_refused(choices: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Sampling(**choices)  # type: ignore[arg-type]


def test_choices_that_need_another_image_are_refused(labels: np.ndarray, ppm: np.ndarray) -> None:
    for how, words in (
        (Sampling(hu_window=(0, 80)), "an HU window without a CT"),
        (Sampling(reference="CSF"), "no reference region 'CSF'.*whole-brain"),
        (Sampling(erode_voxels=9), "erosion leaves nothing of any region"),
    ):
        with pytest.raises(InputError, match=words):
            sample_regions(image(labels), LOOKUP, qsm=image(ppm), sampling=how)
    with pytest.raises(InputError, match="a reference without a QSM map"):
        sample_regions(image(labels), ct=image(ppm), sampling=Sampling(reference="CSF"))


def test_very_large_labels_are_labels_too(labels: np.ndarray, ppm: np.ndarray) -> None:
    far = labels.astype(np.uint32) * 60_000_000
    a, b = (sample_regions(image(map_), qsm=image(ppm)) for map_ in (labels, far))
    assert b["label"].tolist() == [int(k) * 60_000_000 for k in a["label"]]
    pd.testing.assert_frame_equal(a.drop(columns=["label", "roi"]), b.drop(columns=["label", "roi"]))


def test_the_command_has_every_choice(
    labels: np.ndarray,
    ppm: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hu = np.where(labels > 0, 40 + 100 * ppm, 5.0)
    hu[0] = -1000
    for name, array in (("labels", labels), ("qsm", ppm.astype(np.float32)), ("ct", hu.astype(np.float32))):
        sitk.WriteImage(image(array), str(tmp_path / f"{name}.nii.gz"))
    table = "\n".join(f"{k} {name} 1 2 3 0" for k, name in zip(LOOKUP["index"], LOOKUP["name"], strict=True))
    (tmp_path / "lut.txt").write_text("# FreeSurfer\n" + table)
    call = ["--labels", "labels.nii.gz", "--lookup", "lut.txt", "--qsm", "qsm.nii.gz", "--ct", "ct.nii.gz"]
    call += ["--erode-mm", "1", "--trim", "5", "--hu-window", "0", "100", "--merge-hemispheres", "--min-voxels", "3"]
    call += ["--reference", "Lateral-Ventricle", "--percentile", "5", "--percentile", "95", "-o", "out.csv"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["phantomcal", "sample", *call])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0, capsys.readouterr().err
    frame = pd.read_csv(tmp_path / "out.csv")
    assert list(frame["roi"]) == ["Lateral-Ventricle", "Putamen", "Caudate"]
    assert {"ct_p5_hu", "qsm_p95_ppm"} <= set(frame.columns)
    assert frame["sampling"].iloc[0] == (
        "eroded 1 mm, only 0 to 100 HU, trimmed 5 % at either end, sides merged, at least 3 voxels"
    )
    assert frame["reference"].iloc[0] == "Lateral-Ventricle"
