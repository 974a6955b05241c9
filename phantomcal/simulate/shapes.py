"""Grids, poses and antialiased cylinders: how an object of known geometry is drawn into any volume."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from phantomcal.errors import InputError

if TYPE_CHECKING:
    import SimpleITK as sitk

Floats = npt.NDArray[np.floating]
Array32 = npt.NDArray[np.float32]
Triple = tuple[float, float, float]
Box = tuple[slice, slice, slice]

MAX_VOXELS = 4e8
SLAB = 16  # slices worked on at a time: temporaries stay in cache and memory stays small

IDENTITY: npt.NDArray[np.float64] = np.eye(3)


@dataclass(frozen=True)
class Grid:
    """Geometry of a volume, in SimpleITK's order (first index fastest).

    Attributes
    ----------
    size : tuple of int
        Voxels along the three index axes.
    spacing_mm, origin_mm : tuple of float
        Voxel size; world LPS position of the first voxel's centre.
    direction : tuple of float
        3 x 3 direction cosines, row by row; column i is the world direction of index axis i.
    """

    size: tuple[int, int, int]
    spacing_mm: Triple
    origin_mm: Triple
    direction: tuple[float, ...] = tuple(IDENTITY.ravel())

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """Index to world: 3 x 3, mm per voxel."""
        scaled: npt.NDArray[np.float64] = np.reshape(self.direction, (3, 3)) * np.asarray(self.spacing_mm)
        return scaled

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the numpy array (last index axis first)."""
        return self.size[2], self.size[1], self.size[0]

    @property
    def centre_mm(self) -> npt.NDArray[np.float64]:
        """World position of the middle of the volume."""
        middle: npt.NDArray[np.float64] = np.asarray(self.origin_mm) + self.matrix @ ((np.asarray(self.size) - 1) / 2)
        return middle

    def as_dict(self) -> dict[str, object]:
        """The grid for a truth file."""
        return {
            "size": list(self.size),
            "spacing_mm": list(self.spacing_mm),
            "origin_mm": [round(v, 6) for v in self.origin_mm],
            "direction": [round(v, 9) for v in self.direction],
        }


def grid_around(
    centre_mm: npt.ArrayLike, world_extent_mm: npt.ArrayLike, spacing_mm: npt.ArrayLike, direction: npt.ArrayLike
) -> Grid:
    """Grid of given voxel size that covers a box of the world.

    Parameters
    ----------
    centre_mm : array_like, shape (3,)
        World LPS centre of the box.
    world_extent_mm : array_like, shape (3,)
        Edge lengths of the box along the world axes.
    spacing_mm : array_like, shape (3,)
        Voxel size along the index axes.
    direction : array_like, shape (3, 3)
        Direction cosines; any orthonormal matrix, left-handed ones included.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        If the voxel size is not positive, the direction not orthonormal or the volume beyond reason.
    """
    spacing = np.asarray(spacing_mm, float)
    cosines = np.reshape(np.asarray(direction, float), (3, 3))
    if spacing.shape != (3,) or not np.all(np.isfinite(spacing)) or np.any(spacing <= 0):
        raise InputError(
            "voxel size must be three positive numbers", f"spacing {np.ravel(spacing).tolist()}", "give mm"
        )
    if not np.allclose(cosines.T @ cosines, IDENTITY, atol=1e-6):
        raise InputError(
            "direction is not orthonormal", "the grid's direction matrix", "give three perpendicular unit columns"
        )
    extent = np.abs(cosines).T @ np.asarray(world_extent_mm, float)
    size = np.maximum(np.ceil(extent / spacing - 1e-9), 1)
    if size.prod() > MAX_VOXELS:
        raise InputError(
            f"the volume would have {size.prod():.2g} voxels", f"spacing {spacing.tolist()}", "use larger voxels"
        )
    size = size.astype(int)
    origin = np.asarray(centre_mm, float) - cosines @ (spacing * (size - 1) / 2)
    return Grid(
        (int(size[0]), int(size[1]), int(size[2])),
        (float(spacing[0]), float(spacing[1]), float(spacing[2])),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        tuple(float(v) for v in cosines.ravel()),
    )


def to_image(array: npt.NDArray[np.generic], grid: Grid) -> "sitk.Image":
    """SimpleITK image of an array (last index axis first) on a grid."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction)
    return image


@dataclass(frozen=True)
class Pose:
    """How a phantom lies in a scanner: mirrored, turned about its axis, tilted, moved, in this order.

    Attributes
    ----------
    roll_deg : float
        Turn about the phantom's axis, from world x towards world y.
    tilt_deg : float
        Angle between the phantom's axis and world z.
    tilt_azimuth_deg : float
        Direction the axis leans to, from world x towards world y.
    mirror : bool
        Whether the layout is mirrored (its x reversed); a real object never is, a wrongly written file can be.
    shift_mm : tuple of float
        World LPS position of the phantom's centre.
    """

    roll_deg: float = 0.0
    tilt_deg: float = 0.0
    tilt_azimuth_deg: float = 0.0
    mirror: bool = False
    shift_mm: Triple = (0.0, 0.0, 0.0)

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """Object to world: 3 x 3, its determinant -1 when mirrored."""
        mirror = np.diag([-1.0 if self.mirror else 1.0, 1.0, 1.0])
        azimuth = _turn_z(self.tilt_azimuth_deg)
        lean = math.radians(self.tilt_deg)
        c, s = math.cos(lean), math.sin(lean)
        tilt = azimuth @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ azimuth.T
        turned: npt.NDArray[np.float64] = tilt @ _turn_z(self.roll_deg) @ mirror
        return turned

    def to_world(self, points_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """World LPS positions of object points, shape (n, 3) or (3,)."""
        moved: npt.NDArray[np.float64] = np.asarray(points_mm, float) @ self.matrix.T + np.asarray(self.shift_mm)
        return moved

    def as_dict(self) -> dict[str, object]:
        """The pose for a truth file."""
        return {
            "roll_deg": self.roll_deg,
            "tilt_deg": self.tilt_deg,
            "tilt_azimuth_deg": self.tilt_azimuth_deg,
            "mirror": self.mirror,
            "shift_mm": list(self.shift_mm),
            "object_to_world_matrix": self.matrix.round(9).tolist(),
        }


def _turn_z(degrees: float) -> npt.NDArray[np.float64]:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def random_pose(rng: np.random.Generator, max_tilt_deg: float = 2.0, max_shift_mm: float = 5.0) -> Pose:
    """A pose as a phantom is laid down in life: any roll, a little tilt and shift, never mirrored."""
    shift = rng.uniform(-max_shift_mm, max_shift_mm, 3).round(3)
    return Pose(
        roll_deg=round(float(rng.uniform(0, 360)), 3),
        tilt_deg=round(float(rng.uniform(0, max_tilt_deg)), 3),
        tilt_azimuth_deg=round(float(rng.uniform(0, 360)), 3),
        shift_mm=(float(shift[0]), float(shift[1]), float(shift[2])),
    )


def object_affine(grid: Grid, pose: Pose) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Matrix and offset that take voxel indices of a grid to object coordinates in mm."""
    back = np.linalg.inv(pose.matrix)
    return back @ grid.matrix, back @ (np.asarray(grid.origin_mm) - np.asarray(pose.shift_mm))


def coordinates(
    matrix: npt.NDArray[np.float64], offset: npt.NDArray[np.float64], box: Box
) -> tuple[Array32, Array32, Array32]:
    """Object coordinates of the voxels in a box.

    Parameters
    ----------
    matrix, offset : numpy.ndarray
        From `object_affine`.
    box : tuple of slice
        Along the third, second and first index axis (numpy order), starts and stops set.

    Returns
    -------
    tuple of numpy.ndarray
        u, v, w in mm, each broadcastable to the box's shape.
    """
    index = np.ogrid[box][::-1]
    along = []
    for a in range(3):
        # Axes that do not contribute stay of length one and broadcast: an untilted cylinder is then drawn in a plane.
        terms = [matrix[a, b] * index[b] for b in range(3) if abs(matrix[a, b]) > 1e-9]
        along.append((sum(terms) + offset[a]).astype(np.float32))
    return along[0], along[1], along[2]


def slabs(box: Box, thickness: int = SLAB) -> list[Box]:
    """Cut a box into slabs along the first numpy axis."""
    starts = range(box[0].start, box[0].stop, thickness)
    return [(slice(k, min(k + thickness, box[0].stop)), box[1], box[2]) for k in starts]


def whole(shape: tuple[int, ...]) -> Box:
    """The box of a complete 3-D array."""
    return slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])


def box_of(
    corners_mm: npt.NDArray[np.float64],
    matrix: npt.NDArray[np.float64],
    offset: npt.NDArray[np.float64],
    shape: tuple[int, int, int],
    margin: int = 2,
) -> Box | None:
    """Smallest box of voxels (numpy order) that holds object points and a margin; None when outside the volume."""
    index = (corners_mm - offset) @ np.linalg.inv(matrix).T
    low = np.floor(index.min(axis=0)).astype(int) - margin
    high = np.ceil(index.max(axis=0)).astype(int) + margin + 1
    slices = [slice(max(int(low[a]), 0), min(int(high[a]), shape[2 - a])) for a in (2, 1, 0)]
    if any(s.start >= s.stop for s in slices):
        return None
    return slices[0], slices[1], slices[2]


@dataclass(frozen=True)
class Cylinder:
    """A cylinder along the object's third axis.

    Attributes
    ----------
    x_mm, y_mm : float
        Axis position in the layout plane.
    radius_mm, half_length_mm : float
        Size.
    """

    x_mm: float
    y_mm: float
    radius_mm: float
    half_length_mm: float

    def corners(self) -> npt.NDArray[np.float64]:
        """Corners of the bounding box, shape (8, 3)."""
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
        size = np.array([self.radius_mm, self.radius_mm, self.half_length_mm])
        corners: npt.NDArray[np.float64] = np.array([self.x_mm, self.y_mm, 0.0]) + signs * size
        return corners


def cylinder_coverage(
    cylinder: Cylinder, matrix: npt.NDArray[np.float64], coords: tuple[Array32, Array32, Array32]
) -> Array32:
    """Share of each voxel that lies inside a cylinder.

    The distance to the surface is turned into coverage over the voxel's own width across that surface, which is exact
    for a plane parallel to the voxel faces and close to it otherwise: partial volume without supersampling.

    Parameters
    ----------
    cylinder : Cylinder
        What is drawn.
    matrix : numpy.ndarray
        Voxel to object, from `object_affine`; its rows give the voxel's widths.
    coords : tuple of numpy.ndarray
        Object coordinates of the voxels, mm.

    Returns
    -------
    numpy.ndarray
        0 to 1, float32.
    """
    u, v, w = coords
    across = np.float32(math.sqrt((np.sum(matrix[0] ** 2) + np.sum(matrix[1] ** 2)) / 2))
    along = np.float32(math.sqrt(np.sum(matrix[2] ** 2)))
    radial = np.hypot(u - np.float32(cylinder.x_mm), v - np.float32(cylinder.y_mm))
    inside = np.clip((np.float32(cylinder.radius_mm) - radial) / across + np.float32(0.5), 0, 1)
    within = np.clip((np.float32(cylinder.half_length_mm) - np.abs(w)) / along + np.float32(0.5), 0, 1)
    covered: Array32 = inside * within
    return covered


def sphere_coverage(
    centre_mm: npt.ArrayLike, radii_mm: npt.ArrayLike, matrix: npt.NDArray[np.float64], coords: tuple[Array32, ...]
) -> Array32:
    """Share of each voxel inside an ellipsoid along the object axes (distance by the first-order approximation)."""
    centre, radii = np.asarray(centre_mm, np.float32), np.asarray(radii_mm, np.float32)
    scaled = [(c - centre[a]) / radii[a] for a, c in enumerate(coords)]
    norm = np.sqrt(sum(s * s for s in scaled))
    slope = np.sqrt(sum((s / radii[a]) ** 2 for a, s in enumerate(scaled)))
    distance = norm * (1 - norm) / np.maximum(slope, np.float32(1e-6))
    width = np.float32(np.cbrt(abs(np.linalg.det(matrix))))
    covered: Array32 = np.clip(distance / width + np.float32(0.5), 0, 1).astype(np.float32)
    return covered
