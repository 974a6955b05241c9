"""Which images make the volume: copies, gaps, localisers, several volumes in one series, statements that contradict."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from phantomcal.errors import InputError
from phantomcal.volumes import read_ct, read_magnitude, read_qsm
from tests.volumes.dicom.made import (
    CORNER_MM,
    STEP_MM,
    UID,
    each,
    image_of,
    require_geometry,
    save,
    slices,
    stored_values,
    values_of,
)

STORED = stored_values()
CORONAL = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, -1.0]])
STRICT = ("ignore", "warn", "raise")


def _require_quirk(folder: Path, note: str, expected: np.ndarray) -> None:
    """Right values in any case; nothing said, a note, or a refusal, as the strictness wants."""
    for strictness in ("ignore", "warn"):
        volume = read_ct(folder, strictness=strictness)
        require_geometry(volume.image)
        np.testing.assert_array_equal(values_of(volume.image), expected)
        assert volume.notes == ((note,) if strictness == "warn" else ())
    with pytest.raises(InputError) as caught:
        read_ct(folder, strictness="raise")
    assert note.split(": ")[0] in str(caught.value)
    assert "--strictness warn" in str(caught.value)


def test_copies_are_left_out(tmp_path: Path) -> None:
    images = slices(STORED)
    folder = save([*images, images[2], images[4]], tmp_path / "s")
    _require_quirk(folder, "2 images are in the series twice: left out", STORED)


def test_a_wrong_distance_tag_is_overruled(tmp_path: Path) -> None:
    images = each(slices(STORED), lambda k, data: setattr(data, "SpacingBetweenSlices", 5.0))
    note = "SpacingBetweenSlices says 5 mm and the positions 2.50 mm: the positions were taken"
    _require_quirk(save(images, tmp_path / "s"), note, STORED)


def test_an_absurd_thickness_is_overruled_and_an_overlap_is_not(tmp_path: Path) -> None:
    images = each(slices(STORED), lambda k, data: setattr(data, "SliceThickness", 99.0))
    note = "SliceThickness says 99 mm and the positions 2.50 mm: the positions were taken"
    _require_quirk(save(images, tmp_path / "s"), note, STORED)
    images = each(slices(STORED), lambda k, data: setattr(data, "SliceThickness", 2 * STEP_MM))
    assert read_ct(save(images, tmp_path / "overlap")).notes == ()


def test_a_field_of_view_that_contradicts_the_pixel_size_is_said(tmp_path: Path) -> None:
    images = each(slices(STORED), lambda k, data: setattr(data, "ReconstructionDiameter", 250.0))
    note = "PixelSpacing makes the image 14 mm wide and ReconstructionDiameter 250 mm: PixelSpacing was taken"
    _require_quirk(save(images, tmp_path / "s"), note, STORED)


def test_a_tilt_that_the_positions_do_not_show_is_said(tmp_path: Path) -> None:
    images = each(slices(STORED), lambda k, data: setattr(data, "GantryDetectorTilt", 18.5))
    note = (
        "GantryDetectorTilt says 18.5 degrees and the slices stand upright: taken as corrected before "
        "(if the head looks sheared, export the original series)"
    )
    _require_quirk(save(images, tmp_path / "s"), note, STORED)


def test_lossy_compression_is_said(tmp_path: Path) -> None:
    images = each(slices(STORED), lambda k, data: setattr(data, "LossyImageCompression", "01"))
    note = "the images went through lossy compression: values may be off; export the original series"
    _require_quirk(save(images, tmp_path / "s"), note, STORED)


def test_named_localisers_are_left_out(tmp_path: Path) -> None:
    scouts = [image_of(STORED[k], CORNER_MM, axes=CORONAL) for k in range(2)]
    for data in scouts:
        data.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    folder = save([*scouts, *slices(STORED)], tmp_path / "s")
    _require_quirk(folder, "2 localiser images in the series: left out", STORED)
    with pytest.raises(InputError, match=r"a localiser \(scout\), no volume"):
        read_ct(save(scouts, tmp_path / "scouts"))


def test_uneven_slices_and_tilt_obey_the_strictness(tmp_path: Path) -> None:
    z = [0.0, 2.5, 5.0, 10.0, 15.0, 20.0]
    images = each(slices(STORED), lambda k, data: setattr(data, "ImagePositionPatient", [0, 0, z[k]]))
    folder = save(images, tmp_path / "s")
    assert "slice distances 2 x 2.50, 3 x 5.00 mm: resampled" in read_ct(folder).notes[0]
    assert read_ct(folder, strictness="ignore").notes == ()
    with pytest.raises(InputError, match=r"slice distances 2 x 2.50, 3 x 5.00 mm.*--strictness warn: resampled"):
        read_ct(folder, strictness="raise")


def test_what_cannot_be_set_right_is_refused_at_any_strictness(tmp_path: Path) -> None:
    folder = save([d for k, d in enumerate(slices(stored_values(8))) if k != 3], tmp_path / "s")
    for strictness in STRICT:
        with pytest.raises(InputError, match=r"a slice is missing"):
            read_ct(folder, strictness=strictness)


def test_an_unknown_strictness_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown strictness 'strict'.*ignore, warn or raise"):
        read_ct(save(slices(STORED), tmp_path / "s"), strictness="strict")


# --- gaps -------------------------------------------------------------------------------------------------------------


def _at(depths_mm: list[float], numbers: list[int]) -> list[FileDataset]:
    up = np.array([0.0, 0.0, 1.0])
    stored = stored_values(len(depths_mm))
    return [image_of(s, CORNER_MM + z * up, number=n) for s, z, n in zip(stored, depths_mm, numbers, strict=True)]


def test_a_gap_between_two_slice_distances_shows_in_the_numbers(tmp_path: Path) -> None:
    """4.2 mm below, 7.4 above: the hole is no multiple of anything, but number 5 is missing."""
    depths = [0, 4.2, 8.4, 12.6, 16.8 + 7.4, 31.6, 39.0]
    with pytest.raises(InputError, match=r"a slice is missing: two are 11.60 mm apart"):
        read_ct(save(_at(depths, [1, 2, 3, 4, 6, 7, 8]), tmp_path / "s"))
    assert read_ct(save(_at(depths, [1, 2, 3, 4, 5, 6, 7]), tmp_path / "whole")).image.GetSize()[2] > 7


@pytest.mark.parametrize(
    "numbers", [[1, 3, 5, 2, 4, 6], [10, 12, 14, 16, 18, 20], [1, 2, 3, 5, 6, 7], [6, 5, 4, 3, 2, 1], [1] * 6]
)
def test_numbers_alone_make_no_gap(tmp_path: Path, numbers: list[int]) -> None:
    volume = read_ct(save(_at([2.5 * k for k in range(6)], numbers), tmp_path / "s"))
    require_geometry(volume.image)


# --- several volumes in one series ------------------------------------------------------------------------------------


def test_mixed_orientations_are_refused_and_one_can_be_chosen(tmp_path: Path) -> None:
    coronal = [image_of(s, np.array([0.0, 3.0 * k, 0.0]), axes=CORONAL) for k, s in enumerate(STORED[:5])]
    folder = save([*slices(STORED), *coronal], tmp_path / "s")
    with pytest.raises(InputError, match=r"another orientation.*::orientation=axial or coronal"):
        read_ct(folder)
    volume = read_ct(f"{folder}::{UID}::orientation=axial")
    require_geometry(volume.image)
    np.testing.assert_array_equal(values_of(volume.image), STORED)
    assert read_ct(f"{folder}::orientation=coronal").image.GetSize()[2] == 5


def test_magnitude_and_phase_in_one_series(tmp_path: Path) -> None:
    magnitude, phase = slices(np.abs(STORED), modality="MR"), slices(STORED, modality="MR")
    each(phase, lambda k, data: setattr(data, "ImageType", ["ORIGINAL", "PRIMARY", "P"]))
    folder = save([*magnitude, *phase], tmp_path / "s")
    with pytest.raises(InputError, match=r"6 places .* hold 2 images each: component magnitude, phase"):
        read_magnitude(folder)
    volume = read_magnitude(f"{folder}::component=magnitude")
    np.testing.assert_array_equal(values_of(volume.image), np.abs(STORED))
    with pytest.raises(InputError, match=r"a phase image"):
        read_magnitude(f"{folder}::component=phase")


def test_echoes_in_one_series(tmp_path: Path) -> None:
    first, second = slices(np.abs(STORED), modality="MR"), slices(np.abs(STORED) // 2, modality="MR")
    each(first, lambda k, data: setattr(data, "EchoTime", 4.92))
    each(second, lambda k, data: setattr(data, "EchoTime", 9.84))
    folder = save([*first, *second], tmp_path / "s")
    with pytest.raises(InputError, match=r"echo_ms 4.92, 9.84.*DIR::SERIES_UID::echo_ms=4.92"):
        read_magnitude(folder)
    np.testing.assert_array_equal(values_of(read_magnitude(f"{folder}::echo_ms=9.84").image), np.abs(STORED) // 2)


def test_a_choice_of_what_is_not_there_lists_what_is(tmp_path: Path) -> None:
    folder = save(slices(STORED), tmp_path / "s")
    with pytest.raises(InputError, match=r"no frames with orientation=oblique.*use one of axial"):
        read_ct(f"{folder}::orientation=oblique")
    with pytest.raises(InputError, match=r"no frames with colour=red.*none in this series"):
        read_ct(f"{folder}::colour=red")


# --- no volumes -------------------------------------------------------------------------------------------------------


def test_a_secondary_capture_a_mosaic_and_a_ct_as_map_are_refused(tmp_path: Path) -> None:
    def capture(k: int, data: FileDataset) -> None:
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
        del data.ImagePositionPatient

    with pytest.raises(InputError, match=r"a secondary capture"):
        read_ct(save(each(slices(STORED), capture), tmp_path / "capture"))
    mosaic = each(
        slices(STORED, modality="MR"),
        lambda k, data: setattr(data, "ImageType", ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]),
    )
    with pytest.raises(InputError, match=r"a mosaic.*dcm2niix"):
        read_magnitude(save(mosaic, tmp_path / "mosaic"))
    with pytest.raises(InputError, match=r"the DICOM series is CT, not MR"):
        read_qsm(save(slices(STORED), tmp_path / "ct"))
