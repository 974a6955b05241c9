"""What a folder holds, said from the headers alone."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from phantomcal.errors import InputError
from phantomcal.results import DicomVolume
from phantomcal.volumes import read_ct, read_magnitude, read_qsm
from phantomcal.volumes.dicom.inventory import list_series
from tests.volumes.dicom.made import CORNER_MM, each, enhanced, image_of, save, slices, stored_values

STORED = stored_values()


def _set(**values: object) -> object:
    def change(k: int, data: FileDataset) -> None:
        for keyword, value in values.items():
            setattr(data, keyword, value)

    return change


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scan as an archive hands it out: CT, scout, screenshot, two echoes with phase, a vendor's map, other files."""
    ct = each(slices(STORED, uid="1.2.1"), _set(SeriesNumber=2, KVP=120, ConvolutionKernel="H31s"))
    scout = each(
        [image_of(STORED[0], CORNER_MM, uid="1.2.2")],
        _set(SeriesNumber=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    )
    shot = image_of(STORED[0], CORNER_MM, uid="1.2.3")
    shot.SOPClassUID, shot.SeriesNumber = "1.2.840.10008.5.1.4.1.1.7", 99
    del shot.ImagePositionPatient
    echoes = []
    for part in ("M", "P"):
        for echo in (4.9, 9.8):
            echoes += each(
                slices(np.abs(STORED), modality="MR", uid="1.2.4"),
                _set(SeriesNumber=5, EchoTime=echo, ImageType=["ORIGINAL", "PRIMARY", part], MagneticFieldStrength=3),
            )
    qsm = each(slices(STORED, modality="MR", uid="1.2.5"), _set(SeriesNumber=7, RescaleType="ppb"))
    save(ct, tmp_path / "s" / "ct")
    save([*scout, shot, *echoes], tmp_path / "s")
    save(qsm, tmp_path / "s" / "maps")
    (tmp_path / "s" / "README.txt").write_text("hello")
    (tmp_path / "s" / "cut.dcm").write_bytes((tmp_path / "s" / "ct" / "000.dcm").read_bytes()[:500])
    return tmp_path / "s"


def _by_kind(folder: Path) -> dict[str, list[DicomVolume]]:
    kinds: dict[str, list[DicomVolume]] = {}
    for volume in list_series(folder)[0].volumes:
        kinds.setdefault(volume.kind, []).append(volume)
    return kinds


def test_every_series_is_listed_with_its_use(folder: Path) -> None:
    listing, damaged = list_series(folder)
    assert [v.series_number for v in listing.volumes] == [1, 2, 5, 5, 5, 5, 7, 99]
    assert (listing.n_other_files, listing.n_damaged_files) == (1, 1)
    assert "cut.dcm" in str(damaged[0])
    kinds = _by_kind(folder)
    (ct,) = kinds["CT volume"]
    assert ct.good_for == ["--ct"]
    assert (ct.n_images, ct.columns, ct.rows, ct.spacing_mm, ct.slice_distance_mm) == (6, 12, 10, (1.2, 1.5), 2.5)
    assert (ct.kvp, ct.kernel) == (120, "H31s")
    (qsm,) = kinds["QSM map in ppb"]
    assert qsm.good_for == ["--qsm", "--mr"]
    assert [v.echo_ms for v in kinds["MR magnitude"]] == [4.9, 9.8]
    for unusable, word in (
        ("localiser", "localiser"),
        ("secondary capture", "secondary capture"),
        ("MR phase", "phase"),
    ):
        for volume in kinds[unusable]:
            assert volume.good_for == []
            assert word in str(volume.problem)


def test_what_is_said_to_be_used_can_be_read(folder: Path) -> None:
    (folder / "cut.dcm").unlink()
    readers = {"--ct": read_ct, "--qsm": read_qsm, "--magnitude": read_magnitude}
    n_read = 0
    for volume in list_series(folder)[0].volumes:
        for option in set(volume.good_for) & set(readers):
            image = readers[option](volume.use).image
            assert image.GetSize() == (volume.columns, volume.rows, volume.n_images)
            n_read += 1
    assert n_read == 4


def test_an_mr_without_unit_or_component_may_be_either(tmp_path: Path) -> None:
    images = each(slices(STORED, modality="MR"), _set(ImageType=["DERIVED", "PRIMARY", "OTHER"]))
    (volume,) = list_series(save(images, tmp_path / "s"))[0].volumes
    assert volume.kind == "MR volume (a QSM map needs --qsm-unit)"
    assert volume.good_for == ["--magnitude", "--mr", "--qsm"]


def test_an_enhanced_file_counts_its_frames(tmp_path: Path) -> None:
    (volume,) = list_series(save([enhanced(STORED)], tmp_path / "s"))[0].volumes
    assert (volume.kind, volume.n_images, volume.n_files) == ("CT volume", 6, 1)


def test_a_fault_is_named_and_oddities_are_listed(tmp_path: Path) -> None:
    broken = save(slices(stored_values(8))[:3] + slices(stored_values(8))[4:], tmp_path / "gap")
    (volume,) = list_series(broken)[0].volumes
    assert volume.good_for == []
    assert "a slice is missing" in str(volume.problem)
    odd = save([*slices(STORED), slices(STORED)[0]], tmp_path / "odd")
    (volume,) = list_series(odd)[0].volumes
    assert volume.quirks == ["1 image lies where another one lies: left out if it is the same"]


def test_nobody_is_named(folder: Path) -> None:
    text = list_series(folder)[0].model_dump_json()
    for secret in ("Secret", "4711", "19700101", "20240229"):
        assert secret not in text
    assert "Secret" in list_series(folder, descriptions=True)[0].model_dump_json()


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no DICOM image"):
        list_series(tmp_path)
    with pytest.raises(InputError, match=r"no such folder"):
        list_series(tmp_path / "nowhere")
