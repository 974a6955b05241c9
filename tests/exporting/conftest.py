"""A head that was scanned, its label map, its region table and a map: what `export` takes."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid

from phantomcal.cli import main
from phantomcal.volumes import read_ct
from tests.volumes.dicom.made import save, slices, stored_values


class Exported(NamedTuple):
    """Inputs of an export and the folder it wrote."""

    source: Path
    labels: np.ndarray
    concentrations: np.ndarray
    table: pd.DataFrame
    vials: pd.DataFrame
    out: Path


def scanned(folder: Path) -> Path:
    """A CT series of six slices as a scanner sends it."""
    images = slices(stored_values())
    frame, study = generate_uid(), generate_uid()
    for image in images:
        image.FrameOfReferenceUID, image.StudyInstanceUID = frame, study
        image.PatientSex, image.StudyID, image.StudyTime, image.AccessionNumber = "F", "1", "101010", "A1"
        image.ReferringPhysicianName = "Other^Name"
        image.PositionReferenceIndicator = ""
    return save(images, folder)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    root = tmp_path_factory.mktemp("export")
    source = scanned(root / "ct")
    ct = read_ct(source).image
    labels = np.zeros(ct.GetSize()[::-1], np.uint8)
    labels[1:4, 2:5, 3:6], labels[2:5, 6:9, 7:11] = 3, 8
    concentrations = (np.random.default_rng(2).normal(5, 2, labels.shape)).astype(np.float32)
    for name, values in (("labels", labels), ("calcium_concentration", concentrations)):
        image = sitk.GetImageFromArray(values)
        image.CopyInformation(ct)
        sitk.WriteImage(image, str(root / f"{name}.nii.gz"))
    table = pd.DataFrame(
        {
            "subject_id": ["sub-1", "sub-1"],
            "roi": ["left putamen", "odd corner"],
            "label": [3, 8],
            "ct_hu": [41.234567890123456, 1 / 3],
            "ct_sd_hu": [3.3, 4.4],
            "qsm_ppm": [0.0123456789012345, -0.2],
            "volume_mm3": [121.5, 162.0],
        }
    )
    vials = pd.DataFrame(
        {
            "vial_id": ["Gd1", "Gd1", "Gd2"],
            "modality": ["ct", "qsm", "ct"],
            "value": [5.71, 0.33, 11.4],
            "unit": ["HU", "ppm", "HU"],
            "sd": [2.0, 0.01, np.nan],
            "concentration_mmol_per_l": [1.0, 1.0, 2.0],
            "x_mm": [-8.0, -8.0, -2.0],
            "y_mm": [9.0, 9.0, 12.0],
            "z_mm": [45.0, 45.0, 45.0],
        }
    )
    pd.DataFrame({"index": [3, 8], "name": table["roi"]}).to_csv(root / "names.tsv", sep="\t", index=False)
    table.to_csv(root / "regions.csv", index=False)
    vials.to_csv(root / "vials.csv", index=False)
    arguments = [
        *("export", "--source", str(source), "--labels", str(root / "labels.nii.gz")),
        *("--lookup", str(root / "names.tsv"), "--table", str(root / "regions.csv")),
        *("--vials", str(root / "vials.csv"), "--map", str(root / "calcium_concentration.nii.gz")),
        *("-o", str(root / "out")),
    ]
    assert run(arguments) == 0
    return Exported(source, labels, concentrations, table, vials, root / "out")


def run(arguments: list[str]) -> int:
    """The command line's exit code."""
    patch = pytest.MonkeyPatch()
    patch.setattr("sys.argv", ["phantomcal", *arguments])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        patch.undo()
    return 0
