"""Region statistics of both modalities: known values back, nothing padded in, nothing shifted, everything said."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from phantomcal.correlation.correlate import correlate
from phantomcal.correlation.regions import Sampling, hemisphere, read_lookup, sample_regions
from phantomcal.errors import InputError
from phantomcal.tables import read_table

OBLIQUE = (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0)


def image(
    array: np.ndarray,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
) -> sitk.Image:
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(spacing)
    made.SetOrigin(origin)
    made.SetDirection(direction)
    return made


@pytest.fixture
def labels_array() -> np.ndarray:
    """Three blocks on a 20 x 16 x 12 grid; 1 and 2 touch, 40 stands alone."""
    array = np.zeros((12, 16, 20), dtype=np.uint16)
    array[2:8, 3:9, 4:10] = 1
    array[2:8, 3:9, 10:15] = 2
    array[9:11, 12:15, 2:6] = 40
    return array


def lookup(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"index": [1, 2, 40][: len(names)], "name": list(names)})


def test_means_and_spreads_are_those_of_the_voxels(labels_array: np.ndarray, rng: np.random.Generator) -> None:
    qsm = rng.normal(0.05, 0.02, labels_array.shape).astype(np.float32)
    # A large offset with a small spread: a one-pass variance would lose it.
    hu = (1e5 + rng.normal(0, 1, labels_array.shape)).astype(np.float64)
    frame = sample_regions(
        image(labels_array), lookup("left putamen", "right putamen", "dentate"), qsm=image(qsm), ct=image(hu)
    )
    assert list(frame.columns[:7]) == ["roi", "hemisphere", "n_voxels", "ct_hu", "ct_sd_hu", "qsm_ppm", "qsm_sd_ppm"]
    assert list(frame["roi"]) == ["left putamen", "right putamen", "dentate"]
    assert list(frame["hemisphere"]) == ["left", "right", ""]
    for row, label in zip(frame.itertuples(), (1, 2, 40), strict=True):
        own = labels_array == label
        assert row.n_voxels == row.ct_n_voxels == own.sum()
        assert row.ct_coverage == 1.0
        assert row.qsm_ppm == pytest.approx(qsm[own].astype(float).mean(), rel=1e-12)
        assert row.qsm_sd_ppm == pytest.approx(qsm[own].astype(float).std(ddof=1), rel=1e-9)
        assert row.qsm_sem_ppm == pytest.approx(row.qsm_sd_ppm / np.sqrt(row.qsm_n_effective), rel=0.25)  # white noise
        assert row.ct_hu == pytest.approx(hu[own].mean(), rel=1e-12)
        assert row.ct_sd_hu == pytest.approx(hu[own].std(ddof=1), rel=1e-6)
        assert row.volume_mm3 == own.sum()
        assert row.note == ""


def test_ct_is_read_through_the_transform_where_the_label_lies(labels_array: np.ndarray) -> None:
    """A CT that is a plane in space, on another, oblique grid: its value at any point is known exactly."""
    labels = image(labels_array, (1.2, 1.0, 2.0), (-10.0, 5.0, 3.0), OBLIQUE)
    transform = sitk.Euler3DTransform((2.0, 9.0, 12.0), 0.2, -0.1, 0.4, (15.0, -6.0, 8.0))
    gradient = np.array([3.0, -2.0, 1.5])
    ct = image(np.zeros((60, 80, 90), dtype=np.float32), (0.9, 0.9, 1.7), (-40.0, -40.0, -30.0))
    index = np.indices(sitk.GetArrayFromImage(ct).shape)[::-1].reshape(3, -1).T
    points = index * np.array(ct.GetSpacing()) + np.array(ct.GetOrigin())
    values = (100.0 + points @ gradient).reshape(sitk.GetArrayFromImage(ct).shape)
    frame = sample_regions(labels, ct=image(values, ct.GetSpacing(), ct.GetOrigin()), transform=transform)
    for row, label in zip(frame.itertuples(), (1, 2, 40), strict=True):
        voxels = np.argwhere(labels_array == label)[:, ::-1].tolist()
        moved = np.array([transform.TransformPoint(labels.TransformIndexToPhysicalPoint(v)) for v in voxels])
        expected = 100.0 + moved @ gradient
        assert row.ct_coverage == 1.0
        assert row.ct_hu == pytest.approx(expected.mean(), abs=1e-6)
        assert row.ct_sd_hu == pytest.approx(expected.std(ddof=1), abs=1e-6)
    assert frame["qsm_ppm"].isna().all()


def test_voxels_outside_the_ct_are_counted_never_padded_in(labels_array: np.ndarray) -> None:
    # This CT ends after x index 11: region 2 (10 to 14) is cut, region 40 (2 to 5) and 1 (4 to 9) are whole.
    ct = image(np.full((12, 16, 12), 50.0, dtype=np.float32))
    frame = sample_regions(image(labels_array), ct=ct).set_index("roi")
    assert list(frame["ct_hu"]) == [50.0, 50.0, 50.0]
    assert frame.loc["label-2", "ct_coverage"] == pytest.approx(2 / 5)
    assert frame.loc["label-2", "ct_n_voxels"] == 72
    assert "60.0 % of it lies outside the CT" in frame.loc["label-2", "note"]
    assert frame.loc[["label-1", "label-40"], "ct_coverage"].tolist() == [1.0, 1.0]


def test_a_region_wholly_outside_the_ct_has_no_ct_value(labels_array: np.ndarray) -> None:
    ct = image(np.full((12, 16, 9), 50.0, dtype=np.float32))
    frame = sample_regions(image(labels_array), ct=ct, qsm=image(np.full(labels_array.shape, 0.1))).set_index("roi")
    assert np.isnan(frame.loc["label-2", "ct_hu"])
    assert frame.loc["label-2", "qsm_ppm"] == pytest.approx(0.1)
    assert frame.loc["label-2", "note"] == "it lies outside the CT"
    assert "label-2: it lies outside the CT" in frame.attrs["warnings"]


def test_interpolated_ct_does_not_pretend_to_more_independent_voxels(labels_array: np.ndarray) -> None:
    thick = image(np.random.default_rng(1).normal(40, 5, (6, 16, 20)), (1.0, 1.0, 4.0), (0.0, 0.0, -1.0))
    row = sample_regions(image(labels_array), ct=thick).iloc[0]
    assert row["ct_n_effective"] <= row["ct_n_voxels"] / 4
    own = sample_regions(image(labels_array), ct=image(np.random.default_rng(1).normal(40, 5, labels_array.shape)))
    assert own.iloc[0]["ct_n_effective"] > 0.5 * own.iloc[0]["ct_n_voxels"]


def test_the_zero_background_of_a_map_is_no_measurement_but_a_rounded_zero_is(labels_array: np.ndarray) -> None:
    qsm = np.full(labels_array.shape, 0.1)
    qsm[:, :, 13:] = 0.0  # the map's mask ends inside region 2
    qsm[4, 5, 6] = 0.0  # one voxel of region 1 that is 0 by value
    frame = sample_regions(image(labels_array), qsm=image(qsm)).set_index("roi")
    assert frame.loc["label-2", "qsm_ppm"] == pytest.approx(0.1)
    assert frame.loc["label-2", "n_voxels"] == 36 * 3
    assert "72 of 180 voxels lie outside the measured part" in frame.loc["label-2", "note"]
    assert frame.loc["label-1", "n_voxels"] == 216
    assert frame.loc["label-1", "qsm_ppm"] == pytest.approx(0.1 * 215 / 216)


def test_ct_is_averaged_over_the_voxels_the_map_measured(labels_array: np.ndarray) -> None:
    """Both means of a region are of the same tissue, or their relation means nothing."""
    qsm = np.full(labels_array.shape, 0.1)
    qsm[:, :, 13:] = 0.0
    hu = np.where(np.arange(20) < 13, 40.0, 400.0) * np.ones(labels_array.shape)
    row = sample_regions(image(labels_array), qsm=image(qsm), ct=image(hu)).iloc[1]
    assert row["ct_hu"] == 40.0
    assert row["ct_n_voxels"] == row["n_voxels"] == 108
    assert row["ct_coverage"] == 1.0


def test_table_written_and_read_again_correlates(labels_array: np.ndarray, tmp_path: Path) -> None:
    """The way from label maps to a verdict through the file a user keeps: CT = 1000 x QSM + 30 + noise."""
    made = np.random.default_rng(4)
    parts = []
    for i in range(12):
        levels = made.normal(0.1, 0.03, 41)
        qsm = levels[labels_array]
        hu = 30 + 1000 * qsm + made.normal(0, 3, qsm.shape)
        names = lookup("left putamen", "right putamen", "dentate")
        parts.append(
            sample_regions(image(labels_array), names, qsm=image(qsm), ct=image(hu), subject_id=f"{i:02d}", session="")
        )
    pd.concat(parts).to_csv(tmp_path / "regions.csv", index=False)
    found = correlate(read_table(tmp_path / "regions.csv"))
    assert [(row.roi, row.n, row.n_subjects) for row in found.regions] == [
        ("dentate", 12, 12),
        ("left putamen", 12, 12),
        ("right putamen", 12, 12),
    ]
    for row in found.regions:
        assert row.behaviour == "paramagnetic"
        assert row.slope == pytest.approx(1e-3, rel=0.1)


def test_a_mask_says_what_was_measured(labels_array: np.ndarray) -> None:
    qsm = np.full(labels_array.shape, 0.1)
    qsm[:, :, 13:] = 0.0
    everywhere = sample_regions(image(labels_array), qsm=image(qsm), mask=image(np.ones(qsm.shape, dtype=np.uint8)))
    assert everywhere.loc[1, "qsm_ppm"] == pytest.approx(0.06)
    mask = np.ones(qsm.shape, dtype=np.uint8)
    mask[:, :, 12:] = 0
    assert sample_regions(image(labels_array), qsm=image(qsm), mask=image(mask)).loc[1, "n_voxels"] == 72


def test_not_a_number_is_left_out_and_counted(labels_array: np.ndarray) -> None:
    qsm = np.full(labels_array.shape, 0.1)
    qsm[3, 4, 5:8] = np.nan
    row = sample_regions(image(labels_array), qsm=image(qsm)).iloc[0]
    assert row["qsm_ppm"] == pytest.approx(0.1)
    assert row["n_voxels"] == 213
    assert "3 of 216 voxels" in row["note"]


def test_lookup_and_image_that_differ_are_said_and_never_shift_a_row(labels_array: np.ndarray) -> None:
    qsm = image(labels_array.astype(np.float64) / 100 + 0.01)
    names = pd.DataFrame({"index": [40, 7, 1], "name": ["dentate", "red nucleus", "putamen"]})
    frame = sample_regions(image(labels_array), names, qsm=qsm)
    assert dict(zip(frame["roi"], frame["qsm_ppm"].round(6), strict=True)) == {
        "putamen": 0.02,
        "label-2": 0.03,
        "dentate": 0.41,
    }
    assert "not in the lookup table: label-2" in frame.attrs["warnings"]
    assert any("red nucleus (7)" in words and "left out" in words for words in frame.attrs["warnings"])


def test_erosion_peels_both_neighbours_and_says_when_nothing_is_left(labels_array: np.ndarray) -> None:
    qsm = image(np.full(labels_array.shape, 0.1))
    frame = sample_regions(image(labels_array), qsm=qsm, sampling=Sampling(erode_voxels=1)).set_index("roi")
    assert frame["n_voxels"].to_dict() == {"label-1": 4 * 4 * 4, "label-2": 4 * 4 * 3, "label-40": 0}
    assert frame.loc["label-40", "note"] == "erosion leaves nothing of its 24 voxels"
    assert np.isnan(frame.loc["label-40", "qsm_ppm"])


def test_small_regions_get_no_values_when_a_minimum_is_asked(labels_array: np.ndarray) -> None:
    frame = sample_regions(
        image(labels_array), qsm=image(np.full(labels_array.shape, 0.1)), sampling=Sampling(min_voxels=30)
    )
    small = frame[frame["roi"] == "label-40"].iloc[0]
    assert np.isnan(small["qsm_ppm"])
    assert "24 voxels are fewer than the 30 asked for" in small["note"]
    assert frame["qsm_ppm"].notna().sum() == 2


def test_air_inside_a_region_is_pointed_out(labels_array: np.ndarray) -> None:
    hu = np.full(labels_array.shape, 40.0)
    hu[9:11, 12:15, 2] = -1000.0
    frame = sample_regions(image(labels_array), ct=image(hu)).set_index("roi")
    assert "6 voxels read as air (below -900 HU)" in frame.loc["label-40", "note"]
    assert frame.loc["label-1", "note"] == ""


def test_subject_and_session_lead_when_given(labels_array: np.ndarray) -> None:
    qsm = image(np.full(labels_array.shape, 0.1))
    frame = sample_regions(image(labels_array), qsm=qsm, subject_id="sub-07", session="")
    assert list(frame.columns[:3]) == ["subject_id", "session", "roi"]
    assert set(frame["subject_id"]) == {"sub-07"}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), axis=st.integers(0, 2), shift=st.integers(1, 5))
def test_moving_everything_moves_nothing(seed: int, axis: int, shift: int) -> None:
    """Shifting and cropping labels and map together, or renumbering labels, changes no statistic."""
    made = np.random.default_rng(seed)
    array = made.integers(0, 4, (8, 9, 10)).astype(np.int32)
    qsm = made.normal(0, 0.1, array.shape)
    base = sample_regions(image(array), qsm=image(qsm))
    padding = [(0, 0)] * 3
    padding[axis] = (shift, 0)
    padded = sample_regions(image(np.pad(array, padding)), qsm=image(np.pad(qsm, padding, constant_values=9.0)))
    pd.testing.assert_frame_equal(base, padded)
    renumbered = sample_regions(image(array * 70000), qsm=image(qsm))
    pd.testing.assert_frame_equal(base.drop(columns=["roi", "label"]), renumbered.drop(columns=["roi", "label"]))


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("left putamen", "left"),
        ("Right-Caudate", "right"),
        ("putamen_L", "left"),
        ("R red nucleus", "right"),
        ("ctx-lh-insula", "left"),
        ("dentate nucleus (right)", "right"),
        ("Globus pallidus", ""),
        ("Retrolenticular part of internal capsule", ""),
        ("layer r of cortex", ""),
        ("left and right caudate", ""),
        ("", ""),
    ],
)
def test_hemisphere_is_read_off_the_name(name: str, side: str) -> None:
    assert hemisphere(name) == side


def test_labels_on_another_grid_are_refused_with_both_grids(labels_array: np.ndarray) -> None:
    qsm = image(np.zeros((12, 16, 21)), (1.06, 1.0, 1.0))
    with pytest.raises(InputError) as error:
        sample_regions(image(labels_array), qsm=qsm)
    message = str(error.value)
    for word in ("another grid than the QSM map", "20 x 16 x 12", "21 x 16 x 12", "1.06 x 1 x 1", "nearest-neighbour"):
        assert word in message
    flipped = image(np.zeros(labels_array.shape), origin=(19.0, 0, 0), direction=(-1, 0, 0, 0, 1, 0, 0, 0, 1))
    with pytest.raises(InputError, match=r"axes LPS.*axes RPS"):
        sample_regions(image(labels_array), qsm=flipped)


def test_ct_that_does_not_overlap_is_refused(labels_array: np.ndarray) -> None:
    ct = image(np.zeros((4, 4, 4)), origin=(500.0, 0.0, 0.0))
    with pytest.raises(InputError, match="CT and labels do not overlap") as error:
        sample_regions(image(labels_array), ct=ct)
    assert "--transform" in str(error.value)


def test_unusable_label_maps_are_refused(labels_array: np.ndarray) -> None:
    qsm = image(np.full(labels_array.shape, 0.1))
    for array, words in (
        (np.zeros(labels_array.shape, dtype=np.uint8), "no label in it"),
        (labels_array * 0.5, "no whole numbers"),
        (-labels_array.astype(np.int16), "negative label"),
    ):
        with pytest.raises(InputError, match=words):
            sample_regions(image(array), qsm=qsm)
    with pytest.raises(InputError, match="neither a CT nor a QSM"):
        sample_regions(image(labels_array))
    with pytest.raises(InputError, match="transform without a CT"):
        sample_regions(image(labels_array), qsm=qsm, transform=sitk.Euler3DTransform())
    with pytest.raises(InputError, match="cannot erode by -1"):
        Sampling(erode_voxels=-1)
    with pytest.raises(InputError, match="no label lies on measured voxels"):
        sample_regions(image(labels_array), qsm=image(np.zeros(labels_array.shape)))


def test_lookup_is_read_by_column_name(tmp_path: Path) -> None:
    path = tmp_path / "dseg.tsv"
    path.write_text("name\tcolour\tindex\nbackground\t#000\t0\nputamen\t#fff\t12\nNA\t#0f0\t3\n")
    frame = read_lookup(path)
    assert frame.to_dict("list") == {"index": [12, 3], "name": ["putamen", "NA"]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("index\tlabel\n1\ta\n", "no column 'name'"),
        ("index\tname\n1\ta\n1\tb\n", "an index that was there before in row 3"),
        ("index\tname\n1.5\ta\n", "no whole number in row 2"),
        ("index\tname\n1\ta\n\tb\n", "no whole number in row 3"),
        ("index\tname\n1\ta\n2\t\n", "no name in row 3"),
        ("index\tname\n1\ta\nx\tb\n", "'x' in row 3"),
    ],
)
def test_broken_lookup_is_refused_by_row(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "dseg.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as error:
        read_lookup(path)
    assert "dseg.tsv" in str(error.value)
