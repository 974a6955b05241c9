"""A whole volume decomposed, slab by slab on all cores."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phantomcal.lesions.decompose import Baseline, decompose
from phantomcal.lesions.ranges import feasible_amounts
from phantomcal.lesions.system import System

Array32 = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Maps:
    """Maps of m materials, each array of shape (m, z, y, x), 0 where not measured.

    Attributes
    ----------
    names : tuple of str
    amounts : ndarray
        mmol/L, not negative; the middle of the range when there are more than two materials.
    standard_error : ndarray or None
    unconstrained, probability : ndarray or None
        None with more than two materials.
    low, high : ndarray or None
        Ranges, with more than two materials.
    above : tuple of float
        Share of the measured voxels above the critical value.
    negative : tuple of float
        Share of the measured voxels more than two standard errors below 0.
    """

    names: tuple[str, ...]
    amounts: Array32
    standard_error: Array32 | None
    unconstrained: Array32 | None
    probability: Array32 | None
    low: Array32 | None
    high: Array32 | None
    above: tuple[float, ...]
    negative: tuple[float, ...]


def decompose_volume(
    hu: NDArray[Any],
    ppm: NDArray[Any],
    usable: BoolArray,
    *,
    hu_se: float,
    ppm_se: float,
    system: System,
    baseline: Baseline,
    threads: int | None = None,
) -> Maps:
    """Decompose every measured voxel of a volume.

    Parameters
    ----------
    hu, ppm : ndarray, shape (z, y, x)
    usable : ndarray of bool
        Where both readings are.
    hu_se, ppm_se : float
        Noise of a voxel.
    system : System
        Of two materials, or more (then ranges).
    baseline : Baseline
        Constant, or with arrays of the volume's shape.
    threads : int, optional
        The number of cores by default, four at most.

    Returns
    -------
    Maps
    """
    m = len(system.components)
    found: dict[str, Array32] = {
        name: np.zeros((m, *hu.shape), np.float32)
        for name in (("amounts", "error", "free", "probability") if m == 2 else ("amounts", "low", "high"))
    }
    counts = np.zeros((hu.shape[0], 2, m), np.int64)

    def one(z: int) -> None:
        where = usable[z]
        if not where.any():
            return
        here = replace(baseline, hu=_at(baseline.hu, z, where), ppm=_at(baseline.ppm, z, where))
        values = {"hu": hu[z][where], "ppm": ppm[z][where]}
        if m > 2:
            ranges = feasible_amounts(**values, hu_se=hu_se, ppm_se=ppm_se, system=system, baseline=here)
            found["low"][:, z, where], found["high"][:, z, where] = ranges.low, ranges.high
            found["amounts"][:, z, where] = (ranges.low + ranges.high) / 2
            return
        part = decompose(**values, hu_se=hu_se, ppm_se=ppm_se, system=system, baseline=here, dtype=np.float32)
        error = part.standard_error
        found["amounts"][:, z, where] = part.amounts
        found["error"][:, z, where] = error
        found["free"][:, z, where] = part.unconstrained
        found["probability"][:, z, where] = part.probability
        counts[z, 0] = (part.probability > 0.5).sum(axis=1)
        counts[z, 1] = (part.unconstrained < -2.0 * error).sum(axis=1)

    workers = threads or min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, range(hu.shape[0])))
    shares = counts.sum(axis=0) / max(int(usable.sum()), 1)
    return Maps(
        system.names,
        found["amounts"],
        found.get("error"),
        found.get("free"),
        found.get("probability"),
        found.get("low"),
        found.get("high"),
        tuple(float(v) for v in shares[0]),
        tuple(float(v) for v in shares[1]),
    )


def _at(value: Any, z: int, where: BoolArray) -> Any:
    return value if np.ndim(value) == 0 else value[z][where]
