"""What every exported object shares: highdicom when it is there, equipment, unique identifiers."""

from dataclasses import dataclass
from typing import Any

from phantomcal import __version__
from phantomcal.errors import InputError

MANUFACTURER = "phantomcal"
MODEL = "phantomcal"
SERIAL = "0"
SCHEME = "99PHANTOMCAL"


def load_highdicom() -> Any:
    """highdicom, or one line that says how to get it.

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        import highdicom
    except ImportError as error:
        raise InputError(
            "DICOM objects are written by highdicom, which is not installed",
            "this Python environment",
            "pip install 'phantomcal[dicom]'",
        ) from error
    return highdicom


@dataclass(frozen=True)
class Identity:
    """Names of one object.

    Attributes
    ----------
    series_uid, instance_uid : str
    series_number : int
    """

    series_uid: str
    instance_uid: str
    series_number: int

    def fields(self) -> dict[str, Any]:
        """As highdicom's constructors take them."""
        return {
            "series_instance_uid": self.series_uid,
            "series_number": self.series_number,
            "sop_instance_uid": self.instance_uid,
            "instance_number": 1,
            "manufacturer": MANUFACTURER,
        }


def equipment() -> dict[str, Any]:
    """What image objects say about the program that made them."""
    return {"manufacturer_model_name": MODEL, "software_versions": __version__, "device_serial_number": SERIAL}


def new_identity(series_number: int) -> Identity:
    """Fresh identifiers: an object that is made again is another object, which archives must not confuse."""
    from pydicom.uid import generate_uid

    # Derived from a random UUID (2.25.), which needs no registered root.
    return Identity(generate_uid(prefix=None), generate_uid(prefix=None), series_number)
