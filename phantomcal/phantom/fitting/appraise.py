"""What a fitted calibration still needs before it can be signed: budgets, verdicts, diagnoses, conditions."""

from collections.abc import Mapping
from typing import Any

from phantomcal.phantom.fitting.budget import with_budgets
from phantomcal.phantom.fitting.diagnosis import with_diagnoses
from phantomcal.phantom.fitting.expected import with_verdicts
from phantomcal.phantom.fitting.uncertainty import RepeatedSlope
from phantomcal.protocol import Protocol
from phantomcal.results import Calibration


def appraised(
    calibration: Calibration,
    protocol: Protocol | None = None,
    repeatability: Mapping[tuple[str, str], RepeatedSlope] | None = None,
) -> Calibration:
    """A calibration with an uncertainty budget, a verdict against physics and explained vials in every line.

    Parameters
    ----------
    calibration : Calibration
        From `phantomcal.phantom.calibration.calibrate` or `phantomcal.phantom.fitting.table.fit_table`.
    protocol : Protocol, optional
        Not known for vials fitted from a table.
    repeatability : mapping of (material, modality) to RepeatedSlope, optional
        From repeated scans.

    Returns
    -------
    Calibration
        With the conditions of the protocol under ``references["conditions"]``.
    """
    found = with_diagnoses(with_verdicts(with_budgets(calibration, protocol, repeatability), protocol))
    if protocol is None:
        return found
    return found.model_copy(update={"references": {**found.references, "conditions": _conditions(found, protocol)}})


def _conditions(calibration: Calibration, protocol: Protocol) -> dict[str, Any]:
    modalities = {line.modality for line in calibration.lines}
    said: dict[str, Any] = {
        "batch": protocol.batch or "not stated",
        "temperature_celsius": protocol.temperature_celsius,
    }
    if protocol.temperature_sd_celsius is not None:
        said["temperature_sd_celsius"] = protocol.temperature_sd_celsius
    if "qsm" in modalities:
        said["field_tesla"] = protocol.field_tesla
        said["susceptibility_reference"] = protocol.reference
    if "ct" in modalities:
        said["tube_voltage_kvp"] = protocol.tube_voltage_kvp
    return said
