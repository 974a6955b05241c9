"""Disc-shaped contrast in a slice: where could a vial be?"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Array = NDArray[np.float64]
_SECTORS = 8


@dataclass(frozen=True)
class BlobMap:
    """Signed disc contrast of one slice on its grid.

    Attributes
    ----------
    contrast : ndarray, shape (y, x)
        Disc mean minus the second nearest of its surrounding sectors, 0 where the disc does not differ from all
        around it in one direction. Units of the image.
    visibility : ndarray, shape (y, x)
        |contrast| against the fluctuation of the slice, 0 (nothing) to 1 (stands out).
    noise : float
        The fluctuation in calm places, units of the image.
    """

    contrast: NDArray[np.float32]
    visibility: NDArray[np.float32]
    noise: float


@lru_cache(maxsize=8)
def _kernels(shape: tuple[int, int], radius: float) -> NDArray[np.complex64]:
    """Fourier transforms of one disc and eight surrounding sectors; `radius` in pixels."""
    y, x = (np.fft.fftfreq(n, 1.0 / n) for n in shape)
    yy, xx = np.meshgrid(y, x, indexing="ij")
    distance, angle = np.hypot(yy, xx), np.arctan2(yy, xx)
    inner, outer = 1.35 * radius, 1.35 * radius + max(2.0, 0.5 * radius)
    masks = [distance <= 0.75 * radius]
    ring = (distance >= inner) & (distance <= outer)
    sector = np.floor((angle + np.pi) / (2 * np.pi) * _SECTORS).astype(int) % _SECTORS
    masks += [ring & (sector == k) for k in range(_SECTORS)]
    stack = np.stack([m / max(1, m.sum()) for m in masks]).astype(np.float32)
    transformed: NDArray[np.complex64] = fft.rfft2(stack)
    return transformed


def blob_map(picture: NDArray[np.float32], radius_px: float, body: NDArray[np.bool_]) -> BlobMap:
    """Disc contrast of a slice.

    A vial differs from its surroundings in every direction; the wall of the phantom or a streak does not. One
    sector may hold a neighbouring vial, so the second nearest of eight decides.

    Parameters
    ----------
    picture : ndarray, shape (y, x)
        Slice or slab mean, finite.
    radius_px : float
        Vial radius in pixels.
    body : ndarray of bool, shape (y, x)
        Where the phantom is; the fluctuation is estimated there.
    """
    spectrum = fft.rfft2(picture)
    means = fft.irfft2(spectrum * _kernels(picture.shape, round(radius_px, 3)), s=picture.shape)
    difference = np.sort(means[0] - means[1:], axis=0)
    contrast = np.where(difference[1] > 0, difference[1], np.where(difference[-2] < 0, difference[-2], 0.0))
    # Walls, rods and edges are not noise: it is read in the calmer half of the phantom.
    unrest = difference[-1] - difference[0]
    calm = body & (unrest <= np.median(unrest[body]))
    plain = np.median(difference, axis=0)[calm]
    noise = float(1.4826 * np.median(np.abs(plain - np.median(plain)))) if plain.size else 0.0
    noise = max(noise, 1e-6 * float(np.ptp(picture)) + 1e-12)
    size = np.abs(contrast)
    visibility = size / (size + 6.0 * noise)
    # A constant background (zeros outside a map) has contrast of rounding only.
    visibility[size < 1e-4 * float(np.ptp(picture)) + 1e-12] = 0.0
    return BlobMap(contrast.astype(np.float32), visibility.astype(np.float32), noise)


def peaks(visibility: NDArray[np.float32], separation_px: float, at_most: int, threshold: float) -> NDArray[np.int64]:
    """Indices (row, column) of the strongest local maxima, strongest first."""
    size = 2 * max(1, round(separation_px)) + 1
    top = (visibility == ndimage.maximum_filter(visibility, size=size)) & (visibility > threshold)
    index = np.argwhere(top)
    strength = visibility[index[:, 0], index[:, 1]]
    # Ties (plateaus of equal value) are ordered by place, so that the result does not depend on the sort.
    order = np.lexsort((index[:, 1], index[:, 0], -strength))
    return index[order][:at_most]
