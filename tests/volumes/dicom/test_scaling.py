"""Which slope, intercept and unit count, and what is refused because the header does not tell."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset
from pydicom.sequence import Sequence

from phantomcal.errors import InputError
from phantomcal.volumes import read_ct, read_magnitude, read_qsm
from tests.volumes.dicom.made import each, philips, real_world, save, slices, stored_values, values_of

STORED = stored_values()


def _mr(tmp_path: Path, change: Callable[[int, FileDataset], object], **options: object) -> Path:
    return save(each(slices(STORED, modality="MR", **options), change), tmp_path / "s")


def _mapped(*items: object) -> Callable[[int, FileDataset], object]:
    return lambda k, data: setattr(data, "RealWorldValueMappingSequence", Sequence(items))


@pytest.mark.parametrize(
    ("code", "factor"),
    [("[ppm]", 1.0), ("10*-6", 1.0), ("ppb", 1e-3), ("10*-9", 1e-3)],
)
def test_a_real_world_mapping_gives_values_and_unit(tmp_path: Path, code: str, factor: float) -> None:
    slope = 0.001 / factor
    folder = _mr(tmp_path, _mapped(real_world(slope, 3 * slope, code)), slope=2.0, intercept=5.0)
    volume = read_qsm(folder)
    np.testing.assert_allclose(values_of(volume.image), (STORED + 3) * 0.001, atol=1e-6)
    assert not any("assumed" in note or "not given" in note for note in volume.notes)


def test_of_several_mappings_the_susceptibility_counts(tmp_path: Path) -> None:
    volume = read_qsm(_mr(tmp_path, _mapped(real_world(1.0, 0.0, "Hz"), real_world(0.001, 0.0, "[ppm]"))))
    np.testing.assert_allclose(values_of(volume.image), STORED * 0.001, atol=1e-6)


@pytest.mark.parametrize("code", ["Hz", "rad", "ms"])
def test_a_map_of_another_quantity_is_refused(tmp_path: Path, code: str) -> None:
    with pytest.raises(InputError, match=f"no susceptibility map: its values are in {code}"):
        read_qsm(_mr(tmp_path, _mapped(real_world(0.001, 0.0, code))), unit="ppm")


def test_a_rescale_type_of_another_quantity_is_refused(tmp_path: Path) -> None:
    folder = _mr(tmp_path, lambda k, data: setattr(data, "RescaleType", "mrad"))
    with pytest.raises(InputError, match=r"no susceptibility map: its values are in mrad \(RescaleType\)"):
        read_qsm(folder, unit="ppb")


@pytest.mark.parametrize(("tag", "word"), [("RescaleType", "PPB"), ("RescaleType", "10^-9"), ("Units", "ppb")])
def test_a_vendor_map_in_ppb(tmp_path: Path, tag: str, word: str) -> None:
    volume = read_qsm(_mr(tmp_path, lambda k, data: setattr(data, tag, word)))
    np.testing.assert_allclose(values_of(volume.image), STORED * 1e-3, atol=1e-6)
    assert f"QSM converted from ppb (DICOM header, {tag}) to ppm" in volume.notes


def test_the_option_overrules_the_header_and_says_so(tmp_path: Path) -> None:
    folder = _mr(tmp_path, lambda k, data: setattr(data, "RescaleType", "ppb"), slope=0.001)
    volume = read_qsm(folder, unit="ppm")
    np.testing.assert_allclose(values_of(volume.image), STORED * 1e-3, atol=1e-6)
    what = "the DICOM header says ppb (RescaleType) and the option ppm"
    assert f"{what}: ppm was taken" in volume.notes
    with pytest.raises(InputError, match=r"the DICOM header says ppb"):
        read_qsm(folder, unit="ppm", strictness="raise")


def test_integers_with_an_offset_are_not_guessed(tmp_path: Path) -> None:
    folder = save(slices(STORED + 2048, modality="MR"), tmp_path / "s")
    with pytest.raises(InputError, match=r"no value below 0 .* integers with an offset"):
        read_qsm(folder, unit="ppb")


def test_whole_numbers_without_a_unit_are_no_ppm(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be ppm and look like ppb.*--qsm-unit ppb"):
        read_qsm(save(slices(STORED, modality="MR"), tmp_path / "s"))


def test_frames_in_different_units_are_refused(tmp_path: Path) -> None:
    folder = _mr(tmp_path, lambda k, data: setattr(data, "RescaleType", "ppm" if k == 2 else "ppb"))
    with pytest.raises(InputError, match=r"a frame in ppm where the rest of the series is in ppb, in 002\.dcm"):
        read_qsm(folder)


@pytest.mark.parametrize("part", ["P", "R", "I"])
def test_phase_and_its_like_are_neither_map_nor_magnitude(tmp_path: Path, part: str) -> None:
    folder = _mr(tmp_path, lambda k, data: setattr(data, "ImageType", ["ORIGINAL", "PRIMARY", part]))
    for read in (read_qsm, read_magnitude):
        with pytest.raises(InputError, match=r"(phase|real|imaginary) image"):
            read(folder)


# --- Philips: FP = (PV RS + RI) / (RS SS), Chenevert et al. 2014 ------------------------------------------------------


def _philips(scales: np.ndarray, rescale_type: str) -> Callable[[int, FileDataset], object]:
    def change(k: int, data: FileDataset) -> None:
        philips(data, float(scales[k]))
        data.RescaleType = rescale_type

    return change


SCALES = 2.0 ** np.arange(-3, 3)
FLOATING = (STORED * 4.0 - 100.0) / (4.0 * SCALES[:, None, None])


def test_philips_magnitudes_come_back_to_the_scanners_own_values(tmp_path: Path) -> None:
    folder = _mr(tmp_path, _philips(SCALES, "normalized"), slope=4.0, intercept=-100.0)
    np.testing.assert_allclose(values_of(read_magnitude(folder).image), FLOATING, rtol=1e-6)


def test_a_philips_map_normalised_for_display_takes_the_private_scale(tmp_path: Path) -> None:
    folder = _mr(tmp_path, _philips(SCALES * 1e3, "normalized"), slope=4.0, intercept=-100.0)
    np.testing.assert_allclose(values_of(read_qsm(folder, unit="ppm").image), FLOATING / 1e3, rtol=1e-6)


def test_a_philips_map_rescaled_to_ppb_takes_the_rescale(tmp_path: Path) -> None:
    folder = _mr(tmp_path, _philips(SCALES, "ppb"), slope=0.5, intercept=-100.0)
    np.testing.assert_allclose(values_of(read_qsm(folder).image), (STORED * 0.5 - 100) / 1e3, rtol=1e-5, atol=1e-7)


def test_a_philips_scale_of_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\(2005,100E\) scale slope is 0"):
        read_magnitude(_mr(tmp_path, _philips(SCALES * 0, "normalized")))


# --- CT ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["MGML", "Z_EFF", "ED"])
def test_spectral_maps_are_not_in_hu(tmp_path: Path, word: str) -> None:
    images = each(slices(STORED), lambda k, data: setattr(data, "RescaleType", word))
    with pytest.raises(InputError, match=f"not in HU: RescaleType is {word}"):
        read_ct(save(images, tmp_path / "s"))


def test_an_unspecified_rescale_type_is_taken_as_hu(tmp_path: Path) -> None:
    images = each(slices(STORED), lambda k, data: setattr(data, "RescaleType", "US"))
    assert "RescaleType is US: taken as HU" in read_ct(save(images, tmp_path / "s")).notes


def test_a_slope_of_zero_is_refused(tmp_path: Path) -> None:
    images = each(slices(STORED), lambda k, data: setattr(data, "RescaleSlope", 0))
    with pytest.raises(InputError, match=r"RescaleSlope is 0"):
        read_ct(save(images, tmp_path / "s"))


def test_a_lookup_table_is_refused(tmp_path: Path) -> None:
    images = each(
        slices(STORED), lambda k, data: setattr(data, "ModalityLUTSequence", Sequence([real_world(1, 0, "1")]))
    )
    with pytest.raises(InputError, match=r"ModalityLUTSequence"):
        read_ct(save(images, tmp_path / "s"))
