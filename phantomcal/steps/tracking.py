"""`track`: lesion susceptibility over visits, from a table or from images."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phantomcal.errors import InputError
from phantomcal.outputs import input_file, output_folder, provenance, write_record
from phantomcal.results import InputFile
from phantomcal.results.tracking import SessionMatch, Tracking

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from phantomcal.followup.correction import Corrected
    from phantomcal.followup.intervals import Intervals
    from phantomcal.followup.track import Repeat
    from phantomcal.followup.visits import Visits

_ORDERS = {"dmy": True, "mdy": False}


@dataclass(frozen=True)
class FromImages:
    """A visit table made from images, and how that went."""

    table: "pd.DataFrame"
    inputs: list[InputFile]
    sessions: list[SessionMatch] = field(default_factory=list)
    appearances: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def track_step(
    out: Path,
    *,
    table: Path | None = None,
    study: Path | None = None,
    sessions: Sequence[str] = (),
    subject: str = "subject",
    threshold_percent: float = 6.0,
    repeatability: str | None = None,
    history: str | None = None,
    scanner_column: str = "scanner",
    protocol: str | None = None,
    material: str | None = None,
    columns: Mapping[str, str] | None = None,
    groups: Sequence[str] = (),
    date_order: str | None = None,
    qsm_unit: str | None = None,
) -> Tracking:
    """`phantomcal track`: writes intervals.csv, tracking.json and report.html into `out`, and visits.csv from images.

    Parameters
    ----------
    out : pathlib.Path
    table, study, sessions
        One of the three: a visit table, a study folder, or ``LABEL=MAP,LESIONS[,MAGNITUDE]`` of one person.
    subject : str
        Name of that person.
    threshold_percent : float
    repeatability : str, optional
        repeatability.json, or a coefficient in ppm.
    history : str, optional
        Database of the scanner's calibrations; values are then brought to one scale.
    scanner_column, protocol, material : str
        Who measured each visit; which phantom and line the scale is taken from.
    columns : mapping of str to str, optional
        Contract name -> name in the table.
    groups : sequence of str
        Columns by which patients are compared, besides `arm`.
    date_order : {"dmy", "mdy"}, optional
    qsm_unit : str, optional
        Of the maps.

    Returns
    -------
    Tracking
    """
    from phantomcal.followup.track import track
    from phantomcal.followup.visits import read_visits, with_warnings
    from phantomcal.tables import read_table

    started = time.perf_counter()
    if sum([table is not None, study is not None, bool(sessions)]) != 1:
        raise InputError("not one source of visits", "the call", "give a table, or --study, or --session twice or more")
    if date_order is not None and date_order not in _ORDERS:
        raise InputError(f"unknown order {date_order!r}", "--date-order", "use dmy or mdy")
    repeat = _repeat(repeatability)
    inputs: list[InputFile] = []
    images: FromImages | None = None
    if table is not None:
        frame, where = read_table(table), table.name
        inputs.append(input_file("table", table))
    else:
        from phantomcal.steps.tracking_images import from_sessions, from_study

        images = from_study(study, qsm_unit) if study is not None else from_sessions(sessions, subject, qsm_unit)
        frame, where = images.table, "the sessions"
        inputs += images.inputs
    named = dict(columns or {})
    if scanner_column != "scanner" and history is not None:
        named["scanner"] = scanner_column
    visits = read_visits(
        frame,
        where,
        columns=named or None,
        group_columns=tuple(groups),
        day_first=None if date_order is None else _ORDERS[date_order],
    )
    if images is not None:
        visits = with_warnings(visits, images.warnings)
    correction = _corrected(visits, history, scanner_column, protocol, material)
    if repeatability is not None and _is_file(repeatability):
        inputs.append(input_file("repeatability", Path(repeatability)))
    record, found = track(visits, threshold_percent=threshold_percent, repeatability=repeat, correction=correction)
    parameters: dict[str, object] = {
        "threshold_percent": threshold_percent,
        "repeatability_ppm": None if repeat is None else repeat.ppm,
        "scanner_correction": history is not None,
        "scanner_column": scanner_column,
        "protocol": protocol,
        "material": material,
        "columns": named,
        "groups": list(groups),
        "date_order": date_order,
    }
    record = record.model_copy(
        update={
            "sessions": [] if images is None else images.sessions,
            "appearances": {} if images is None else images.appearances,
            "provenance": provenance("track", inputs, parameters, started),
        }
    )
    _write(record, found, images, out)
    return record


def _is_file(text: str) -> bool:
    return Path(text).suffix.lower() == ".json" or Path(text).exists()


def _repeat(text: str | None) -> "Repeat | None":
    """A coefficient in ppm, or the one of the QSM vials in repeatability.json."""
    from phantomcal.followup.track import Repeat

    if text is None:
        return None
    if not _is_file(text):
        try:
            return Repeat(float(text))
        except ValueError as error:
            raise InputError(f"no file {text!r} and not a number", "--repeatability", "give a file or ppm") from error
    path = Path(text)
    path = path / "repeatability.json" if path.is_dir() else path
    from pydantic import ValidationError

    from phantomcal.results import Repeatability

    try:
        record = Repeatability.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError("no such file", path.name, "give repeatability.json of `phantomcal repeatability`") from error
    except (ValidationError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(
            "not a record of `phantomcal repeatability`", path.name, "give its repeatability.json"
        ) from error
    for group in record.agreement:
        if group.modality == "qsm" and group.unit in ("ppm", "ppb"):
            factor = 1.0 if group.unit == "ppm" else 1e-3
            bounds = group.within.rc_ci95
            return Repeat(
                group.within.rc * factor,
                None if bounds is None else (bounds[0] * factor, bounds[1] * factor),
                f"phantom {record.protocol}, {len(record.runs)} runs, {len(group.vials)} vials",
            )
    raise InputError("no QSM vials in it", path.name, "give the record of repeated QSM scans")


def _corrected(
    visits: "Visits", history: str | None, scanner_column: str, protocol: str | None, material: str | None
) -> "Corrected | None":
    if history is None:
        return None
    from phantomcal.followup.correction import corrected
    from phantomcal.history.database import open_history, place

    engine = open_history(place(history))
    try:
        return corrected(visits, engine, scanner_column=scanner_column, protocol=protocol, material=material)
    finally:
        engine.dispose()


def _write(record: Tracking, found: "Intervals", images: FromImages | None, out: Path) -> None:
    from phantomcal.report.compose_tracking import tracking_report
    from phantomcal.report.page import render

    with output_folder(out) as folder:
        frame = found.frame.drop(columns=[c for c in found.frame.columns if c.startswith(("scale_", "scanner_"))])
        if frame["from_date"].isna().all():
            frame = frame.drop(columns=["from_date", "to_date"])
        _to_csv(frame, folder / "intervals.csv")
        if images is not None:
            _to_csv(images.table, folder / "visits.csv")
        write_record(record, folder / "tracking.json")
        (folder / "report.html").write_text(render(tracking_report(record, found)), encoding="utf-8")


def _to_csv(frame: "pd.DataFrame", path: Path) -> None:
    """As pandas writes it with eight digits, by way of Arrow: ten times faster for long tables."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = []
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            text = pa.Array.from_pandas(column.dt.strftime("%Y-%m-%d"))
        elif pd.api.types.is_bool_dtype(column.dtype):
            text = pa.Array.from_pandas(column.map({True: "True", False: "False"}))
        elif pd.api.types.is_float_dtype(column.dtype):
            text = pa.array(_rounded(column.to_numpy(dtype=np.float64)), from_pandas=True)
        else:
            text = pa.Array.from_pandas(column)
        text = pc.cast(text, pa.string())
        special = pc.match_substring_regex(text, r'[",\n\r]')
        quoted = pc.binary_join_element_wise('"', pc.replace_substring(text, '"', '""'), '"', "")
        texts.append(pc.if_else(special, quoted, text))
    rows = pc.binary_join_element_wise(*texts, ",", null_handling="replace", null_replacement="")
    path.write_text(
        "\n".join([",".join(_quoted(str(name)) for name in frame.columns), *rows.to_pylist(), ""]),
        encoding="utf-8",
        newline="\n",
    )


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"' if any(sign in name for sign in ',"\n\r') else name


def _rounded(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """To eight significant digits."""
    import numpy as np

    size = np.abs(np.where((values == 0) | ~np.isfinite(values), 1.0, values))
    digits = 7 - np.floor(np.log10(size))
    return np.asarray(np.rint(values * 10.0**digits) / 10.0**digits, dtype=np.float64)
