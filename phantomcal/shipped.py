"""Where the protocols and report templates lie: inside the wheel, or beside the package in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped_folder(name: str) -> Path:
    """Folder of files shipped with phantomcal.

    Parameters
    ----------
    name : {"protocols", "templates"}
        Which folder.

    Returns
    -------
    pathlib.Path
        The folder inside an installed wheel, else the one of the source checkout.
    """
    installed = _PACKAGE / "_shipped" / name
    if installed.is_dir():
        return installed
    checkout = _PACKAGE.parent / ("reports/templates" if name == "templates" else name)
    if not checkout.is_dir():
        raise FileNotFoundError(f"the installation lacks its {name} folder: reinstall phantomcal")
    return checkout
