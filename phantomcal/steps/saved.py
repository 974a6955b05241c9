"""Calibrations read back from their files."""

from pathlib import Path

from pydantic import ValidationError

from phantomcal.errors import InputError
from phantomcal.results import Calibration

NAME = "calibration.json"


def read_calibration(path: str | Path) -> Calibration:
    """A calibration from its calibration.json, or from the folder that holds it.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        No such file, not JSON, or not a calibration of this version.
    """
    file = calibration_file(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("not a text file", file.name, f"give the {NAME} of `phantomcal calibrate`") from error
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file.name, "check its permissions") from error
    try:
        return Calibration.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "json_invalid":
            raise InputError("not JSON, or cut off", file.name, f"give the {NAME} of `phantomcal calibrate`") from error
        more = " (written by a newer phantomcal?)" if first["type"] == "extra_forbidden" else ""
        raise InputError(
            f"not a calibration of this version: {place}: {first['msg'].lower()}{more}",
            file.name,
            f"give the {NAME} of `phantomcal calibrate` or `phantomcal fit`",
        ) from error


def calibration_file(path: str | Path) -> Path:
    """The file that `path` means: itself, or the calibration.json in it."""
    file = Path(path)
    if file.is_dir():
        file = file / NAME
        if not file.is_file():
            raise InputError(f"no {NAME} in the folder", Path(path).name, "give the output folder of a calibration")
    if not file.is_file():
        raise InputError("no such calibration", file.name, f"give a {NAME}, or the folder that holds it")
    return file


def run_names(paths: list[Path]) -> list[str]:
    """A short name for each file, all different: the folder's when the files share a name.

    Folders above the last one stay out of it, as they may name people.
    """
    files = [calibration_file(p).resolve() for p in paths]
    own = [f.parent.name if f.name == NAME else f.stem for f in files]
    seen: dict[str, int] = {}
    names = []
    for name in own:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names
