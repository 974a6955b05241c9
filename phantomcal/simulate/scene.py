"""The canvas heads are drawn on: a millimetre grid with smoothly deformed coordinates, and tissues painted into it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phantomcal.simulate.shapes import IDENTITY, Array32, Box, Grid, Triple
from phantomcal.simulate.smooth import smooth_noise

LOW_MM, HIGH_MM = (-96.0, -110.0, -98.0), (96.0, 126.0, 100.0)


@dataclass(frozen=True)
class Tissue:
    """What a tissue looks like: HU, relative GRE magnitude, ppm."""

    hu: float
    magnitude: float
    ppm: float


@dataclass
class Scene:
    """Volumes of one head on the canonical grid (LPS, origin at the anterior commissure).

    Attributes
    ----------
    grid : Grid
        Geometry; 1 mm voxels.
    x, y, z : numpy.ndarray
        Deformed coordinates in mm, each of the grid's shape: anatomy is a function of these.
    hu, magnitude, ppm : numpy.ndarray
        What the modalities show.
    labels, lesion_labels : numpy.ndarray
        Region numbers.
    """

    grid: Grid
    x: Array32
    y: Array32
    z: Array32
    hu: Array32
    magnitude: Array32
    ppm: Array32
    labels: npt.NDArray[np.uint8]
    lesion_labels: npt.NDArray[np.uint8]

    def crop(self, box: Box) -> "Scene":
        """The part of the scene in a box; it shares its memory, so painting there paints here."""
        first = np.array([box[2].start, box[1].start, box[0].start])
        origin = np.asarray(self.grid.origin_mm) + first * self.grid.spacing_mm
        size = tuple(box[a].stop - box[a].start for a in (2, 1, 0))
        grid = Grid(
            (size[0], size[1], size[2]), self.grid.spacing_mm, (float(origin[0]), float(origin[1]), float(origin[2]))
        )
        return Scene(
            grid,
            self.x[box],
            self.y[box],
            self.z[box],
            self.hu[box],
            self.magnitude[box],
            self.ppm[box],
            self.labels[box],
            self.lesion_labels[box],
        )

    def paint(self, distance_mm: Array32, tissue: Tissue, box: Box | None = None) -> None:
        """Blend a tissue in where the distance to its surface (positive inside) says so."""
        where: Box = box or (slice(None), slice(None), slice(None))
        coverage = distance_mm + np.float32(0.5)
        np.clip(coverage, 0, 1, out=coverage)
        for volume, value in ((self.hu, tissue.hu), (self.magnitude, tissue.magnitude), (self.ppm, tissue.ppm)):
            part = volume[where]
            change = np.float32(value) - part
            change *= coverage
            part += change

    def ellipsoid(
        self, centre_mm: Triple, radii_mm: Triple, turn_deg: Triple = (0.0, 0.0, 0.0), margin_mm: float = 9.0
    ) -> tuple[Box, Array32]:
        """Box around an ellipsoid and the distance to its surface there, positive inside.

        Parameters
        ----------
        centre_mm, radii_mm : tuple of float
            In deformed coordinates.
        turn_deg : tuple of float
            Turns about x, then y, then z.
        margin_mm : float
            Beyond the ellipsoid, for the deformation and soft edges.
        """
        rotation = _rotation(turn_deg)
        half = np.sqrt((rotation**2) @ np.square(radii_mm)) + margin_mm
        slices = []
        for axis in (2, 1, 0):
            start = (centre_mm[axis] - half[axis] - self.grid.origin_mm[axis]) / self.grid.spacing_mm[axis]
            stop = (centre_mm[axis] + half[axis] - self.grid.origin_mm[axis]) / self.grid.spacing_mm[axis]
            limit = self.grid.size[axis]
            slices.append(slice(min(max(int(start), 0), limit - 1), min(max(int(stop) + 2, 1), limit)))
        box: Box = (slices[0], slices[1], slices[2])
        delta = [c[box] - np.float32(m) for c, m in zip((self.x, self.y, self.z), centre_mm, strict=True)]
        if any(turn_deg):
            turned = rotation.T.astype(np.float32)
            delta = [turned[a, 0] * delta[0] + turned[a, 1] * delta[1] + turned[a, 2] * delta[2] for a in range(3)]
        return box, ellipsoid_distance(delta[0], delta[1], delta[2], radii_mm)

    def add(
        self, centre_mm: Triple, radii_mm: Triple, tissue: Tissue, turn_deg: Triple = (0.0, 0.0, 0.0)
    ) -> tuple[Box, Array32]:
        """Paint an ellipsoid; returns its box and distance."""
        box, distance = self.ellipsoid(centre_mm, radii_mm, turn_deg)
        self.paint(distance, tissue, box)
        return box, distance


def ellipsoid_distance(dx: Array32, dy: Array32, dz: Array32, radii_mm: Triple) -> Array32:
    """First-order distance to an ellipsoid's surface, positive inside, exact on the surface and for a sphere."""
    rx, ry, rz = (np.float32(r) for r in radii_mm)
    slopes = np.square(dx / rx)
    squares = slopes.copy()
    slopes /= rx * rx
    for delta, radius in ((dy, ry), (dz, rz)):
        part = delta / radius
        part *= part
        squares += part
        part /= radius * radius
        slopes += part
    distance: Array32 = np.sqrt(squares)
    distance -= squares
    np.sqrt(slopes, out=slopes)
    slopes += np.float32(1e-6)
    distance /= slopes
    return distance


def _rotation(turn_deg: Triple) -> npt.NDArray[np.float64]:
    total = IDENTITY
    for axis, degrees in enumerate(turn_deg):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = np.eye(3)
        first, second = [(1, 2), (2, 0), (0, 1)][axis]
        turn[first, first] = turn[second, second] = c
        turn[first, second], turn[second, first] = -s, s
        total = turn @ total
    return total


def new_scene(rng: np.random.Generator, deformation_mm: float = 1.6, size_sd: float = 0.02) -> Scene:
    """An empty scene: air everywhere, coordinates scaled and smoothly deformed at random.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of size and shape.
    deformation_mm : float
        SD of the displacement; its wavelength is about 90 mm, so left and right differ.
    size_sd : float
        SD of the scale along each axis.
    """
    size = tuple(int(h - lo) + 1 for lo, h in zip(LOW_MM, HIGH_MM, strict=True))
    grid = Grid((size[0], size[1], size[2]), (1.0, 1.0, 1.0), LOW_MM)
    scale = np.clip(rng.normal(1.0, size_sd, 3), 0.95, 1.05)
    axes = [np.arange(n, dtype=np.float32) + np.float32(lo) for n, lo in zip(size, LOW_MM, strict=True)]
    coords = []
    for axis, along in enumerate(axes):
        bend = smooth_noise(grid.shape, 1.0, 90.0, rng)
        bend *= np.float32(deformation_mm)
        bend += (along / np.float32(scale[axis])).reshape([-1 if a == 2 - axis else 1 for a in range(3)])
        coords.append(bend)
    empty = np.zeros(grid.shape, np.uint8)
    return Scene(
        grid,
        coords[0],
        coords[1],
        coords[2],
        np.full(grid.shape, -1000.0, np.float32),
        np.zeros(grid.shape, np.float32),
        np.zeros(grid.shape, np.float32),
        empty,
        empty.copy(),
    )
