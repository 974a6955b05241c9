"""Calibrate CT and QSM with vial phantoms, align the two, and tell blood from calcium."""

from typing import Any

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    # Functions are loaded when they are first used, so that importing the package, and the command line, stay quick.
    from importlib import import_module

    if name.startswith("_"):
        raise AttributeError(f"module 'phantomcal' has no attribute {name!r}")
    api = import_module("phantomcal.api")
    if name in api.__all__:
        return getattr(api, name)
    raise AttributeError(f"module 'phantomcal' has no attribute {name!r}")


def __dir__() -> list[str]:
    from importlib import import_module

    return sorted(["__version__", *import_module("phantomcal.api").__all__])
