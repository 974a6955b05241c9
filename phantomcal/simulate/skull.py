"""The head outside the brain: scalp, skull with diploe, base, sinuses, nasal cavity, orbits, jaw and spine."""

import numpy as np

from phantomcal.simulate.scene import Scene, Tissue, ellipsoid_distance
from phantomcal.simulate.shapes import Array32, slabs, whole
from phantomcal.simulate.smooth import smooth_noise

CEREBRUM_CENTRE, CEREBRUM_RADII = (0.0, 16.0, 10.0), (69.0, 87.0, 66.0)

MUSCLE = Tissue(52.0, 0.50, 0.0)
SKIN = Tissue(45.0, 0.55, 0.0)
FAT = Tissue(-90.0, 0.70, 0.0)
BONE = Tissue(1250.0, 0.05, 0.0)
DIPLOE = Tissue(520.0, 0.22, 0.0)
PETROUS = Tissue(1500.0, 0.04, 0.0)
AIR = Tissue(-1000.0, 0.0, 0.0)
EYE = Tissue(12.0, 0.95, 0.0)
LENS = Tissue(75.0, 0.4, 0.0)
NERVE = Tissue(35.0, 0.6, 0.0)


def draw_head(scene: Scene, rng: np.random.Generator) -> Array32:
    """Paint everything outside the brain.

    Parameters
    ----------
    scene : Scene
        Changed in place.
    rng : numpy.random.Generator
        Source of skull thickness, sinus size and texture.

    Returns
    -------
    numpy.ndarray
        Depth below the inner table of the skull in mm, positive inside the cranial cavity.
    """
    rough = smooth_noise(scene.grid.shape, 1.0, 70.0, rng)
    texture = smooth_noise(scene.grid.shape, 1.0, 24.0, rng)
    _nose_and_ears(scene)
    cavity = np.empty(scene.grid.shape, np.float32)
    for slab in slabs(whole(scene.grid.shape)):
        cavity[slab] = _draw_vault(scene.crop(slab), rough[slab], texture[slab])
    _base_and_face(scene, rng, texture)
    return cavity


def _draw_vault(scene: Scene, rough: Array32, texture: Array32) -> Array32:
    x, y, z = scene.x, scene.y, scene.z
    cx, cy, cz = CEREBRUM_CENTRE
    rx, ry, rz = (r + 2.5 for r in CEREBRUM_RADII)
    # Egg-shaped vault: narrower in front than behind.
    narrow = np.float32(1.0) - np.float32(0.0016) * np.clip(np.float32(10) - y, 0, None)
    vault = ellipsoid_distance((x - np.float32(cx)) / narrow, y - np.float32(cy), z - np.float32(cz), (rx, ry, rz))
    cavity: Array32 = np.minimum(vault, (z - _base_height(x, y)) * np.float32(0.85))
    thickness = np.clip(np.float32(6.4) + np.float32(1.1) * rough, 3.5, 10)

    outline = vault + thickness + np.float32(5.5)
    face = ellipsoid_distance(x, y + np.float32(34), z + np.float32(52), (66.0, 66.0, 74.0))
    neck = np.minimum(np.float32(56) - np.hypot(x, (y - np.float32(34)) * np.float32(0.85)), np.float32(-20) - z)
    outline = np.maximum(outline, np.maximum(face, neck))
    scene.paint(outline, SKIN)
    scene.paint(outline - 2, FAT)
    scene.paint(np.minimum(outline - 5, np.float32(14) * (texture + np.float32(0.9))), MUSCLE)

    # The vault above the base, the plate of the base below the brain.
    plate = np.minimum(cavity + np.float32(5.5) + rough, vault + thickness)
    shell = np.where(z > np.float32(-22), vault + thickness, plate)
    scene.paint(shell, BONE)
    inner = np.minimum(shell - np.float32(1.7), -cavity - np.float32(1.5))
    scene.paint(np.where(z > np.float32(-30), inner, np.float32(-1)), DIPLOE)
    _sutures(scene, vault, rough)
    return cavity


def _base_height(x: Array32, y: Array32) -> Array32:
    """Height of the floor of the three cranial fossae."""

    def step(v: Array32, width: float) -> Array32:
        ramp: Array32 = np.clip(v / np.float32(2 * width) + np.float32(0.5), 0, 1)
        return ramp

    sideways = np.abs(x)
    behind_wing = step(y + np.float32(24), 6.0)
    posterior = step(y - np.float32(26), 7.0)
    lateral = step(sideways - np.float32(18), 8.0)
    front = np.float32(-20) + np.float32(0.06) * sideways
    medial = np.float32(-18) - np.float32(42) * np.clip((y + np.float32(12)) / np.float32(34), 0, 1)
    middle = lateral * np.float32(-43) + (1 - lateral) * medial
    back = np.float32(-63) + np.float32(0.0035) * np.square(sideways)
    rear = (1 - posterior) * middle + posterior * back
    height: Array32 = (1 - behind_wing) * front + behind_wing * rear
    return height


def _nose_and_ears(scene: Scene) -> None:
    scene.add((0.0, -101.0, -46.0), (11.0, 13.0, 19.0), SKIN)
    for side in (-1.0, 1.0):
        scene.add((side * 86.0, 24.0, -28.0), (5.0, 15.0, 26.0), SKIN, (0.0, side * 12.0, side * 25.0))


def _sutures(scene: Scene, vault: Array32, rough: Array32) -> None:
    """Thin gaps in the vault: coronal, sagittal and lambdoid."""
    x, y, z = scene.x, scene.y, scene.z
    coronal = np.abs(y + np.float32(26) + np.float32(2) * rough - np.float32(0.12) * z)
    lambdoid = np.abs(y - np.float32(72) + np.float32(0.5) * np.abs(x) - np.float32(0.35) * z + np.float32(2) * rough)
    sagittal = np.where((y > -26) & (y < 84), np.abs(x + rough), np.float32(9))
    gap = np.float32(0.6) - np.minimum(np.minimum(coronal, lambdoid), sagittal)
    gap = np.where((vault < -1) & (vault > -8) & (z > 12), gap, np.float32(-1))
    scene.paint(gap, Tissue(150.0, 0.3, 0.0))


def _base_and_face(scene: Scene, rng: np.random.Generator, texture: Array32) -> None:
    wide = float(rng.uniform(0.85, 1.15))
    scene.add((0.0, -66.0, -52.0), (15.0, 32.0, 24.0), BONE)  # nasal skeleton
    scene.add((0.0, -74.0, -90.0), (24.0, 20.0, 14.0), BONE, (8.0, 0.0, 0.0))  # upper jaw
    scene.add((0.0, 6.0, -46.0), (12.0, 8.0, 22.0), DIPLOE, (-38.0, 0.0, 0.0))  # clivus
    for side in (-1.0, 1.0):
        # Left and right differ: pneumatisation is never symmetric.
        one = float(rng.uniform(0.75, 1.15))
        scene.add((side * 31.0, 20.0, -40.0), (24.0, 7.5, 8.5), PETROUS, (0.0, 0.0, side * 38.0))
        scene.add((side * 54.0, 36.0, -46.0), (12.0, 15.0, 17.0), BONE)
        mastoid, depth = scene.ellipsoid((side * 54.0, 36.0, -46.0), (9.5 * one, 12.0 * one, 14.0 * one))
        cells = np.minimum(depth, np.float32(5) * (texture[mastoid] + np.float32(0.3)))
        scene.paint(cells, Tissue(-650.0, 0.05, 0.0), mastoid)
        scene.add((side * 60.0, 22.0, -42.0), (14.0, 3.0, 3.0), AIR)  # ear canal
        scene.add((side * 32.0, -59.0, -36.0), (20.0, 25.0, 19.0), BONE)
        scene.add((side * 31.0, -63.0, -36.0), (18.0, 26.0, 17.0), FAT)
        scene.add((side * 31.0, -73.0, -36.0), (12.6, 12.6, 12.6), SKIN)
        scene.add((side * 31.0, -73.0, -36.0), (11.5, 11.5, 11.5), EYE)
        scene.add((side * 31.0, -82.0, -36.0), (4.5, 2.2, 4.5), LENS)
        scene.add((side * 22.0, -46.0, -34.0), (2.2, 19.0, 2.2), NERVE, (0.0, 0.0, side * 24.0))
        scene.add((side * 43.0, -55.0, -36.0), (1.8, 15.0, 4.5), MUSCLE, (0.0, 0.0, side * 18.0))
        scene.add((side * 18.5, -57.0, -36.0), (1.8, 15.0, 4.5), MUSCLE, (0.0, 0.0, side * 12.0))
        scene.add((side * 30.0, -58.0, -68.0), (17.0, 20.0, 18.0), BONE)
        scene.add((side * 30.0, -58.0, -68.0), (14.5 * one, 17.5 * one, 15.5 * one), AIR)  # maxillary sinus
        scene.add((side * 62.0, -30.0, -50.0), (4.0, 26.0, 5.0), BONE, (0.0, 0.0, side * -12.0))  # zygomatic arch
        scene.add((side * 50.0, 0.0, -74.0), (4.0, 13.0, 32.0), BONE)  # ramus of the jaw
        scene.add((side * (8.0 + 3 * one), -75.0, -6.0), (9.0 * one * wide, 4.0, 11.0 * one), AIR)  # frontal sinus
        scene.add((side * 8.0, -20.0, -30.0), (7.5 * one, 12.0, 8.5), AIR)  # sphenoid sinus
        scene.add((side * 8.5, -52.0, -34.0), (5.0, 19.0, 9.0), AIR)  # ethmoid cells
        scene.add((side * 6.5, -66.0, -58.0), (4.5, 30.0, 17.0), AIR)  # nasal cavity
        scene.add((side * 7.5, -64.0, -64.0), (2.0, 22.0, 5.0), SKIN)  # turbinate
    scene.add((0.0, -12.0, -78.0), (14.0, 8.0, 26.0), AIR)  # pharynx
    scene.add((0.0, -44.0, -100.0), (26.0, 30.0, 12.0), MUSCLE)  # tongue
    scene.add((0.0, 38.0, -84.0), (30.0, 17.0, 9.0), BONE)  # atlas
    scene.add((0.0, 20.0, -92.0), (11.0, 11.0, 16.0), DIPLOE)  # dens and body of the axis
    scene.add((0.0, 41.0, -84.0), (13.0, 14.0, 30.0), Tissue(8.0, 1.0, 0.0))  # spinal canal
    scene.add((0.0, 41.0, -84.0), (6.5, 6.0, 30.0), NERVE)
