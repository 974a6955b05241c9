"""Physics of susceptibility imaging: dipole field of a susceptibility map, its noise, and inversion back to a map."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from phantomcal.errors import InputError
from phantomcal.simulate.shapes import Array32, Triple, slabs, whole

# Effective transverse relaxivity, 1/s per mmol/L at 3 T: round numbers of the right order, only to darken the vials.
RELAXIVITY_PER_S_PER_MMOL_PER_L: dict[str, float] = {
    "gadolinium": 6.0,
    "iron": 1.5,
    "ferritin": 3.0,
    "USPIO": 150.0,
    "SPIO": 150.0,
    "CaCl2": 0.0005,
    "CaCO3": 0.008,
}
ALGORITHM = (
    "simulated: magnitude-weighted least squares with gradient (Tikhonov) regularisation, closed-form start, "
    "conjugate gradients"
)


@dataclass(frozen=True)
class InversionSettings:
    """How a field is turned back into a susceptibility map.

    Attributes
    ----------
    regularisation : float
        Weight of the squared gradient (mm^2) against the weighted data misfit; more means smoother.
    ridge : float
        Weight of the squared map itself; more means lower values and weaker streaks.
    iterations : int
        Conjugate-gradient steps after the closed-form start.
    padding : float
        Share of each edge added before the Fourier transform, so that opposite faces do not see each other.
    """

    regularisation: float = 0.006
    ridge: float = 0.003
    iterations: int = 10
    padding: float = 0.15


def unit_vector(direction: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """A direction scaled to length one.

    Raises
    ------
    InputError
        If it is not three finite numbers or has no length.
    """
    vector = np.asarray(direction, float)
    length = float(np.linalg.norm(vector))
    if vector.shape != (3,) or not math.isfinite(length) or length == 0:
        raise InputError(
            "the main field's direction must be a vector of three numbers", f"b0_direction {direction!r}", "e.g. 0 0 1"
        )
    return vector / length


def _k_axes(shape: tuple[int, int, int], spacing_mm: Triple) -> tuple[Array32, Array32, Array32]:
    kz = scipy.fft.fftfreq(shape[0], spacing_mm[2]).astype(np.float32)[:, None, None]
    ky = scipy.fft.fftfreq(shape[1], spacing_mm[1]).astype(np.float32)[None, :, None]
    kx = scipy.fft.rfftfreq(shape[2], spacing_mm[0]).astype(np.float32)[None, None, :]
    return kx, ky, kz


def dipole_kernel(shape: tuple[int, int, int], spacing_mm: Triple, b0_in_grid: npt.ArrayLike) -> Array32:
    """Unit dipole in the half Fourier space of a real transform: D(k) = 1/3 - (k.b)^2 / k^2, zero at k = 0.

    Parameters
    ----------
    shape : tuple of int
        Array shape (last index axis first).
    spacing_mm : tuple of float
        Voxel size along the index axes.
    b0_in_grid : array_like, shape (3,)
        Direction of the main field in index-axis coordinates.

    Returns
    -------
    numpy.ndarray
        Float32, last axis ``shape[2] // 2 + 1``.

    References
    ----------
    Salomir, de Senneville and Moonen, Concepts Magn Reson B 2003, 10.1002/cmr.b.10083; Marques and Bowtell, Concepts
    Magn Reson B 2005, 10.1002/cmr.b.20034.
    """
    kx, ky, kz = _k_axes(shape, spacing_mm)
    return _dipole(kx, ky, kz, unit_vector(b0_in_grid).astype(np.float32))


def _dipole(kx: Array32, ky: Array32, kz: Array32, b: Array32) -> Array32:
    square = kx * kx + ky * ky + kz * kz
    origin = square == 0
    square[origin] = 1.0
    kernel: Array32 = kx * b[0] + ky * b[1] + kz * b[2]
    kernel *= kernel
    kernel /= square
    np.subtract(np.float32(1 / 3), kernel, out=kernel)
    kernel[origin] = 0.0
    return kernel


def padded_shape(shape: tuple[int, int, int], padding: float) -> tuple[int, int, int]:
    """Even, FFT-friendly shape with at least a share `padding` added to every edge length."""
    grown = []
    for n in shape:
        target = math.ceil(n * (1 + padding))
        while (fast := scipy.fft.next_fast_len(target, real=True)) % 2:
            target = fast + 1
        grown.append(fast)
    return grown[0], grown[1], grown[2]


def dipole_field(
    susceptibility_ppm: Array32, spacing_mm: Triple, b0_in_grid: npt.ArrayLike, padding: float = 0.25, workers: int = 2
) -> Array32:
    """Relative field shift of a susceptibility map.

    Parameters
    ----------
    susceptibility_ppm : numpy.ndarray, 3-D
        Susceptibility relative to the surroundings, ppm; zero outside the array.
    spacing_mm : tuple of float
        Voxel size along the index axes.
    b0_in_grid : array_like, shape (3,)
        Direction of the main field in index-axis coordinates.
    padding : float
        Share of zeros added to every edge length, so that the periodic images of the object hardly reach it.
    workers : int
        Threads of the Fourier transform; the result does not depend on it.

    Returns
    -------
    numpy.ndarray
        Field in ppm of the main field, with the sphere of Lorentz, float32, same shape.
    """
    nz, ny, nx = susceptibility_ppm.shape
    shape = padded_shape((nz, ny, nx), padding)
    spectrum = scipy.fft.rfftn(susceptibility_ppm, s=shape, workers=workers)
    kx, ky, kz = _k_axes(shape, spacing_mm)
    b = unit_vector(b0_in_grid).astype(np.float32)
    for slab in slabs(whole(spectrum.shape)):
        spectrum[slab] *= _dipole(kx, ky, kz[slab[0]], b)
    field = scipy.fft.irfftn(spectrum, s=shape, workers=workers, overwrite_x=True)
    kept: Array32 = np.ascontiguousarray(field[:nz, :ny, :nx], np.float32)
    return kept


def block_mean(values: Array32, factors: tuple[int, int, int]) -> Array32:
    """Mean over blocks of `factors` voxels (numpy order); the shape must be a multiple of them."""
    for axis, factor in enumerate(factors):
        if factor > 1:
            parts = [values[(slice(None),) * axis + (slice(n, None, factor),)] for n in range(factor)]
            values = sum(parts[1:], start=parts[0]) * np.float32(1 / factor)
    return values


def acquire_field(field_ppm: Array32, signal: Array32, factors: tuple[int, int, int]) -> tuple[Array32, Array32]:
    """Field and signal of acquisition voxels from a finer grid.

    A voxel's phase is that of its summed signal, so the field is averaged with the signal as weight (short echo time
    limit). Voxels without signal get the plain mean of their field; the noise makes it useless, as in life.

    Returns
    -------
    tuple of numpy.ndarray
        Field in ppm and signal, both on the coarse grid.
    """
    shape = tuple(n // f for n, f in zip(field_ppm.shape, factors, strict=True))
    field, coarse_signal = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for slab in slabs(whole(shape)):
        fine = slice(slab[0].start * factors[0], slab[0].stop * factors[0])
        here = block_mean(signal[fine], factors)
        weighted = block_mean(field_ppm[fine] * signal[fine], factors)
        empty = here < 1e-3
        plain = block_mean(field_ppm[fine], factors)
        field[slab] = np.where(empty, plain, weighted / np.where(empty, np.float32(1), here))
        coarse_signal[slab] = here
    return field, coarse_signal


def add_field_noise(
    field_ppm: Array32, signal: Array32, noise_ppm: float, rng: np.random.Generator, floor: float = 0.02
) -> Array32:
    """Field with noise whose SD is `noise_ppm` at full signal and grows as one over the signal (down to `floor`)."""
    noise = rng.standard_normal(field_ppm.shape, dtype=np.float32)
    noise *= np.float32(noise_ppm) / np.maximum(signal, np.float32(floor))
    noisy: Array32 = field_ppm + noise
    return noisy


def invert_field(
    field_ppm: Array32,
    signal: Array32,
    mask: npt.NDArray[np.bool_],
    spacing_mm: Triple,
    b0_in_grid: npt.ArrayLike,
    settings: InversionSettings | None = None,
    workers: int = 2,
) -> Array32:
    """Susceptibility map from a local field by regularised least squares.

    Minimises ``|S (D x - f)|^2 + a |grad x|^2 + b |x|^2`` for x inside the mask: the signal S as weight since field
    noise is inverse to it, D the dipole convolution. The closed-form solution for S = 1 is the start, conjugate
    gradients on the normal equations do the rest; both regularisation and early stopping lower the values a little and
    leave streaks along the cone where D vanishes, as in life.

    Parameters
    ----------
    field_ppm, signal : numpy.ndarray, 3-D
        Local field (ppm) and magnitude signal (1 = full).
    mask : numpy.ndarray of bool
        Where the object is.
    spacing_mm : tuple of float
        Voxel size along the index axes.
    b0_in_grid : array_like, shape (3,)
        Direction of the main field in index-axis coordinates.
    settings : InversionSettings, optional
        Regularisation and iterations.
    workers : int
        Threads of the Fourier transform; the result does not depend on it.

    Returns
    -------
    numpy.ndarray
        Susceptibility in ppm, zero outside the mask, float32. Its zero is undetermined by physics.

    References
    ----------
    Bilgic et al., Fast image reconstruction with L2-regularization, J Magn Reson Imaging 2014, 10.1002/jmri.24365;
    de Rochefort et al., Magn Reson Med 2010, 10.1002/mrm.22187 (weights).
    """
    chosen = settings or InversionSettings()
    nz, ny, nx = field_ppm.shape
    shape = padded_shape((nz, ny, nx), chosen.padding)
    inner = (slice(0, nz), slice(0, ny), slice(0, nx))
    kernel = dipole_kernel(shape, spacing_mm, b0_in_grid)
    kx, ky, kz = _k_axes(shape, spacing_mm)
    penalty = (kx * kx + ky * ky + kz * kz) * np.float32(4 * math.pi**2 * chosen.regularisation) + np.float32(
        chosen.ridge
    )

    inside = mask.astype(np.float32)
    weight = np.clip(signal, 0, 1).astype(np.float32) ** 2 * inside

    def convolve(spectrum: npt.NDArray[np.complexfloating]) -> Array32:
        out: Array32 = scipy.fft.irfftn(spectrum, s=shape, workers=workers, overwrite_x=True)[inner]
        return out

    def normal(x: Array32) -> Array32:
        spectrum = scipy.fft.rfftn(x, s=shape, workers=workers)
        residual = convolve(spectrum * kernel)
        residual *= weight
        spectrum *= penalty
        spectrum += scipy.fft.rfftn(residual, s=shape, workers=workers) * kernel
        return convolve(spectrum) * inside

    data = scipy.fft.rfftn(field_ppm * inside, s=shape, workers=workers)
    start = convolve(data * (kernel / (kernel * kernel + penalty))) * inside
    target = convolve(scipy.fft.rfftn(field_ppm * weight, s=shape, workers=workers) * kernel) * inside
    return _conjugate_gradients(normal, target, start, chosen.iterations)


def _conjugate_gradients(
    normal: Callable[[Array32], Array32], target: Array32, start: Array32, iterations: int
) -> Array32:
    x = start
    residual = target - normal(x)
    step = residual.copy()
    energy = float(np.vdot(residual, residual))
    for _ in range(iterations):
        if energy == 0:
            break
        forward = normal(step)
        length = np.float32(energy / float(np.vdot(step, forward)))
        x = x + length * step
        residual = residual - length * forward
        energy, before = float(np.vdot(residual, residual)), energy
        step *= np.float32(energy / before)
        step += residual
    return x
