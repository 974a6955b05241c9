"""Where a session's files may lie and what they may be called: the documented names first, then common variants."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

from phantomcal.errors import InputError

DERIVATIVES_NAME = "phantomcal results"

VOLUMES = (".nii.gz", ".nii", ".mha", ".nrrd")
TRANSFORMS = (".tfm", ".h5", ".mat", ".txt")
LABELS = (".seg.nrrd", *VOLUMES)

# Later patterns count only when no earlier one matches. {stem} is sub-X[_ses-Y]; entities may stand in between.
_CT = ("ct/{stem}_ct", "ct/{stem}_*_ct", "anat/{stem}_ct", "anat/{stem}_*_ct")
_CHIMAP = ("anat/{stem}_Chimap", "anat/{stem}_*_Chimap")
_MAGNITUDE = (
    "anat/{stem}_part-mag_T2starw",
    "anat/{stem}_*_part-mag_T2starw",
    "anat/{stem}_part-mag_MEGRE",
    "anat/{stem}_echo-1_part-mag_MEGRE",
    "anat/{stem}_*_echo-1_part-mag_MEGRE",
    "anat/{stem}_T2starw",
)
_REGIONS = (
    "anat/{stem}_space-Chimap_dseg",
    "anat/{stem}_space-Chimap_seg-regions_dseg",
    "anat/{stem}_space-Chimap_desc-atlas_dseg",
    "anat/{stem}_desc-atlas_dseg",
    "anat/{stem}_dseg",
)
_LESIONS = (
    "anat/{stem}_space-Chimap_label-lesion_dseg",
    "anat/{stem}_space-Chimap_seg-lesions_dseg",
    "anat/{stem}_space-Chimap_label-lesion_mask",
    "anat/{stem}_label-lesion_dseg",
    "anat/{stem}_label-lesion_mask",
    "anat/{stem}_label-lesion_roi",
)
_TRANSFORM = ("anat/{stem}_from-Chimap_to-ct_xfm", "anat/{stem}_from-Chimap_to-ct_mode-image_xfm")


class SessionFiles(TypedDict):
    """Files of a session by role; what is missing is None."""

    ct: Path | None
    chimap: Path | None
    magnitude: Path | None
    labels: Path | None
    lookup: Path | None
    lesions: Path | None
    lesion_lookup: Path | None
    transform: Path | None


def session_files(root: Path, folder: Path, stem: str) -> SessionFiles:
    """The files of one session by role.

    Parameters
    ----------
    root, folder : pathlib.Path
        The study and the session's folder in it.
    stem : str
        ``sub-X`` or ``sub-X_ses-Y``.

    Returns
    -------
    SessionFiles

    Raises
    ------
    InputError
        Two files where one is expected, or label maps or maps of two pipelines.
    """
    labels = _derived(root, folder, _REGIONS, stem, LABELS, "label maps")
    lesions = _derived(root, folder, _LESIONS, stem, LABELS, "label maps")
    chimap = _in(folder, _CHIMAP, stem, VOLUMES)
    return {
        "ct": _in(folder, _CT, stem, VOLUMES),
        "chimap": chimap or _derived(root, folder, _CHIMAP, stem, VOLUMES, "susceptibility maps"),
        "magnitude": _in(folder, _MAGNITUDE, stem, VOLUMES),
        "labels": labels,
        "lookup": _lookup(root, labels),
        "lesions": lesions,
        "lesion_lookup": _lookup(root, lesions),
        "transform": _derived(root, folder, _TRANSFORM, stem, TRANSFORMS, "transforms"),
    }


def _in(folder: Path, patterns: Sequence[str], stem: str, endings: Sequence[str]) -> Path | None:
    """The one file of a role in a folder."""
    found = _matches(folder, patterns, stem, endings)
    if len(found) > 1:
        suffix = patterns[0].rsplit("_", 1)[1]
        raise InputError(
            f"{len(found)} files where one {suffix} is expected ({', '.join(p.name for p in found[:3])})",
            folder.name,
            "keep one in the study",
        )
    return found[0] if found else None


def _derived(
    root: Path, folder: Path, patterns: Sequence[str], stem: str, endings: Sequence[str], what: str
) -> Path | None:
    """The one file of a role in the derivatives of a session, whichever pipeline made it."""
    inside = folder.relative_to(root)
    pipelines = [p for p in sorted((root / "derivatives").glob("*")) if p.is_dir() and not _own_results(p)]
    for pattern in patterns:
        found = {p.name: m for p in pipelines if (m := _matches(p / inside, [pattern], stem, endings))}
        if len(found) > 1:
            names, role = ", ".join(found), Path(pattern.format(stem=stem)).name
            raise InputError(f"{what} of {len(found)} pipelines ({names})", role, "keep one folder in derivatives")
        for matches in found.values():
            if len(matches) > 1:
                shown = ", ".join(p.name for p in matches[:3])
                raise InputError(f"{len(matches)} {what} ({shown})", stem, "keep one in derivatives")
            return matches[0]
    return None


def _own_results(pipeline: Path) -> bool:
    """Whether a folder of derivatives was written by `run`: its copies of what others made are no second source."""
    try:
        described = json.loads((pipeline / "dataset_description.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(described, dict) and described.get("Name") == DERIVATIVES_NAME


def _matches(folder: Path, patterns: Iterable[str], stem: str, endings: Sequence[str]) -> list[Path]:
    """Files of the first pattern that has any; of one name in several formats only the first format counts as two."""
    for pattern in patterns:
        found: dict[Path, None] = {}
        for ending in endings:
            path = folder / (pattern.format(stem=stem) + ending)
            if "*" not in pattern:
                candidates = [path] if path.is_file() else []
            else:
                candidates = sorted(path.parent.glob(path.name))
            # ".seg.nrrd" is also matched by "*.nrrd"
            found.update(dict.fromkeys(candidates))
        if found:
            return list(found)
    return []


def _lookup(root: Path, labels: Path | None) -> Path | None:
    """Lookup table of a label map: same name as TSV, or dseg.tsv beside or above it, up to the study's root."""
    if labels is None:
        return None
    name = labels.name
    for ending in LABELS:
        name = name.removesuffix(ending)
    own = labels.with_name(f"{name}.tsv")
    if own.is_file():
        return own
    if labels.name.lower().endswith(".seg.nrrd"):
        return None  # it names its labels itself
    lesion = "label-lesion" in name or "seg-lesions" in name
    general = ("label-lesion_dseg.tsv", "seg-lesions_dseg.tsv", "dseg.tsv") if lesion else ("dseg.tsv",)
    for folder in labels.parents:
        for candidate in general:
            if (folder / candidate).is_file():
                return folder / candidate
        if folder == root:
            break
    return None
