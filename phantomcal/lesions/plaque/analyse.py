"""From a table of plaque sections to statistics, tests, ROC curves and grades."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from phantomcal.accuracy.cutoff import N_BOOTSTRAP
from phantomcal.accuracy.inputs import FloatArray, IntArray
from phantomcal.accuracy.roc import compare_areas
from phantomcal.correlation.inference import ADJUSTMENTS, adjust_p
from phantomcal.errors import InputError
from phantomcal.lesions.plaque.describe import statistics_of
from phantomcal.lesions.plaque.grades import grade_correlation
from phantomcal.lesions.plaque.groups import (
    CLUSTERED_PAIRS,
    INDEPENDENT_PAIRS,
    component_pairs,
    group_tests,
    mean_ranks,
)
from phantomcal.lesions.plaque.mixed import Mixed, mixed_means
from phantomcal.lesions.plaque.rows import CALCIFICATION, COMPONENT, CT, HAEMORRHAGE, QSM, Sections, sections_of
from phantomcal.lesions.plaque.separate import MEASURE_WORDS, told_apart
from phantomcal.results.accuracy import AreaComparison
from phantomcal.results.plaque import ComponentPair, GradeCorrelation, GroupTest, Plaque, PlaqueMeasure, PlaqueRoc

_UNITS = {QSM: "ppm", CT: "HU"}
# Iron is paramagnetic; calcium is diamagnetic and absorbs X-rays. Old blood on CT has no sign to rely on.
_TARGETS = {QSM: ((HAEMORRHAGE, False), (CALCIFICATION, True)), CT: ((CALCIFICATION, False),)}
_FEW_ROWS = 2


def plaque(
    table: pd.DataFrame,
    *,
    component: str = COMPONENT,
    patient: str | None = None,
    qsm: str | None = None,
    ct: str | None = None,
    grades: Sequence[str] = (),
    adjust: str = "holm",
    n_bootstrap: int = N_BOOTSTRAP,
    where: str = "the table",
) -> Plaque:
    """What plaque components read, whether they differ, and how well each measure tells them apart.

    Parameters
    ----------
    table : pandas.DataFrame
        A row per section or region.
    component, patient, qsm, ct, grades, where
        As `sections_of`.
    adjust : {"holm", "bonferroni", "fdr_bh", "none"}
        How p values of pairs and of grades are adjusted.
    n_bootstrap : int
        Draws for the intervals of cut-offs.

    Returns
    -------
    Plaque
        Where patients have several rows, no headline interval or p value takes them as independent.

    Raises
    ------
    InputError
        As `sections_of`; unknown adjustment; no component pair with two rows each.

    References
    ----------
    M. Azuma et al., AJNR (2020), 10.3174/ajnr.A6374.
    """
    if adjust not in ADJUSTMENTS:
        raise InputError(f"unknown p adjustment {adjust!r}", "the call", f"use one of {', '.join(ADJUSTMENTS)}")
    sections = sections_of(table, component=component, patient=patient, qsm=qsm, ct=ct, grades=grades, where=where)
    warnings = list(sections.warnings)
    measures = [_measure(sections, name, adjust, n_bootstrap, warnings, where) for name in sections.measures]
    frame = sections.frame
    for measure in measures:
        for row in measure.rocs:
            if row.note:
                warnings.append(f"{MEASURE_WORDS[measure.measure]}: {row.note}")
    return Plaque(
        patient_column=sections.patient_column,
        component_column=component,
        components=sections.components,
        named_as=sections.named_as,
        clustered=sections.clustered,
        n=len(frame),
        n_patients=int(frame["patient"].max()) + 1 if sections.patient_column is not None else None,
        measures=measures,
        area_comparisons=_compared(sections),
        adjustment=f"{ADJUSTMENTS[adjust]}, pairs and grades of each measure apart",
        n_bootstrap=n_bootstrap,
        warnings=list(dict.fromkeys(warnings)),
    )


def _measure(
    sections: Sections, name: str, adjust: str, n_bootstrap: int, warnings: list[str], where: str
) -> PlaqueMeasure:
    data = sections.frame[sections.frame[name].notna()]
    values, patient = data[name].to_numpy(dtype=np.float64), data["patient"].to_numpy(dtype=np.int64)
    label = data["component"].to_numpy(dtype=str)
    words = MEASURE_WORDS[name]
    tested = [c for c in sections.components if (label == c).sum() >= _FEW_ROWS]
    for c in sections.components:
        n = int((label == c).sum())
        if n < _FEW_ROWS:
            warnings.append(f"{words}: {c} has {'one row' if n else 'no value'}: described, not tested")
    clustered = np.unique(patient).size < patient.size
    tests: list[GroupTest] = []
    pairs: list[ComponentPair] = []
    mixed: Mixed | str = "fewer than two components with two rows"
    if len(tested) >= 2:
        inside = np.isin(label, tested)
        codes = np.array([tested.index(c) for c in label[inside]], dtype=np.int64)
        own, people = values[inside], np.unique(patient[inside], return_inverse=True)[1].astype(np.int64)
        mixed = mixed_means(own, codes, people, tested) if clustered else "every patient has one row"
        ranks = mean_ranks(own, codes, people, tested)
        tests = group_tests(own, codes, ranks, mixed, clustered)
        pairs = component_pairs(own, codes, people, ranks, mixed, clustered, adjust)
    elif len(sections.measures) == 1:
        raise InputError("no two components with two rows each", where, "give more sections")
    if isinstance(mixed, str) and clustered:
        warnings.append(f"{words}: no mixed model: {mixed}")
    elif isinstance(mixed, Mixed) and mixed.warning:
        warnings.append(f"{words}: mixed model: {mixed.warning}")
    return PlaqueMeasure(
        measure=name,
        unit=_UNITS[name],
        modality="qsm" if name == QSM else "ct",
        n=values.size,
        n_patients=int(np.unique(patient).size),
        components=[statistics_of(c, values[label == c], patient[label == c]) for c in sections.components],
        tests=tests,
        pair_test=(CLUSTERED_PAIRS if clustered else INDEPENDENT_PAIRS) if pairs else "",
        pairs=pairs,
        mixed=mixed.record if isinstance(mixed, Mixed) else None,
        mixed_note="" if isinstance(mixed, Mixed) else mixed,
        rocs=_rocs(sections, name, values, label, patient, n_bootstrap),
        grades=_grades(sections, data, values, patient, adjust),
    )


def _rocs(
    sections: Sections, name: str, values: FloatArray, label: np.ndarray, patient: IntArray, n_bootstrap: int
) -> list[PlaqueRoc]:
    found = []
    for target, below in _TARGETS[name]:
        is_target = label == target
        if _FEW_ROWS <= is_target.sum() <= is_target.size - _FEW_ROWS:
            rest = [c for c in sections.components if c != target and (label == c).any()]
            found.append(told_apart(target, name, below, is_target, values, patient, rest, n_bootstrap))
    return found


def _grades(
    sections: Sections, data: pd.DataFrame, values: FloatArray, patient: IntArray, adjust: str
) -> list[GradeCorrelation]:
    rows = []
    for column, shown in sections.grades.items():
        grade = data[column].to_numpy(dtype=np.float64)
        there = np.isfinite(grade)
        rows.append(grade_correlation(shown, values[there], grade[there], patient[there]))
    p = np.array([np.nan if row.p is None else row.p for row in rows], dtype=np.float64)
    return [
        row.model_copy(update={"p_adjusted": float(value) if np.isfinite(value) else None})
        for row, value in zip(rows, adjust_p(p, adjust), strict=True)
    ]


def _compared(sections: Sections) -> list[AreaComparison]:
    """Calcification by QSM and by CT, on the rows that have both."""
    if set(sections.measures) != {QSM, CT}:
        return []
    both = sections.frame[sections.frame[[QSM, CT]].notna().all(axis=1)]
    truth = (both["component"] == CALCIFICATION).to_numpy()
    if not _FEW_ROWS <= truth.sum() <= truth.size - _FEW_ROWS:
        return []
    scores = {f"QSM, {CALCIFICATION}": -both[QSM].to_numpy(), f"CT, {CALCIFICATION}": both[CT].to_numpy()}
    return compare_areas(truth, scores, both["patient"].to_numpy())


def plaque_frame(record: Plaque) -> pd.DataFrame:
    """The table of plaque.csv: a row per component, the columns of each measure side by side."""
    rows = []
    for k, component in enumerate(record.components):
        row: dict[str, object] = {"component": component, "named_as": "; ".join(record.named_as[component])}
        for measure in record.measures:
            s, unit = measure.components[k], measure.unit.lower()
            low, high = s.ci95 or (None, None)
            first, third = s.quartiles or (None, None)
            numbers = {"mean": s.mean, "standard_error": s.standard_error, "ci95_low": low, "ci95_high": high}
            numbers |= {"sd": s.sd, "median": s.median, "quartile_1": first, "quartile_3": third}
            numbers |= {"lowest": s.lowest, "highest": s.highest}
            row |= {f"{measure.modality}_n": s.n, f"{measure.modality}_n_patients": s.n_patients}
            row |= {f"{measure.modality}_{name}_{unit}": value for name, value in numbers.items()}
            row[f"{measure.modality}_note"] = s.note
        rows.append(row)
    return pd.DataFrame(rows)
