"""Phantoms drawn straight into a volume: fast, and their truth is plain."""

import numpy as np
import SimpleITK as sitk

from phantomcal.protocol import Protocol

AXIS_CENTRE_MM = np.array([3.0, -4.0, 0.0])


def drawn_phantom(
    protocol: Protocol,
    values: np.ndarray,
    *,
    angle_deg: float = 0.0,
    mirrored: bool = False,
    tilt_deg: float = 0.0,
    spacing: tuple[float, float, float] = (1.5, 1.5, 2.0),
    size: tuple[int, int, int] = (110, 110, 50),
    noise: float = 0.0,
    background: float = 0.0,
    outside: float = 0.0,
    seed: int = 0,
) -> tuple[sitk.Image, np.ndarray]:
    """A phantom whose vials run along z over the middle 60 mm, tipped about y by `tilt_deg`.

    Returns the image and the true vial centres (n, 3) in world mm at mid-length.
    """
    layout = np.array([[v.x_mm, v.y_mm] for v in protocol.vials]) * [1.0, -1.0 if mirrored else 1.0]
    a = np.radians(angle_deg)
    centres = layout @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + AXIS_CENTRE_MM[:2]
    half = (np.array(size) - 1) / 2 * spacing
    z, y, x = np.meshgrid(
        *(np.arange(n) * s - h for n, s, h in zip(size[::-1], spacing[::-1], half[::-1], strict=True)), indexing="ij"
    )
    t = np.radians(tilt_deg)
    x, z = np.cos(t) * x - np.sin(t) * z, np.sin(t) * x + np.cos(t) * z
    volume = np.full(x.shape, outside, dtype=np.float32)
    body = protocol.geometry.body_radius_mm or 70.0
    phantom = np.hypot(x - AXIS_CENTRE_MM[0], y - AXIS_CENTRE_MM[1]) < body
    volume[phantom] = background
    inside = np.abs(z) < 30
    for (cx, cy), vial, value in zip(centres, protocol.vials, values, strict=True):
        # A soft edge of one voxel stands for partial volume.
        edge = np.clip((protocol.radius_of(vial) - np.hypot(x - cx, y - cy)) / spacing[0] + 0.5, 0, 1) * inside
        volume += (edge * (value - background)).astype(np.float32)
    if noise:
        volume[phantom] += np.random.default_rng(seed).normal(0, noise, int(phantom.sum())).astype(np.float32)
    image = sitk.GetImageFromArray(volume)
    image.SetSpacing(spacing)
    image.SetOrigin((-half).tolist())
    return image, np.column_stack([np.cos(t) * centres[:, 0], centres[:, 1], -np.sin(t) * centres[:, 0]])
