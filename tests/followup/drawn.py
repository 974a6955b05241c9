"""Heads with lesions that change, seen in two poses: small enough to align in a second."""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

SIZE, SPACING = 46, 3.7


def pose(turn_deg: float = 6.0, shift_mm: tuple[float, float, float] = (5.0, -4.0, 3.0)) -> sitk.Euler3DTransform:
    """First session's points to later points."""
    transform = sitk.Euler3DTransform()
    transform.SetRotation(0.0, np.radians(turn_deg / 2), np.radians(turn_deg))
    transform.SetTranslation(shift_mm)
    return transform


def head(
    lesions: list[tuple[tuple[float, float, float], float, float]],
    where: sitk.Transform | None = None,
    noise: float = 0.0,
    seed: int = 0,
) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """Map (ppm), lesion labels and magnitude of a head with lesions of (centre mm, radius mm, ppm).

    `where` takes the points of the first session to those of this one.
    """
    grid = np.stack(np.meshgrid(*[(np.arange(SIZE) - SIZE / 2) * SPACING] * 3, indexing="ij"), axis=-1)[..., ::-1]
    points = grid.reshape(-1, 3)
    if where is not None:
        back = where.GetInverse()
        matrix = np.reshape(back.GetMatrix(), (3, 3))
        points = points @ matrix.T + np.array(back.TransformPoint((0.0, 0.0, 0.0)))
    x, y, z = points.T
    brain = (x / 60) ** 2 + (y / 72) ** 2 + (z / 55) ** 2 < 1
    tissue = 0.04 * np.sin(x / 9) * np.cos(y / 11 + 1) * np.sin(z / 10) + 0.05 * (np.hypot(x - 20, y + 10) < 9)
    magnitude = 0.7 + 0.2 * np.cos(x / 10) * np.sin(y / 12 + z / 14)
    labels = np.zeros(x.size, dtype=np.uint8)
    for k, (centre, radius, ppm) in enumerate(lesions, start=1):
        inside = ((points - np.array(centre)) ** 2).sum(axis=1) < radius**2
        tissue[inside], labels[inside], magnitude[inside] = ppm, k, 0.2
    rng = np.random.default_rng(seed)
    shape = (SIZE,) * 3
    magnitude = ndimage.gaussian_filter((magnitude * brain).reshape(shape), 0.5) + noise * rng.normal(size=shape)
    qsm = (tissue + noise * 0.1 * rng.normal(size=x.size)) * brain
    images = []
    for values in (qsm.reshape(shape).astype(np.float32), labels.reshape(shape), np.abs(magnitude).astype(np.float32)):
        image = sitk.GetImageFromArray(values)
        image.SetSpacing((SPACING,) * 3)
        image.SetOrigin((-SIZE / 2 * SPACING,) * 3)
        images.append(image)
    return images[0], images[1], images[2]
