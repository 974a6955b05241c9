"""Calibrations with a slope that was asked for, to fill histories with."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine

from phantomcal.history.database import open_history
from phantomcal.history.store import LineRow
from phantomcal.results import Calibration, Provenance
from tests.report.records import calibration, line, vial

LEVELS = (0.0, 0.6, 1.5, 3.1, 6.1, 9.2)
FIRST = date(2024, 1, 1)


def made(
    slope: float = 0.33,
    *,
    noise: Sequence[float] | None = None,
    session: str = "",
    modality: str = "qsm",
    material: str = "gadolinium",
    levels: Sequence[float] = LEVELS,
    **more: Any,
) -> Calibration:
    """One line through vials at `levels`; without `noise` its points scatter by fixed, equal steps."""
    scatter = [0.002 * (-1) ** k for k in range(len(levels))] if noise is None else noise
    vials = [vial(f"G{x:g}", x, slope * x + e, material, modality) for x, e in zip(levels, scatter, strict=True)]
    fields: dict[str, Any] = {"session": session, "locations": [], "provenance": Provenance(command="calibrate")}
    record = calibration([(vials, None)], **{**fields, **more})
    return record.model_copy(update={"lines": [line(vials, slope=slope)]})


def rows(
    values: Sequence[float],
    *,
    scanner: str = "A",
    every_days: int = 30,
    first: date = FIRST,
    baseline: Sequence[int] = (),
    **more: Any,
) -> list[LineRow]:
    """Rows as they come from a history, one line, a calibration every so many days."""
    fields: dict[str, Any] = {
        "scanner": scanner,
        "protocol": "phantom",
        "session": "",
        "material": "gadolinium",
        "modality": "qsm",
        "unit": "ppm",
        "slope_unit": "ppm/(mmol/L)",
        "n_vials": 6,
        "slope_se": 0.003,
        "intercept": 0.0,
        "intercept_se": 0.002,
    }
    fields |= more
    return [
        LineRow(
            calibration_id=k + 1,
            scan_date=first + timedelta(days=every_days * k),
            baseline=k in baseline,
            slope=float(value),
            **fields,
        )
        for k, value in enumerate(values)
    ]


def in_control(rng: np.random.Generator, n: int, centre: float = 0.33, sigma: float = 0.002) -> np.ndarray:
    return rng.normal(centre, sigma, n)


def hasty(path: Path) -> Engine:
    """A new history that does not wait for the disk: hundreds of calibrations in a moment."""
    engine = open_history(path, create=True)
    connection = engine.raw_connection()
    connection.execute("PRAGMA synchronous = OFF")  # type: ignore[attr-defined]
    connection.close()  # back to the pool, from which the next transaction takes it
    return engine
