"""Maps of amounts over anatomy, the plane of HU and ppm with its materials, masses and what limits them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from numpy.typing import NDArray

from phantomcal.report.numerals import number
from phantomcal.report.style import (
    BLUE,
    GREEN,
    HAIR,
    INK,
    MUTED,
    PURPLE,
    VERMILION,
    fixed_canvas,
    house_style,
    new_canvas,
)
from phantomcal.results import Decomposition

if TYPE_CHECKING:
    import SimpleITK as sitk

Floats = NDArray[np.floating[Any]]
BRAIN_WINDOW_HU = (-10.0, 90.0)
MOST_LESIONS = 24
_PLANES = ("axial", "coronal", "sagittal")
_MOST_POINTS = 6000


@dataclass(frozen=True)
class Scene:
    """What is drawn.

    Attributes
    ----------
    hu, ppm : ndarray, shape (z, y, x)
        CT on the map's grid, and the map.
    usable : ndarray of bool
    labels : ndarray of int or None
    amounts : dict of str to ndarray
        mmol/L by material.
    grid : SimpleITK.Image
        The map, for its place in the world.
    """

    hu: Floats
    ppm: Floats
    usable: NDArray[np.bool_]
    labels: NDArray[Any] | None
    amounts: dict[str, Floats]
    grid: "sitk.Image"


def colour_of(material: str, place: int = 0) -> str:
    """A material's colour: blue for calcium, vermilion for what is paramagnetic."""
    known = {"calcium": BLUE, "iron": VERMILION, "gadolinium": GREEN, "SPIO": PURPLE, "USPIO": PURPLE}
    return known.get(material, (VERMILION, BLUE, GREEN, PURPLE)[place % 4])


def standing(array: NDArray[Any], grid: "sitk.Image") -> NDArray[Any]:
    """A view with axes (to the head, to the back, to the left), whatever the grid's own order."""
    axes = np.array(grid.GetDirection()).reshape(3, 3)
    order, signs = [], []
    free = [0, 1, 2]
    for world in (2, 1, 0):
        best = max(free, key=lambda k: abs(axes[world, k]))
        free.remove(best)
        order.append(2 - best)  # numpy counts axes the other way
        signs.append(1 if axes[world, best] > 0 else -1)
    view = np.transpose(array, order)
    return view[tuple(slice(None, None, s) for s in signs)]


def standing_spacing(grid: "sitk.Image") -> tuple[float, float, float]:
    """Voxel size along the axes of `standing`."""
    axes = np.abs(np.array(grid.GetDirection()).reshape(3, 3))
    free = [0, 1, 2]
    found = []
    for world in (2, 1, 0):
        best = max(free, key=lambda k: axes[world, k])
        free.remove(best)
        found.append(float(grid.GetSpacing()[best]))
    return found[0], found[1], found[2]


def _middle(scene: Scene, record: Decomposition) -> tuple[int, int, int]:
    """Where the three planes meet: the heaviest lesion, else the middle of what was measured."""
    shape = standing(scene.hu, scene.grid).shape
    if record.lesions and scene.labels is not None:
        heaviest = max(record.lesions, key=lambda lesion: abs(lesion.excess_hu) * lesion.volume_mm3)
        where = np.argwhere(standing(scene.labels, scene.grid) == heaviest.label)
        z, y, x = (round(float(v)) for v in where.mean(axis=0))
        return z, y, x
    usable = standing(scene.usable, scene.grid)
    middle = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        seen = np.flatnonzero(usable.any(axis=others))
        middle.append(int((seen[0] + seen[-1]) // 2) if seen.size else shape[axis] // 2)
    return middle[0], middle[1], middle[2]


def _cuts(volume: Floats, at: tuple[int, int, int]) -> list[Floats]:
    z, y, x = at
    return [volume[z], volume[::-1, y], volume[::-1, :, x]]


def maps_over_anatomy(scene: Scene, record: Decomposition) -> Canvas:
    """Amounts in colour over the CT in grey: a row per material, three planes.

    Parameters
    ----------
    scene : Scene
    record : Decomposition
        Whose critical amounts say where colour begins.

    Returns
    -------
    matplotlib.figure.Figure
    """
    at = _middle(scene, record)
    spacing = standing_spacing(scene.grid)
    grey = _cuts(standing(scene.hu, scene.grid), at)
    outlines = [] if scene.labels is None else _cuts(standing(scene.labels, scene.grid) != 0, at)
    steps = [(spacing[1], spacing[2]), (spacing[0], spacing[2]), (spacing[0], spacing[1])]
    widths = [cut.shape[1] * s[1] for cut, s in zip(grey, steps, strict=True)]
    heights = [cut.shape[0] * s[0] for cut, s in zip(grey, steps, strict=True)]
    materials = [m for m in record.materials if m.name in scene.amounts]
    row_mm, total_mm = max(heights), sum(widths)
    width = 8.6
    picture = width - 1.0
    row_in = min(picture * row_mm / total_mm, 3.4)
    scale = row_in / row_mm  # inches a millimetre
    picture = total_mm * scale
    width = picture + 1.05
    height = len(materials) * (row_in + 0.3)
    with house_style():
        canvas = fixed_canvas(width, height)
        for row, material in enumerate(materials):
            amounts = _cuts(standing(scene.amounts[material.name], scene.grid), at)
            begin = material.critical_mmol_per_l or 0.0
            top = _top(scene.amounts[material.name], scene, begin)
            ramp = _ramp(colour_of(material.name, row))
            left = 0.0
            bottom = height - (row + 1) * (row_in + 0.3)
            for k, (cut, amount, step) in enumerate(zip(grey, amounts, steps, strict=True)):
                w, h = widths[k] * scale, heights[k] * scale
                axes = canvas.add_axes((left / width, (bottom + (row_in - h) / 2) / height, w / width, h / height))
                left += w
                _grey(axes, cut, step)
                shown = np.ma.masked_where(~(amount > begin), amount)
                drawn = axes.imshow(
                    shown, cmap=ramp, vmin=0, vmax=top, aspect=step[0] / step[1], interpolation="none", alpha=0.85
                )
                if outlines and outlines[k].any():
                    axes.contour(outlines[k], levels=[0.5], colors="white", linewidths=0.6)
                if row == 0:
                    axes.set_title(_PLANES[k], size=8, color=MUTED, pad=2)
            bar = canvas.add_axes(
                ((picture + 0.12) / width, (bottom + 0.12 * row_in) / height, 0.1 / width, 0.72 * row_in / height)
            )
            canvas.colorbar(drawn, cax=bar)
            bar.set_title(f"{material.name}\nmmol/L", size=8, loc="left", color=INK)
            bar.tick_params(labelsize=7)
    return canvas


def _grey(axes: Any, cut: Floats, step: tuple[float, float]) -> None:
    low, high = BRAIN_WINDOW_HU
    shade = np.clip((np.nan_to_num(cut, nan=low) - low) / (high - low), 0, 1)
    axes.imshow(
        np.round(shade * 255) / 255,
        cmap="gray",
        vmin=0,
        vmax=1,
        aspect=step[0] / step[1],
        interpolation="none",
    )
    axes.set_axis_off()


def _top(amounts: Floats, scene: Scene, begin: float) -> float:
    """End of the colour scale: nearly the largest amount that is shown."""
    chosen = amounts[scene.labels != 0] if scene.labels is not None else amounts[scene.usable][::7]
    chosen = chosen[chosen > begin]
    top = float(np.percentile(chosen, 99)) if chosen.size else 2.0 * begin
    return top if top > 0 else 1.0


def _ramp(colour: str) -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("amount", ["#fff3c4", colour, colour])


def plane_of_materials(record: Decomposition, scene: Scene | None) -> Canvas:
    """HU and ppm above the baseline: the materials' directions, a voxel's noise, and lesions, rows or voxels.

    Parameters
    ----------
    record : Decomposition
    scene : Scene or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    points, errors, names = _points(record)
    cloud = _cloud(record, scene) if not len(points) else np.zeros((0, 2))
    both = np.concatenate([points, cloud]) if len(points) or len(cloud) else np.array([[1.0, 1.0]])
    span = np.percentile(np.abs(both), 99.5, axis=0) if len(both) > 50 else np.abs(both).max(axis=0)
    span = np.maximum(span, [3 * (record.noise_hu or 1.0), 3 * (record.noise_ppm or 0.01)])
    with house_style():
        canvas = new_canvas(6.6, 4.3)
        axes = canvas.add_subplot()
        axes.axhline(0, color=HAIR, lw=0.8, zorder=0)
        axes.axvline(0, color=HAIR, lw=0.8, zorder=0)
        if len(cloud):
            axes.plot(*cloud.T, ls="none", marker=".", ms=1.5, color=MUTED, alpha=0.35, zorder=1, rasterized=True)
        for k, material in enumerate(record.materials):
            colour = colour_of(material.name, k)
            way = np.array([material.ct_slope_hu, material.qsm_slope_ppm])
            reach = float(np.min(1.25 * span / np.maximum(np.abs(way), 1e-300)))
            end = reach * way
            axes.plot([0, end[0]], [0, end[1]], color=colour, lw=1.6, zorder=2)
            marks = np.linspace(0, reach, 5)[1:, None] * way
            axes.plot(*marks.T, ls="none", marker="o", ms=3.5, mfc="white", mec=colour, zorder=2)
            axes.annotate(
                f"{material.name}, {number(reach, 2)} mmol/L",
                (float(end[0]), float(end[1])),
                xytext=(-4 if end[0] > 0.5 * span[0] else 5, 7 if end[1] >= 0 else -13),
                textcoords="offset points",
                ha="right" if end[0] > 0.5 * span[0] else "left",
                color=colour,
            )
        handles = []
        if record.noise_hu and record.noise_ppm:
            for k in (1, 2):
                axes.add_patch(
                    Ellipse(
                        (0, 0), 2 * k * record.noise_hu, 2 * k * record.noise_ppm, fill=False, ec=INK, lw=0.8, zorder=4
                    )
                )
            one = "a voxel's noise" if scene is not None else "the noise of a row"
            handles.append(
                Line2D([], [], color=INK, lw=0.8, marker="o", mfc="none", ls="none", label=f"1 and 2 SD of {one}")
            )
        if len(points):
            axes.errorbar(
                points[:, 0],
                points[:, 1],
                xerr=1.96 * errors[:, 0],
                yerr=1.96 * errors[:, 1],
                ls="none",
                marker="o",
                ms=4.5,
                color=INK,
                ecolor=MUTED,
                elinewidth=0.9,
                zorder=5,
            )
            for point, name in list(zip(points, names, strict=True))[:12]:
                axes.annotate(name, point, xytext=(5, 4), textcoords="offset points", size=7.5, color=INK)
            what = "lesion" if record.lesions else "row"
            handles.append(
                Line2D([], [], color=INK, marker="o", ms=4.5, ls="none", label=f"a {what} with 95 % intervals")
            )
        axes.set_xlim(min(-0.25 * span[0], -3 * (record.noise_hu or 0.0)), 1.45 * span[0])
        axes.set_ylim(-1.45 * span[1], 1.45 * span[1])
        axes.set_xlabel("CT number above the baseline (HU)")
        axes.set_ylabel("Susceptibility above the baseline (ppm)")
        if handles:
            canvas.legend(handles=handles, loc="outside upper center", ncols=2)
    return canvas


def _points(record: Decomposition) -> tuple[Floats, Floats, list[str]]:
    if record.lesions:
        chosen = record.lesions[:MOST_LESIONS]
        return (
            np.array([[o.excess_hu, o.excess_ppm] for o in chosen]),
            np.array([[o.excess_hu_se, o.excess_ppm_se] for o in chosen]),
            [o.lesion_id for o in chosen],
        )
    rows = {r.id: r for r in record.regions}
    base = np.array([record.baseline.hu or 0.0, record.baseline.ppm or 0.0])
    values = np.array([[r.ct_hu, r.qsm_ppm] for r in rows.values()]).reshape(-1, 2) - base
    return values, np.tile([record.noise_hu or 0.0, record.noise_ppm or 0.0], (len(values), 1)), list(rows)


def _cloud(record: Decomposition, scene: Scene | None) -> Floats:
    if scene is None or record.baseline.hu is None or record.baseline.ppm is None:
        return np.zeros((0, 2))
    flat = np.flatnonzero(scene.usable.reshape(-1))
    flat = flat[:: max(1, flat.size // _MOST_POINTS)]
    hu, ppm = scene.hu.reshape(-1)[flat], scene.ppm.reshape(-1)[flat]
    return np.stack([hu - record.baseline.hu, ppm - record.baseline.ppm], axis=1)
