"""`register`: from a CT and an MR volume to a judged transform, both images in each other's space, and a report."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from phantomcal.errors import InputError
from phantomcal.outputs import input_file, output_folder, provenance, write_record
from phantomcal.results import Alignment, InputFile

if TYPE_CHECKING:
    import SimpleITK as sitk

    from phantomcal.registration.landmarks import Landmarks
    from phantomcal.registration.resample import Interpolation
    from phantomcal.registration.rigid import Registration
    from phantomcal.registration.transforms import GivenTransform
    from phantomcal.volumes import Volume
    from phantomcal.volumes.quirks import Strictness

OUTSIDE_HU = -1024.0
_CT_RANGE = (-32768.0, 32767.0)
# Whole numbers that MR values are stored as: magnitude noise is far above the step, susceptibility needs finer ones.
_MR_STEPS = {"magnitude": 4000, "qsm": 32000}


def register_step(
    ct: str,
    mr: str,
    out: Path,
    *,
    kind: str = "auto",
    init: str = "auto",
    qsm_unit: str | None = None,
    transform: Path | None = None,
    transform_kind: str = "auto",
    inverted: bool = False,
    interpolation: str = "linear",
    mr_in_ct: bool = True,
    landmarks_ct: Path | None = None,
    landmarks_mr: Path | None = None,
    phantom: str | None = None,
    strictness: "Strictness" = "warn",
) -> Alignment:
    """`phantomcal register`: writes the transform, both images in each other's space, registration.json, report.html.

    Parameters
    ----------
    ct, mr : str
        Paths as the readers take them.
    out : pathlib.Path
        Output folder.
    kind : {"auto", "magnitude", "qsm"}
        What `mr` is; auto goes by the file name.
    init : str
        "auto", "centre", or a transform file to start from.
    qsm_unit : str, optional
        Unit of a QSM map.
    transform : pathlib.Path, optional
        A transform made elsewhere, judged in place of a search.
    transform_kind : {"auto", "itk", "fsl", "ras"}
        What the transform file is.
    inverted : bool
        The transform file maps the other way than its program's usual direction.
    interpolation : {"linear", "bspline", "nearest"}
        Of both resampled images.
    mr_in_ct : bool
        Write the MR on the CT's grid too.
    landmarks_ct, landmarks_mr : pathlib.Path, optional
        Points with the same names in both images.
    phantom : str, optional
        Protocol of the phantom that both images show.
    strictness : {"ignore", "warn", "raise"}
        What to do about oddities of the files that can be set right.
    """
    from phantomcal.registration.resample import on_grid_of

    started = time.perf_counter()
    kind = _kind_of(kind, mr, phantom)
    interpolate = _interpolation(interpolation)
    _check_pose_options(init, transform, transform_kind, inverted, phantom)
    marks = _landmarks(landmarks_ct, landmarks_mr)
    moving, fixed = _volumes(ct, mr, kind, qsm_unit, strictness)
    sources = [moving.source, fixed.source]
    if phantom is not None:
        found = _by_vials(moving, fixed, phantom)
        notes: tuple[str, ...] = ()
    else:
        found, notes, given = _by_images(moving, fixed, kind, init, transform, transform_kind, inverted, (ct, mr))
        sources += [given] if given else []
    record = found.alignment
    if marks is not None:
        from phantomcal.registration.landmarks import landmark_error

        record = _with_landmarks(record, landmark_error(*marks, found.transform))
        named = ((landmarks_ct, "landmarks ct"), (landmarks_mr, "landmarks mr"))
        sources += [input_file(role, path) for path, role in named if path is not None]
    aligned = on_grid_of(moving.image, fixed.image, found.transform, interpolation=interpolate, outside=OUTSIDE_HU)
    parameters = {
        "kind": kind,
        "init": init if init in ("auto", "centre") else "file",
        "qsm_unit": qsm_unit,
        "transform_kind": transform_kind,
        "inverted": inverted,
        "interpolation": interpolation,
        "outside_hu": OUTSIDE_HU,
        "mr_in_ct": mr_in_ct,
        "phantom": phantom if phantom is None else Path(phantom).name,
    }
    record = record.model_copy(
        update={
            "interpolation": interpolate,
            "outside_hu": OUTSIDE_HU,
            "outside_share": aligned.outside_share,
            "warnings": [*moving.notes, *fixed.notes, *notes, *record.warnings],
        }
    )

    def write_mr(folder: Path) -> None:
        from phantomcal.volumes.write import write_nifti

        back = on_grid_of(
            fixed.image, moving.image, found.transform.GetInverse(), interpolation=interpolate, outside=0.0
        )
        write_nifti(back.image, folder / "mr_in_ct.nii.gz", steps=_MR_STEPS[kind])

    with output_folder(out) as folder, ThreadPoolExecutor(max_workers=1) as beside:
        # Compressing the largest image takes as long as drawing the report: both at once.
        largest = beside.submit(write_mr, folder) if mr_in_ct else None
        _write(found, aligned.image, aligned.mask(), folder)
        pictures = _pictures(moving, fixed, found, record)
        if largest is not None:
            largest.result()
        record = record.model_copy(update={"provenance": provenance("register", sources, parameters, started)})
        write_record(record, folder / "registration.json")
        _write_report(record, pictures, folder)
    return record


def read_transform(path: Path) -> "sitk.Transform":
    """An ITK transform file that maps MR points to CT points."""
    from phantomcal.registration.transforms import read_itk

    return read_itk(path)


def _check_pose_options(
    init: str, transform: Path | None, transform_kind: str, inverted: bool, phantom: str | None
) -> None:
    """Options that contradict each other or name nothing, said before anything is read."""
    if phantom is not None and (transform is not None or init != "auto"):
        raise InputError("--phantom finds the pose by itself", "", "leave --init and --transform away")
    if transform is not None and init != "auto":
        raise InputError("--init and --transform exclude each other", "", "start from a transform, or take it as it is")
    if transform_kind not in ("auto", "itk", "fsl", "ras"):
        raise InputError(f"unknown --transform-kind {transform_kind!r}", "", "use auto, itk, fsl or ras")
    if transform is not None:
        if not transform.is_file():
            raise InputError("no such transform file", transform.name, "check the path")
    elif init in ("auto", "centre"):
        if transform_kind != "auto" or inverted:
            raise InputError("no transform file is given", "", "--transform-kind and --invert belong to one")
    elif not Path(init).is_file():
        raise InputError(f"unknown --init {init!r}", "", "use auto, centre, or a transform file")


def _kind_of(kind: str, mr: str, phantom: str | None) -> Literal["magnitude", "qsm"]:
    if kind not in ("auto", "magnitude", "qsm"):
        raise InputError(f"unknown --mr-kind {kind!r}", "", "use magnitude, qsm or auto")
    if phantom is not None:
        if kind == "magnitude":
            raise InputError("vials are found in the QSM map, not in the magnitude", "", "give the map as --mr")
        return "qsm"
    name = Path(mr).name.lower()
    if kind == "qsm" or (kind == "auto" and ("chimap" in name or "qsm" in name)):
        return "qsm"
    return "magnitude"


def _interpolation(name: str) -> "Interpolation":
    if name not in ("linear", "bspline", "nearest"):
        raise InputError(f"unknown --interpolation {name!r}", "", "use linear, bspline or nearest")
    return name  # type: ignore[return-value]


def _volumes(ct: str, mr: str, kind: str, qsm_unit: str | None, strictness: "Strictness") -> "tuple[Volume, Volume]":
    from phantomcal.volumes import read_ct, read_magnitude, read_qsm

    if qsm_unit is not None and kind != "qsm":
        raise InputError("--qsm-unit says the unit of a QSM map, and --mr is a magnitude", "", "leave it away")
    moving = read_ct(ct, strictness=strictness)
    if kind == "qsm":
        return moving, read_qsm(mr, qsm_unit, strictness=strictness)
    return moving, read_magnitude(mr, strictness=strictness)


def _by_vials(moving: "Volume", fixed: "Volume", phantom: str) -> "Registration":
    from phantomcal.protocol import load_protocol
    from phantomcal.registration.phantom import align_phantom

    return align_phantom(
        moving.image, fixed.image, load_protocol(phantom), where_ct=moving.source.name, where_mr=fixed.source.name
    )


def _by_images(
    moving: "Volume",
    fixed: "Volume",
    kind: Literal["magnitude", "qsm"],
    init: str,
    transform: Path | None,
    transform_kind: str,
    inverted: bool,
    paths: tuple[str, str],
) -> "tuple[Registration, tuple[str, ...], InputFile | None]":
    """Searched for, started from a file, or taken from one; with notes and the file."""
    from phantomcal.registration.align import align

    if transform is None and init in ("auto", "centre"):
        found = align(moving.image, fixed.image, fixed_kind=kind, init="centre" if init == "centre" else "auto")
        return found, (), None
    path = transform if transform is not None else Path(init)
    given = _given(path, moving, fixed, transform_kind, inverted, paths)
    chosen = {"given": given.transform} if transform is not None else {"start": given.transform}
    found = align(moving.image, fixed.image, fixed_kind=kind, **chosen)
    said = "taken from" if transform is not None else "started from"
    return found, (f"the transform was {said} {path.name}", *given.notes), input_file("transform", path)


def _given(
    path: Path, moving: "Volume", fixed: "Volume", transform_kind: str, inverted: bool, paths: tuple[str, str]
) -> "GivenTransform":
    from phantomcal.registration.transforms import read_rigid

    given = read_rigid(
        path,
        moving.image,
        fixed.image,
        kind=transform_kind,  # type: ignore[arg-type]
        inverted=inverted,
    )
    if given.kind == "fsl" and not all(p.lower().endswith((".nii", ".nii.gz")) for p in paths):
        raise InputError(
            "FSL's transforms count voxels of NIfTI files", path.name, "give the CT and MR that FLIRT was run on"
        )
    return given


def _landmarks(ct: Path | None, mr: Path | None) -> "tuple[Landmarks, Landmarks] | None":
    if ct is None and mr is None:
        return None
    if ct is None or mr is None:
        raise InputError("landmarks of one image only", "", "give --landmarks-ct and --landmarks-mr")
    from phantomcal.registration.landmarks import read_landmarks

    return read_landmarks(ct), read_landmarks(mr)


def _with_landmarks(record: Alignment, error: Any) -> Alignment:
    from phantomcal.registration.landmarks import judge_landmarks

    verdict, reasons, warnings = judge_landmarks(error, record.verdict, record.reasons)
    return record.model_copy(
        update={
            "landmarks": error,
            "verdict": verdict,
            "reasons": reasons,
            "warnings": [*record.warnings, *warnings],
        }
    )


def _write(found: "Registration", aligned: "sitk.Image", field: "sitk.Image", folder: Path) -> None:
    import SimpleITK as sitk

    from phantomcal.volumes.write import write_nifti

    sitk.WriteTransform(found.transform, str(folder / "ct_to_mr.tfm"))
    whole = sitk.Cast(sitk.Round(sitk.Clamp(aligned, sitk.sitkFloat32, *_CT_RANGE)), sitk.sitkInt16)
    write_nifti(whole, folder / "ct_in_mr.nii.gz")
    write_nifti(field, folder / "ct_field_in_mr.nii.gz")


def _pictures(moving: "Volume", fixed: "Volume", found: "Registration", record: Alignment) -> list[Any]:
    from phantomcal.report.alignment_pictures import alignment_pictures
    from phantomcal.report.viewers import alignment_viewer

    with ThreadPoolExecutor(max_workers=1) as beside:
        volumes = beside.submit(
            alignment_viewer, fixed.image, moving.image, found.transform, fixed_kind=record.fixed_kind
        )
        pictures = alignment_pictures(
            fixed.image,
            moving.image,
            found.transform,
            fixed_kind=record.fixed_kind,
            nats=(record.mutual_information_start, record.mutual_information),
            of_phantom=record.method == "vials",
        )
        return [volumes.result(), *pictures]


def _write_report(record: Alignment, pictures: list[Any], folder: Path) -> None:
    from phantomcal.report.compose_alignment import alignment_report
    from phantomcal.report.page import render

    (folder / "report.html").write_text(render(alignment_report(record, pictures)), encoding="utf-8")
