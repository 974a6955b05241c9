"""Sums over a lesion and a margin around it, less the tissue's share, and how far such sums scatter where nothing is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

RING_MM = 4.0
_GAP = 0.25  # between aperture and ring, as a share of the margin
_OUTLIER_SD = 4.0
_LEAST_RING = 30
_MOST_TRIES, _LEAST_PLACES, _LEAST_CELLS = 1500, 24, 6
_REACH_MM = 25.0
_ALIKE = 1.3
_BLUR_SPREAD = 0.25  # relative uncertainty of the point spread
_SLICE = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Sharpness:
    """How far CT and QSM spread a point on the map's grid, and against each other.

    Attributes
    ----------
    ct_mm, qsm_mm : tuple of float
        Gaussian sigma along x, y and z of the grid, mm.
    registration_mm : float
        Standard error of the alignment along each axis.
    """

    ct_mm: tuple[float, float, float]
    qsm_mm: tuple[float, float, float]
    registration_mm: float = 0.5

    @property
    def margin_mm(self) -> Array:
        """Margin (z, y, x) that holds what blur and misalignment carry out of a mask."""
        blur = np.maximum(self.ct_mm, self.qsm_mm)[::-1]
        return np.asarray(2.0 * np.hypot(blur, self.registration_mm), dtype=np.float64)


@dataclass(frozen=True)
class Aperture:
    """Where one lesion is summed, in a box of the volume.

    Attributes
    ----------
    box : tuple of slice
        (z, y, x).
    inside : ndarray of bool
        The mask and its margin.
    mask : ndarray of bool
        The lesion itself.
    ring : ndarray of bool
        Tissue around it; empty when the baseline is known otherwise.
    crowded : int
        Voxels of the margin that were left to other lesions.
    missing : int
        Voxels of the margin without both readings.
    """

    box: _SLICE
    inside: BoolArray
    mask: BoolArray
    ring: BoolArray
    crowded: int
    missing: int

    @property
    def weights(self) -> Array:
        """What each voxel of the box counts in the sum: 1 inside, and the ring's mean taken off."""
        w = self.inside.astype(np.float64)
        n = int(self.ring.sum())
        if n:
            w[self.ring] = -self.inside.sum() / n
        return w


@dataclass(frozen=True)
class Scatter:
    """How far sums like a lesion's scatter where no lesion is.

    Attributes
    ----------
    covariance : ndarray, shape (2, 2)
        Of the sums of HU and of ppm.
    degrees_of_freedom : float
    n_places : int
        Places they were taken at; 0 when it was worked out from the ring's noise.
    """

    covariance: Array
    degrees_of_freedom: float
    n_places: int


def aperture_of(
    labels: NDArray[np.integer],
    label: int,
    usable: BoolArray,
    spacing_mm: tuple[float, float, float],
    margin_mm: Array,
    *,
    ring: bool,
    extent: _SLICE,
) -> Aperture:
    """Mask, margin and ring of one lesion.

    Parameters
    ----------
    labels : ndarray of int, shape (z, y, x)
    label : int
    usable : ndarray of bool
        Where both readings are.
    spacing_mm : tuple of float
        Voxel size (x, y, z).
    margin_mm : ndarray, shape (3,)
        Half-axes (z, y, x) of the ellipsoid that the mask is widened by.
    ring : bool
        Whether a ring is wanted.
    extent : tuple of slice
        Bounding box of the label.

    Returns
    -------
    Aperture
    """
    step = np.array(spacing_mm[::-1])
    reach = margin_mm * (1 + _GAP) + (RING_MM if ring else 0.0)
    pad = np.ceil(reach / step).astype(int) + 1
    box = _widened(extent, pad, labels.shape)
    own, free = labels[box], usable[box]
    mask = own == label
    # In units of the margin, so that it is as wide along each axis as the blur there.
    away = ndimage.distance_transform_edt(~mask, sampling=step / margin_mm)
    others = (own != 0) & ~mask
    near = away <= 1.0
    crowded = 0
    if others.any():
        theirs = ndimage.distance_transform_edt(~others, sampling=step / margin_mm)
        contested = near & (theirs < away)
        crowded = int(contested.sum())
        near &= ~contested
        free = free & (theirs > 1.0) | (free & near)
    missing = int((near & ~usable[box]).sum())
    band = np.zeros_like(mask)
    if ring:
        outer = ndimage.distance_transform_edt(~mask, sampling=step)
        band = (away > 1.0 + _GAP) & (outer <= float(margin_mm.mean()) * (1 + _GAP) + RING_MM) & free & ~others
    return Aperture(box, near & usable[box], mask, band, crowded, missing)


def without_outliers(aperture: Aperture, fields: tuple[Array, Array]) -> Aperture:
    """The same with the ring's vessels, bone and the like taken out: beyond four robust SD of either reading."""
    keep = aperture.ring.copy()
    for values in fields:
        own = values[keep]
        if own.size < _LEAST_RING:
            return aperture
        middle = float(np.median(own))
        sd = 1.4826 * float(np.median(np.abs(own - middle)))
        if sd > 0:
            keep &= np.abs(values - middle) <= _OUTLIER_SD * sd
    return Aperture(aperture.box, aperture.inside, aperture.mask, keep, aperture.crowded, aperture.missing)


def recovered(
    aperture: Aperture, sigma_mm: tuple[float, float, float], spacing_mm: tuple[float, float, float], shift_mm: float
) -> tuple[float, float]:
    """Share of a lesion's signal that the weighted sum holds, and its standard uncertainty.

    The mask is blurred by the point spread and by the alignment's error. The uncertainty is what a quarter more blur
    changes.
    """
    step = np.array(spacing_mm[::-1])
    weights = aperture.weights
    total = float(aperture.mask.sum())
    shares = []
    for stretch in (1.0, 1.0 + _BLUR_SPREAD):
        sigma = np.hypot(np.array(sigma_mm[::-1]) * stretch, shift_mm * stretch) / step
        blurred = ndimage.gaussian_filter(aperture.mask.astype(np.float64), sigma, mode="constant", truncate=4.0)
        shares.append(float((weights * blurred).sum()) / total)
    return shares[0], abs(shares[1] - shares[0])


def scatter_of_sums(
    aperture: Aperture,
    fields: tuple[NDArray[Any], NDArray[Any]],
    free: BoolArray,
    spacing_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> Scatter | None:
    """Scatter of the same weighted sum at places around without a lesion.

    It holds whatever varies there: noise with its correlation between voxels, slow background, the tissue's texture.
    Places whose surroundings are rougher than the lesion's are left out as long as enough others remain.

    Parameters
    ----------
    aperture : Aperture
    fields : tuple of ndarray
        HU and ppm, less the baseline where there is no ring; whole volumes (z, y, x).
    free : ndarray of bool
        Voxels with both readings that belong to no lesion or its margin.
    spacing_mm : tuple of float
    rng : numpy.random.Generator
        Picks the places.

    Returns
    -------
    Scatter or None
        None when there is not enough free tissue.

    References
    ----------
    The way of photometry in crowded images: Labbe et al., Astron J 2003;125:1107 (empty apertures).
    """
    step = np.array(spacing_mm[::-1])
    weights = aperture.weights
    support = np.argwhere(weights != 0)
    if not support.size:
        return None
    middle = support.mean(axis=0).round().astype(int)
    offsets = support - middle
    value = weights[weights != 0]
    in_ring = aperture.ring[weights != 0]
    shape = np.array(free.shape)
    centre = np.array([s.start for s in aperture.box]) + middle
    # Centres for which the whole sum stays in the volume, near the lesion.
    low = np.maximum(-offsets.min(axis=0), centre - np.ceil(_REACH_MM / step).astype(int))
    high = np.minimum(shape - 1 - offsets.max(axis=0), centre + np.ceil(_REACH_MM / step).astype(int))
    if np.any(high < low):
        return None
    places = np.unique(rng.integers(low, high + 1, size=(_MOST_TRIES, 3)), axis=0)
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    jumps = offsets @ strides
    flat = places @ strides
    open_ = free.reshape(-1)
    flat_ok = np.flatnonzero(open_[flat])
    # The farthest voxels first: most places that fail do so at the edge.
    order = np.argsort(-np.square(offsets * step).sum(axis=1))
    for part in np.array_split(jumps[order], max(1, jumps.size // 200)):
        if not flat_ok.size:
            return None
        flat_ok = flat_ok[open_[flat[flat_ok][:, None] + part].all(axis=1)]
    if flat_ok.size < _LEAST_PLACES:
        return None
    index = flat[flat_ok][:, None] + jumps
    sums, rough = [], []
    for field in fields:
        found = field.reshape(-1)[index].astype(np.float64)
        sums.append(found @ value)
        rough.append(found[:, in_ring].std(axis=1) if in_ring.any() else found.std(axis=1))
    own = [_own_roughness(aperture, field) for field in fields]
    alike = np.ones(flat_ok.size, np.bool_)
    if in_ring.any():
        for r, o in zip(rough, own, strict=True):
            alike &= r <= _ALIKE * o
    for chosen in (alike, np.ones_like(alike)):
        cells = _cells(places[flat_ok][chosen], step, aperture)
        if chosen.sum() >= _LEAST_PLACES and cells >= _LEAST_CELLS:
            return Scatter(_covariance(np.stack(sums)[:, chosen], bool(in_ring.any())), cells - 1.0, int(chosen.sum()))
    return None


def scatter_from_ring(
    aperture: Aperture, fields: tuple[Array, Array], most_independent: tuple[float, float]
) -> Scatter | None:
    """Scatter of the sum worked out from the noise in the ring and its correlation between neighbours.

    Parameters
    ----------
    aperture : Aperture
    fields : tuple of ndarray
        HU and ppm in the box.
    most_independent : tuple of float
        Largest share of the voxels that can be independent.

    Returns
    -------
    Scatter or None
        None without a ring of thirty voxels.
    """
    from phantomcal.correlation.labels import Voxels
    from phantomcal.correlation.spread import spread

    region = aperture.ring if aperture.ring.any() else aperture.inside & ~aperture.mask
    n = int(region.sum())
    if n < _LEAST_RING:
        return None
    flat = np.flatnonzero(region)
    shape = (region.shape[0], region.shape[1], region.shape[2])
    voxels = Voxels(flat, np.array([0, n], np.int64), shape)
    inside = float(aperture.inside.sum())
    variances, dof = [], []
    for field, most in zip(fields, most_independent, strict=True):
        found = spread(field.reshape(-1)[flat], voxels, most_independent=most)
        share = float(found.n_effective[0]) / n
        sd = float(found.sem[0]) * np.sqrt(found.n_effective[0])
        variance = inside * sd**2 / share
        if aperture.ring.any():
            variance += inside**2 * float(found.sem[0]) ** 2
        variances.append(variance)
        dof.append(max(float(found.n_effective[0]) - 1.0, 1.0))
    return Scatter(np.diag(variances), min(dof), 0)


def _own_roughness(aperture: Aperture, field: NDArray[Any]) -> float:
    own = field[aperture.box][aperture.ring]
    return float(own.std()) if own.size else float("inf")


def _cells(places: NDArray[np.integer], step: Array, aperture: Aperture) -> int:
    """How many places do not overlap: the cells of an aperture's size that hold one."""
    if not places.size:
        return 0
    size = max((6.0 / np.pi * float(aperture.inside.sum()) * float(np.prod(step))) ** (1 / 3), float(step.max()))
    return int(np.unique((places * step // size).astype(int), axis=0).shape[0])


def _covariance(sums: Array, about_zero: bool) -> Array:
    """Of the two sums, with the tails drawn in to three robust SD."""
    drawn = []
    for row in sums:
        middle = 0.0 if about_zero else float(np.median(row))
        sd = 1.4826 * float(np.median(np.abs(row - middle)))
        drawn.append(np.clip(row - middle, -3 * sd, 3 * sd) if sd > 0 else row - middle)
    values = np.stack(drawn)
    return np.asarray(values @ values.T / values.shape[1], dtype=np.float64)


def _widened(extent: _SLICE, pad: NDArray[np.integer], shape: tuple[int, ...]) -> _SLICE:
    a, b, c = (
        slice(max(s.start - int(p), 0), min(s.stop + int(p), n)) for s, p, n in zip(extent, pad, shape, strict=True)
    )
    return a, b, c
