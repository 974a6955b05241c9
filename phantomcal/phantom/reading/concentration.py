"""Concentrations of samples, by the lines of a calibration."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.phantom.reading.inverse import read_back
from phantomcal.phantom.reading.joint import MODEL, read_jointly
from phantomcal.phantom.reading.readable import pairs_of, readable_lines
from phantomcal.results import Calibration, ConcentrationReading, Concentrations, Line, Modality, SampleVerdict
from phantomcal.tables import numeric_column, require_columns, require_plausible, row_in_file

CT_COLUMN, QSM_COLUMN, CT_SD_COLUMN, QSM_SD_COLUMN = "ct_hu", "qsm_ppm", "ct_sd_hu", "qsm_sd_ppm"
COUNT_COLUMNS = ("n_effective", "n_voxels")
_ID_COLUMNS = ("subject_id", "session", "lesion_id", "roi", "hemisphere")
_OTHER_IDS = ("id", "vial_id", "name", "label")
_LARGEST_PPM = 15.0


@dataclass(frozen=True)
class Sample:
    """What was measured in one place.

    Attributes
    ----------
    id : str
    hu, ppm : float or None
        Readings; at least one.
    hu_se, ppm_se : float or None
        Their standard errors from noise; None takes them to be as good as a vial's.
    """

    id: str
    hu: float | None = None
    ppm: float | None = None
    hu_se: float | None = None
    ppm_se: float | None = None


def read_samples(
    samples: Iterable[Sample], calibration: Calibration, *, material: str | None = None, where: str = "the calibration"
) -> Concentrations:
    """Read samples back as every material that the calibration knows, or as one.

    Parameters
    ----------
    samples : iterable of Sample
    calibration : Calibration
    material : str, optional
        Take all samples as this material.
    where : str
        Name of the calibration in messages.

    Returns
    -------
    Concentrations
        A row per sample and line, and per sample and material where HU and ppm are read together.

    Raises
    ------
    InputError
        The calibration has no usable line, no line of this material, or none of a modality that was measured.
    """
    lines, warnings = readable_lines(calibration, where)
    known = list(dict.fromkeys(name for name, _ in lines))
    if material is not None:
        if material not in known:
            raise InputError(f"no line of {material!r}", where, f"it has lines of {', '.join(known)}")
        lines = {key: line for key, line in lines.items() if key[0] == material}
    pairs = pairs_of(lines)
    readings: list[ConcentrationReading] = []
    verdicts: list[SampleVerdict] = []
    together = False
    for sample in samples:
        readings += _single(sample, lines)
        if sample.hu is None or sample.ppm is None or not pairs:
            continue
        together = True
        joint = read_jointly(pairs, sample.hu, sample.ppm, hu_se=sample.hu_se, ppm_se=sample.ppm_se)
        alone = len(pairs) == 1
        for name, m in joint.materials.items():
            told = [] if m.interval else ["undetermined: no slope is established"]
            if m.below_critical:
                told.append("not told from nothing")
            elif not m.in_range:
                told.append(
                    "extrapolated: outside the calibrated range {:.4g} to {:.4g}".format(*pairs[name].calibrated_range)
                )
            if m.misfit_p < 0.05:
                told.append(f"HU and ppm disagree (p {'< 0.001' if m.misfit_p < 0.001 else f'= {m.misfit_p:.3f}'})")
            readings.append(
                ConcentrationReading(
                    id=sample.id,
                    modality="joint",
                    material=name,
                    concentration_mmol_per_l=m.amount,
                    standard_error=m.standard_error,
                    ci95_low=m.interval[0] if m.interval else None,
                    ci95_high=m.interval[1] if m.interval else None,
                    below_critical=m.below_critical,
                    in_range=m.in_range,
                    probability=None if alone else m.probability,
                    ct_hu=sample.hu,
                    qsm_ppm=sample.ppm,
                    note="; ".join(told),
                )
            )
        verdicts.append(
            SampleVerdict(
                id=sample.id,
                verdict=joint.verdict,
                probabilities={name: m.probability for name, m in joint.materials.items()},
                misfit_p={name: m.misfit_p for name, m in joint.materials.items()},
                note=joint.note
                + (
                    "only one material has both lines: which material was not asked" if alone and not joint.note else ""
                ),
            )
        )
    if not readings:
        have = ", ".join(sorted({modality for _, modality in lines}))
        raise InputError(f"nothing to read: the lines are of {have} only", where, "give readings of that modality")
    title = calibration.title or calibration.protocol or where
    return Concentrations(
        calibration=f"{title}, {calibration.session}" if calibration.session else title,
        materials=list(dict.fromkeys(name for name, _ in lines)),
        model=MODEL if together else "",
        readings=readings,
        verdicts=verdicts,
        warnings=warnings + _remarks(lines),
    )


def _single(sample: Sample, lines: dict[tuple[str, Modality], Line]) -> list[ConcentrationReading]:
    rows = []
    for (name, modality), line in lines.items():
        value, error = (sample.hu, sample.hu_se) if modality == "ct" else (sample.ppm, sample.ppm_se)
        if value is None:
            continue
        r = read_back(line, value, standard_error=error)
        rows.append(
            ConcentrationReading(
                id=sample.id,
                modality=modality,
                material=name,
                concentration_mmol_per_l=r.amount,
                standard_error=r.standard_error,
                ci95_low=r.interval[0] if r.interval else None,
                ci95_high=r.interval[1] if r.interval else None,
                below_critical=r.below_critical,
                in_range=r.in_range,
                ct_hu=value if modality == "ct" else None,
                qsm_ppm=value if modality == "qsm" else None,
                note=r.note,
            )
        )
    return rows


def _remarks(lines: dict[tuple[str, Modality], Line]) -> list[str]:
    return [
        f"{name} {modality}: the line is not established, so that amounts read from it are not either"
        for (name, modality), line in lines.items()
        if not line.established
    ]


def samples_of(
    table: pd.DataFrame,
    *,
    ct_column: str | None = None,
    qsm_column: str | None = None,
    ct_sd_column: str | None = None,
    qsm_sd_column: str | None = None,
    count_column: str | None = None,
    id_column: str | None = None,
    where: str = "the table",
) -> tuple[list[Sample], list[str]]:
    """Samples from the rows of a table, with remarks.

    A standard error is the SD over the root of the number of voxels. Neighbouring voxels share noise: the column
    ``n_effective``, where there is one, is taken before ``n_voxels``.

    Parameters
    ----------
    table : pandas.DataFrame
        A row per sample, with HU, ppm or both.
    ct_column, qsm_column : str, optional
        ``ct_hu`` and ``qsm_ppm`` by default, either of which may be missing. A name that ends in ``ppb`` is ppb.
    ct_sd_column, qsm_sd_column, count_column : str, optional
        ``ct_sd_hu``, ``qsm_sd_ppm`` and ``n_effective`` or ``n_voxels`` by default, where they are there.
    id_column : str, optional
        By default the subject, session, lesion and region columns together, else ``id`` or the row.
    where : str
        Name of the table in messages.

    Returns
    -------
    samples : list of Sample
    warnings : list of str

    Raises
    ------
    InputError
        A column is missing, not numeric or impossible, or no row has a value.
    """
    named = {"--ct-column": ct_column, "--qsm-column": qsm_column, "--ct-sd-column": ct_sd_column}
    named |= {"--qsm-sd-column": qsm_sd_column, "--n-column": count_column, "--id-column": id_column}
    require_columns(table, [c for c in named.values() if c], where, {c: o for o, c in named.items() if c})
    ct = ct_column or _if_there(table, [CT_COLUMN])
    qsm = qsm_column or _if_there(table, [QSM_COLUMN, "qsm_ppb"])
    if ct is None and qsm is None:
        require_columns(table, [CT_COLUMN, QSM_COLUMN], where, {CT_COLUMN: "--ct-column", QSM_COLUMN: "--qsm-column"})
    to_ppm = 1e-3 if qsm is not None and qsm.lower().endswith("ppb") else 1.0
    values = {"ct": _numbers(table, ct, where), "qsm": _numbers(table, qsm, where) * to_ppm}
    wild = np.flatnonzero(np.abs(values["qsm"]) > _LARGEST_PPM)
    if wild.size:
        raise InputError(
            f"column {qsm!r} holds {values['qsm'][wild[0]] / to_ppm:g} in row "
            f"{row_in_file(table.index[wild[0]], int(wild[0]))}, which cannot be {'ppb' if to_ppm < 1 else 'ppm'}",
            where,
            "bring the column to ppm, or name it with ppb at its end",
        )
    count = count_column or _if_there(table, COUNT_COLUMNS)
    n = _numbers(table, count, where)
    warnings: list[str] = []
    errors = {}
    for modality, given, default, scale in (
        ("ct", ct_sd_column, CT_SD_COLUMN, 1.0),
        ("qsm", qsm_sd_column, QSM_SD_COLUMN, 1.0),
    ):
        column = given or _if_there(table, [default])
        if modality == "qsm" and column is not None and column.lower().endswith("ppb"):
            scale = 1e-3
        sd = _numbers(table, column, where) * scale
        if (sd < 0).any() or (n <= 0).any():
            raise InputError(f"a negative spread or count in {column or count!r}", where, "correct the table")
        if column is not None and count is None:
            warnings.append(f"{column} is not used: without a number of voxels it gives no standard error")
        errors[modality] = np.where(n > 1, sd / np.sqrt(np.maximum(n, 1.0)), np.nan)
    names = _names(table, id_column)
    samples = [
        Sample(name, *(None if np.isnan(v) else float(v) for v in row))
        for name, row in zip(
            names, zip(values["ct"], values["qsm"], errors["ct"], errors["qsm"], strict=True), strict=True
        )
    ]
    usable = [s for s in samples if s.hu is not None or s.ppm is not None]
    if not usable:
        raise InputError("no row has a value", where, f"fill {' or '.join(c for c in (ct, qsm) if c)}")
    if len(usable) < len(samples):
        warnings.append(f"{len(samples) - len(usable)} of {len(samples)} rows have no value and were left out")
    return usable, warnings


def _if_there(table: pd.DataFrame, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in table.columns), None)


def _numbers(table: pd.DataFrame, column: str | None, where: str) -> NDArray[np.float64]:
    if column is None:
        return np.full(len(table), np.nan)
    values = numeric_column(table, column, where)
    require_plausible(values, where)
    return np.asarray(values, dtype=np.float64)


def _names(table: pd.DataFrame, id_column: str | None) -> list[str]:
    columns = [id_column] if id_column else [c for c in _ID_COLUMNS if c in table.columns]
    if not columns:
        columns = [c for c in _OTHER_IDS if c in table.columns][:1]
    if not columns:
        return [f"row {row_in_file(r, k)}" for k, r in enumerate(table.index)]
    parts = [table[c].astype(object).where(table[c].notna(), "").astype(str).str.strip() for c in columns]
    names = [" ".join(p for p in row if p) for row in zip(*parts, strict=True)]
    return [name or f"row {row_in_file(r, k)}" for k, (name, r) in enumerate(zip(names, table.index, strict=True))]


def concentration_frame(record: Concentrations) -> pd.DataFrame:
    """Rows of concentrations.csv; the verdict stands beside the joint readings of a sample."""
    verdicts = {v.id: v.verdict for v in record.verdicts}
    columns = list(ConcentrationReading.model_fields)
    frame = pd.DataFrame([r.model_dump() for r in record.readings], columns=columns)
    note = frame.pop("note")
    frame["note"] = note
    joint = frame["modality"] == "joint"
    frame["verdict"] = frame["id"].map(verdicts).where(joint)
    order = ["id", "modality", "material", "concentration_mmol_per_l", "standard_error", "ci95_low", "ci95_high"]
    order += ["below_critical", "in_range", "probability", "note"]
    return frame[order + [c for c in frame.columns if c not in order]]


def main_readings(record: Concentrations) -> list[ConcentrationReading]:
    """The reading of each sample that counts: of its likeliest material from both modalities, else every single one."""
    verdicts = {v.id: v for v in record.verdicts}
    chosen = []
    for name in dict.fromkeys(r.id for r in record.readings):
        rows = [r for r in record.readings if r.id == name]
        joint = [r for r in rows if r.modality == "joint"]
        if joint:
            likely = max(verdicts[name].probabilities, key=lambda m: verdicts[name].probabilities[m])
            chosen.append(next(r for r in joint if r.material == likely))
        else:
            chosen += rows
    return chosen
