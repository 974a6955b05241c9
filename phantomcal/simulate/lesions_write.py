"""Simulated lesions on disk: a folder each, their table, the calibration of the scanners, and the truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from phantomcal.outputs import to_json, write_record
from phantomcal.simulate.lesions_table import lesion_table, simulated_calibration
from phantomcal.simulate.lesions_truth import SimulatedLesion
from phantomcal.simulate.write import chimap_sidecar, write_image, write_text

if TYPE_CHECKING:
    from phantomcal.simulate.lesions_options import LesionOptions

ALGORITHM = "simulated: susceptibility with point spread, slow background and noise; no dipole inversion"
INVERTED = "simulated: dipole field of the lesion, noise, regularised inversion"
_REFERENCE = "none: tissue values as drawn"


def write_lesions(lesions: Sequence[SimulatedLesion], folder: Path, seed: int, options: "LesionOptions") -> None:
    """Write lesions as `phantomcal classify` and `phantomcal decompose` read them.

    Parameters
    ----------
    lesions : sequence of SimulatedLesion
    folder : pathlib.Path
        Gets ``lesions.csv`` (measured, with the column ``truth``), ``truth.json``, ``calibration.json`` of the same
        scanners, and ``SUBJECT/LESION/`` with ``ct.nii.gz``, ``Chimap.nii.gz`` and its sidecar,
        ``label-lesion_dseg.nii.gz`` and ``ct_to_mr.tfm``, the transform as believed.
    seed : int
        Of the calibration's vials.
    options : LesionOptions
        What the lesions were drawn with.
    """
    import SimpleITK as sitk

    truth = []
    for lesion in lesions:
        place = folder / lesion.subject_id / lesion.lesion_id
        write_image(lesion.ct, place / "ct.nii.gz")
        write_image(lesion.qsm, place / "Chimap.nii.gz")
        algorithm = INVERTED if options.inversion else ALGORITHM
        write_text(to_json(chimap_sidecar(algorithm, _REFERENCE, 3.0)), place / "Chimap.json")
        write_image(lesion.lesion_labels, place / "label-lesion_dseg.nii.gz")
        sitk.WriteTransform(lesion.ct_from_mr, str(place / "ct_to_mr.tfm"))
        names = {"subject_id": lesion.subject_id, "lesion_id": lesion.lesion_id}
        truth.append({**names, **lesion.truth.as_dict()})
    table = lesion_table(lesions, with_truth=False)
    table.to_csv(folder / "lesions.csv", index=False, float_format="%.8g", lineterminator="\n")
    write_record(simulated_calibration(seed, scanner=options.scanner), folder / "calibration.json")
    write_text(to_json({"kind": "lesions", "seed": seed, "lesions": truth}), folder / "truth.json")
