"""The brain: folded cortex, white matter, cerebellum, brain stem, ventricles, the nine regions and lesions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from phantomcal.errors import InputError
from phantomcal.simulate.scene import Scene, Tissue, ellipsoid_distance
from phantomcal.simulate.shapes import Array32, Triple, slabs, whole
from phantomcal.simulate.skull import CEREBRUM_CENTRE
from phantomcal.simulate.smooth import smooth_noise

CSF = Tissue(8.0, 1.05, 0.019)
GREY = Tissue(37.0, 0.86, 0.020)
WHITE = Tissue(29.0, 0.76, -0.030)
THALAMUS = Tissue(34.0, 0.78, 0.020)
FALX = Tissue(58.0, 0.45, 0.0)
VEIN = Tissue(52.0, 0.40, 0.20)
OEDEMA = Tissue(20.0, 0.95, 0.0)

REGIONS = (
    "globus pallidus",
    "putamen",
    "caudate nucleus",
    "substantia nigra",
    "red nucleus",
    "dentate nucleus",
    "choroid plexus",
)
LESIONS = ("haemorrhage", "calcification")
LABELS: dict[str, int] = {name: number for number, name in enumerate((*REGIONS, *LESIONS), start=1)}
# A reader outlines a region a little inside its visible edge; labels keep this distance from the surface.
LABEL_MARGIN_MM: dict[str, float] = {"choroid plexus": 1.5, "haemorrhage": 2.0, "calcification": 2.5}
DEFAULT_LABEL_MARGIN_MM = 0.8


class RegionValue(NamedTuple):
    """What a region holds."""

    ct_hu: float
    qsm_ppm: float


# ppm: model of the QSM challenge 2.0; HU: 30-60 of unenhanced CT; choroid plexus 10.64898/2026.05.26.26354154.
TYPICAL_VALUES: dict[str, RegionValue] = {
    "globus pallidus": RegionValue(44.0, 0.130),
    "putamen": RegionValue(40.0, 0.040),
    "caudate nucleus": RegionValue(39.0, 0.044),
    "substantia nigra": RegionValue(39.0, 0.111),
    "red nucleus": RegionValue(38.0, 0.100),
    "dentate nucleus": RegionValue(42.0, 0.152),
    "choroid plexus": RegionValue(75.0, -0.119),
    "haemorrhage": RegionValue(74.0, 0.300),
    "calcification": RegionValue(180.0, -0.250),
}


@dataclass(frozen=True)
class Lesion:
    """A focal lesion.

    Attributes
    ----------
    kind : {"haemorrhage", "calcification"}
        Haemorrhages get a rim of oedema.
    ct_hu, qsm_ppm : float
        What it holds.
    radius_mm : float
        Mean radius.
    position_mm : tuple of float, optional
        Head coordinates (LPS, origin at the anterior commissure); drawn from the white matter when None.
    """

    kind: Literal["haemorrhage", "calcification"]
    ct_hu: float
    qsm_ppm: float
    radius_mm: float = 9.0
    position_mm: Triple | None = None


_PLACES: dict[str, tuple[Triple, ...]] = {
    "haemorrhage": ((37.0, -24.0, 34.0), (-37.0, -24.0, 34.0), (36.0, 22.0, 42.0), (-36.0, 22.0, 42.0)),
    "calcification": ((33.0, 66.0, 22.0), (-33.0, 66.0, 22.0), (24.0, 52.0, 48.0), (-24.0, 52.0, 48.0)),
}


def draw_brain(scene: Scene, cavity_mm: Array32, rng: np.random.Generator) -> Array32:
    """Paint cerebrum, cerebellum and brain stem into the cranial cavity, all but the regions.

    Parameters
    ----------
    scene : Scene
        Changed in place.
    cavity_mm : numpy.ndarray
        Depth below the inner table.
    rng : numpy.random.Generator
        Source of folds, veins and ventricle size.

    Returns
    -------
    numpy.ndarray
        Depth below the brain's surface, positive inside; fluid spaces belong to the brain.
    """
    depth = cavity_mm - np.float32(2.2)
    folds = smooth_noise(scene.grid.shape, 1.0, 21.0, rng, band=True)
    other = smooth_noise(scene.grid.shape, 1.0, 26.0, rng, band=True)
    sulcus_mm = float(rng.uniform(0.5, 0.9))
    for slab in slabs(whole(scene.grid.shape)):
        _draw_cortex(scene.crop(slab), depth[slab], folds[slab], other[slab], sulcus_mm)
    _brain_stem(scene)
    _ventricles(scene, rng)
    return depth


def _draw_cortex(scene: Scene, depth: Array32, folds: Array32, other: Array32, sulcus_mm: float) -> None:
    x, y, z = scene.x, scene.y, scene.z
    far = np.float32(99)
    # |field| over its typical gradient is the distance to the nearest fold: zero crossings are the sulci.
    sulcus = np.abs(folds) * np.float32(4.6) + np.clip(depth - np.float32(15), 0, None)
    callosum = ellipsoid_distance(x, y - np.float32(6), z - np.float32(6), (200.0, 46.0, 24.0))
    fissure = np.where((callosum < 0) & (z > -12), np.abs(x + np.float32(0.8) * other), far)
    np.minimum(fissure, _sylvian(x, y, z, other), out=fissure)
    tent = np.float32(6) - np.float32(0.0065) * np.square(x) - np.float32(0.45) * np.clip(y - np.float32(46), 0, None)
    tent += np.where(y < 46, np.float32(0.7) * (y - np.float32(46)), np.float32(0))
    tent = z - np.maximum(tent, np.float32(-38))
    behind = y - np.float32(24)
    np.minimum(fissure, np.where(behind > 0, np.abs(tent), far), out=fissure)

    cerebellum = np.minimum(-tent, behind)
    fluid = np.minimum(np.minimum(depth, sulcus - np.float32(sulcus_mm)), fissure - np.float32(1.1))
    folia = np.abs(np.sin((z + np.float32(0.25) * y + np.float32(1.5) * other) * np.float32(2 * np.pi / 8.5)))
    folia = folia * np.float32(2.2) + np.clip(depth - np.float32(12), 0, None)
    fluid = np.where(cerebellum > 0, np.minimum(np.minimum(depth, np.abs(tent) - 1), folia - np.float32(0.35)), fluid)
    scene.paint(depth + np.float32(2.2), CSF)
    scene.paint(fluid, GREY)
    scene.paint(fluid - np.where(cerebellum > 0, np.float32(1.6), np.float32(3.0)), WHITE)

    near_surface = (depth > 0) & (depth < 14) & (cerebellum < 0)
    veins = np.float32(0.9) - np.hypot(folds * np.float32(4.6), other * np.float32(5.5))
    scene.paint(np.where(near_surface, veins, -far), VEIN)
    scene.paint(np.where((callosum < 0) & (z > 0) & (depth > -2), np.float32(0.7) - np.abs(x), -far), FALX)
    scene.paint(np.where((behind > 0) & (depth > -2), np.float32(0.5) - np.abs(tent), -far), FALX)


def _sylvian(x: Array32, y: Array32, z: Array32, wave: Array32) -> Array32:
    """Distance to the fissure between temporal lobe and the rest, on both sides."""
    sideways = np.abs(x)
    slope = np.float32(0.55) * (y - np.float32(5)) + np.float32(0.35) * (sideways - np.float32(50))
    distance: Array32 = np.abs(z - np.float32(2) + slope - np.float32(2.5) * wave) * np.float32(0.85)
    distance += np.clip(np.float32(40) - sideways, 0, None) + np.clip(
        np.abs(y - np.float32(2)) - np.float32(24), 0, None
    )
    return distance


def _brain_stem(scene: Scene) -> None:
    scene.add((0.0, 27.0, -30.0), (17.0, 19.0, 24.0), CSF)
    scene.add((0.0, 26.0, -58.0), (14.0, 13.0, 24.0), CSF)
    scene.add((0.0, 20.0, -12.0), (19.0, 14.0, 12.0), WHITE)
    scene.add((0.0, 23.0, -32.0), (15.0, 13.0, 15.0), WHITE)
    scene.add((0.0, 31.0, -56.0), (8.0, 7.5, 24.0), WHITE)


def _ventricles(scene: Scene, rng: np.random.Generator) -> None:
    size = float(rng.uniform(0.9, 1.2))
    scene.add((0.0, 12.0, 1.0), (2.4 * size, 13.0, 9.0), CSF)
    scene.add((0.0, 42.0, -30.0), (7.0 * size, 5.0, 9.0), CSF)
    scene.add((0.0, 33.0, -9.0), (1.5, 1.5, 9.0), CSF, (-20.0, 0.0, 0.0))
    scene.add((0.0, 27.0, 6.0), (3.0, 6.0, 4.0), Tissue(45.0, 0.8, 0.0))  # pineal region
    scene.add((0.0, 31.0, 9.0), (1.5, 13.0, 1.5), VEIN, (-12.0, 0.0, 0.0))
    for side in (-1.0, 1.0):
        one = size * float(rng.uniform(0.92, 1.08))
        scene.add((side * 11.0, 18.0, 8.0), (8.5, 15.0, 9.5), THALAMUS, (0.0, 0.0, side * -18.0))
        scene.add((side * 8.0, -20.0, 12.0), (4.5 * one, 17.0, 8.0 * one), CSF, (0.0, 0.0, side * 12.0))
        scene.add((side * 11.0, 8.0, 22.0), (6.0 * one, 25.0, 5.5 * one), CSF, (-8.0, 0.0, side * -14.0))
        scene.add((side * 24.0, 38.0, 9.0), (9.5 * one, 13.0, 13.0), CSF, (0.0, 0.0, side * -20.0))
        scene.add((side * 27.0, 58.0, 6.0), (4.0 * one, 16.0, 5.5), CSF, (0.0, 0.0, side * 8.0))
        scene.add((side * 31.0, 10.0, -18.0), (3.0 * one, 16.0, 4.0), CSF, (12.0, 0.0, side * -14.0))


def _region_shapes(side: float) -> dict[str, tuple[tuple[Triple, Triple, Triple], ...]]:
    return {
        "putamen": (((side * 26.5, 0.0, 2.0), (5.4, 16.5, 10.0), (0.0, 0.0, side * -12.0)),),
        "globus pallidus": (((side * 17.8, 4.0, 0.0), (4.4, 9.5, 7.0), (0.0, 0.0, side * -24.0)),),
        "caudate nucleus": (
            ((side * 14.0, -14.0, 9.0), (5.2, 10.5, 9.5), (0.0, 0.0, side * -10.0)),
            ((side * 17.5, 6.0, 21.0), (4.2, 16.0, 4.6), (-8.0, 0.0, side * -12.0)),
        ),
        "substantia nigra": (((side * 11.0, 14.5, -12.5), (3.6, 7.5, 4.8), (0.0, side * 18.0, side * -40.0)),),
        "red nucleus": (((side * 5.0, 20.5, -9.5), (4.1, 4.1, 5.0), (0.0, 0.0, 0.0)),),
        "dentate nucleus": (((side * 15.5, 56.0, -33.0), (6.0, 9.0, 6.0), (0.0, 0.0, side * -25.0)),),
        "choroid plexus": (((side * 24.0, 38.0, 8.5), (6.4, 9.0, 9.5), (0.0, 0.0, side * -20.0)),),
    }


def draw_regions(scene: Scene, values: Mapping[str, RegionValue]) -> None:
    """Paint and label the seven normal regions on both sides."""
    for side in (-1.0, 1.0):
        for name, parts in _region_shapes(side).items():
            tissue = _tissue(values[name], 0.80)
            margin = np.float32(LABEL_MARGIN_MM.get(name, DEFAULT_LABEL_MARGIN_MM))
            for centre, radii, turn in parts:
                box, distance = scene.add(centre, radii, tissue, turn)
                # Where a later region is drawn over an earlier one, the earlier label goes too.
                part = scene.labels[box]
                part[distance > -margin / 2] = 0
                part[distance > margin] = LABELS[name]


def draw_lesions(
    scene: Scene, lesions: Sequence[Lesion], depth_mm: Array32, rng: np.random.Generator
) -> list[dict[str, object]]:
    """Paint and label lesions; regions under a lesion lose those voxels.

    Raises
    ------
    InputError
        If a lesion is of an unknown kind, has no size or lies outside the brain.
    """
    rows: list[dict[str, object]] = []
    taken: list[Triple] = []
    for lesion in lesions:
        if lesion.kind not in LESIONS:
            raise InputError(
                f"unknown lesion kind {lesion.kind!r}", "the lesions to simulate", f"use {' or '.join(LESIONS)}"
            )
        if not lesion.radius_mm > 0:
            raise InputError("a lesion needs a positive radius", f"a {lesion.kind}", "give radius_mm above 0")
        where = lesion.position_mm or _free_place(lesion.kind, taken, rng)
        taken.append(where)
        stretch = rng.uniform(0.9, 1.12, 3)
        radii = (lesion.radius_mm * stretch[0], lesion.radius_mm * stretch[1], lesion.radius_mm * stretch[2])
        turn = (0.0, 0.0, float(rng.uniform(0, 180)))
        box, distance = scene.ellipsoid(where, radii, turn)
        distance += np.float32(0.7) * smooth_noise(distance.shape, 1.0, 14.0, rng)
        index = np.unravel_index(int(np.argmax(distance)), distance.shape)
        if not depth_mm[box][index] > lesion.radius_mm / 2:
            raise InputError(
                f"a {lesion.kind} at {tuple(round(v, 1) for v in where)} mm lies outside the brain",
                "the lesions to simulate",
                f"keep it well inside the cerebrum, which is centred at {CEREBRUM_CENTRE}",
            )
        if lesion.kind == "haemorrhage":
            scene.paint(np.minimum(distance + 4, depth_mm[box] - 1), OEDEMA, box)
        scene.paint(distance, _tissue(RegionValue(lesion.ct_hu, lesion.qsm_ppm), 0.55), box)
        scene.labels[box][distance > -2] = 0
        scene.lesion_labels[box][distance > LABEL_MARGIN_MM[lesion.kind]] = LABELS[lesion.kind]
        rows.append(
            {
                "kind": lesion.kind,
                "ct_hu": lesion.ct_hu,
                "qsm_ppm": lesion.qsm_ppm,
                "radius_mm": lesion.radius_mm,
                "position_mm": [round(float(v), 3) for v in where],
            }
        )
    return rows


def _free_place(kind: str, taken: Sequence[Triple], rng: np.random.Generator) -> Triple:
    places = _PLACES[kind]
    order = rng.permutation(len(places))
    jitter = rng.uniform(-3, 3, 3)
    free = [places[n] for n in order if all(np.linalg.norm(np.subtract(places[n], t)) > 20 for t in taken)]
    base = (free or [places[order[0]]])[0]
    return (base[0] + float(jitter[0]), base[1] + float(jitter[1]), base[2] + float(jitter[2]))


def _tissue(value: RegionValue, base_magnitude: float) -> Tissue:
    """Iron and calcium both darken gradient echoes."""
    return Tissue(value.ct_hu, max(base_magnitude - 1.6 * abs(value.qsm_ppm), 0.15), value.qsm_ppm)
