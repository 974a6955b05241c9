"""From a table of sections to rows: patient, component, measures, grades."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from phantomcal.correlation.rows import keys_of, natural
from phantomcal.errors import InputError
from phantomcal.tables import numeric_column, require_columns, require_plausible, row_in_file

HAEMORRHAGE, CALCIFICATION, LIPID, FIBROUS = "haemorrhage", "calcification", "lipid core", "fibrous"
KNOWN = (HAEMORRHAGE, CALCIFICATION, LIPID, FIBROUS)
QSM, CT = "qsm_ppm", "ct_hu"
COMPONENT = "component"
PATIENTS = ("subject_id", "patient_id", "patient", "subject", "participant_id")
# Histology that shows red blood cells, iron, and calcium.
GRADES = ("glycophorin_a", "berlin_blue", "prussian_blue", "perls", "von_kossa")

_PPM_LIMIT = 30.0
_SYNONYMS = {
    HAEMORRHAGE: (
        "haemorrhage", "hemorrhage", "haemorrhagic", "hemorrhagic", "intraplaque haemorrhage",
        "intraplaque hemorrhage", "intra plaque haemorrhage", "intra plaque hemorrhage", "plaque haemorrhage",
        "plaque hemorrhage", "iph", "blood", "haematoma", "hematoma",
    ),
    CALCIFICATION: (
        "calcification", "calcifications", "calcified", "calcific", "calcium", "calc", "ca", "calcified nodule",
    ),
    LIPID: (
        "lipid", "lipid core", "lipid rich", "lipid rich core", "lipid rich necrotic core", "necrotic core", "lrnc",
        "lipids", "lc", "nc",
    ),
    FIBROUS: (
        "fibrous", "fibrous tissue", "fibrous cap", "fibrosis", "fibrotic", "fibrous matrix", "dense fibrous tissue",
        "connective tissue", "fc", "ft",
    ),
}  # fmt: skip
_MEANING = {word: name for name, words in _SYNONYMS.items() for word in words}
_SIGNS = re.compile(r"[-−+]{1,6}|±|\+/-")


@dataclass(frozen=True)
class Sections:
    """Rows that can be used.

    Attributes
    ----------
    frame : pandas.DataFrame
        Columns ``component``, ``patient`` (number from 0), ``row`` (line in the file), each measure and each grade;
        in an order that depends on the values only.
    measures : list of str
        ``qsm_ppm`` and ``ct_hu``, those there are.
    grades : dict of str to str
        Name in the table by column of `frame`.
    components : list of str
        The known ones first, then others in natural order.
    named_as : dict of str to list of str
        What the table calls each component.
    patient_column : str or None
    clustered : bool
        Whether patients have several rows.
    warnings : list of str
    """

    frame: pd.DataFrame
    measures: list[str]
    grades: dict[str, str]
    components: list[str]
    named_as: dict[str, list[str]]
    patient_column: str | None
    clustered: bool
    warnings: list[str] = field(default_factory=list)


def component_of(name: str) -> str | None:
    """The component a table's word means, or None when it is not known."""
    return _MEANING.get(_plain(name))


def sections_of(
    table: pd.DataFrame,
    *,
    component: str = COMPONENT,
    patient: str | None = None,
    qsm: str | None = None,
    ct: str | None = None,
    grades: Sequence[str] = (),
    where: str = "the table",
) -> Sections:
    """Rows of a table of plaque sections or regions.

    Parameters
    ----------
    table : pandas.DataFrame
        As `phantomcal.tables.read_table` gives it.
    component : str
        Column of the component; common synonyms are mapped, other words stay components of their own.
    patient : str, optional
        Column of the patient; found by its usual names when not given, ``none`` takes rows as independent.
    qsm, ct : str, optional
        Columns of susceptibility and attenuation; ``qsm_ppm`` or ``qsm_ppb``, and ``ct_hu``, when not given. A name
        that ends in ppb is converted.
    grades : sequence of str
        Columns of ordinal grades besides those known by name.
    where : str
        The file, for messages.

    Returns
    -------
    Sections

    Raises
    ------
    InputError
        Columns missing, text where numbers belong, values that cannot be ppm, or fewer than two components.
    """
    require_columns(table, [component], where, {component: "--component"})
    qsm_column = qsm or next((name for name in (QSM, "qsm_ppb") if name in table.columns), None)
    ct_column = ct or (CT if CT in table.columns else None)
    if qsm_column is None and ct_column is None:
        raise InputError(
            "neither a column 'qsm_ppm' nor 'ct_hu'", where, "name the right ones with --qsm-column and --ct-column"
        )
    warnings: list[str] = []
    columns: dict[str, pd.Series[float]] = {}
    for name, column, option in ((QSM, qsm_column, "--qsm-column"), (CT, ct_column, "--ct-column")):
        if column is not None:
            require_columns(table, [column], where, {column: option})
            columns[name] = _measure(table, column, name, where)
            if not columns[name].notna().any():
                warnings.append(f"column {column!r} is empty: left out")
                del columns[name]
    if qsm_column is not None and qsm_column.lower().endswith("ppb"):
        warnings.append(f"column {qsm_column!r} was brought from ppb to ppm")
    if not columns:
        raise InputError("no value of either measure", where, "fill in the columns of QSM or CT")
    data = pd.DataFrame(columns, index=table.index)
    words = keys_of(table[component])
    data["component"] = [component_of(word) or word for word in words]
    patient_column, patient_words = _patients(table, patient, where, warnings)
    names = {_grade_name(str(column)): str(column) for column in table.columns if _grade_name(str(column)) in GRADES}
    taken = {component, qsm_column, ct_column, patient_column}
    for column in grades:
        require_columns(table, [column], where, {column: "--grade"})
        if column in taken:
            raise InputError(f"column {column!r} cannot be a grade as well", where, "name another with --grade")
        names = {key: value for key, value in names.items() if value != column} | {column: column}
    for key, column in names.items():
        data[f"grade {key}"] = _ordinal(table, column, where)
    data["patient_words"] = patient_words
    data["row"] = [row_in_file(label, position) for position, label in enumerate(table.index)]
    named = data["component"] != ""
    valued = data[list(columns)].notna().any(axis=1)
    for gone, reason in (
        (int((~named).sum()), f"without {component}"),
        (int((named & ~valued).sum()), "without a value"),
    ):
        if gone:
            warnings.append(f"{gone} row{'s' if gone != 1 else ''} {reason} left out")
    spelled = pd.DataFrame({"name": data["component"], "word": words})[named & valued]
    data = data[named & valued]
    present = set(data["component"])
    if len(present) < 2:
        raise InputError(
            f"{'one component only (' + next(iter(present)) + ')' if present else 'no usable row'} in {component!r}",
            where,
            "give sections of two components or more",
        )
    components = [name for name in KNOWN if name in present]
    others = sorted(present - set(KNOWN), key=natural)
    if others:
        shown = ", ".join(repr(name) for name in others[:6])
        warnings.append(
            f"{len(others)} component names not known, kept as they are: {shown}"
            if len(others) > 1
            else f"component {shown} is not known, kept as it is"
        )
    order = np.lexsort((data["row"], *(data[name].fillna(np.inf) for name in columns), data["component"]))
    data = data.iloc[order]
    patients = _numbered(data["patient_words"]) if patient_column is not None else np.arange(len(data))
    data = data.drop(columns="patient_words").assign(patient=patients).reset_index(drop=True)
    return Sections(
        frame=data,
        measures=list(columns),
        grades={f"grade {key}": column for key, column in names.items() if data[f"grade {key}"].notna().any()},
        components=components + others,
        named_as={
            name: sorted(set(spelled["word"][spelled["name"] == name]), key=natural) for name in components + others
        },
        patient_column=patient_column,
        clustered=bool(patients.size and int(patients.max()) + 1 < len(data)),
        warnings=warnings,
    )


def _plain(name: str) -> str:
    return re.sub(r"[\s_/\-–()]+", " ", name.strip().lower()).strip()


def _grade_name(column: str) -> str:
    return re.sub(r"_(grade|score|stain)$", "", re.sub(r"[^a-z0-9]+", "_", column.strip().lower()).strip("_"))


def _measure(table: pd.DataFrame, column: str, name: str, where: str) -> "pd.Series[float]":
    values = numeric_column(table, column, where)
    require_plausible(values, where)
    if name == CT:
        return values
    ppb = column.lower().endswith("ppb")
    values = values * 1e-3 if ppb else values
    typical = float(values.abs().median()) if values.notna().any() else 0.0
    if typical > _PPM_LIMIT:
        raise InputError(
            f"column {column!r} cannot be {'ppb' if ppb else 'ppm'} (typically {typical * (1e3 if ppb else 1):.3g})",
            where,
            "bring it to ppm, or let its name end in ppb",
        )
    return values


def _patients(
    table: pd.DataFrame, patient: str | None, where: str, warnings: list[str]
) -> tuple[str | None, "pd.Series[str] | list[str]"]:
    if patient is not None and patient.strip().lower() in ("", "none"):
        warnings.append("rows are taken as independent, as asked")
        return None, [""] * len(table)
    if patient is not None:
        require_columns(table, [patient], where, {patient: "--subject"})
    found = patient or next((name for name in PATIENTS if name in table.columns), None)
    if found is None:
        warnings.append(
            "no column names the patient: rows are taken as independent, which is wrong when a patient has several "
            "sections (--subject names the column)"
        )
        return None, [""] * len(table)
    words = keys_of(table[found])
    blank = int((words == "").sum())
    if blank:
        warnings.append(f"{blank} row{'s' if blank != 1 else ''} without {found} counted as one unknown patient")
    return found, words


def _numbered(words: "pd.Series[str]") -> np.ndarray:
    # By name, so that the order of rows does not matter.
    return np.unique(words.to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64)


def _ordinal(table: pd.DataFrame, column: str, where: str) -> "pd.Series[float]":
    """Grades as numbers; plus signs count, a minus sign is 0, ± a half."""
    words = keys_of(table[column])
    signs = words.str.fullmatch(_SIGNS)
    if not signs.any():
        return numeric_column(table, column, where)
    values = words.where(~signs, words.map(_counted))
    return numeric_column(pd.DataFrame({column: values}, index=table.index), column, where)


def _counted(word: str) -> str:
    if word in ("±", "+/-"):
        return "0.5"
    return str(word.count("+"))
