"""Lesions of a decomposition: a picture of each, their masses, and what limits them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch

from phantomcal.report.decomposition_figures import MOST_LESIONS, Scene, colour_of, standing, standing_spacing
from phantomcal.report.numerals import trimmed
from phantomcal.report.style import BLUE, HAIR, MUTED, ORANGE, SKY, VERMILION, fixed_canvas, house_style, new_canvas
from phantomcal.results import DecomposedLesion, LesionMass

_CARD_MM = 36.0
_PARTS = {
    "noise and texture": SKY,
    "blur and surroundings": ORANGE,
    "baseline": MUTED,
    "CT calibration": BLUE,
    "QSM calibration": VERMILION,
}


def lesion_picture(scene: Scene, lesion: DecomposedLesion) -> Canvas:
    """The axial slice through a lesion's middle, CT beside map, with its outline.

    Parameters
    ----------
    scene : Scene
    lesion : DecomposedLesion

    Returns
    -------
    matplotlib.figure.Figure
    """
    assert scene.labels is not None
    mask = standing(scene.labels, scene.grid) == lesion.label
    z, y, x = (round(float(v)) for v in np.argwhere(mask).mean(axis=0))
    spacing = standing_spacing(scene.grid)
    half = [max(3, round(_CARD_MM / 2 / s)) for s in spacing[1:]]
    rows = slice(max(y - half[0], 0), y + half[0] + 1)
    columns = slice(max(x - half[1], 0), x + half[1] + 1)
    with house_style():
        canvas = fixed_canvas(2.8, 1.5)
        for k, (volume, window, name) in enumerate(
            ((scene.hu, _window(lesion), "CT"), (scene.ppm, _ppm_window(lesion), "QSM"))
        ):
            axes = canvas.add_axes((0.5 * k + 0.005, 0.0, 0.49, 0.9))
            cut = standing(volume, scene.grid)[z, rows, columns]
            shade = np.clip((np.nan_to_num(cut, nan=window[0]) - window[0]) / (window[1] - window[0]), 0, 1)
            axes.imshow(
                np.round(shade * 255) / 255,
                cmap="gray",
                vmin=0,
                vmax=1,
                aspect=spacing[1] / spacing[2],
                interpolation="none",
            )
            axes.contour(mask[z, rows, columns], levels=[0.5], colors=ORANGE, linewidths=0.8)
            axes.set_axis_off()
            axes.set_title(f"{name}, {trimmed(window[0])} to {trimmed(window[1])}", size=6.5, color=MUTED, pad=1)
    return canvas


def _window(lesion: DecomposedLesion) -> tuple[float, float]:
    top = lesion.baseline_hu + max(1.2 * lesion.excess_hu, 60.0)
    return float(round((lesion.baseline_hu - 40.0) / 10) * 10), float(round(top / 10) * 10)


def _ppm_window(lesion: DecomposedLesion) -> tuple[float, float]:
    reach = max(abs(lesion.excess_ppm), 0.1)
    return round(lesion.baseline_ppm - reach, 2), round(lesion.baseline_ppm + reach, 2)


def mass_rows(lesions: Sequence[DecomposedLesion], material: str, place: int = 0) -> Canvas:
    """Mass of one material in each lesion with its 95 % interval, and what its uncertainty is made of.

    Parameters
    ----------
    lesions : sequence of DecomposedLesion
    material : str
    place : int
        Of the material, for its colour.

    Returns
    -------
    matplotlib.figure.Figure
    """
    chosen = list(lesions)[:MOST_LESIONS]
    masses = [_of(lesion, material) for lesion in chosen]
    shown = np.arange(len(masses))[::-1]
    with house_style():
        canvas = new_canvas(7.4, 1.25 + 0.27 * len(masses))
        left, right = canvas.subplots(1, 2, sharey=True, width_ratios=(1.5, 1.0))
        colour = colour_of(material, place)
        for y, mass in zip(shown, masses, strict=True):
            low, high = mass.ci95
            left.plot([low, high], [y, y], color=colour, lw=1.6, solid_capstyle="butt")
            left.plot(mass.mass_mg, y, marker="o", ms=5, mec=colour, mfc=colour if mass.detected else "white")
            variances = {p.source: p.standard_error_mg**2 for p in mass.parts}
            total = sum(variances.values()) or 1.0
            start = 0.0
            for source, tone in _PARTS.items():
                share = 100 * variances.get(source, 0.0) / total
                right.barh(y, share, left=start, color=tone, height=0.6, lw=0)
                start += share
        left.axvline(0, color=HAIR, lw=0.8, zorder=0)
        left.set_yticks(shown, [lesion.lesion_id for lesion in chosen])
        left.set_ylim(-0.6, len(masses) - 0.4)
        left.set_xlabel(f"{material[0].upper()}{material[1:]} (mg)")
        right.set_xlabel("Share of the variance (%)")
        right.set_xlim(0, 100)
        right.tick_params(left=False)
        present = [s for s in _PARTS if any(p.source == s and p.standard_error_mg > 0 for m in masses for p in m.parts)]
        canvas.legend(
            handles=[Patch(color=_PARTS[s], label=s) for s in present],
            loc="outside upper center",
            ncols=min(5, max(len(present), 1)),
            handlelength=1.0,
            columnspacing=1.0,
        )
    return canvas


def _of(lesion: DecomposedLesion, material: str) -> LesionMass:
    return next(m for m in lesion.masses if m.material == material)
