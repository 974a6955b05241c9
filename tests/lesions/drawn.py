"""A small head with four lesions of known content, drawn without the simulator."""

import numpy as np
import SimpleITK as sitk

# Centre (x, y, z; mm), radius, and HU and ppm above tissue; the last has a calcified rim around blood.
LESIONS = {
    "blood": ((18.0, 0.0, 0.0), 4.0, 32.0, 0.55),
    "calcium": ((-20.0, 4.0, 3.0), 4.0, 130.0, -0.26),
    "rim": ((0.0, -20.0, -4.0), 6.5, 40.0, 0.65),
}
RIM = (190.0, -0.38)
TISSUE_HU = 32.0


def drawn_head(seed: int = 3, noise_ppm: float = 0.01, noise_hu: float = 4.0) -> dict[str, sitk.Image]:
    """``qsm`` (0 outside an ellipsoid), ``ct`` (one space with it, larger voxels in z) and ``labels`` 1, 2, 3."""
    rng = np.random.default_rng(seed)
    qsm_grid, ct_grid = _grid((76, 84, 64), (1.0, 1.0, 1.0)), _grid((152, 168, 32), (0.5, 0.5, 2.0))
    images = {}
    for name, grid, noise in (("qsm", qsm_grid, noise_ppm), ("ct", ct_grid, noise_hu)):
        x, y, z = _points(grid)
        brain = (x / 34) ** 2 + (y / 38) ** 2 + (z / 28) ** 2 < 1
        values = np.full(x.shape, TISSUE_HU if name == "ct" else 0.0)
        for key, (centre, radius, hu, ppm) in LESIONS.items():
            r = np.sqrt(sum((a - b) ** 2 for a, b in zip((x, y, z), centre, strict=True)))
            values += (hu if name == "ct" else ppm) * (r < radius)
            if key == "rim":
                shell = (r < radius) & (r > radius - 2.6)
                values[shell] = (TISSUE_HU + RIM[0]) if name == "ct" else RIM[1]
        values += noise * rng.standard_normal(x.shape)
        if name == "qsm":
            values[~brain] = 0.0
        else:
            values[~brain] = 900.0
        image = sitk.GetImageFromArray(values.astype(np.float32))
        image.CopyInformation(grid)
        images[name] = image
    x, y, z = _points(qsm_grid)
    labels = np.zeros(x.shape, np.uint8)
    for k, (centre, radius, *_) in enumerate(LESIONS.values(), start=1):
        labels[sum((a - b) ** 2 for a, b in zip((x, y, z), centre, strict=True)) < radius**2] = k
    images["labels"] = sitk.GetImageFromArray(labels)
    images["labels"].CopyInformation(qsm_grid)
    return images


def _grid(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> sitk.Image:
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetOrigin([-(n - 1) / 2 * s for n, s in zip(size, spacing, strict=True)])
    return grid


def _points(grid: sitk.Image) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    axes = [np.arange(n) * s + o for n, s, o in zip(grid.GetSize(), grid.GetSpacing(), grid.GetOrigin(), strict=True)]
    z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
    return x, y, z
