"""Physics of CT imaging: point spread, slice profile, correlated noise, table, the limits of the HU scale."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from phantomcal.simulate.shapes import Array32, Grid, slabs, whole

AIR_HU = -1000.0
_FWHM_TO_SIGMA = 1 / 2.3548
_LOWEST_HU, _HIGHEST_HU = -1024, 3071


@dataclass(frozen=True)
class CtSettings:
    """How sharp and how noisy a CT is.

    Attributes
    ----------
    psf_fwhm_mm : float
        Full width at half maximum of the in-plane point spread (Gaussian).
    slice_fwhm_mm : float
        Of the profile across slices, beyond the slice thickness itself.
    noise_hu : float
        Noise SD in water.
    noise_grain_mm : float
        Gaussian sigma of the noise texture in plane; a reconstruction kernel leaves neighbours correlated.
    """

    psf_fwhm_mm: float = 0.8
    slice_fwhm_mm: float = 0.6
    noise_hu: float = 9.0
    noise_grain_mm: float = 0.35


def blur(values: Array32, fwhm_mm: float, spacing_mm: float, axis: int) -> Array32:
    """Convolution with a Gaussian of given width along one axis; a width of zero leaves the values alone."""
    sigma = fwhm_mm * _FWHM_TO_SIGMA / spacing_mm
    if sigma <= 0.05:
        return values
    blurred: Array32 = ndimage.gaussian_filter1d(values, sigma, axis=axis, mode="nearest", truncate=3.0)
    return blurred


def grainy_noise(
    shape: tuple[int, int, int], sd: float, grain_voxels: tuple[float, float, float], rng: np.random.Generator
) -> Array32:
    """Gaussian noise of SD `sd` with a texture of Gaussian sigma `grain_voxels` (numpy order)."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    gain = 1.0
    for axis, sigma in enumerate(grain_voxels):
        if sigma > 0.05:
            noise = ndimage.gaussian_filter1d(noise, sigma, axis=axis, mode="wrap", truncate=3.0)
            gain *= _kernel_norm(sigma)
    noise *= np.float32(sd / gain)
    return noise


def _kernel_norm(sigma: float) -> float:
    """How much a Gaussian filter lowers the SD of white noise."""
    impulse = np.zeros(2 * int(3 * sigma + 0.5) + 3)
    impulse[impulse.size // 2] = 1.0
    return float(np.linalg.norm(ndimage.gaussian_filter1d(impulse, sigma, mode="constant", truncate=3.0)))


def scan(hu: Array32, grid: Grid, settings: CtSettings, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """What a scanner makes of true HU on a grid: point spread, slice profile, noise, rounding to whole HU.

    Parameters
    ----------
    hu : numpy.ndarray
        True HU with partial volume, on the grid.
    grid : Grid
        The slices are along the grid's third index axis.
    settings : CtSettings
        Sharpness and noise.
    rng : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    numpy.ndarray
        int16, clipped to -1024 .. 3071 as scanners store it.
    """
    hu = blur(hu, settings.slice_fwhm_mm, grid.spacing_mm[2], 0)
    grain = (0.0, settings.noise_grain_mm / grid.spacing_mm[1], settings.noise_grain_mm / grid.spacing_mm[0])
    stored = np.empty(grid.shape, np.int16)
    for slab in slabs(whole(grid.shape)):
        part = blur(hu[slab], settings.psf_fwhm_mm, grid.spacing_mm[0], 2)
        part = blur(part, settings.psf_fwhm_mm, grid.spacing_mm[1], 1)
        if settings.noise_hu > 0:
            part = part + grainy_noise((part.shape[0], *grid.shape[1:]), settings.noise_hu, grain, rng)
        stored[slab] = np.clip(np.rint(part), _LOWEST_HU, _HIGHEST_HU)
    return stored


def draw_table(
    hu: Array32,
    world_x_mm: Array32,
    world_y_mm: Array32,
    top_mm: float,
    centre_x_mm: float = 0.0,
    bend_mm: float = 260.0,
) -> None:
    """Draw a CT table into a volume, below (posterior to) `top_mm`.

    A carbon-fibre shell of 2.5 mm over a foam core and a second shell 45 mm lower, bent like a shallow trough.

    Parameters
    ----------
    hu : numpy.ndarray
        Volume in HU, changed in place where it holds air.
    world_x_mm, world_y_mm : numpy.ndarray
        World positions of the voxels, broadcastable to the volume.
    top_mm : float
        World y of the table's surface at its lowest place, where the object rests.
    centre_x_mm : float
        World x of the table's middle.
    bend_mm : float
        Radius of the trough.
    """
    sideways = world_x_mm - np.float32(centre_x_mm)
    # Depth below the curved surface: the trough rises towards both sides.
    depth = world_y_mm - np.float32(top_mm) + sideways * sideways * np.float32(0.5 / bend_mm)
    half = np.abs(sideways) < 215.0
    table = np.where((depth >= 0) & (depth < 2.5), np.float32(60.0), np.float32(AIR_HU))
    table = np.where((depth >= 2.5) & (depth < 45.0), np.float32(-930.0), table)
    table = np.where((depth >= 45.0) & (depth < 47.5), np.float32(60.0), table)
    np.maximum(hu, np.where(half, table, np.float32(AIR_HU)), out=hu)
