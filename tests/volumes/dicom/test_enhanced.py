"""Enhanced multi-frame CT and MR: every frame by its own functional groups."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from phantomcal.errors import InputError
from phantomcal.volumes import read_ct, read_magnitude, read_qsm
from tests.volumes.dicom.made import (
    STEP_MM,
    enhanced,
    philips,
    real_world,
    require_geometry,
    save,
    stored_values,
    values_of,
)

SHUFFLED = [3, 0, 5, 1, 4, 2]


@pytest.mark.parametrize("per_frame", [False, True], ids=["shared", "per frame"])
def test_an_enhanced_ct_is_placed_and_scaled_by_its_groups(tmp_path: Path, per_frame: bool) -> None:
    stored = stored_values()
    data = enhanced(stored, order=SHUFFLED, slope=0.5, intercept=-200.0, scale_per_frame=per_frame)
    for path in (save([data], tmp_path / "s"), tmp_path / "s" / "000.dcm"):  # folder or file
        volume = read_ct(path)
        require_geometry(volume.image)
        np.testing.assert_array_equal(values_of(volume.image), stored * 0.5 - 200)
        assert volume.notes == ()


def test_each_frame_has_its_own_slope(tmp_path: Path) -> None:
    stored = stored_values()

    def own(place: int, group: Dataset) -> None:
        group.PixelValueTransformationSequence[0].RescaleSlope = 0.5**place

    data = enhanced(stored, order=SHUFFLED, scale_per_frame=True, change=own)
    found = values_of(read_ct(save([data], tmp_path / "s")).image)
    np.testing.assert_array_equal(found, stored * (0.5 ** np.arange(6))[:, None, None])


def test_a_series_in_several_enhanced_files_is_one_volume(tmp_path: Path) -> None:
    stored = stored_values()
    parts = [enhanced(stored), enhanced(stored)]
    for data, keep in zip(parts, ([0, 1, 2], [3, 4, 5]), strict=True):
        data.NumberOfFrames = 3
        data.PerFrameFunctionalGroupsSequence = Sequence([data.PerFrameFunctionalGroupsSequence[k] for k in keep])
        data.PixelData = stored[keep].tobytes()
    volume = read_ct(save(parts, tmp_path / "s"))
    require_geometry(volume.image)
    np.testing.assert_array_equal(values_of(volume.image), stored)


def test_two_stacks_are_told_apart_and_one_can_be_chosen(tmp_path: Path) -> None:
    stored = stored_values(8)
    data = enhanced(stored, stacks=["lower"] * 4 + ["upper"] * 4)
    folder = save([data], tmp_path / "s")
    with pytest.raises(InputError, match=r"2 stacks in one DICOM series: lower \(4 frames\), upper \(4 frames\)"):
        read_ct(folder)
    upper = read_ct(f"{folder}::{data.SeriesInstanceUID}::stack=upper")
    np.testing.assert_array_equal(values_of(upper.image), stored[4:])
    assert upper.image.GetOrigin()[2] == pytest.approx(40 + 4 * STEP_MM)
    with pytest.raises(InputError, match=r"no frames with stack=middle.*use one of lower, upper"):
        read_ct(f"{folder}::stack=middle")


def test_echoes_in_one_file_are_told_apart(tmp_path: Path) -> None:
    stored = stored_values(8)

    def echo(place: int, group: Dataset) -> None:
        item = Dataset()
        item.EffectiveEchoTime = 4.9 if place < 4 else 9.8
        group.MREchoSequence = Sequence([item])
        group.PlanePositionSequence[0].ImagePositionPatient[2] = 40 + STEP_MM * (place % 4)
        group.FrameContentSequence[0].InStackPositionNumber = place % 4 + 1

    folder = save([enhanced(stored, modality="MR", change=echo)], tmp_path / "s")
    with pytest.raises(InputError, match=r"4 places .* hold 2 images each: echo_ms 4.9, 9.8.*::echo_ms=4.9"):
        read_magnitude(folder)
    volume = read_magnitude(f"{folder}::echo_ms=9.8")
    require_geometry(volume.image)
    np.testing.assert_array_equal(values_of(volume.image), stored[4:])


def test_a_map_with_a_real_world_mapping_in_ppm(tmp_path: Path) -> None:
    stored = stored_values()
    data = enhanced(stored, modality="MR", slope=3.0, intercept=7.0, order=SHUFFLED)
    shared = data.SharedFunctionalGroupsSequence[0]
    shared.RealWorldValueMappingSequence = Sequence([real_world(0.001, -0.5, "[ppm]")])
    volume = read_qsm(save([data], tmp_path / "s"))
    np.testing.assert_allclose(values_of(volume.image), stored * 0.001 - 0.5, atol=1e-6)  # not of the rescaled values


def test_philips_scale_of_enhanced_frames(tmp_path: Path) -> None:
    stored = stored_values()

    def private(place: int, group: Dataset) -> None:
        item = Dataset()
        philips(item, slope=0.25 * (place + 1))
        block = group.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        block.add_new(0x0F, "SQ", Sequence([item]))

    data = enhanced(stored, modality="MR", slope=2.0, intercept=-100.0, rescale_type="normalized", change=private)
    found = values_of(read_magnitude(save([data], tmp_path / "s")).image)
    scale = 0.25 * (np.arange(6) + 1)[:, None, None]
    np.testing.assert_allclose(found, (stored * 2.0 - 100.0) / (2.0 * scale), rtol=1e-6)


def test_frames_without_a_place_are_refused(tmp_path: Path) -> None:
    data = enhanced(stored_values())
    del data.PerFrameFunctionalGroupsSequence
    with pytest.raises(InputError, match=r"does not say where its frames lie.*dcm2niix"):
        read_ct(save([data], tmp_path / "s"))


def test_a_frame_without_its_place_is_named(tmp_path: Path) -> None:
    def lose(place: int, group: Dataset) -> None:
        if place == 2:
            del group.PlanePositionSequence

    folder = save([enhanced(stored_values(), change=lose)], tmp_path / "s")
    with pytest.raises(InputError, match=r"ImagePositionPatient is missing, in frame 3 of 000\.dcm"):
        read_ct(folder)


def test_a_missing_frame_is_refused(tmp_path: Path) -> None:
    data = enhanced(stored_values(7))
    kept = [0, 1, 2, 4, 5, 6]
    data.PerFrameFunctionalGroupsSequence = Sequence([data.PerFrameFunctionalGroupsSequence[k] for k in kept])
    data.NumberOfFrames = 6
    data.PixelData = stored_values(7)[kept].tobytes()
    with pytest.raises(InputError, match=r"a slice is missing.*between frame 3 of 000\.dcm and frame 4 of 000\.dcm"):
        read_ct(save([data], tmp_path / "s"))


def test_more_places_than_frames_are_refused(tmp_path: Path) -> None:
    data = enhanced(stored_values())
    data.NumberOfFrames = 5
    with pytest.raises(InputError, match=r"5 frames and places for 6"):
        read_ct(save([data], tmp_path / "s"))
