"""HU and ppm of every voxel or region as amounts of two materials, with what is uncertain about them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from phantomcal.lesions.slopes import physics_system, system_from
from phantomcal.lesions.system import System, conditioning

__all__ = ["Baseline", "Decomposed", "System", "conditioning", "decompose", "physics_system", "system_from"]

Array = NDArray[np.float64]
AnyArray = NDArray[np.floating[Any]]

_ONE_SIDED_5 = float(special.ndtri(0.95))
_BLOCK = 1 << 16  # voxels worked on at a time: the handful of arrays then stays in the processor's cache


@dataclass(frozen=True)
class Baseline:
    """What the tissue would read without the materials.

    Attributes
    ----------
    hu, ppm : float or ndarray
        One value, or one for each voxel.
    hu_se, ppm_se : float
        Standard error that all voxels share.
    hu_noise, ppm_noise : float
        SD of what differs from voxel to voxel (a mirrored image has noise of its own).
    kind : str
        ``medium``, ``constant``, ``tissue``, ``mirror`` or ``fitted``.
    note : str
        How it was found, in words.
    from_medium : bool
        It is the intercept of the lines, whose error goes along with that of the slopes.
    """

    hu: float | AnyArray
    ppm: float | AnyArray
    hu_se: float = 0.0
    ppm_se: float = 0.0
    hu_noise: float = 0.0
    ppm_noise: float = 0.0
    kind: str = "constant"
    note: str = ""
    from_medium: bool = False


@dataclass(frozen=True)
class Decomposed:
    """Amounts of the two materials, mmol/L; every array has shape (2, ...), in the order of ``names``.

    Attributes
    ----------
    names : tuple of str
    amounts : ndarray
        Not negative: the nearest such pair in the metric of the noise.
    unconstrained : ndarray
        The exact solution, which noise and wrong baselines make negative.
    se_random : ndarray
        From the noise: differs from voxel to voxel and averages out.
    se_systematic : ndarray
        From slopes and baseline: common to all voxels, does not average out.
    probability : ndarray
        That the amount is above the critical value, the one-sided 5 % point of an amount of nothing.
    """

    names: tuple[str, ...]
    amounts: AnyArray
    unconstrained: AnyArray
    se_random: AnyArray
    se_systematic: AnyArray
    probability: AnyArray

    @property
    def standard_error(self) -> AnyArray:
        """Of a single voxel or region: random and systematic together."""
        return np.hypot(self.se_random, self.se_systematic)

    def of(self, name: str) -> AnyArray:
        """Amounts of one material."""
        return np.asarray(self.amounts[self.names.index(name)])


def decompose(
    hu: AnyArray | float,
    ppm: AnyArray | float,
    *,
    hu_se: AnyArray | float,
    ppm_se: AnyArray | float,
    system: System,
    baseline: Baseline,
    dtype: type = np.float64,
) -> Decomposed:
    """Solve for two materials in every voxel or region at once.

    With the slopes S (2 x 2) and the baseline y0 the amounts are ``c = S^-1 (y - y0)``. Where one of them is negative,
    the nearest non-negative pair in the metric of the noise is given beside it: either material alone, whichever
    explains the readings better, or none (closed form of non-negative least squares for two unknowns).

    First-order errors: noise ``S^-1 diag(hu_se^2, ppm_se^2) S^-T``; slopes and baseline ``S^-1 V S^-T`` with
    ``V_k = Var(y0_k) + c^T Cov(slopes_k) c + 2 c^T Cov(slopes_k, y0_k)`` for CT and QSM. The errors given are those of
    the unconstrained amounts, which for a constrained one are on the safe side.

    Parameters
    ----------
    hu, ppm : array_like, any one shape
        Readings; NaN where there is none.
    hu_se, ppm_se : float or array_like
        Their noise, positive.
    system : System
        Of two materials.
    baseline : Baseline
    dtype : type
        Of the work and the result: float32 halves time and memory for a volume.

    Returns
    -------
    Decomposed

    Raises
    ------
    ValueError
        A system of more than two materials (see `phantomcal.lesions.ranges`), or noise that is not positive.

    References
    ----------
    Lawson, Hanson, Solving Least Squares Problems, 1974, chapter 23. JCGM 100:2008 (first-order propagation).
    """
    if len(system.components) != 2:
        raise ValueError("two readings give two amounts: use phantomcal.lesions.ranges for more materials")
    readings = np.broadcast_arrays(np.asarray(hu), np.asarray(ppm))
    shape = readings[0].shape
    noise = [np.asarray(hu_se), np.asarray(ppm_se)]
    if any(np.any(part <= 0) for part in noise):
        raise ValueError("noise must be positive")
    tissue = [np.asarray(baseline.hu), np.asarray(baseline.ppm)]
    flat = [_flat(part, shape) for part in (*readings, *tissue, *noise)]
    size = readings[0].size
    out: list[AnyArray] = [np.empty((2, size), dtype) for _ in range(5)]
    solver = _Solver(system, baseline)
    for start in range(0, size, _BLOCK):
        block = slice(start, start + _BLOCK)
        parts = [part if part.ndim == 0 else part[block] for part in flat]
        solver.solve(parts, [o[:, block] for o in out])
    return Decomposed(system.names, *(o.reshape(2, *shape) for o in out))


def _flat(part: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    return part if part.ndim == 0 else np.broadcast_to(part, shape).reshape(-1)


class _Solver:
    """What does not change from block to block."""

    def __init__(self, system: System, baseline: Baseline) -> None:
        self.slopes = system.slopes
        self.inverse = np.linalg.inv(system.slopes)
        self.covariance = system.slope_covariance
        self.own_noise = (baseline.hu_noise**2, baseline.ppm_noise**2)
        if baseline.from_medium:
            self.shared = [float(v) for v in system.medium_variance]
            self.mixed = system.medium_covariance
        else:
            self.shared = [baseline.hu_se**2, baseline.ppm_se**2]
            self.mixed = np.zeros((2, 2))

    def solve(self, parts: list[AnyArray], out: list[AnyArray]) -> None:
        """Fill the five rows of a block from HU, ppm, their baselines and their noise.

        Amounts, unconstrained, random and systematic error, probability.
        """
        hu, ppm, hu0, ppm0, hu_se, ppm_se = parts
        kind = out[0].dtype
        y = (np.subtract(hu, hu0, dtype=kind), np.subtract(ppm, ppm0, dtype=kind))
        noise = [
            np.square(se, dtype=np.float64).astype(kind) + kind.type(own)
            for se, own in zip((hu_se, ppm_se), self.own_noise, strict=True)
        ]
        a = self.inverse
        free = [a[i, 0] * y[0] + a[i, 1] * y[1] for i in range(2)]
        kept = self._non_negative(y, free, [1.0 / v for v in noise])
        shared = [self._shared_variance(k, free) for k in range(2)]
        for i in range(2):
            weight = (a[i, 0] ** 2, a[i, 1] ** 2)
            random = weight[0] * noise[0] + weight[1] * noise[1]
            common = weight[0] * shared[0] + weight[1] * shared[1]
            blank = random + weight[0] * self.shared[0] + weight[1] * self.shared[1]
            critical = _ONE_SIDED_5 * np.sqrt(blank)
            out[0][i], out[1][i] = kept[i], free[i]
            out[2][i], out[3][i] = np.sqrt(random), np.sqrt(common)
            out[4][i] = special.ndtr((free[i] - critical) / np.sqrt(random + common))

    def _shared_variance(self, k: int, c: list[Array]) -> Array:
        """Variance of baseline and slopes together, in HU or ppm; never below 0 where slope and baseline cancel."""
        v, m = self.covariance[k], self.mixed[k]
        found = self.shared[k] + c[0] * (v[0, 0] * c[0] + 2.0 * m[0]) + c[1] * (v[1, 1] * c[1] + 2.0 * m[1])
        if v[0, 1] != 0:
            found = found + 2.0 * v[0, 1] * c[0] * c[1]
        return np.asarray(np.maximum(found, 0.0))

    def _non_negative(self, y: tuple[Array, Array], free: list[Array], weight: list[Any]) -> list[Array]:
        s = self.slopes
        alone, gain = [], []
        for j in range(2):
            along = np.maximum(s[0, j] * weight[0] * y[0] + s[1, j] * weight[1] * y[1], 0.0)
            length = s[0, j] ** 2 * weight[0] + s[1, j] ** 2 * weight[1]
            alone.append(along / length)
            gain.append(along * alone[j])
        both = (free[0] >= 0) & (free[1] >= 0)
        first = gain[0] >= gain[1]
        missing = np.isnan(free[0])
        return [
            np.where(missing, np.nan, np.where(both, free[0], np.where(first, alone[0], 0.0))),
            np.where(missing, np.nan, np.where(both, free[1], np.where(first, 0.0, alone[1]))),
        ]
