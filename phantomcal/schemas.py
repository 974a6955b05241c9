"""JSON schemas of protocols and results, generated from the records."""

import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from phantomcal.outputs import to_json
from phantomcal.protocol import Protocol
from phantomcal.results import (
    Alignment,
    Calibration,
    Classification,
    Comparison,
    Concentrations,
    Correlation,
    Decomposition,
    DicomListing,
    HistoryChart,
    Plaque,
    PowerTable,
    RegionComparison,
    Repeatability,
    StudyRun,
    Tracking,
    Trial,
)


def json_schemas() -> dict[str, dict[str, Any]]:
    """Schemas by name; the files in data_schemas/ hold the same, and a test checks that they do."""
    records: dict[str, type[BaseModel]] = {
        "protocol": Protocol,
        "calibration": Calibration,
        "concentrations": Concentrations,
        "repeatability": Repeatability,
        "history": HistoryChart,
        "scanners": Comparison,
        "registration": Alignment,
        "correlation": Correlation,
        "comparison": RegionComparison,
        "classification": Classification,
        "decomposition": Decomposition,
        "plaque": Plaque,
        "tracking": Tracking,
        "power": PowerTable,
        "trial": Trial,
        "dicom": DicomListing,
        "results": StudyRun,
    }
    return {name: record.model_json_schema() for name, record in records.items()}


def write_schemas(folder: Path) -> None:
    """Write every schema as ``<name>.schema.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in json_schemas().items():
        (folder / f"{name}.schema.json").write_text(to_json(content), encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
