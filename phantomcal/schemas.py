"""JSON schemas of protocols and results, generated from the records."""

from typing import Any

from phantomcal.protocol import Protocol
from phantomcal.results import Alignment, Calibration, Correlation, StudyRun


def json_schemas() -> dict[str, dict[str, Any]]:
    """Schemas by name; the files in data_schemas/ hold the same, and a test checks that they do."""
    records = {
        "protocol": Protocol,
        "calibration": Calibration,
        "registration": Alignment,
        "correlation": Correlation,
        "results": StudyRun,
    }
    return {name: record.model_json_schema() for name, record in records.items()}
