"""Small heads drawn straight into a CT and an MR grid: the pose between them is exact, nothing is interpolated."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

CENTRE_MM = np.array([4.0, -12.0, 30.0])
_EDGE_MM = 2.5  # width of a border, as the point spread of a scanner makes it

# Centre from the head's, half axes, CT value in HU, MR magnitude; later ones lie on top. Asymmetric on purpose.
_Part = tuple[tuple[float, float, float], tuple[float, float, float], float, float]
_SHELLS: tuple[_Part, ...] = (
    ((0, 0, 0), (74, 92, 82), 20.0, 0.55),  # scalp
    ((0, 0, 0), (69, 87, 77), 900.0, 0.05),  # skull
    ((0, 0, 0), (63, 81, 71), 8.0, 1.00),  # CSF
    ((0, 0, 2), (60, 78, 66), 34.0, 0.70),  # brain
)
_BRAIN = 2  # from this shell on, parts belong to the brain or its fluid
_INSIDE: tuple[_Part, ...] = (
    ((14, -8, 10), (9, 28, 12), 6.0, 1.00),  # ventricles
    ((-12, -10, 12), (8, 24, 10), 6.0, 1.00),
    ((0, 46, -52), (44, 24, 20), 38.0, 0.62),  # cerebellum
)
_BESIDE: tuple[_Part, ...] = (
    ((38, 8, -48), (26, 8, 8), 900.0, 0.05),  # petrous bones
    ((-40, 6, -48), (26, 8, 8), 900.0, 0.05),
    ((0, -88, -38), (16, 18, 24), -1000.0, 0.02),  # nose and sinuses
    ((30, -62, -30), (14, 13, 12), 10.0, 0.95),  # eyes
    ((-32, -62, -30), (14, 13, 12), 10.0, 0.95),
)


def _sulci() -> tuple[_Part, ...]:
    """Pockets of fluid under the skull: without them a head is an ellipsoid and its rotation hard to see."""
    rng = np.random.default_rng(11)
    outward = rng.normal(size=(40, 3))
    centres = outward / np.linalg.norm(outward, axis=1, keepdims=True) * (56, 74, 62) + (0, 0, 2)
    return tuple((tuple(c), tuple(h), 8.0, 1.0) for c, h in zip(centres, rng.uniform(4, 11, (40, 3)), strict=True))


_PARTS = _SHELLS + _sulci() + _INSIDE + _BESIDE


@dataclass(frozen=True)
class Pair:
    """CT, MR magnitude and QSM map of one drawn head, the true transform (MR to CT points), and points in the head."""

    ct: sitk.Image
    magnitude: sitk.Image
    qsm: sitk.Image
    truth: sitk.Euler3DTransform
    points_mm: np.ndarray


def drawn_pair(
    seed: int = 0,
    *,
    rotation_deg: tuple[float, float, float] = (8.0, -6.0, 10.0),
    shift_mm: tuple[float, float, float] = (6.0, -9.0, 7.0),
    slice_mm: float = 3.0,
    table: bool = True,
) -> Pair:
    """A head in a CT of 1.5 x 1.5 mm pixels and in an MR volume of 2 x 2 x 2.5 mm, both noisy."""
    rng = np.random.default_rng(seed)
    truth = sitk.Euler3DTransform()
    truth.SetCenter(CENTRE_MM.tolist())
    truth.SetRotation(*np.radians(rotation_deg))
    truth.SetTranslation(shift_mm)

    mr_grid = grid((92, 108, 76), (2.0, 2.0, 2.5))
    mr_points = world_points(mr_grid)
    magnitude, brain = draw(mr_points, 1, 0.0)
    shading = 1 + 0.12 * ((mr_points - CENTRE_MM) / 90) @ rng.normal(0, 1, 3)
    magnitude = np.hypot(magnitude * shading + rng.normal(0, 0.03, magnitude.shape), rng.normal(0, 0.03, brain.shape))
    ppm = np.where(brain, magnitude * -0.05 + rng.normal(0, 0.01, brain.shape), 0.0)

    ct_grid = grid((150, 160, round(186 / slice_mm)), (1.5, 1.5, slice_mm), shift_mm)
    ct_points = world_points(ct_grid)
    matrix, back = np.array(truth.GetMatrix()).reshape(3, 3), np.array(truth.GetTranslation())
    hu, _ = draw((ct_points - CENTRE_MM - back) @ matrix + CENTRE_MM, 0, -1000.0)
    if table:
        depth = ct_points[..., 1] - CENTRE_MM[1] - 105
        hu[(depth > 0) & (depth < 5)] = 150.0
    hu = hu + rng.normal(0, 8, hu.shape)
    inside = mr_points[brain][:: max(1, int(brain.sum()) // 300)]
    return Pair(as_image(hu, ct_grid), as_image(800 * magnitude, mr_grid), as_image(ppm, mr_grid), truth, inside)


def draw(points_mm: np.ndarray, contrast: int, outside: float) -> tuple[np.ndarray, np.ndarray]:
    """Value of each point of the head in its own pose (contrast 0 CT, 1 MR), and which points are brain."""
    values = np.full(points_mm.shape[:-1], outside)
    brain = np.zeros(values.shape, bool)
    offsets = (points_mm - CENTRE_MM).reshape(-1, 3)
    flat, flat_brain = values.reshape(-1), brain.reshape(-1)
    near = np.flatnonzero((offsets**2).sum(axis=1) < 110**2)
    near = near[np.argsort(offsets[near, 2])]
    offsets = offsets[near]
    for number, (centre, half, *contrasts) in enumerate(_PARTS):
        reach = half[2] + _EDGE_MM
        part = slice(*np.searchsorted(offsets[:, 2], (centre[2] - reach, centre[2] + reach)))
        radius = np.sqrt((((offsets[part] - np.array(centre)) / np.array(half)) ** 2).sum(axis=1))
        share = np.clip(0.5 + (1 - radius) * np.prod(half) ** (1 / 3) / _EDGE_MM, 0, 1)
        hit = share > 0
        flat[near[part][hit]] += share[hit] * (contrasts[contrast] - flat[near[part][hit]])
        flat_brain[near[part][share > 0.5]] = _BRAIN <= number < len(_PARTS) - len(_BESIDE)
    return values, brain


def grid(
    size: tuple[int, int, int], spacing_mm: tuple[float, float, float], shift_mm: tuple[float, ...] = (0.0, 0.0, 0.0)
) -> sitk.Image:
    """An empty upright image about the head's centre, shifted."""
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing_mm)
    half = (np.array(size) - 1) * spacing_mm / 2
    image.SetOrigin((CENTRE_MM + shift_mm - half).tolist())
    return image


def world_points(image: sitk.Image) -> np.ndarray:
    """World positions of the voxels of an upright image, shape (z, y, x, 3)."""
    axes = [
        o + s * np.arange(n) for o, s, n in zip(image.GetOrigin(), image.GetSpacing(), image.GetSize(), strict=True)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).transpose(2, 1, 0, 3)


def as_image(values: np.ndarray, like: sitk.Image) -> sitk.Image:
    """Array on the grid of an image, float32."""
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.CopyInformation(like)
    return image
