"""Segmentations as 3D Slicer saves them: cropped, named, in one layer or several."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.volumes import on_lattice_of, read_labels

SPACING, ORIGIN = (0.8, 0.9, 2.0), (-20.0, 5.0, 31.0)


def image(values: np.ndarray, first: tuple[int, int, int] = (0, 0, 0)) -> sitk.Image:
    """A volume that begins `first` voxels (x, y, z) into the grid of the tests."""
    made = sitk.GetImageFromArray(values, isVector=values.ndim == 4)
    made.SetSpacing(SPACING)
    made.SetOrigin([o + f * s for o, f, s in zip(ORIGIN, first, SPACING, strict=True)])
    return made


def save(folder: Path, made: sitk.Image, segments: list[dict[str, str]]) -> Path:
    for k, facts in enumerate(segments):
        for key, value in facts.items():
            made.SetMetaData(f"Segment{k}_{key}", value)
    path = folder / "drawn.seg.nrrd"
    sitk.WriteImage(made, str(path))
    return path


def boxes() -> np.ndarray:
    values = np.zeros((4, 5, 6), np.uint8)
    values[1, 1:3, 1:3] = 1
    values[2, 3:, 4:] = 2
    return values


def test_labels_and_names_are_read(tmp_path: Path) -> None:
    path = save(
        tmp_path,
        image(boxes()),
        [{"Name": "bleed", "LabelValue": "1", "Layer": "0"}, {"Name": "rim", "LabelValue": "2", "Layer": "0"}],
    )
    read = read_labels(path)
    assert read.names == {1: "bleed", 2: "rim"}
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read.image), boxes())


def test_layers_with_the_same_value_become_labels_of_their_own(tmp_path: Path) -> None:
    layers = np.stack([boxes() == 1, boxes() == 2], axis=-1).astype(np.uint8)
    path = save(
        tmp_path,
        image(layers),
        [{"Name": "bleed", "LabelValue": "1", "Layer": "0"}, {"Name": "rim", "LabelValue": "1", "Layer": "1"}],
    )
    read = read_labels(path)
    assert read.names == {1: "bleed", 2: "rim"}
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read.image), boxes())


def test_overlapping_segments_are_refused_with_their_names(tmp_path: Path) -> None:
    layers = np.stack([boxes() > 0, boxes() == 2], axis=-1).astype(np.uint8)
    path = save(
        tmp_path,
        image(layers),
        [{"Name": "bleed", "LabelValue": "1", "Layer": "0"}, {"Name": "rim", "LabelValue": "1", "Layer": "1"}],
    )
    with pytest.raises(InputError, match=r"'bleed' and 'rim' overlap in 4 voxels"):
        read_labels(path)


def test_a_file_without_segments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no segment"):
        read_labels(save(tmp_path, image(boxes()), []))


def test_empty_segments_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, image(np.zeros_like(boxes())), [{"Name": "bleed", "LabelValue": "1", "Layer": "0"}])
    with pytest.raises(InputError, match="all segments are empty"):
        read_labels(path)


def test_a_crop_is_put_back_where_it_was_cut_out() -> None:
    whole = image(boxes())
    crop = image(np.ascontiguousarray(boxes()[1:3, 1:, 1:]), first=(1, 1, 1))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(on_lattice_of(crop, whole)), boxes())


@pytest.mark.parametrize("shift_mm", [0.4, 8.0])
def test_what_is_no_crop_of_the_grid_stays_as_it_is(shift_mm: float) -> None:
    whole = image(boxes())
    other = image(np.ascontiguousarray(boxes()[1:3]))
    other.SetOrigin([o + shift_mm for o in other.GetOrigin()])
    assert on_lattice_of(other, whole) is other
