"""Which volumes a decomposition is asked for, checked, and read while the libraries that need them load."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantomcal.errors import InputError

if TYPE_CHECKING:
    from phantomcal.volumes import Volume


@dataclass(frozen=True)
class Scans:
    """Where the volumes of a call lie, as given.

    Attributes
    ----------
    ct, qsm : str
    qsm_unit : str or None
    transform : str or None
        A file that takes map points to CT points, or ``identity``.
    register : bool
        Align the CT here, by its bone and the map or `magnitude`.
    magnitude : str or None
    lesions : str or None
        Label map on the map's grid.
    lookup : pathlib.Path or None
    mask : str or None
        Where the map is valid.
    strictness : {"ignore", "warn", "raise"}
    unconstrained : bool
        Write the exact solutions as maps too.
    """

    ct: str
    qsm: str
    qsm_unit: str | None = None
    transform: str | None = None
    register: bool = False
    magnitude: str | None = None
    lesions: str | None = None
    lookup: Path | None = None
    mask: str | None = None
    strictness: Any = "warn"
    unconstrained: bool = False


def read_both(scans: Scans) -> "tuple[Volume, Volume]":
    """CT and map, at the same time."""
    from phantomcal.volumes import read_ct, read_qsm

    with ThreadPoolExecutor(2) as pool:
        ct = pool.submit(read_ct, scans.ct, strictness=scans.strictness)
        qsm = pool.submit(read_qsm, scans.qsm, scans.qsm_unit, strictness=scans.strictness)
        return ct.result(), qsm.result()


def check_scans(scans: Scans) -> None:
    """Options that contradict each other, said before anything is read."""
    if scans.transform is not None and scans.register:
        raise InputError("--transform and --register exclude each other", "", "give one of them")
    if scans.magnitude is not None and not scans.register:
        raise InputError("a magnitude serves only to align", "--magnitude", "add --register, or leave it out")
    if scans.lookup is not None and scans.lesions is None:
        raise InputError("names without labels", "--lookup", "give the label map with --lesions")
