"""What a user says instead of the automatic choices of finding and measuring."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import Candidate
from phantomcal.protocol import Protocol
from phantomcal.results import Modality

_WITHIN_DEG = 10.0
_HOW = "write degrees, as in --orient 90, --orient 90,mirrored or --orient ct=90,mirrored"


def wrap(angle_deg: float) -> float:
    """The same angle above -180 and up to 180 degrees."""
    wrapped = float((angle_deg + 180.0) % 360.0 - 180.0)
    return 180.0 if wrapped == -180.0 else wrapped


@dataclass(frozen=True)
class Orientation:
    """In-plane rotation of a layout and its handedness; None leaves the choice to the program."""

    rotation_deg: float | None = None
    mirrored: bool | None = None

    @property
    def given(self) -> bool:
        """Whether anything is said."""
        return self.rotation_deg is not None or self.mirrored is not None

    def allows(self, candidate: Candidate) -> bool:
        """Whether a candidate is within ten degrees of the rotation and of the handedness said."""
        if self.mirrored is not None and candidate.pose.mirrored != self.mirrored:
            return False
        if self.rotation_deg is None:
            return True
        return abs(wrap(float(np.degrees(candidate.pose.angle_rad)) - self.rotation_deg)) <= _WITHIN_DEG

    def words(self) -> str:
        """As the options a user gave."""
        said = [] if self.rotation_deg is None else [f"rotation {self.rotation_deg:g}"]
        if self.mirrored is not None:
            said.append("mirrored" if self.mirrored else "not mirrored")
        return ", ".join(said)


@dataclass(frozen=True)
class Overrides:
    """Answers to the automatic questions of `calibrate`; None leaves a question to the program.

    Attributes
    ----------
    axis : int, optional
        Index axis the vials run along (0, 1 or 2).
    orientation : Orientation
        For every modality without one of its own.
    orient : dict of str to Orientation
        By modality: CT and QSM are scanned in different places.
    first_slice, last_slice : int, optional
        Slices along the vials to measure in, counted from 0.
    erosion_mm : float, optional
        How far inside the vial wall to measure.
    """

    axis: int | None = None
    orientation: Orientation = Orientation()
    orient: dict[Modality, Orientation] = field(default_factory=dict)
    first_slice: int | None = None
    last_slice: int | None = None
    erosion_mm: float | None = None

    def orientation_of(self, modality: Modality) -> Orientation:
        """What is said of one modality."""
        return self.orient.get(modality, self.orientation)

    def parameters(self) -> dict[str, object]:
        """For the provenance."""
        said: dict[str, object] = {
            "axis": self.axis,
            "mirrored": self.orientation.mirrored,
            "rotation_deg": self.orientation.rotation_deg,
            "first_slice": self.first_slice,
            "last_slice": self.last_slice,
            "erosion_mm": self.erosion_mm,
        }
        for modality, orientation in self.orient.items():
            said[f"orient_{modality}"] = orientation.words()
        return said

    def eroded(self, protocol: Protocol) -> Protocol:
        """The protocol with the erosion of the user.

        Raises
        ------
        InputError
            The erosion leaves nothing of a vial.
        """
        if self.erosion_mm is None:
            return protocol
        smallest = min(protocol.radius_of(v) for v in protocol.vials)
        if not 0 <= self.erosion_mm <= 0.6 * smallest:
            raise InputError(
                f"an erosion of {self.erosion_mm:g} mm for vials of {smallest:g} mm radius",
                "--erosion-mm",
                f"give 0 to {0.6 * smallest:.1f} mm",
            )
        erosion: dict[Modality, float] = dict.fromkeys(protocol.modalities, self.erosion_mm)
        geometry = protocol.geometry.model_copy(update={"erosion_mm": erosion})
        return protocol.model_copy(update={"geometry": geometry})


def overrides(
    *,
    axis: int | None = None,
    mirrored: bool | None = None,
    rotation_deg: float | None = None,
    orient: Sequence[str] = (),
    first_slice: int | None = None,
    last_slice: int | None = None,
    erosion_mm: float | None = None,
) -> Overrides:
    """Check the options of a call and gather them.

    Parameters
    ----------
    axis, mirrored, rotation_deg, first_slice, last_slice, erosion_mm
        See `Overrides`.
    orient : sequence of str
        Each ``ANGLE``, ``ANGLE,mirrored`` or one of these after ``ct=`` or ``qsm=``. It names the whole orientation:
        without ``mirrored`` the layout is not mirrored.

    Raises
    ------
    InputError
        An option that says nothing possible, or two that say different things.
    """
    if axis is not None and axis not in (0, 1, 2):
        raise InputError(f"--axis {axis} is no image axis", "", "use 0, 1 or 2")
    if rotation_deg is not None and not np.isfinite(rotation_deg):
        raise InputError(f"rotation {rotation_deg} is no angle", "", "give degrees, as in --rotation 90")
    if orient and (mirrored is not None or rotation_deg is not None):
        raise InputError(
            "--orient beside --rotation or --mirror", "", "say it once: --orient 90 or --orient 90,mirrored"
        )
    for name, number in (("--first-slice", first_slice), ("--last-slice", last_slice)):
        if number is not None and number < 0:
            raise InputError(f"{name} {number} is no slice", "", "slices count from 0")
    if first_slice is not None and last_slice is not None and last_slice < first_slice:
        raise InputError(f"--last-slice {last_slice} is before --first-slice {first_slice}", "", "exchange them")
    if erosion_mm is not None and not np.isfinite(erosion_mm):
        raise InputError(f"--erosion-mm {erosion_mm} is no length", "", "give millimetres")
    common, by_modality = Orientation(rotation_deg, mirrored), {}
    for text in orient:
        modality, orientation = parse_orient(text)
        if modality is None:
            if common.given:
                raise InputError(
                    "two values of --orient", "", "give one for each modality: --orient ct=90 --orient qsm=0"
                )
            common = orientation
        else:
            by_modality[modality] = orientation
    return Overrides(axis, common, by_modality, first_slice, last_slice, erosion_mm)


def parse_orient(text: str) -> tuple[Modality | None, Orientation]:
    """Modality (None for all) and orientation of one ``--orient``.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    modality: Modality | None = None
    name, separator, rest = text.partition("=")
    if separator:
        key = name.strip().lower()
        if key not in ("ct", "qsm"):
            raise InputError(f"--orient {text!r} names no modality", "", _HOW)
        modality = "ct" if key == "ct" else "qsm"
    angle, _, hand = (rest if separator else text).partition(",")
    try:
        degrees = float(angle)
    except ValueError:
        degrees = float("nan")
    if not np.isfinite(degrees) or hand.strip().lower() not in ("", "mirrored"):
        raise InputError(f"--orient {text!r} cannot be read", "", _HOW)
    return modality, Orientation(degrees, hand.strip() != "")
