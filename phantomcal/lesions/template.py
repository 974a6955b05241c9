"""What a lesion adds to an image: its blurred mask fitted with the tissue around it, and everything summed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_REACH_MM = 2.5
_OUTLIER_SD = 3.0
_EDGE_MM = 0.8  # nearer to the mask nothing counts as an outlier
_ROUNDS = 6
_RIDGE = 0.01
_CENTRINGS = 4
_MOST_STEP_MM, _MOST_SHIFT_MM, _LEAST_SHIFT_MM = 0.5, 1.5, 0.1
_SEEN = 0.02  # share of the blurred mask from which a voxel is summed as it was read
_LEAST_TISSUE = 20


@dataclass(frozen=True)
class Sharpness:
    """How far CT and QSM spread a point on the map's grid, and against each other.

    Attributes
    ----------
    ct_mm, qsm_mm : tuple of float
        Gaussian sigma along x, y and z of the grid, mm.
    relative_se : tuple of float
        Standard uncertainty of the sigmas of CT and of QSM, whose reconstruction smooths by an amount nobody states.
    """

    ct_mm: tuple[float, float, float]
    qsm_mm: tuple[float, float, float]
    relative_se: tuple[float, float] = (0.2, 0.25)


@dataclass(frozen=True)
class Fitted:
    """A lesion's excess over its tissue in one image.

    Attributes
    ----------
    total : float
        Excess summed over all voxels.
    tissue : float
        What the tissue around it reads; 0 when the image was given less its baseline.
    weights : ndarray
        The total is the sum of these times the image: what its noise does to the total follows from them.
    n_tissue : int
        Voxels outside the blurred mask that the tissue was told by.
    n_left_out : int
        Voxels around it that were taken for something else (a vein, bone, another lesion).
    """

    total: float
    tissue: float
    weights: Array
    n_tissue: int
    n_left_out: int


def reach_mm(spacing_mm: tuple[float, float, float]) -> float:
    """How far around a mask the tissue is looked at: near enough to be the same tissue."""
    return max(_REACH_MM, 1.25 * max(spacing_mm))


def fit_total(
    image: Array,
    mask: BoolArray,
    usable: BoolArray,
    distance_mm: Array,
    sigma_mm: tuple[float, float, float],
    spacing_mm: tuple[float, float, float],
    *,
    reach: float,
    tissue: bool,
    centred: bool,
) -> Fitted | None:
    """Everything a lesion adds to an image.

    Least squares of the image, out to `reach` around the mask, on: a constant (the tissue); the mask blurred by the
    point spread; its gradient (the mask lies beside its place, to first order), Laplacian (another blur) and the
    gradient's length (a mask too tight or too wide); the mask filled with slopes along the three axes and with the
    squared radius (an uneven filling). None but the first describes tissue, so that partial volume at the edge does not
    shift it. The total is then summed, not modelled: the image less the tissue wherever the blurred mask is seen, and
    the model beyond, where voxels are missing, and where something else lies (more than three robust SD off).

    Parameters
    ----------
    image : ndarray, shape (z, y, x)
        HU or ppm around the lesion; what is not usable may hold anything finite.
    mask, usable : ndarray of bool
    distance_mm : ndarray
        From the mask, 0 inside.
    sigma_mm : tuple of float
        Point spread (x, y, z).
    spacing_mm : tuple of float
        Voxel size (x, y, z).
    reach : float
        mm.
    tissue : bool
        Whether the constant is fitted.
    centred : bool
        Whether the mask belongs to this very image. Else it is looked for beside its place, as far as 1.5 mm off.

    Returns
    -------
    Fitted or None
        None when too few voxels are left to fit.

    References
    ----------
    Rousset et al., J Nucl Med 1998;39:904 (regions seen through the point spread; here with a free place and width).
    """
    # To first order the gradient says how far the image lies from the mask: the mask goes there, and is fitted again.
    place = np.zeros(3)
    for _ in range(1 if centred else _CENTRINGS):
        found = _fit_at(image, mask, usable, distance_mm, sigma_mm, spacing_mm, place, reach, tissue)
        if found is None:
            return None
        fitted, step = found
        moved = np.clip(place + step, -_MOST_SHIFT_MM, _MOST_SHIFT_MM)
        if np.abs(moved - place).max() < _LEAST_SHIFT_MM:
            break
        place = moved
    return fitted


def _fit_at(
    image: Array,
    mask: BoolArray,
    usable: BoolArray,
    distance_mm: Array,
    sigma_mm: tuple[float, float, float],
    spacing_mm: tuple[float, float, float],
    place_mm: Array,
    reach: float,
    tissue: bool,
) -> tuple[Fitted, Array] | None:
    """The fit with the mask at a place (z, y, x, mm beside its own), and how far the image says it lies from there."""
    columns, blurred = _columns(mask, sigma_mm, spacing_mm, place_mm)
    region = (distance_mm <= reach) & usable
    seen = region & (blurred > _SEEN)
    if not tissue:
        columns = columns[1:]
    design = columns[:, region].T
    n_tissue = int((region & ~seen).sum())
    if design.shape[0] < design.shape[1] + _LEAST_TISSUE or (tissue and n_tissue < _LEAST_TISSUE):
        return None
    scale = np.sqrt(np.mean(design**2, axis=0))
    scale[scale == 0] = 1.0
    x = design / scale
    y = image[region]
    # The constant and the mask itself are free; the rest is drawn to nothing where the data do not ask for it.
    penalty = np.full(x.shape[1], _RIDGE * y.size)
    penalty[: 2 if tissue else 1] = 1e-9
    outside = distance_mm[region] > _EDGE_MM
    keep = np.ones(y.size)
    solver = np.zeros((x.shape[1], y.size))
    for _ in range(_ROUNDS):
        weighted = (x * keep[:, None]).T
        solver = np.linalg.solve(weighted @ x + np.diag(penalty), weighted)
        residual = y - x @ (solver @ y)
        around = residual[outside]
        spread = 1.4826 * float(np.median(np.abs(around - np.median(around)))) if around.size else 0.0
        new = np.where(outside & (np.abs(residual) > _OUTLIER_SD * spread), 0.0, 1.0) if spread > 0 else keep
        if np.array_equal(new, keep) or new.sum() < x.shape[1] + _LEAST_TISSUE:
            break
        keep = new
    solver = solver / scale[:, None]
    read = seen[region] & (keep > 0)
    # Sum over `read` of (image - tissue), and of the model without its tissue everywhere else.
    beyond = columns.reshape(columns.shape[0], -1).sum(axis=1) - design[read].sum(axis=0)
    if tissue:
        beyond[0] = -float(read.sum())
    inner = read.astype(np.float64) + beyond @ solver
    weights = np.zeros(image.shape)
    weights[region] = inner
    found = float(solver[0] @ y) if tissue else 0.0
    fitted = Fitted(float(inner @ y), found, weights, n_tissue, int((keep == 0).sum()))
    first = 1 if tissue else 0
    beta = solver[first : first + 4] @ y
    step = -beta[1:4] / beta[0] if beta[0] != 0 else np.zeros(3)
    return fitted, np.clip(step, -_MOST_STEP_MM, _MOST_STEP_MM)


def _columns(
    mask: BoolArray,
    sigma_mm: tuple[float, float, float],
    spacing_mm: tuple[float, float, float],
    place_mm: Array,
) -> tuple[Array, Array]:
    step = np.array(spacing_mm[::-1])
    sigma = np.array(sigma_mm[::-1]) / step
    full = mask.astype(np.float64)
    inside = np.argwhere(mask)
    middle = inside.mean(axis=0)
    if place_mm.any():
        full = ndimage.shift(full, place_mm / step, order=1, mode="constant")
        middle = middle + place_mm / step

    def seen(values: Array) -> Array:
        return np.asarray(ndimage.gaussian_filter(values, sigma, mode="constant", truncate=4.0), dtype=np.float64)

    blurred = seen(full)
    gradient = np.asarray(np.gradient(blurred, *step), dtype=np.float64)
    axes = [
        (np.arange(n) - c).reshape([-1 if k == axis else 1 for k in range(3)]) * s
        for axis, (n, c, s) in enumerate(zip(mask.shape, middle, step, strict=True))
    ]
    radius2 = axes[0] ** 2 + axes[1] ** 2 + axes[2] ** 2
    columns: list[Array] = [
        np.ones(mask.shape),
        blurred,
        *gradient,
        np.asarray(ndimage.laplace(blurred), dtype=np.float64),
        np.sqrt(np.square(gradient).sum(axis=0)),
        *(seen(full * axis) for axis in axes),
        seen(full * (radius2 - float((radius2 * full).sum() / full.sum()))),
    ]
    return np.stack(columns), blurred
