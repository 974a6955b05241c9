"""From the rows of a lesion table to readings with standard errors."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phantomcal.errors import InputError
from phantomcal.lesions.assumptions import Assumptions
from phantomcal.lesions.likelihood import Readings
from phantomcal.tables import numeric_column, require_columns, require_plausible, row_in_file

Array = NDArray[np.float64]

LARGEST_PPM = 15.0
BACKGROUND = {"ct": "ct_background_hu", "qsm": "qsm_background_ppm"}
_COUNTS = ("n_effective", "n_voxels")


@dataclass(frozen=True)
class Columns:
    """Which columns hold what; None takes the contract's names where they are there."""

    ct: str | None = None
    qsm: str | None = None
    ct_sd: str | None = None
    qsm_sd: str | None = None
    count: str | None = None

    def given(self) -> dict[str, str]:
        """Named columns and the options that named them."""
        pairs = {
            self.ct: "--ct-column",
            self.qsm: "--qsm-column",
            self.ct_sd: "--ct-sd-column",
            self.qsm_sd: "--qsm-sd-column",
            self.count: "--n-column",
        }
        return {column: option for column, option in pairs.items() if column is not None}


@dataclass(frozen=True)
class LesionTable:
    """A table of lesions as arrays.

    Attributes
    ----------
    readings : Readings
    subject, session, lesion : list of str
    n_voxels, volume_mm3 : ndarray
        NaN where not known.
    warnings : list of str
    """

    readings: Readings
    subject: list[str]
    session: list[str]
    lesion: list[str]
    n_voxels: Array
    volume_mm3: Array
    warnings: list[str] = field(default_factory=list)


def lesion_table(
    frame: pd.DataFrame, known: Assumptions, columns: Columns | None = None, where: str = "the table"
) -> LesionTable:
    """Readings of every row with their standard errors, the tissue they stand on, and names.

    A standard error is, in this order: the column ``ct_sem_hu`` or ``qsm_sem_ppm``; the SD over the root of
    ``ct_n_effective``, ``n_effective`` or ``n_voxels``; or the default of `known`. The scan-rescan SD is added to it.

    Parameters
    ----------
    frame : pandas.DataFrame
        A row per lesion with ``ct_hu`` and/or ``qsm_ppm`` (or ``qsm_ppb``).
    known : Assumptions
    columns : Columns, optional
    where : str
        Name of the table in messages.

    Returns
    -------
    LesionTable

    Raises
    ------
    InputError
        A column is missing, not numeric or impossible, or no row has a value.
    """
    said = columns or Columns()
    require_columns(frame, said.given(), where, said.given())
    ct = said.ct or _if_there(frame, ["ct_hu"])
    qsm = said.qsm or _if_there(frame, ["qsm_ppm", "qsm_ppb"])
    if ct is None and qsm is None:
        require_columns(frame, ["ct_hu", "qsm_ppm"], where, {"ct_hu": "--ct-column", "qsm_ppm": "--qsm-column"})
    hu, ppm = _values(frame, ct, where), _values(frame, qsm, where)
    wild = np.flatnonzero(np.abs(ppm) > LARGEST_PPM)
    if wild.size:
        raise InputError(
            f"column {qsm!r} holds {frame[qsm].iloc[wild[0]]} in row "
            f"{row_in_file(frame.index[wild[0]], int(wild[0]))}, which cannot be that unit",
            where,
            "bring the column to ppm, or name it with ppb at its end",
        )
    if np.isnan(hu).all() and np.isnan(ppm).all():
        raise InputError("no row has a value", where, f"fill {' or '.join(c for c in (ct, qsm) if c)}")
    warnings: list[str] = []
    hu_se = _errors(frame, "ct", said, hu, known.unknown_hu, warnings, where)
    ppm_se = _errors(frame, "qsm", said, ppm, known.unknown_ppm, warnings, where)
    around = {m: _values(frame, _if_there(frame, [c]), where) for m, c in BACKGROUND.items()}
    n_voxels = _values(frame, _if_there(frame, ["n_voxels"]), where)
    volume = _values(frame, _if_there(frame, ["volume_mm3"]), where)
    if (volume <= 0).any():
        raise InputError("a lesion without volume in volume_mm3", where, "correct the cell or leave it empty")
    readings = Readings(
        hu,
        ppm,
        np.hypot(hu_se, known.floor_hu),
        np.hypot(ppm_se, known.floor_ppm),
        np.where(np.isnan(around["ct"]), known.tissue_hu, around["ct"]),
        np.where(np.isnan(around["ct"]), known.tissue_hu_sd, known.local_hu_sd),
        np.where(np.isnan(around["qsm"]), known.tissue_ppm, around["qsm"]),
        np.where(np.isnan(around["qsm"]), known.tissue_ppm_sd, known.local_ppm_sd),
        np.where(np.isnan(volume), known.default_diameter_mm, (6.0 * volume / np.pi) ** (1 / 3)),
    )
    empty = int((np.isnan(hu) & np.isnan(ppm)).sum())
    if empty:
        warnings.append(f"{empty} of {len(frame)} rows have neither HU nor ppm: undetermined")
    return LesionTable(
        readings,
        texts(frame, "subject_id"),
        texts(frame, "session"),
        _lesion_names(frame),
        n_voxels,
        volume,
        warnings,
    )


def texts(frame: pd.DataFrame, column: str) -> list[str]:
    """A column as stripped text, empty where missing or where there is no such column."""
    if column not in frame.columns:
        return [""] * len(frame)
    values = frame[column].astype(object)
    return [_word(value) for value in values.where(frame[column].notna(), "")]


def _word(value: object) -> str:
    # Whole numbers that a gap in their column turned into floats are names all the same.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _lesion_names(frame: pd.DataFrame) -> list[str]:
    column = next((c for c in ("lesion_id", "roi", "label", "id") if c in frame.columns), None)
    names = texts(frame, column) if column else [""] * len(frame)
    return [name or f"row {row_in_file(r, k)}" for k, (name, r) in enumerate(zip(names, frame.index, strict=True))]


def _errors(
    frame: pd.DataFrame, modality: str, said: Columns, value: Array, default: float, warnings: list[str], where: str
) -> Array:
    unit = "hu" if modality == "ct" else "ppm"
    ready = _values(frame, _if_there(frame, [f"{modality}_sem_{unit}"]), where)
    own = said.ct_sd if modality == "ct" else said.qsm_sd
    sd = _values(frame, own or _if_there(frame, [f"{modality}_sd_{unit}", f"{modality}_sd_ppb"]), where)
    n_column = said.count or _if_there(frame, [f"{modality}_n_effective", *_COUNTS])
    n = _values(frame, n_column, where)
    for name, column in ((f"{modality}_sem_{unit}", ready), (own or f"{modality}_sd_{unit}", sd)):
        if (column < 0).any():
            raise InputError(f"a negative spread in {name!r}", where, "correct the table")
    if (n <= 0).any() and not np.isnan(value[n <= 0]).all():
        raise InputError(f"a count of 0 or less beside a value in {n_column!r}", where, "correct the table")
    from_noise = np.where(n > 1, sd / np.sqrt(np.maximum(n, 1.0)), np.nan)
    error = np.where(np.isnan(ready), from_noise, ready)
    unknown = np.isnan(error) & ~np.isnan(value)
    if unknown.any():
        name = "CT" if modality == "ct" else "QSM"
        warnings.append(
            f"{int(unknown.sum())} {name} readings have no SD and number of voxels: their standard error is taken as "
            f"{default:g} {'HU' if modality == 'ct' else 'ppm'}"
        )
    if n_column == "n_voxels" and (~np.isnan(from_noise) & np.isnan(ready)).any():
        text = "n_voxels are taken as independent voxels; neighbours share noise, so standard errors are too small"
        if text not in warnings:
            warnings.append(text)
    return np.where(np.isnan(error), default, error)


def _values(frame: pd.DataFrame, column: str | None, where: str) -> Array:
    if column is None:
        return np.full(len(frame), np.nan)
    values = numeric_column(frame, column, where)
    require_plausible(values, where)
    scale = 1e-3 if column.lower().endswith("ppb") else 1.0
    return np.asarray(values, dtype=np.float64) * scale


def _if_there(frame: pd.DataFrame, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in frame.columns), None)
