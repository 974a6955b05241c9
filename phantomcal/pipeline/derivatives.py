"""A run's images and tables as a BIDS derivative dataset: what BIDS tools, viewers and other pipelines read."""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phantomcal import __version__
from phantomcal.outputs import to_json
from phantomcal.study import Session
from phantomcal.study.names import DERIVATIVES_NAME

if TYPE_CHECKING:
    import SimpleITK as sitk

    from phantomcal.pipeline.tasks import Task
    from phantomcal.results import Alignment
    from phantomcal.volumes import LabelVolume, Volume

FOLDER = Path("derivatives") / "phantomcal"
BIDS_VERSION = "1.10.0"

# Names BIDS does not have yet; its validator is told to pass them over, as other pipelines do.
_IGNORED = ("**/ct", "**/ct/**", "*_xfm.*", "*_concentration.*", "*_measurements.*")
_MASKED_SHARE = 0.2
_AIR_HU = -1024.0
_SEGMENTATIONS = {"region": "regions", "lesion": "lesions"}
# Columns of the measurements, for their sidecar; those without a unit here have none.
_COLUMNS = {
    "roi": ("Region or lesion", ""),
    "hemisphere": ("Side the name tells", ""),
    "n_voxels": ("Voxels measured", ""),
    "ct_hu": ("Mean attenuation", "HU"),
    "ct_sd_hu": ("Standard deviation of the attenuation between voxels", "HU"),
    "ct_sem_hu": ("Standard error of the mean attenuation", "HU"),
    "qsm_ppm": ("Mean volume susceptibility (SI)", "ppm"),
    "qsm_sd_ppm": ("Standard deviation of the susceptibility between voxels", "ppm"),
    "qsm_sem_ppm": ("Standard error of the mean susceptibility", "ppm"),
    "volume_mm3": ("Volume", "mm3"),
}


def write_session(
    folder: Path,
    session: Session,
    *,
    ct: "Volume | None" = None,
    qsm: "Volume | None" = None,
    transform: "sitk.Transform | None" = None,
    alignment: "Alignment | None" = None,
    labels: "Sequence[tuple[str, LabelVolume, pd.DataFrame | None]]" = (),
    table: pd.DataFrame | None = None,
    concentrations: Path | None = None,
) -> None:
    """Write one session's derivatives below `folder`.

    Parameters
    ----------
    folder : pathlib.Path
        Scratch folder of the session; the files come under ``derivatives/phantomcal/sub-X[/ses-Y]``.
    session : Session
    ct, qsm : Volume, optional
    transform : SimpleITK.Transform, optional
        Points of the map to points of the CT; needed for the CT on the map's grid.
    alignment : Alignment, optional
        How far the transform is trusted; recorded in the sidecars.
    labels : sequence of (kind, LabelVolume, lookup)
        ``region`` and ``lesion`` maps with their names.
    table : pandas.DataFrame, optional
        Rows of the region table, with ``kind``.
    concentrations : pathlib.Path, optional
        Folder with ``*_concentration.nii.gz`` and ``*_standard_error.nii.gz``.
    """
    from phantomcal.volumes.write import write_nifti

    base = folder / FOLDER / session.subject / session.name
    stem = session.label
    space = f"bids::{session.subject}/{session.name + '/' if session.name else ''}anat/{stem}_desc-ppm_Chimap.nii.gz"
    (base / "anat").mkdir(parents=True, exist_ok=True)
    trust = _trust(alignment)
    if qsm is not None:
        write_nifti(qsm.image, base / "anat" / f"{stem}_desc-ppm_Chimap.nii.gz")
        about = {"Description": "Susceptibility map as analysed", "Units": "ppm", "SkullStripped": _masked(qsm.image)}
        _sidecar(base / "anat" / f"{stem}_desc-ppm_Chimap", about | dict(qsm.reconstruction))
    if ct is not None and qsm is not None and transform is not None:
        from phantomcal.registration.resample import on_grid_of

        (base / "ct").mkdir(exist_ok=True)
        aligned = on_grid_of(ct.image, qsm.image, transform, outside=_AIR_HU)
        write_nifti(aligned.image, base / "ct" / f"{stem}_space-Chimap_ct.nii.gz")
        about = {"Description": "CT on the grid of the susceptibility map", "Units": "HU", "SpatialReference": space}
        _sidecar(base / "ct" / f"{stem}_space-Chimap_ct", about | trust)
        _write_transform(transform, base / "anat" / f"{stem}_from-Chimap_to-ct_mode-image_xfm", trust)
    for kind, volume, names in labels:
        name = base / "anat" / f"{stem}_space-Chimap_seg-{_SEGMENTATIONS[kind]}_dseg"
        write_nifti(volume.image, Path(f"{name}.nii.gz"))
        _sidecar(name, {"Description": f"{_SEGMENTATIONS[kind]} that were measured", "SpatialReference": space})
        _table(_lookup(volume, names), Path(f"{name}.tsv"))
    for group, part in table.groupby("kind", sort=True) if table is not None else ():
        name = base / "anat" / f"{stem}_space-Chimap_seg-{_SEGMENTATIONS[str(group)]}_measurements"
        own = part.drop(columns=["kind", "subject_id", "session"], errors="ignore")
        _table(own, Path(f"{name}.tsv"))
        _sidecar(name, _columns(own.columns))
    if concentrations is not None:
        _copy_concentrations(concentrations, base / "anat", stem, space)


def write_dataset(tasks: "Sequence[Task]", target: Path, name: str) -> None:
    """Write what describes the dataset as a whole: description, README, participants, and what BIDS has no name for.

    Parameters
    ----------
    tasks : sequence of Task
        The sessions of people.
    target : pathlib.Path
        The run's output folder.
    name : str
        Name of the study.
    """
    base = target / FOLDER
    if not base.is_dir():
        return
    description = {
        "Name": DERIVATIVES_NAME,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "phantomcal", "Version": __version__, "Description": f"phantomcal run on {name}"}],
    }
    (base / "dataset_description.json").write_text(to_json(description), encoding="utf-8")
    (base / ".bidsignore").write_text("\n".join(_IGNORED) + "\n", encoding="utf-8")
    (base / "README.md").write_text(_README, encoding="utf-8")
    people = {task.session.subject: task.session.covariates for task in tasks}
    present = [subject for subject in people if (base / subject).is_dir()]
    rows = [{"participant_id": subject, **people[subject]} for subject in present]
    _table(pd.DataFrame(rows), base / "participants.tsv")


_README = """# Results of phantomcal

One folder per participant, on the grid of the susceptibility map:

- `anat/*_desc-ppm_Chimap`: the map as analysed, in ppm; reference and reconstruction in the sidecar;
- `ct/*_space-Chimap_ct`: the CT in HU, aligned; `anat/*_from-Chimap_to-ct_mode-image_xfm`: how (ITK);
- `anat/*_seg-regions_dseg`, `anat/*_seg-lesions_dseg`: what was measured, with names in the TSV;
- `anat/*_measurements.tsv`: the values, units in the sidecar;
- `anat/*_concentration`: amounts of each material in mmol/L with their standard errors, where a phantom was there.

BIDS has no names yet for CT, transforms, concentrations and measurements: they are listed in `.bidsignore`.
"""


def _trust(alignment: "Alignment | None") -> dict[str, Any]:
    if alignment is None:
        return {}
    return {"AlignmentVerdict": alignment.verdict, "AlignmentPredictedErrorMM": alignment.predicted_error_mm}


def _write_transform(transform: "sitk.Transform", stem: Path, trust: dict[str, Any]) -> None:
    import SimpleITK as sitk

    sitk.WriteTransform(transform, f"{stem}.tfm")
    about = {"Description": "Maps points of the susceptibility map to points of the CT, world LPS mm (ITK)"}
    _sidecar(stem, about | trust)


def _copy_concentrations(folder: Path, target: Path, stem: str, space: str) -> None:
    for path in sorted(folder.glob("*.nii.gz")):
        name = path.name.removesuffix(".nii.gz")
        for ending, entity, what in (
            ("_concentration", "", "concentration"),
            ("_standard_error", "StandardError", "standard error of the concentration"),
        ):
            if not name.endswith(ending):
                continue
            material = name.removesuffix(ending)
            label = "".join(c for c in material if c.isalnum()) + entity
            out = target / f"{stem}_space-Chimap_desc-{label}_concentration"
            shutil.copyfile(path, f"{out}.nii.gz")
            _sidecar(out, {"Description": f"{material}: {what}", "Units": "mmol/L", "SpatialReference": space})


def _masked(image: "sitk.Image") -> bool:
    """Whether everything but the brain was set to zero."""
    import SimpleITK as sitk

    return bool(np.mean(sitk.GetArrayViewFromImage(image) == 0) > _MASKED_SHARE)


def _lookup(volume: "LabelVolume", names: pd.DataFrame | None) -> pd.DataFrame:
    import SimpleITK as sitk

    present = np.unique(sitk.GetArrayViewFromImage(volume.image))
    called = dict(zip(names["index"].astype(int), names["name"], strict=True)) if names is not None else {}
    labels = [int(k) for k in present if k]
    return pd.DataFrame({"index": labels, "name": [called.get(k, f"label-{k}") for k in labels]})


def _columns(names: Iterable[str]) -> dict[str, Any]:
    known = {name: _COLUMNS[name] for name in names if name in _COLUMNS}
    return {name: {"Description": words, **({"Units": unit} if unit else {})} for name, (words, unit) in known.items()}


def _table(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, sep="\t", index=False, na_rep="n/a", lineterminator="\n")


def _sidecar(stem: Path, content: Mapping[str, Any]) -> None:
    Path(f"{stem}.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
