"""Separable interpolation by small matrices, and smooth random fields made with it."""

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from phantomcal.simulate.shapes import Array32


def interpolation_matrix(positions: npt.ArrayLike, n_nodes: int) -> Array32:
    """Matrix that interpolates samples at 0, 1, ... to other positions by Catmull-Rom cubics.

    Parameters
    ----------
    positions : array_like, shape (m,)
        Where to interpolate, in units of the node distance; clamped to the nodes.
    n_nodes : int
        How many samples there are.

    Returns
    -------
    numpy.ndarray, shape (m, n_nodes)
        Rows sum to one.

    References
    ----------
    Keys, IEEE Trans Acoust 1981, 10.1109/TASSP.1981.1163711.
    """
    where = np.clip(np.asarray(positions, float), 0, n_nodes - 1)
    base = np.minimum(np.floor(where).astype(int), max(n_nodes - 2, 0))
    t = where - base
    weights = (
        0.5 * (-t + 2 * t**2 - t**3),
        0.5 * (2 - 5 * t**2 + 3 * t**3),
        0.5 * (t + 4 * t**2 - 3 * t**3),
        0.5 * (-(t**2) + t**3),
    )
    matrix = np.zeros((where.size, n_nodes))
    rows = np.arange(where.size)
    for shift, weight in zip((-1, 0, 1, 2), weights, strict=True):
        np.add.at(matrix, (rows, np.clip(base + shift, 0, n_nodes - 1)), weight)
    return matrix.astype(np.float32)


def apply_along(values: Array32, matrix: Array32, axis: int) -> Array32:
    """Product of a matrix with a 3-D array along one axis."""
    if axis == 0:
        flat = matrix @ values.reshape(values.shape[0], -1)
        rows: Array32 = flat.reshape(matrix.shape[0], *values.shape[1:])
        return rows
    if axis == 1:
        columns: Array32 = np.matmul(matrix, values)
        return columns
    product: Array32 = values @ matrix.T
    return product


def smooth_noise(
    shape: tuple[int, int, int], spacing_mm: float, wavelength_mm: float, rng: np.random.Generator, band: bool = False
) -> Array32:
    """Random field of unit SD whose features are about half a wavelength wide.

    Parameters
    ----------
    shape : tuple of int
        Array shape.
    spacing_mm : float
        Voxel size, the same along all axes.
    wavelength_mm : float
        Typical distance from one maximum to the next.
    rng : numpy.random.Generator
        Source of the noise.
    band : bool
        Whether slower variation is taken out, which makes the zero crossings evenly spaced, like cortical folds.

    Returns
    -------
    numpy.ndarray
        Float32.
    """
    node_mm = wavelength_mm / 6
    nodes = [max(math.ceil(n * spacing_mm / node_mm) + 4, 8) for n in shape]
    noise = rng.standard_normal(nodes, dtype=np.float32)
    field = ndimage.gaussian_filter(noise, 1.2, mode="wrap")
    if band:
        field -= ndimage.gaussian_filter(noise, 1.9, mode="wrap")
    field /= field.std()
    for axis, n in enumerate(shape):
        positions = (np.arange(n) - (n - 1) / 2) * spacing_mm / node_mm + (nodes[axis] - 1) / 2
        field = apply_along(field, interpolation_matrix(positions, nodes[axis]), axis)
    return field
