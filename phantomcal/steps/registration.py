"""`register`: from a CT and an MR volume to a judged transform."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from phantomcal.errors import InputError
from phantomcal.outputs import output_folder, provenance, write_record
from phantomcal.results import Alignment

if TYPE_CHECKING:
    import SimpleITK as sitk


def register_step(ct: str, mr: str, out: Path, *, kind: str = "auto", init: str = "auto") -> Alignment:
    """`phantomcal register`: writes the transform, the aligned CT, registration.json and report.html into `out`."""
    import SimpleITK as sitk

    from phantomcal.registration.rigid import register, resample_ct
    from phantomcal.report.compose_alignment import alignment_report
    from phantomcal.report.page import render
    from phantomcal.report.pictures import aligned_picture
    from phantomcal.volumes import read_ct, read_magnitude, read_qsm

    started = time.perf_counter()
    if kind not in ("auto", "magnitude", "qsm"):
        raise InputError(f"unknown --mr-kind {kind!r}", "", "use magnitude, qsm or auto")
    if kind == "auto":
        kind = "qsm" if "chimap" in Path(mr).name.lower() or "qsm" in Path(mr).name.lower() else "magnitude"
    moving = read_ct(ct)
    fixed = read_qsm(mr) if kind == "qsm" else read_magnitude(mr)
    if init not in ("auto", "centre"):
        raise InputError(f"unknown --init {init!r}", "", "use auto or centre")
    found = register(
        moving.image,
        fixed.image,
        fixed_kind="qsm" if kind == "qsm" else "magnitude",
        init="centre" if init == "centre" else "auto",
    )
    aligned = resample_ct(moving.image, fixed.image, found.transform)
    parameters = {"kind": kind, "init": init, "interpolation": "linear", "outside_hu": -1024}
    record = found.alignment.model_copy(
        update={
            "warnings": [*moving.notes, *fixed.notes, *found.alignment.warnings],
            "provenance": provenance("register", [moving.source, fixed.source], parameters, started),
        }
    )
    picture = aligned_picture(fixed.image, moving.image, found.transform)
    with output_folder(out) as folder:
        sitk.WriteTransform(found.transform, str(folder / "ct_to_mr.tfm"))
        sitk.WriteImage(sitk.Cast(sitk.Round(aligned), sitk.sitkInt16), str(folder / "ct_in_mr.nii.gz"), True)
        write_record(record, folder / "registration.json")
        (folder / "report.html").write_text(render(alignment_report(record, [picture])), encoding="utf-8")
    return record


def read_transform(path: Path) -> "sitk.Transform":
    """An ITK transform file that maps MR points to CT points."""
    import SimpleITK as sitk

    if not path.is_file():
        raise InputError("no such transform file", path.name, "give the ct_to_mr.tfm of `phantomcal register`")
    try:
        return sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise InputError("not an ITK transform file", path.name, "give a .tfm file as ITK writes it") from error
