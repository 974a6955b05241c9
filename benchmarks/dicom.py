"""Reading a CT series of 500 slices: phantomcal beside SimpleITK's series reader and a plain pydicom loop.

    python benchmarks/dicom.py [--slices 500] [--repeats 5] [--compressed]

The series is made in a scratch folder: 512 x 512 signed 16-bit slices of 0.625 mm with noise, a file each, in shuffled
names. All readers start from the folder and end with float HU in memory in order of position; the files are in the
page cache. phantomcal also hashes every file for the provenance, checks geometry and units, and looks for gaps,
copies and oddities, which the others leave out. Every voxel is compared once.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGLSLossless, generate_uid

from phantomcal.volumes import read_ct

SIZE, PIXEL_MM, STEP_MM = 512, 0.488, 0.625


def _slice(stored: np.ndarray, k: int, uid: str, *, compressed: bool) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.Modality, data.SeriesInstanceUID, data.InstanceNumber = "CT", uid, k + 1
    data.ImageType, data.KVP, data.ConvolutionKernel = ["ORIGINAL", "PRIMARY", "AXIAL"], 120, "STD"
    data.SliceThickness, data.PatientPosition, data.SliceLocation = STEP_MM, "HFS", STEP_MM * k
    data.ImagePositionPatient = [-125.0, -125.0, round(STEP_MM * k, 4)]
    data.ImageOrientationPatient, data.PixelSpacing = [1, 0, 0, 0, 1, 0], [PIXEL_MM, PIXEL_MM]
    data.Rows, data.Columns = stored.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    block = data.private_block(0x0019, "BENCHMARK 01", create=True)
    for element in range(40):  # real headers hold a hundred elements
        block.add_new(element, "LO", f"value {element}")
    data.PixelData = stored.tobytes()
    if compressed:
        data.compress(JPEGLSLossless, generate_instance_uid=False)
    return data


def _make(folder: Path, n: int, *, compressed: bool) -> None:
    rng = np.random.default_rng(1)
    names, uid = rng.permutation(n), generate_uid()
    base = rng.normal(1050, 20, (SIZE, SIZE + n)).astype("<i2")
    for k in range(n):
        stored = np.ascontiguousarray(base[:, k : k + SIZE])
        path = folder / f"IM{names[k]:05d}.dcm"
        _slice(stored, k, uid, compressed=compressed).save_as(path, enforce_file_format=True)


def _phantomcal(folder: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(read_ct(folder).image)


def _simpleitk(folder: Path) -> np.ndarray:
    reader = sitk.ImageSeriesReader()
    (uid,) = reader.GetGDCMSeriesIDs(str(folder))
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), uid))
    reader.SetOutputPixelType(sitk.sitkFloat32)
    return sitk.GetArrayFromImage(reader.Execute())


def _pydicom(folder: Path) -> np.ndarray:
    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    slices.sort(key=lambda data: float(data.ImagePositionPatient[2]))
    return np.stack(
        [d.pixel_array.astype(np.float32) * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in slices]
    )


def main() -> None:
    """Make the series, read it in turns, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compressed", action="store_true", help="JPEG-LS (pyjpegls has to be installed)")
    options = parser.parse_args()
    readers: dict[str, Callable[[Path], np.ndarray]] = {
        "phantomcal": _phantomcal,
        "SimpleITK series reader": _simpleitk,
        "pydicom loop": _pydicom,
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _make(folder, options.slices, compressed=options.compressed)
        expected = _phantomcal(folder)
        seconds: dict[str, list[float]] = {name: [] for name in readers}
        busy: dict[str, list[float]] = {name: [] for name in readers}
        for turn in range(options.repeats):
            for name, read in readers.items():
                start, start_busy = time.perf_counter(), time.process_time()
                found = read(folder)
                seconds[name].append(time.perf_counter() - start)
                busy[name].append(time.process_time() - start_busy)
                if turn == 0:
                    np.testing.assert_array_equal(found, expected)
    kind = "JPEG-LS" if options.compressed else "uncompressed"
    print(f"{options.slices} slices of {SIZE} x {SIZE}, {kind}; median of {options.repeats}; ratio to phantomcal")
    print(f"{'':<24} {'wall s':>8} {'ratio':>6} {'CPU s':>8} {'ratio':>6}")
    wall, cpu = (statistics.median(times["phantomcal"]) for times in (seconds, busy))
    for name in readers:
        a, b = statistics.median(seconds[name]), statistics.median(busy[name])
        print(f"{name:<24} {a:8.2f} {a / wall:6.2f} {b:8.2f} {b / cpu:6.2f}")


if __name__ == "__main__":
    main()
