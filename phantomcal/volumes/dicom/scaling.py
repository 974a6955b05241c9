"""From stored pixel values to HU, ppm or magnitude: which slope and intercept count, and which unit the header names.

The scales of one frame may contradict each other. A real world value mapping with a unit of susceptibility comes
first (DICOM PS3.3 C.7.6.16.2.11), then the rescale with such a unit. Philips files hold a second, private scale that
leads back to the scanner's own floating-point values (Chenevert et al. 2014, doi 10.1593/tlo.13811); it counts for
magnitudes, and for maps whose rescale is only "normalized" for display.
"""

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pydicom

from phantomcal.errors import InputError
from phantomcal.volumes.dicom.frames import Frame, component_of, numbers

Role = Literal["ct", "qsm", "magnitude"]

_PHILIPS = "PHILIPS MR IMAGING DD 001"
_SUSCEPTIBILITY = {
    "ppm": "ppm", "[ppm]": "ppm", "{ppm}": "ppm", "10*-6": "ppm", "1e-6": "ppm", "10^-6": "ppm",
    "ppb": "ppb", "[ppb]": "ppb", "{ppb}": "ppb", "10*-9": "ppb", "1e-9": "ppb", "10^-9": "ppb",
}  # fmt: skip
# Words that say nothing about what the numbers are.
_NO_UNIT = {"", "us", "normalized", "unspecified", "1", "{no units}", "no units", "none", "arbitrary", "[arb'u]"}
_HU = {"", "hu", "[hnsf'u]", "us", "hu_mod"}


@dataclass(frozen=True)
class Scale:
    """values = stored * slope + intercept; the unit as the header names it, and which part of the header said so."""

    slope: float
    intercept: float
    unit: str | None
    origin: str


def scale_of(frame: Frame, role: Role) -> Scale:
    """How a frame's stored values become measured ones.

    Raises
    ------
    InputError
        No rescale in a CT, a slope of 0, a unit that is not of this quantity, a mapping that cannot be applied.
    """
    if role == "ct":
        return _hu(frame)
    rescale = _rescale(frame)
    if role == "qsm":
        mapped = _real_world(frame, rescale)
        if mapped is not None:
            return mapped
        _require_susceptibility(frame, rescale)
        if rescale.unit in ("ppm", "ppb"):
            return rescale
    elif component_of(frame) in ("phase", "real", "imaginary"):
        raise InputError(
            f"a {component_of(frame)} image, no magnitude", frame.where, "choose the series of the magnitude"
        )
    return _philips(frame, rescale) or rescale


def common_unit(scales: Sequence[Scale], frames: Sequence[Frame]) -> tuple[str | None, str]:
    """Unit of a whole series and which part of the header says it.

    Raises
    ------
    InputError
        Frames in different units.
    """
    usual, _ = Counter(s.unit for s in scales).most_common(1)[0]
    for scale, frame in zip(scales, frames, strict=True):
        if scale.unit != usual:
            raise InputError(
                f"a frame in {scale.unit or 'no unit'} where the rest of the series is in {usual or 'no unit'}",
                frame.where,
                "export the series again, or take it out of the folder",
            )
    return usual, scales[0].origin


def _hu(frame: Frame) -> Scale:
    group = "PixelValueTransformationSequence"
    # Elsewhere a missing rescale means stored values; in CT it would silently change the HU.
    slope = float(numbers(frame.said.get(group, "RescaleSlope"), "RescaleSlope", 1, frame.where)[0])
    intercept = float(numbers(frame.said.get(group, "RescaleIntercept"), "RescaleIntercept", 1, frame.where)[0])
    _require_slope(slope, "RescaleSlope", frame)
    unit = str(frame.said.get(group, "RescaleType") or "").strip()
    if unit.lower() not in _HU:
        raise InputError(
            f"not in HU: RescaleType is {unit}", frame.where, "choose the series of CT numbers (spectral maps are none)"
        )
    return Scale(slope, intercept, unit or None, "RescaleType")


def _rescale(frame: Frame) -> Scale:
    group = "PixelValueTransformationSequence"
    slope, intercept = (frame.said.get(group, tag) for tag in ("RescaleSlope", "RescaleIntercept"))
    slope = 1.0 if slope is None else float(numbers(slope, "RescaleSlope", 1, frame.where)[0])
    intercept = 0.0 if intercept is None else float(numbers(intercept, "RescaleIntercept", 1, frame.where)[0])
    _require_slope(slope, "RescaleSlope", frame)
    for tag, value in (
        ("RescaleType", frame.said.get(group, "RescaleType")),
        ("Units", frame.said.plain.get("Units")),
    ):
        word = str(value or "").strip()
        if word.lower() not in _NO_UNIT:
            return Scale(slope, intercept, _SUSCEPTIBILITY.get(word.lower(), word), tag)
    return Scale(slope, intercept, None, "rescale")


def _require_slope(slope: float, tag: str, frame: Frame) -> None:
    if slope == 0:
        raise InputError(f"DICOM tag {tag} is 0: all values would be the same", frame.where, "export the series again")


def _real_world(frame: Frame, rescale: Scale) -> Scale | None:
    """The real world value mapping in ppm or ppb, if there is one; it takes stored values, not rescaled ones."""
    foreign = []
    for item in frame.said.items("RealWorldValueMappingSequence"):
        word = _unit_word(item)
        unit = _SUSCEPTIBILITY.get(word.lower())
        if unit is None:
            foreign += [word] if word.lower() not in _NO_UNIT else []
            continue
        if "RealWorldValueSlope" not in item:
            raise InputError("a real world value mapping without a slope", frame.where, "export it with one")
        slope = float(numbers(item.get("RealWorldValueSlope"), "RealWorldValueSlope", 1, frame.where)[0])
        shift = float(numbers(item.get("RealWorldValueIntercept", 0.0), "RealWorldValueIntercept", 1, frame.where)[0])
        _require_slope(slope, "RealWorldValueSlope", frame)
        return Scale(slope, shift, unit, "real world value mapping")
    if foreign and rescale.unit not in ("ppm", "ppb"):
        raise InputError(
            f"no susceptibility map: its values are in {foreign[0]}", frame.where, "choose the series of the map"
        )
    return None


def _unit_word(item: pydicom.Dataset) -> str:
    codes = item.get("MeasurementUnitsCodeSequence")
    return str(codes[0].get("CodeValue") or codes[0].get("CodeMeaning") or "").strip() if codes else ""


def _require_susceptibility(frame: Frame, rescale: Scale) -> None:
    if rescale.unit in ("ppm", "ppb"):
        return
    if rescale.unit is not None:
        raise InputError(
            f"no susceptibility map: its values are in {rescale.unit} ({rescale.origin})",
            frame.where,
            "choose the series of the map",
        )
    part = component_of(frame)
    if frame.image_type[:1] == ("ORIGINAL",) and part in ("phase", "real", "imaginary"):
        raise InputError(f"no susceptibility map but a {part} image", frame.where, "choose the series of the map")


def _philips(frame: Frame, rescale: Scale) -> Scale | None:
    """Scale to the scanner's floating-point values, (stored * RS + RI) / (RS * SS); None without a private scale."""
    slope = _private(frame, 0x0E)
    if slope is None:
        return None
    _require_slope(slope, "(2005,100E) scale slope", frame)
    return Scale(1.0 / slope, rescale.intercept / (rescale.slope * slope), None, "Philips scale")


def _private(frame: Frame, element: int) -> float | None:
    holders: list[Any] = [frame.said.plain]
    groups: tuple[Any, Any] = (frame.said.frame, frame.said.shared)
    for holder in groups:
        holders += [
            item
            for block in range(0x10, 0x20)
            for item in (holder[0x2005, (block << 8) | 0x0F].value if (0x2005, (block << 8) | 0x0F) in holder else ())
        ]
    for holder in reversed(holders):
        for block in range(0x10, 0x20):
            if (0x2005, block) in holder and str(holder[0x2005, block].value).strip().upper() == _PHILIPS:
                tag = (0x2005, (block << 8) | element)
                if tag in holder:
                    return _float(holder[tag].value, frame)
    return None


def _float(value: Any, frame: Frame) -> float:
    if isinstance(value, bytes):  # VR unknown: as it was written, a 4-byte float
        if len(value) != 4:
            raise InputError("the private scale (2005,100E) is no number", frame.where, "export the series again")
        return float(struct.unpack("<f", value)[0])
    return float(numbers(value, "(2005,100E) scale slope", 1, frame.where)[0])
