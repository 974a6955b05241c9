"""What a simulated phantom is made of: which vial holds what, its true HU and ppm, and the shapes to draw."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from phantomcal.errors import InputError
from phantomcal.materials import TUBE_VOLTAGES_KVP
from phantomcal.protocol import Protocol, Vial
from phantomcal.results import Modality
from phantomcal.simulate.ct import AIR_HU
from phantomcal.simulate.qsm import RELAXIVITY_PER_S_PER_MMOL_PER_L
from phantomcal.simulate.shapes import Cylinder, Pose

WALL_MM, WALL_HU, WALL_PPM = 1.0, 100.0, -0.02
SHELL_MM, SHELL_HU = 3.0, 120.0
END_WATER_MM = 7.0  # water between the vials' ends and the end caps
DEFAULT_VIAL_LENGTH_MM = 60.0
DEFAULT_MARGIN_MM = 14.0  # from the outermost vial to the shell when the protocol gives no body radius
AIR_PPM = 9.4  # air relative to water: 0.36 - (-9.05)


@dataclass(frozen=True)
class Faults:
    """What is wrong with a phantom.

    Attributes
    ----------
    missing : tuple of str
        Vials that hold water only.
    bubbles : tuple of str
        Vials with an air bubble at the top (anterior) side.
    swapped : tuple of pairs of str
        Vials that stand in each other's place.
    empty : tuple of str
        Vials filled with air.
    """

    missing: tuple[str, ...] = ()
    bubbles: tuple[str, ...] = ()
    swapped: tuple[tuple[str, str], ...] = ()
    empty: tuple[str, ...] = ()


@dataclass(frozen=True)
class Content:
    """A place of the layout and what really stands there."""

    vial: Vial
    holds: Vial | None
    cylinder: Cylinder
    hu: float
    ppm: float
    relaxation_per_s: float
    bubble: bool
    empty: bool = False

    def fault(self) -> str:
        """In words, empty when sound."""
        words = []
        if self.empty:
            words.append("holds air only")
        elif self.holds is None:
            words.append("holds water only")
        elif self.holds.id != self.vial.id:
            words.append(f"holds {self.holds.id}")
        if self.bubble:
            words.append("air bubble")
        return ", ".join(words)


@dataclass(frozen=True)
class Body:
    """Water-filled cylinder that holds the vials."""

    radius_mm: float
    half_length_mm: float

    @property
    def water(self) -> Cylinder:
        """The inside."""
        return Cylinder(0.0, 0.0, self.radius_mm, self.half_length_mm)

    @property
    def shell(self) -> Cylinder:
        """The outside of the shell."""
        return Cylinder(0.0, 0.0, self.radius_mm + SHELL_MM, self.half_length_mm + SHELL_MM)


def body_of(protocol: Protocol) -> Body:
    """Size of the phantom; what the protocol leaves out is chosen so that every vial fits.

    Raises
    ------
    InputError
        If the protocol has no layout or a vial does not fit into the body.
    """
    if not protocol.has_layout:
        raise InputError(
            f"protocol {protocol.name!r} has no layout to simulate", "its vials", "give every vial x_mm and y_mm"
        )
    reach = {
        v.id: float(np.hypot(v.x_mm or 0.0, v.y_mm or 0.0)) + protocol.radius_of(v) + WALL_MM for v in protocol.vials
    }
    outermost = max(reach, key=lambda name: reach[name])
    radius = protocol.geometry.body_radius_mm or reach[outermost] + DEFAULT_MARGIN_MM
    if reach[outermost] > radius:
        raise InputError(
            f"vial {outermost!r} reaches {reach[outermost]:.1f} mm from the axis, the body only {radius:g} mm",
            f"protocol {protocol.name!r}",
            "correct x_mm, y_mm or body_radius_mm",
        )
    length = protocol.geometry.vial_length_mm or DEFAULT_VIAL_LENGTH_MM
    return Body(radius, length / 2 + WALL_MM + END_WATER_MM)


def true_slopes(
    protocol: Protocol, tube_voltage_kvp: float, modalities: tuple[Modality, ...]
) -> dict[str, dict[Modality, float]]:
    """HU and ppm per abscissa unit of every material, from the protocol or the shipped physics.

    Raises
    ------
    InputError
        If a material's slope is unknown for a modality that is to be simulated.
    """
    at_voltage = protocol.model_copy(update={"tube_voltage_kvp": tube_voltage_kvp})
    slopes: dict[str, dict[Modality, float]] = {}
    for vial in protocol.vials:
        known: dict[Modality, float] = {}
        for modality in modalities:
            expected = at_voltage.expected_slope(vial.material, modality) or at_voltage.expected_slope(
                protocol.series_of(vial), modality
            )
            if expected is None:
                limits = f"; CT slopes are known from {TUBE_VOLTAGES_KVP[0]:g} to {TUBE_VOLTAGES_KVP[-1]:g} kVp"
                raise InputError(
                    f"the {modality.upper()} slope of {vial.material!r} is unknown{limits if modality == 'ct' else ''}",
                    f"protocol {protocol.name!r}",
                    f"give the material a substance or expected_slope, or leave {modality} out of the modalities",
                )
            known[modality] = expected.value
        slopes[vial.material] = known
    return slopes


def contents(protocol: Protocol, slopes: dict[str, dict[Modality, float]], faults: Faults) -> list[Content]:
    """What stands at every place of the layout.

    Raises
    ------
    InputError
        If a fault names a vial the protocol does not have.
    """
    by_id = {v.id: v for v in protocol.vials}
    named = [*faults.missing, *faults.bubbles, *faults.empty, *(name for pair in faults.swapped for name in pair)]
    unknown = sorted(set(named) - set(by_id))
    if unknown:
        raise InputError(
            f"no vial {unknown[0]!r} to spoil", f"protocol {protocol.name!r}", f"known are {', '.join(by_id)}"
        )
    holds: dict[str, Vial | None] = dict(by_id)
    for first, second in faults.swapped:
        holds[first], holds[second] = holds[second], holds[first]
    holds.update(dict.fromkeys([*faults.missing, *faults.empty]))

    half_length = (protocol.geometry.vial_length_mm or DEFAULT_VIAL_LENGTH_MM) / 2
    places = []
    for vial in protocol.vials:
        inside, empty = holds[vial.id], vial.id in faults.empty
        amount = 0.0 if inside is None else protocol.abscissa_of(inside)
        slope: dict[Modality, float] = {} if inside is None else slopes[inside.material]
        entry = None if inside is None else protocol.materials.get(inside.material)
        relaxivity = (
            RELAXIVITY_PER_S_PER_MMOL_PER_L.get(entry.substance, 0.0) if entry and protocol.is_concentration else 0.0
        )
        places.append(
            Content(
                vial=vial,
                holds=inside,
                cylinder=Cylinder(float(vial.x_mm or 0), float(vial.y_mm or 0), protocol.radius_of(vial), half_length),
                hu=AIR_HU if empty else slope.get("ct", 0.0) * amount,
                ppm=AIR_PPM if empty else slope.get("qsm", 0.0) * amount,
                relaxation_per_s=relaxivity * amount,
                bubble=vial.id in faults.bubbles,
                empty=empty,
            )
        )
    return places


def outer(cylinder: Cylinder) -> Cylinder:
    """A vial with its wall."""
    return Cylinder(cylinder.x_mm, cylinder.y_mm, cylinder.radius_mm + WALL_MM, cylinder.half_length_mm + WALL_MM)


def bubble_in(cylinder: Cylinder, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Centre and radii (object mm) of an air bubble under the top side of a vial that lies in a scanner."""
    up = np.linalg.inv(pose.matrix) @ np.array([0.0, -1.0, 0.0])
    up[2] = 0.0
    up /= max(float(np.linalg.norm(up)), 1e-9)
    radius = 0.45 * cylinder.radius_mm
    centre = np.array([cylinder.x_mm, cylinder.y_mm, 0.0]) + up * (cylinder.radius_mm - radius)
    return centre, np.array([radius, radius, min(2.0 * cylinder.radius_mm, 0.9 * cylinder.half_length_mm)])


def describe(places: list[Content], protocol: Protocol, poses: dict[Modality, Pose]) -> list[dict[str, Any]]:
    """The vials for a truth file: what is printed, what is true, where it stands in each scanner's world."""
    rows = []
    for place in places:
        row: dict[str, Any] = {
            "vial_id": place.vial.id,
            "material": place.vial.material,
            "abscissa": protocol.abscissa_of(place.vial),
            "abscissa_unit": protocol.abscissa_unit,
            "concentration_mmol_per_l": protocol.abscissa_of(place.vial) if protocol.is_concentration else None,
            "inner_radius_mm": place.cylinder.radius_mm,
            "fault": place.fault(),
        }
        for modality, pose in poses.items():
            centre = pose.to_world([place.cylinder.x_mm, place.cylinder.y_mm, 0.0]).round(4).tolist()
            row |= (
                {"true_hu": place.hu, "ct_centre_mm": centre}
                if modality == "ct"
                else {"true_ppm": place.ppm, "mr_centre_mm": centre}
            )
        rows.append(row)
    return rows
