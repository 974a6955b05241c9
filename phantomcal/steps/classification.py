"""`classify`: lesions from a table, or from volumes with or without a label map."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantomcal.errors import InputError
from phantomcal.outputs import input_file, output_folder, provenance, write_record
from phantomcal.results import Classification, InputFile, LogisticModel

if TYPE_CHECKING:
    import pandas as pd
    import SimpleITK as sitk

    from phantomcal.lesions.extract import Extracting
    from phantomcal.lesions.readings import Columns
    from phantomcal.lesions.voxels import Inside


SEARCHED = (
    "lesions were searched for, not outlined by a reader: iron-rich nuclei, veins and sinuses read like haemorrhage; "
    "look at every find, and leave known structures out with --exclude"
)


@dataclass(frozen=True)
class Volumes:
    """Where the volumes of a `classify` call lie, as given.

    Attributes
    ----------
    ct, qsm, labels, mask, exclude : str or None
    qsm_unit : str or None
    transform, lookup : Path or None
    subject : str
    extracting : Extracting or None
    """

    ct: str | None = None
    qsm: str | None = None
    qsm_unit: str | None = None
    transform: Path | None = None
    labels: str | None = None
    lookup: Path | None = None
    mask: str | None = None
    exclude: str | None = None
    subject: str = ""
    extracting: "Extracting | None" = None

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return self.ct is not None or self.qsm is not None


@dataclass
class _Seen:
    """What was read from volumes."""

    frame: "pd.DataFrame"
    labels: "sitk.Image"
    qsm: "sitk.Image | None"
    ct: "sitk.Image | None"
    transform: "sitk.Transform | None"
    inputs: list[InputFile]
    warnings: list[str] = field(default_factory=list)
    extraction: dict[str, Any] = field(default_factory=dict)


def classification_step(
    out: Path,
    *,
    table: Path | None = None,
    volumes: Volumes | None = None,
    calibration: Path | None = None,
    model: Path | None = None,
    fit: bool = False,
    prior: Sequence[str] = (),
    threshold: float | None = None,
    dead_band_ppm: float | None = None,
    columns: "Columns | None" = None,
    truth_column: str = "truth",
    reader_column: str | None = None,
    numbers: Mapping[str, float] | None = None,
) -> Classification:
    """`phantomcal classify`: writes lesions.csv, classification.json and report.html into `out`; from volumes also
    lesions.nii.gz (the labels) and lesion_voxels.nii.gz (1 iron-like, 2 calcium-like).

    Parameters
    ----------
    out : Path
    table : Path, optional
        Lesions; with volumes, columns to join by ``lesion_id`` (truth, covariates).
    volumes : Volumes, optional
    calibration, model : Path, optional
        A calibration.json; a classification.json with fitted models.
    fit : bool
        Fit a logistic model to the labels.
    prior : sequence of str
        ``class=weight``.
    threshold, dead_band_ppm : float, optional
    columns : Columns, optional
    truth_column, reader_column : str, optional
    numbers : mapping of str to float, optional
        Fields of `phantomcal.lesions.assumptions.Assumptions` to replace.
    """
    from phantomcal.lesions.assumptions import THRESHOLD, assumptions_from
    from phantomcal.lesions.classify import classification_frame, classify_lesions
    from phantomcal.lesions.combine import with_compositions, with_doubts
    from phantomcal.lesions.judge import judge_lesions
    from phantomcal.steps.saved import calibration_file, read_calibration
    from phantomcal.tables import read_table

    started = time.perf_counter()
    given = volumes or Volumes()
    _check_call(table, given)
    inputs: list[InputFile] = []
    known = read_calibration(calibration) if calibration is not None else None
    if calibration is not None:
        inputs.append(input_file("calibration", calibration_file(calibration)))
    models = None if model is None else read_models(model)
    if model is not None:
        inputs.append(input_file("model", _model_file(model)))
    frame = None
    if table is not None:
        frame = read_table(table)
        inputs.append(input_file("table", table))
    seen = None
    where = table.name if table is not None else "the volumes"
    if given.given:
        seen = _from_volumes(given)
        inputs += seen.inputs
        frame = seen.frame if frame is None else _joined(seen, frame, where)
        columns = None
    assert frame is not None
    record = classify_lesions(
        frame,
        calibration=known,
        prior=weights_of(prior),
        model=models,
        fit=fit,
        threshold=THRESHOLD if threshold is None else threshold,
        assumptions=assumptions_from(numbers or {}),
        dead_band_ppm=dead_band_ppm,
        columns=columns,
        truth_column=truth_column,
        reader_column=reader_column,
        where=where,
    )
    insides: dict[int, Inside] = {}
    if seen is not None:
        insides = _insides(seen, record)
        names = dict(zip(seen.frame["label"], seen.frame["lesion_id"], strict=True))
        record = with_compositions(record, {names[k]: inside.composition for k, inside in insides.items()})
        if seen.extraction:
            doubts = seen.frame.set_index("lesion_id")["extraction_note"].to_dict()
            record = with_doubts(record, {str(name): str(words) for name, words in doubts.items()})
            seen.warnings.append(SEARCHED)
    judgement, remarks = judge_lesions(record)
    parameters = {
        "fit": fit,
        "prior": record.prior,
        "threshold": record.threshold,
        "dead_band_ppm": dead_band_ppm,
        "truth_column": truth_column,
        "reader_column": reader_column,
        "columns": vars(columns) if columns is not None else None,
        "assumptions": dict(numbers or {}),
        "qsm_unit": given.qsm_unit,
        "extraction": vars(given.extracting) if given.extracting is not None and given.labels is None else None,
    }
    record = record.model_copy(
        update={
            "judgement": judgement,
            "extraction": seen.extraction if seen is not None else {},
            "warnings": [*(seen.warnings if seen is not None else []), *record.warnings, *remarks],
            "provenance": provenance("classify", inputs, parameters, started),
        }
    )
    with output_folder(out) as folder:
        classification_frame(record, frame).to_csv(
            folder / "lesions.csv", index=False, float_format="%.8g", lineterminator="\n"
        )
        write_record(record, folder / "classification.json")
        _write_report(record, seen, insides, folder)
    return record


def weights_of(given: Sequence[str]) -> dict[str, float] | None:
    """Prior weights from ``class=weight``.

    Raises
    ------
    InputError
        Not of that form.
    """
    return numbers_of(given, "--prior", "haemorrhage=0.7")


def numbers_of(given: Sequence[str], option: str, example: str) -> dict[str, float] | None:
    """``NAME=NUMBER`` options as a mapping; None when there are none.

    Raises
    ------
    InputError
        Not of that form, or a name twice.
    """
    if not given:
        return None
    found: dict[str, float] = {}
    for text in given:
        name, sign, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not sign or value != value or name.strip() in found:
            raise InputError(f"{text!r} is not NAME=NUMBER, once for each name", option, f"write it as {example}")
        found[name.strip()] = value
    return found


def read_models(path: Path) -> list[LogisticModel]:
    """Fitted models from a classification.json, or the folder that holds it.

    Raises
    ------
    InputError
        No such file, not such a file, or no model in it.
    """
    from pydantic import ValidationError

    file = _model_file(path)
    if not file.is_file():
        raise InputError("no such classification", file.name, "give the classification.json of `classify --fit`")
    try:
        record = Classification.model_validate_json(file.read_text(encoding="utf-8-sig"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise InputError(
            "not a classification of this version", file.name, "give the classification.json of `classify --fit`"
        ) from error
    if not record.logistic:
        raise InputError("no fitted model in it", file.name, "fit one with `classify TABLE --fit`")
    return record.logistic


def _model_file(path: Path) -> Path:
    return path / "classification.json" if path.is_dir() else path


def _check_call(table: Path | None, given: Volumes) -> None:
    if table is None and not given.given:
        raise InputError("nothing to classify", "", "give a table of lesions, or --qsm and --ct")
    if given.given and given.qsm is None and given.labels is None:
        raise InputError("a CT alone does not say where lesions are", "", "give --qsm, or a label map with --lesions")
    for value, name, needed in (
        (given.labels, "--lesions", given.given),
        (given.transform, "--transform", given.ct is not None),
        (given.mask, "--mask", given.qsm is not None),
        (given.exclude, "--exclude", given.qsm is not None and given.labels is None),
        (given.lookup, "--lookup", given.labels is not None),
    ):
        if value is not None and not needed:
            raise InputError(f"{name} without what it belongs to", "", "see `phantomcal classify --help`")


def _from_volumes(given: Volumes) -> _Seen:
    """Volumes read, lesions found or taken from labels, and measured."""
    from phantomcal.correlation.regions import read_lookup
    from phantomcal.lesions.extract import extract_lesions
    from phantomcal.lesions.measure import measure_lesions
    from phantomcal.steps.registration import read_transform
    from phantomcal.volumes import read_ct, read_labels, read_qsm

    ct = read_ct(given.ct) if given.ct is not None else None
    qsm = read_qsm(given.qsm, given.qsm_unit) if given.qsm is not None else None
    transform = read_transform(given.transform) if given.transform is not None else None
    read = [v for v in (ct, qsm) if v is not None]
    inputs, warnings = [v.source for v in read], [n for v in read for n in v.notes]
    if given.transform is not None:
        inputs.append(input_file("transform", given.transform))
    images: dict[str, Any] = {"ct": ct.image if ct else None, "transform": transform}
    extra = {}
    for name, path in (("mask", given.mask), ("exclude", given.exclude)):
        volume = read_labels(path) if path is not None else None
        extra[name] = volume.image if volume is not None else None
        inputs += [volume.source] if volume is not None else []
    if given.labels is not None:
        labels = read_labels(given.labels)
        inputs.append(labels.source)
        names = None
        if given.lookup is not None:
            lookup = read_lookup(given.lookup)
            names = dict(zip(lookup["index"].astype(int), lookup["name"].astype(str), strict=True))
        frame = measure_lesions(
            labels.image, qsm=qsm.image if qsm else None, names=names, subject_id=given.subject, **images
        )
        warnings += frame.attrs.get("warnings", [])
        return _Seen(frame, labels.image, qsm.image if qsm else None, images["ct"], transform, inputs, warnings)
    assert qsm is not None
    found = extract_lesions(
        qsm.image, mask=extra["mask"], exclude=extra["exclude"], how=given.extracting, subject_id=given.subject,
        ct=images["ct"], transform=transform,
    )  # fmt: skip
    return _Seen(
        found.table, found.labels, qsm.image, images["ct"], transform, inputs, [*warnings, *found.warnings], found.facts
    )


def _joined(seen: _Seen, table: "pd.DataFrame", where: str) -> "pd.DataFrame":
    """What was measured, with the table's own columns for the same lesions."""
    from phantomcal.lesions.readings import texts
    from phantomcal.tables import require_columns

    require_columns(table, ["lesion_id"], where)
    ids = texts(table, "lesion_id")
    if len(set(ids)) < len(ids):
        raise InputError("a lesion_id stands in two rows", where, "give the lesions of one person and session")
    unknown = sorted(set(ids) - set(seen.frame["lesion_id"]))
    if len(unknown) == len(ids):
        raise InputError(
            f"no lesion_id of it is in the volumes ({', '.join(unknown[:3])}, ...)",
            where,
            "lesions are called by their label's number, or its name with --lookup",
        )
    if unknown:
        seen.warnings.append(f"{len(unknown)} lesions of the table are not in the volumes: {', '.join(unknown[:5])}")
    own = [c for c in table.columns if c not in seen.frame.columns]
    rest = table[own].assign(lesion_id=ids)
    joined = seen.frame.merge(rest, on="lesion_id", how="left")
    taken = [c for c in table.columns if c in seen.frame.columns and c not in ("lesion_id", "subject_id")]
    if taken:
        seen.warnings.append(f"measured in the volumes, not taken from the table: {', '.join(taken)}")
    return joined


def _insides(seen: _Seen, record: Classification) -> "dict[int, Inside]":
    from phantomcal.lesions.assumptions import Assumptions
    from phantomcal.lesions.voxels import look_inside
    from phantomcal.volumes import same_grid

    if seen.qsm is None or not same_grid(seen.labels, seen.qsm):
        return {}
    known = Assumptions(**record.assumptions)
    return look_inside(seen.labels, known, qsm=seen.qsm, ct=seen.ct, transform=seen.transform)


def _write_report(record: Classification, seen: _Seen | None, insides: "dict[int, Inside]", folder: Path) -> None:
    from phantomcal.report.compose_classification import classification_report
    from phantomcal.report.page import render

    pictures = None
    volumes = []
    if seen is not None:
        from phantomcal.report.lesion_pictures import lesion_pictures
        from phantomcal.report.viewers import lesion_scans

        names = {int(k): str(v) for k, v in zip(seen.frame["label"], seen.frame["lesion_id"], strict=True)}
        pictures = lesion_pictures(seen.labels, names, qsm=seen.qsm, ct=seen.ct, transform=seen.transform)
        verdicts = {v.lesion_id: v.verdict for v in record.lesions}
        outlined = {k: (name, verdicts.get(name, "undetermined")) for k, name in names.items()}
        volumes = [lesion_scans(seen.labels, outlined, qsm=seen.qsm, ct=seen.ct, transform=seen.transform)]
        _write_maps(seen, insides, folder)
    report = classification_report(record, pictures, volumes=volumes)
    (folder / "report.html").write_text(render(report), encoding="utf-8")


def _write_maps(seen: _Seen, insides: "dict[int, Inside]", folder: Path) -> None:
    import numpy as np
    import SimpleITK as sitk

    from phantomcal.volumes.write import write_nifti

    if seen.extraction:
        write_nifti(seen.labels, folder / "lesions.nii.gz")
    if insides:
        kinds = np.zeros(seen.labels.GetSize()[::-1], np.uint8)
        for inside in insides.values():
            part = kinds[inside.box]
            part[inside.kinds > 0] = inside.kinds[inside.kinds > 0]
        image = sitk.GetImageFromArray(kinds)
        image.CopyInformation(seen.labels)
        write_nifti(image, folder / "lesion_voxels.nii.gz")
