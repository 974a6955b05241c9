"""`export`: results as DICOM objects beside the series they were computed from."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantomcal.errors import InputError
from phantomcal.outputs import output_folder

if TYPE_CHECKING:
    import pandas as pd
    import pydicom

    from phantomcal.exporting.report import Group, Measured
    from phantomcal.exporting.source import Source

# Columns of the region table and vials.csv -> unit and derivation.
_REGION_VALUES = (
    ("ct_hu", "HU", "mean"),
    ("ct_sd_hu", "HU", "sd"),
    ("ct_sem_hu", "HU", "se"),
    ("qsm_ppm", "ppm", "mean"),
    ("qsm_sd_ppm", "ppm", "sd"),
    ("qsm_sem_ppm", "ppm", "se"),
    ("volume_mm3", "mm3", ""),
)


def export_step(
    source: str,
    out: Path,
    *,
    labels: str | None = None,
    lookup: Path | None = None,
    kind: str = "region",
    table: Path | None = None,
    vials: Path | None = None,
    maps: Sequence[str] = (),
) -> list[str]:
    """`phantomcal export`: writes a .dcm file per object into `out`.

    Parameters
    ----------
    source : str
        DICOM folder, or ``DIR::SERIES_UID``, of the series the results belong to.
    out : pathlib.Path
    labels : str, optional
        Label map in the space of the source: becomes a segmentation.
    lookup : pathlib.Path, optional
        Names of its labels.
    kind : {"region", "lesion"}
        What the labels are.
    table : pathlib.Path, optional
        Region table or lesions.csv of that map: becomes a measurement report that points at the segments.
    vials : pathlib.Path, optional
        vials.csv of a calibration: becomes a measurement report with the vials' places.
    maps : sequence of str
        ``FILE=UNIT`` or ``FILE``: parametric maps; the unit of a concentration map is mmol/L.

    Returns
    -------
    list of str
        Names of the files.
    """
    from phantomcal.exporting.identity import load_highdicom
    from phantomcal.exporting.source import read_source
    from phantomcal.volumes.dicom.headers import quiet_pydicom

    if kind not in ("region", "lesion"):
        raise InputError(f"unknown kind {kind!r}", "--kind", "region or lesion")
    if table is not None and labels is None:
        raise InputError("a table without the label map it was measured in", table.name, "give --labels too")
    if not (labels or vials or maps):
        raise InputError("nothing to export", "the call", "give --labels, --vials or --map")
    load_highdicom()
    shown = read_source(source)
    with quiet_pydicom():  # its warnings quote patients' names
        objects = _objects(shown, labels, lookup, kind, table, vials, maps)
    written = []
    with output_folder(out) as folder:
        for name, dataset in objects:
            dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)
            written.append(f"{name}.dcm")
    return written


def _objects(
    shown: "Source",
    labels: str | None,
    lookup: Path | None,
    kind: str,
    table: Path | None,
    vials: Path | None,
    maps: Sequence[str],
) -> "list[tuple[str, pydicom.Dataset]]":
    """Every object that was asked for, with the name of its file."""
    from phantomcal.exporting.images import parametric_map, segmentation
    from phantomcal.exporting.report import measurement_report
    from phantomcal.tables import read_table

    objects: list[tuple[str, pydicom.Dataset]] = []
    if labels is not None:
        image, names = _label_map(labels, lookup)
        drawn = segmentation(image, names, shown, kind=kind)
        objects.append(("segmentation", drawn))
        if table is not None:
            groups = _region_groups(read_table(table), table.name, names, image, kind)
            objects.append(("measurements", measurement_report(groups, shown, segmentation=drawn)))
    if vials is not None:
        groups = _vial_groups(read_table(vials), vials.name, shown.modality)
        objects.append(("vials", measurement_report(groups, shown, series_number=9202)))
    for k, given in enumerate(maps):
        name, volume, unit = _map(given)
        objects.append(
            (f"map-{name}".replace(" ", "_"), parametric_map(volume, unit, shown, name=name, series_number=9101 + k))
        )
    return objects


def _label_map(path: str, lookup: Path | None) -> tuple[Any, dict[int, str]]:
    from phantomcal.correlation.regions import read_lookup
    from phantomcal.volumes import read_labels

    volume = read_labels(path)
    if lookup is None:
        return volume.image, dict(volume.names)
    rows = read_lookup(lookup)
    return volume.image, dict(zip(rows["index"].astype(int), rows["name"].astype(str), strict=True))


def _region_groups(frame: "pd.DataFrame", where: str, names: dict[int, str], image: Any, kind: str) -> "list[Group]":
    """Rows of a region table or lesions.csv as groups; each row is found by its label or its name."""
    from phantomcal.exporting.images import segment_numbers
    from phantomcal.exporting.report import Group
    from phantomcal.tables import numeric_column

    if "subject_id" in frame and len(set(frame["subject_id"].astype(str))) > 1:
        raise InputError("rows of several people", where, "give the rows of the person who was scanned")
    key = next((c for c in ("roi", "lesion_id") if c in frame), None)
    if key is None:
        raise InputError("neither a column 'roi' nor 'lesion_id'", where, "give a region table or lesions.csv")
    numbers = segment_numbers(image)
    by_name = {name: label for label, name in names.items()}
    values = {c: numeric_column(frame, c, where) for c, _, _ in _REGION_VALUES if c in frame}
    labels = numeric_column(frame, "label", where) if "label" in frame else None
    groups = []
    for k, name in enumerate(frame[key].astype(str)):
        label = int(labels.iloc[k]) if labels is not None else by_name.get(name, int(name) if name.isdigit() else -1)
        if label not in numbers:
            raise InputError(f"{name!r} is no label of the map", where, "give the table that was measured in this map")
        groups.append(Group(name, kind, _row_values(values, k), segment=numbers[label]))
    return groups


def _row_values(values: "dict[str, pd.Series[float]]", k: int) -> "list[Measured]":
    from phantomcal.exporting.report import Measured

    return [
        Measured(float(values[c].iloc[k]), unit, derivation)
        for c, unit, derivation in _REGION_VALUES
        if c in values and values[c].iloc[k] == values[c].iloc[k]
    ]


def _vial_groups(frame: "pd.DataFrame", where: str, modality: str) -> "list[Group]":
    """Vials of the source's own modality, at their places."""
    from phantomcal.exporting.report import Group, Measured
    from phantomcal.tables import numeric_column, require_columns

    require_columns(frame, ["vial_id", "modality", "value", "unit", "x_mm", "y_mm", "z_mm"], where)
    own = frame[frame["modality"] == ("ct" if modality == "CT" else "qsm")]
    if own.empty:
        raise InputError(
            f"no vial was measured in the modality of the source ({modality})", where, "choose another --source"
        )
    columns = {c: numeric_column(own, c, where) for c in ("value", "x_mm", "y_mm", "z_mm")}
    more = {c: numeric_column(own, c, where) for c in ("sd", "sem", "concentration_mmol_per_l") if c in own}
    groups = []
    for k, (name, unit) in enumerate(zip(own["vial_id"].astype(str), own["unit"].astype(str), strict=True)):
        measured = [Measured(float(columns["value"].iloc[k]), unit, "mean")]
        for column, derivation in (("sd", "sd"), ("sem", "se")):
            if column in more and more[column].iloc[k] == more[column].iloc[k]:
                measured.append(Measured(float(more[column].iloc[k]), unit, derivation))
        known = more.get("concentration_mmol_per_l")
        if known is not None and known.iloc[k] == known.iloc[k]:
            measured.append(Measured(float(known.iloc[k]), "mmol/L"))
        place = (float(columns["x_mm"].iloc[k]), float(columns["y_mm"].iloc[k]), float(columns["z_mm"].iloc[k]))
        groups.append(Group(name, "vial", measured, point_mm=place))
    return groups


def _map(given: str) -> tuple[str, Any, str]:
    """Name, image and unit of ``FILE[=UNIT]``."""
    from phantomcal.exporting.codes import UNITS
    from phantomcal.volumes.files import read_file

    file, _, unit = given.partition("=")
    path = Path(file)
    if not path.is_file():
        raise InputError("no such map", path.name, "give FILE=UNIT with --map")
    name = path.name
    for suffix in (".nii.gz", ".nii", ".mha", ".nrrd"):
        name = name.removesuffix(suffix)
    if not unit and name.endswith(("_concentration", "_standard_error")):
        unit = "mmol/L"
    if unit not in UNITS:
        what = f"unknown unit {unit!r}" if unit else "a map without a unit"
        raise InputError(what, path.name, f"write --map {path.name}=UNIT with one of {', '.join(UNITS)}")
    return name.replace("_", " "), read_file(path)[0], unit
