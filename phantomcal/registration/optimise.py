"""The nearest top of the mutual information, by quasi-Newton steps in directions that are equally steep."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from phantomcal.registration.metric import ARM_MM, Level, Pose, mutual_information, stepped

# Stop where a further step would gain less, nats. A tenth of a millimetre from the top costs 1e-3 at the finest level.
COARSE_GAIN, MIDDLE_GAIN, FINE_GAIN = 1e-4, 1e-5, 1e-6

_TYPICAL_CURVATURE = 0.02  # nats per mm^2, of heads at 6 mm
_LEAST_CURVATURE = 0.1  # share of the middle one below which a direction counts as flat
_PROBE_MM = 0.25


def climb(
    level: Level, start: Pose, *, tolerance: float, most: int = 40, curvature: NDArray[np.float64] | None = None
) -> tuple[Pose, float]:
    """Follow the gradient from `start` to the nearest top by L-BFGS.

    Parameters
    ----------
    level : Level
        Images and samples.
    start : tuple of ndarray
        Pose to start from.
    tolerance : float
        Stop where a Newton step along any axis would gain less than this, nats.
    most : int
        Steps.
    curvature : ndarray, shape (6, 6), optional
        Nats per mm^2 near the top, as from `curvature_at`: saves most of the steps.

    Returns
    -------
    pose : tuple of ndarray
    nats : float
        Mutual information there.
    """
    # In these units a Newton step is the gradient itself, and half its square is what it gains.
    units = np.eye(6) / np.sqrt(_TYPICAL_CURVATURE)
    if curvature is not None and curvature.any():
        size, axes = np.linalg.eigh(curvature)
        size = np.maximum(np.abs(size), _LEAST_CURVATURE * np.median(np.abs(size)))
        units = axes / np.sqrt(size)

    def at(y: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        x = units @ y
        nats, gradient = mutual_information(level, stepped(start, x))
        turned = gradient[:3] @ _left_jacobian(x[:3] / ARM_MM)
        return nats, np.concatenate([turned, gradient[3:]]) @ units

    nats, slope = at(np.zeros(6))
    length = float(np.linalg.norm(slope))
    if length**2 / 2 < tolerance:
        return start, nats
    first: tuple[float, NDArray[np.float64]] | None = (nats, slope)

    def objective(y: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        nonlocal first
        (nats, slope), first = first or at(y * length), None
        return -nats / length**2, -slope / length

    # Scaled so that the first Newton step has length 1, which is how far L-BFGS-B goes first.
    found = minimize(
        objective,
        np.zeros(6),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": most,
            "ftol": tolerance / max(nats, 0.1),
            "gtol": np.sqrt(2 * tolerance) / length,
            "maxls": 8,
        },
    )
    return stepped(start, units @ found.x * length), -float(found.fun) * length**2


def curvature_at(level: Level, pose: Pose) -> NDArray[np.float64]:
    """Second derivatives of the mutual information in `stepped`'s parameters, nats per mm^2, shape (6, 6).

    Central differences of the analytic gradient over 0.25 mm.
    """
    rows = []
    for step in _PROBE_MM * np.eye(6):
        ahead, behind = (mutual_information(level, stepped(pose, way * step))[1] for way in (1.0, -1.0))
        rows.append((ahead - behind) / (2 * _PROBE_MM))
    found: NDArray[np.float64] = np.array(rows)
    return 0.5 * (found + found.T)


def _left_jacobian(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Change of the turn itself with the rotation vector that names it (left Jacobian of SO(3))."""
    angle = float(np.linalg.norm(turn))
    x, y, z = turn
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    if angle < 1e-4:
        return np.asarray(np.eye(3) + cross / 2 + cross @ cross / 6)
    one, two = (1 - np.cos(angle)) / angle**2, (angle - np.sin(angle)) / angle**3
    return np.asarray(np.eye(3) + one * cross + two * cross @ cross)
