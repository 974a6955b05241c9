"""Shape of a lesion: an uneven ellipsoid of exact volume, in two parts when it is mixed, with an uneven filling."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from phantomcal.simulate.shapes import Array32

Arrangement = Literal["whole", "rim", "halves"]
_DIRECTIONS = 2000
_SHELLS = 6


@dataclass(frozen=True)
class LesionShape:
    """A star-shaped body about its centre, in a frame of its own (mm).

    The surface lies where ``|q / radii| = 1 + sum a_k cos(f_k . u + p_k)`` with ``u = q / |q|``. The filling varies as
    ``1 + sum b_k cos(w_k . q + s_k)``, scaled to a mean of one over every part.

    Attributes
    ----------
    radii_mm : ndarray, shape (3,)
    bumps : ndarray, shape (k, 5)
        Frequency (3), phase, amplitude.
    waves : ndarray, shape (k, 5)
        Wave vector (3, per mm), phase, amplitude.
    arrangement : {"whole", "rim", "halves"}
    split : float
        Rim: scale of the inner part. Halves: unused; the plane goes through the centre.
    normal : ndarray, shape (3,)
        Of the plane between the halves.
    volumes_mm3 : tuple of float
        Of the parts: all of it; inner and rim; the two halves.
    filling : tuple of float
        Mean of the unscaled filling over each part.
    """

    radii_mm: npt.NDArray[np.float64]
    bumps: npt.NDArray[np.float64]
    waves: npt.NDArray[np.float64]
    arrangement: Arrangement
    split: float
    normal: npt.NDArray[np.float64]
    volumes_mm3: tuple[float, ...]
    filling: tuple[float, ...]

    @property
    def reach_mm(self) -> float:
        """No part of it is farther from the centre."""
        return float(self.radii_mm.max() * (1 + np.abs(self.bumps[:, 4]).sum()))


def draw_shape(
    diameter_mm: float,
    rng: np.random.Generator,
    *,
    arrangement: Arrangement = "whole",
    unevenness: float = 0.06,
    heterogeneity: float = 0.15,
    stretch: float = 1.35,
) -> LesionShape:
    """A shape whose volume is that of a sphere of the given diameter.

    Parameters
    ----------
    diameter_mm : float
    rng : numpy.random.Generator
    arrangement : {"whole", "rim", "halves"}
    unevenness : float
        Amplitude of each of three bumps, relative to the radius.
    heterogeneity : float
        Relative SD of the filling.
    stretch : float
        Largest ratio of an axis to the mean one.

    Returns
    -------
    LesionShape
    """
    axes = np.exp(rng.uniform(-1, 1, 3) * math.log(stretch) / 2)
    bumps = np.column_stack(
        [rng.normal(0, 2.0, (3, 3)), rng.uniform(0, 2 * np.pi, 3), unevenness * rng.uniform(0.5, 1.0, 3)]
    )
    wavelength = diameter_mm * rng.uniform(0.5, 1.2, 3)
    way = rng.standard_normal((3, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    waves = np.column_stack(
        [
            way * (2 * np.pi / wavelength)[:, None],
            rng.uniform(0, 2 * np.pi, 3),
            np.full(3, heterogeneity * math.sqrt(2 / 3)),
        ]
    )
    normal = rng.standard_normal(3)
    normal /= np.linalg.norm(normal)
    split = float(rng.uniform(0.65, 0.85))
    u = _sphere()
    surface = 1 / np.sqrt(np.square(u / axes).sum(axis=1)) * _bumpy(u, bumps)
    volume = 4 * np.pi / 3 * float(np.mean(surface**3))
    size = (np.pi / 6 * diameter_mm**3 / volume) ** (1 / 3)
    radii, surface = axes * size, surface * size

    # A point of every direction and shell carries the same share of the solid angle and r^2 dr of its shell.
    middles = (np.arange(_SHELLS) + 0.5) / _SHELLS
    edges = np.arange(_SHELLS + 1) / _SHELLS
    weight = np.diff(edges**3)[None, :] * (surface**3)[:, None]
    points = u[:, None, :] * (surface[:, None] * middles)[..., None]
    filled = _filling(points, waves)
    solid = 4 * np.pi / 3 / len(u)
    if arrangement == "rim":
        inner = _filling(points * split, waves)
        parts = [(split**3 * weight.sum(), split**3 * float((weight * inner).sum()))]
        whole = (weight.sum(), float((weight * filled).sum()))
        parts.append((whole[0] - parts[0][0], whole[1] - parts[0][1]))
    elif arrangement == "halves":
        above = (u @ normal > 0)[:, None] * weight
        below = weight - above
        parts = [(w.sum(), float((w * filled).sum())) for w in (above, below)]
    else:
        parts = [(weight.sum(), float((weight * filled).sum()))]
    return LesionShape(
        radii,
        bumps,
        waves,
        arrangement,
        split,
        normal,
        tuple(solid * float(v) for v, _ in parts),
        tuple(float(f / v) for v, f in parts),
    )


def occupancy(
    shape: LesionShape, points_mm: Array32, filling: Array32, step_mm: float
) -> tuple[list[Array32], list[Array32]]:
    """How much of each sample of a fine grid every part fills, and with how much of its content.

    Parameters
    ----------
    shape : LesionShape
    points_mm : ndarray, shape (..., 3)
        Samples in the lesion's frame.
    filling : ndarray, shape (...)
        Unscaled filling at the samples, see `filling_of`.
    step_mm : float
        Their mean distance: edges are this wide.

    Returns
    -------
    filled, content : list of ndarray
        0 to 1, and that times the relative filling, for every part.
    """
    scaled, bumps = _radial(shape, points_mm, step_mm)
    length = length_of(points_mm)
    width = np.float32(step_mm)

    def within(scale: float) -> Array32:
        surface = np.float32(scale) * length * bumps / scaled
        # An edge that is linear over one step holds a little more than a sharp one: the second term takes it back.
        depth = surface - length - width * width / (12 * np.maximum(surface, width))
        return np.asarray(np.clip(depth / width + np.float32(0.5), 0, 1), np.float32)

    inside = within(1.0)
    if shape.arrangement == "rim":
        inner = within(shape.split)
        parts = [inner, inside - inner]
    elif shape.arrangement == "halves":
        above = np.clip(points_mm @ shape.normal.astype(np.float32) / width + np.float32(0.5), 0, 1)
        parts = [inside * above, inside * (1 - above)]
    else:
        parts = [inside]
    return parts, [part * (filling / np.float32(mean)) for part, mean in zip(parts, shape.filling, strict=True)]


def surface_distance(shape: LesionShape, points_mm: Array32) -> Array32:
    """Distance (mm) to the surface along the ray from the centre, positive outside."""
    scaled, bumps = _radial(shape, points_mm, np.inf)
    distance: Array32 = length_of(points_mm) * (1 - bumps / scaled)
    return distance


def _radial(shape: LesionShape, points_mm: Array32, step_mm: float) -> tuple[Array32, Array32]:
    """``|q / radii|``, and the relative height of the surface: exact where a sample is near it, else 1."""
    inverse = (1 / shape.radii_mm).astype(np.float32)
    scaled = np.maximum(length_of(points_mm * inverse), np.float32(1e-6))
    bumps = np.ones_like(scaled)
    most = np.float32(np.abs(shape.bumps[:, 4]).sum() + 2 * step_mm * inverse.max())
    near = np.abs(scaled - 1) <= most
    if shape.arrangement == "rim":
        near |= np.abs(scaled - np.float32(shape.split)) <= most
    some = points_mm[near]
    bumps[near] = _bumpy(some / np.maximum(length_of(some), np.float32(1e-6))[:, None], shape.bumps)
    return scaled, bumps


def length_of(vectors: Array32) -> Array32:
    """Lengths of vectors (..., 3)."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.asarray(np.sqrt(x * x + y * y + z * z))


def filling_of(waves: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Unscaled filling from the sum of a shape's waves; never below a fifth."""
    filled: npt.NDArray[np.floating] = np.maximum(1 + waves, 0.2).astype(waves.dtype)
    return filled


def _sphere() -> npt.NDArray[np.float64]:
    """Directions spread evenly (Fibonacci's lattice)."""
    k = np.arange(_DIRECTIONS) + 0.5
    z = 1 - 2 * k / _DIRECTIONS
    turn = np.pi * (1 + math.sqrt(5)) * k
    ring = np.sqrt(1 - z * z)
    return np.column_stack([ring * np.cos(turn), ring * np.sin(turn), z])


def _bumpy(u: npt.NDArray[np.floating], bumps: npt.NDArray[np.float64]) -> npt.NDArray[np.floating]:
    return 1 + _waves(u, bumps)


def _filling(points: npt.NDArray[np.floating], waves: npt.NDArray[np.float64]) -> npt.NDArray[np.floating]:
    return filling_of(_waves(points, waves))


def _waves(points: npt.NDArray[np.floating], terms: npt.NDArray[np.float64]) -> npt.NDArray[np.floating]:
    typed = terms.astype(points.dtype)
    phase = points @ typed[:, :3].T + typed[:, 3]
    total: npt.NDArray[np.floating] = np.cos(phase) @ typed[:, 4]
    return total
