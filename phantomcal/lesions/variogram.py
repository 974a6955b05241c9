"""How the noise of a weighted sum of voxels follows from how the tissue around varies with distance."""

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_LEAST_PAIRS = 30


def variance_of_sum(weights: Array, image: Array, free: BoolArray, *, about_zero: bool) -> float:
    """Variance that noise, texture and background give the weighted sum of voxels.

    For weights that add up to 0 (tissue taken off) the variance of ``sum w_i y_i`` is ``-sum w_i w_j g(i - j)`` with
    the semivariogram g, half the mean squared difference of voxels so far apart, which needs no mean. It holds the
    correlation of neighbouring voxels and whatever else varies in the free tissue. Where the image is given less a
    known baseline, the mean product about zero takes its place, which also holds an offset.

    Parameters
    ----------
    weights : ndarray, shape (z, y, x)
    image : ndarray
        Same shape; finite.
    free : ndarray of bool
        Tissue without lesions.
    about_zero : bool
        The weights do not add up to 0, and the image should average to 0.

    Returns
    -------
    float
        NaN without free voxels.

    References
    ----------
    Cressie, Statistics for Spatial Data, 1993, sections 2.3 and 2.4. Marcotte, Comput Geosci 1996;22:1175 (by Fourier
    transform).
    """
    if int(free.sum()) < 2 * _LEAST_PAIRS:
        return float("nan")
    # Only lags between two weighted voxels count: transforms that are right as far as these suffice.
    reach = [int(np.ptp(np.flatnonzero(weights.any(axis=other)))) for other in ((1, 2), (0, 2), (0, 1))]
    shape = [scipy.fft.next_fast_len(n + r, real=True) for n, r in zip(image.shape, reach, strict=True)]

    def spectrum(values: Array) -> NDArray[np.complex128]:
        return np.asarray(scipy.fft.rfftn(values, s=shape))

    def by_lag(spectra: NDArray[Any]) -> Array:
        return np.asarray(scipy.fft.irfftn(spectra, s=shape), dtype=np.float64)

    open_ = free.astype(np.float64)
    # Differences do not care for the level, but the transform's rounding does.
    level = 0.0 if about_zero else float(image[free].mean())
    values = np.where(free, image - level, 0.0)
    mask, own = spectrum(open_), spectrum(values)
    pairs = np.round(by_lag(_power(mask)))
    enough = pairs >= _LEAST_PAIRS
    overlap = by_lag(_power(spectrum(weights)))
    if about_zero:
        covariance = np.where(enough, by_lag(_power(own)) / np.maximum(pairs, 1.0), 0.0)
        return max(float((covariance * overlap).sum()), 0.0)
    # Half the squared differences: the squares of both ends, less the product.
    half = by_lag((spectrum(values**2) * np.conj(mask)).real - _power(own))
    semivariance = half / np.maximum(pairs, 1.0)
    semivariance[0, 0, 0] = 0.0
    sill = float(np.square(values[free]).mean())
    semivariance = np.where(enough, semivariance, sill)
    return max(-float((semivariance * overlap).sum()), 0.0)


def _power(spectrum: NDArray[np.complex128]) -> Array:
    return np.asarray(spectrum.real**2 + spectrum.imag**2, dtype=np.float64)
