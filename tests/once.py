"""Make something costly once for all processes of a test run."""

import fcntl
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")


def once(factory: pytest.TempPathFactory, config: pytest.Config, name: str, make: Callable[[Path], T]) -> T:
    """What `make` gives for an empty folder, which must be picklable and whose files nobody changes.

    The first process that asks makes it, the others wait for it and read it.
    """
    own = factory.getbasetemp()
    root = own.parent if hasattr(config, "workerinput") else own
    stored = root / f"{name}.pickle"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stored.exists():
            found: T = pickle.loads(stored.read_bytes())
            return found
        made = make(factory.mktemp(name))
        stored.write_bytes(pickle.dumps(made))
        return made
