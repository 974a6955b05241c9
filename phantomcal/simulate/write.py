"""Simulated scans on disk: NIfTI volumes, sidecars and lookup tables under BIDS names; equal scans give equal bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from phantomcal import __version__
from phantomcal.outputs import to_json
from phantomcal.volumes.write import write_nifti

if TYPE_CHECKING:
    import SimpleITK as sitk

    from phantomcal.simulate.head import HeadScan
    from phantomcal.simulate.phantom import PhantomScan

REFERENCES = {"water": "bulk water of the phantom", "mean": "mean over the phantom"}
HEAD_REFERENCE = "none: tissue values as drawn"


def write_image(image: "sitk.Image", path: Path) -> None:
    """Write a compressed NIfTI file; its folder is made when missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(image, path)


def write_text(text: str, path: Path) -> None:
    """Write a text file; its folder is made when missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_lookup(lookup: pd.DataFrame, path: Path) -> None:
    """Write a label table as tab-separated text."""
    write_text(lookup.to_csv(sep="\t", index=False, lineterminator="\n"), path)


def chimap_sidecar(algorithm: str, reference: str, field_tesla: float) -> dict[str, Any]:
    """What the ISMRM consensus on QSM (10.1002/mrm.30006) asks a map to come with."""
    return {
        "Units": "ppm",
        "ReferenceRegion": reference,
        "ReconstructionAlgorithm": algorithm,
        "ReconstructionSoftware": f"phantomcal {__version__}, simulated",
        "MagneticFieldStrength": field_tesla,
    }


def phantom_sidecar(scan: "PhantomScan") -> dict[str, Any]:
    """Sidecar of a phantom's map."""
    mr = scan.truth["mr"]
    return chimap_sidecar(mr["algorithm"], REFERENCES[mr["reference"]], mr["field_tesla"])


def head_sidecar(scan: "HeadScan") -> dict[str, Any]:
    """Sidecar of a head's map."""
    return chimap_sidecar(scan.truth["mr"]["algorithm"], HEAD_REFERENCE, 3.0)


def write_phantom(scan: "PhantomScan", folder: Path) -> None:
    """Write a phantom: ct, Chimap with sidecar, magnitude (those it has), truth.json.

    Parameters
    ----------
    scan : PhantomScan
        From `simulate_phantom`.
    folder : pathlib.Path
        Made when missing; files of the same names are replaced.
    """
    folder = Path(folder)
    if scan.ct is not None:
        write_image(scan.ct, folder / "ct.nii.gz")
    if scan.qsm is not None and scan.magnitude is not None:
        write_image(scan.qsm, folder / "Chimap.nii.gz")
        write_text(to_json(phantom_sidecar(scan)), folder / "Chimap.json")
        write_image(scan.magnitude, folder / "part-mag_T2starw.nii.gz")
    write_text(to_json(scan.truth), folder / "truth.json")


def write_head(scan: "HeadScan", folder: Path) -> None:
    """Write a head: ct, Chimap with sidecar, magnitude, region and lesion labels with dseg.tsv, truth.json.

    Parameters
    ----------
    scan : HeadScan
        From `simulate_head`.
    folder : pathlib.Path
        Made when missing; files of the same names are replaced.
    """
    folder = Path(folder)
    images: Mapping[str, sitk.Image] = {
        "ct.nii.gz": scan.ct,
        "Chimap.nii.gz": scan.qsm,
        "part-mag_T2starw.nii.gz": scan.magnitude,
        "dseg.nii.gz": scan.labels,
        "label-lesion_dseg.nii.gz": scan.lesion_labels,
    }
    for name, image in images.items():
        write_image(image, folder / name)
    write_text(to_json(head_sidecar(scan)), folder / "Chimap.json")
    write_lookup(scan.lookup, folder / "dseg.tsv")
    write_text(to_json(scan.truth), folder / "truth.json")
