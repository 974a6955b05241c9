"""Volumes for the page's slice viewer: what is shown of them, in which shades, and how much page they may take."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantomcal.report.display_grid import (
    content_box,
    cropped,
    display_grid,
    finer,
    on_display_grid,
    point_box,
    upright,
)
from phantomcal.report.numerals import count, number
from phantomcal.report.packed import Scale, as_text, ct_scale, even_scale, packed, packed_labels, symmetric_scale
from phantomcal.report.page import Figure, Viewer
from phantomcal.report.stills import Shade, still

Window: TypeAlias = tuple[str, float, float]
LabelMaker: TypeAlias = Callable[[sitk.Image], NDArray[np.uint8]]

CT_WINDOWS: tuple[Window, ...] = (
    ("Brain, 0 to 80 HU", 0.0, 80.0),
    ("Blood, −20 to 180 HU", -20.0, 180.0),
    ("Bone, −500 to 1500 HU", -500.0, 1500.0),
    ("Soft tissue, −160 to 240 HU", -160.0, 240.0),
)
# Volumes, and the share of them that outlines and the still may add; a third more as text: under 1.5 MB of page.
MOST_BYTES, _FURTHER_SHARE = 960_000, 0.15
_MOST_VOXELS, _BYTES_PER_VOXEL = 2_000_000, 0.5
_LABEL_FACTOR, _MOST_LABEL_VOXELS = 2, 9_000_000
_MARGIN_MM = 15.0


@dataclass(frozen=True, eq=False)
class Layer:
    """One volume of a viewer.

    Attributes
    ----------
    name, unit : str
        What it is called, and the unit of its values.
    image : SimpleITK.Image
        3-D, on any grid.
    scale : Scale
        How values are kept in one byte.
    windows : sequence of (str, float, float)
        Presets: name, value shown black, value shown white. The first is the one to begin with.
    tint : str
        Colour of an overlay that fades in with its value; grey if empty.
    content_above : float
        What counts as something to look at, when the volume is cropped.
    transform : SimpleITK.Transform or None
        Maps points of the first layer to this one.
    """

    name: str
    unit: str
    image: sitk.Image
    scale: Scale
    windows: Sequence[Window]
    tint: str = ""
    content_above: float = -np.inf
    transform: sitk.Transform | None = None


@dataclass(frozen=True)
class Outline:
    """How one label is drawn: its name, its colour, dashed if something is amiss, and what the colour means."""

    label: int
    name: str
    colour: str
    meaning: str = ""
    dashed: bool = False


def ct_layer(image: sitk.Image, name: str = "CT", *, window: int = 0, transform: sitk.Transform | None = None) -> Layer:
    """A CT in HU, with windows for brain, blood, bone and soft tissue; `window` says which comes first."""
    windows = (*CT_WINDOWS[window:], *CT_WINDOWS[:window])
    return Layer(name, "HU", image, ct_scale(), windows, content_above=-300.0, transform=transform)


def qsm_layer(image: sitk.Image, name: str = "QSM", *, transform: sitk.Transform | None = None) -> Layer:
    """A susceptibility map in ppm, with symmetric windows around 0."""
    sample = abs(_sample(image))
    largest = float(np.quantile(sample, 0.9995)) if sample.size else 1.0
    steps = [w for w in (0.1, 0.25, 0.5, 1.0, 2.0) if w < 0.8 * largest]
    top = float(f"{largest:.1g}") or 1.0
    middle = min((*steps, top), key=lambda w: abs(np.log(w / max(largest / 2, 1e-9))))
    windows: list[Window] = [(f"± {w:g} ppm", -w, w) for w in (middle, *(s for s in (*steps, top) if s != middle))]
    return Layer(name, "ppm", image, symmetric_scale(largest), windows, content_above=0.0, transform=transform)


def magnitude_layer(image: sitk.Image, name: str = "MR magnitude", *, transform: sitk.Transform | None = None) -> Layer:
    """A magnitude, in arbitrary units."""
    sample = _sample(image)
    high = float(np.quantile(sample, 0.998)) if sample.size else 1.0
    low = float(min(0.0, sample.min(initial=0.0)))
    windows: list[Window] = [("Automatic", 0.0, high * 0.9), ("Dark parts", 0.0, high / 3)]
    return Layer(name, "", image, even_scale(low, high), windows, content_above=high / 10, transform=transform)


def overlay_layer(
    image: sitk.Image, name: str, unit: str, colour: str, *, transform: sitk.Transform | None = None
) -> Layer:
    """A map of something that is mostly absent (a concentration), in one colour that fades in with its value."""
    sample = _sample(image)
    some = sample[sample > 0]
    high = float(np.quantile(some, 0.995)) if some.size else 1.0
    windows: list[Window] = [(f"to {number(w, 2)} {unit}", 0.0, w) for w in (high, high / 4)]
    return Layer(name, unit, image, even_scale(0.0, high), windows, tint=colour, transform=transform)


def viewer(
    layers: Sequence[Layer],
    title: str,
    caption: str = "",
    *,
    labels: sitk.Image | LabelMaker | None = None,
    outlines: Sequence[Outline] = (),
    around_mm: NDArray[np.float64] | None = None,
    margin_mm: float = _MARGIN_MM,
    centre_mm: Sequence[float] | None = None,
    most_bytes: int = MOST_BYTES,
) -> Viewer:
    """A slice viewer of volumes in one space.

    Parameters
    ----------
    layers : sequence of Layer
        The first gives the grid and is shown at first; the second is laid over it.
    title, caption : str
        What is shown, and what to see in it.
    labels : SimpleITK.Image or callable, optional
        Label map of regions, vials or lesions on any grid in the space of the first layer, or a function that gives the
        labels (uint8, shape (z, y, x)) on the grid of the image it is handed. Labels above 255 cannot be shown.
    outlines : sequence of Outline
        Labels to draw; others are left out.
    around_mm : ndarray, shape (n, 3), optional
        Points of the world the view is cropped to; otherwise to what the first layer holds.
    margin_mm : float
        Around those points.
    centre_mm : sequence of float, optional
        Where the view begins; otherwise the middle.
    most_bytes : int
        Budget of the compressed volumes, and 15 % more for outlines and the still; voxels are made larger until they
        fit.

    Returns
    -------
    Viewer
        The same for the same input.

    Raises
    ------
    ValueError
        No layer, or outlines without labels.
    """
    if not layers:
        raise ValueError("a viewer needs a volume")
    if outlines and labels is None:
        raise ValueError("outlines of which labels?")
    whole = layers[0].image
    box = (
        point_box(whole, around_mm, margin_mm) if around_mm is not None else content_box(whole, layers[0].content_above)
    )
    first = upright(cropped(whole, box))
    # Overlays are empty nearly everywhere, and so take hardly any room.
    most = int(min(_MOST_VOXELS, most_bytes / _BYTES_PER_VOXEL) / sum(0.1 if layer.tint else 1.0 for layer in layers))
    budget = most_bytes
    while True:
        grid, codes, data = _fitted(layers, first, most, budget)
        # Outlines are drawn finer than the volumes, unless those are fine themselves.
        factor = _LABEL_FACTOR if np.prod(grid.GetSize()) * _LABEL_FACTOR**3 <= _MOST_LABEL_VOXELS else 1
        drawn = _labels_on(finer(grid, factor), labels, outlines) if outlines else None
        label_data = b"" if drawn is None else packed_labels(drawn)
        start = _start(grid, centre_mm)
        shades = [
            Shade(c, layer.scale, layer.windows[0][1:], layer.tint) for c, layer in zip(codes, layers, strict=True)
        ]
        picture = still(shades, grid.GetSpacing(), start, drawn, factor, outlines)
        excess = sum(map(len, data)) + len(label_data) + len(picture) - (1 + _FURTHER_SHARE) * most_bytes
        if excess <= 0 or budget < most_bytes / 4:
            break
        budget -= max(int(excess), most_bytes // 50)
    names = " and ".join(layer.name for layer in layers[:2])
    alt = f"{title}: axial, coronal and sagittal slices of {names}"
    alt += f" with {count(len(outlines), 'outline')}." if outlines else "."
    volumes: dict[str, Any] = {
        "size": list(grid.GetSize()),
        "spacing": _rounded(grid.GetSpacing()),
        "origin": _rounded(grid.GetOrigin()),
        "direction": _rounded(grid.GetDirection()),
        "start": start,
        "layers": [_layer(layer, packed_bytes) for layer, packed_bytes in zip(layers, data, strict=True)],
        "labels": None if drawn is None else _label_block(label_data, factor, outlines),
    }
    legend = dict.fromkeys((o.meaning, o.colour, o.dashed) for o in outlines if o.meaning)
    return Viewer(title, Figure(picture, alt), volumes, _caption(caption, grid, layers), tuple(legend))


def _fitted(
    layers: Sequence[Layer], first: sitk.Image, most_voxels: int, most_bytes: int
) -> tuple[sitk.Image, list[NDArray[np.uint8]], list[bytes]]:
    """Grid, codes and compressed codes of all layers, on the finest grid within the budget."""
    while True:
        grid = display_grid(first, most_voxels)

        def one(layer: Layer, grid: sitk.Image = grid) -> tuple[NDArray[np.uint8], bytes]:
            image = first if layer is layers[0] else layer.image
            codes = layer.scale.encode(on_display_grid(image, grid, layer.transform))
            return codes, packed(codes)

        with ThreadPoolExecutor(len(layers)) as pool:
            done = list(pool.map(one, layers))
        total = sum(len(data) for _, data in done)
        if total <= most_bytes or most_voxels < 1000:
            return grid, [codes for codes, _ in done], [data for _, data in done]
        n_voxels = int(np.prod(grid.GetSize()))
        most_voxels = int(min(most_voxels, n_voxels) * 0.93 * most_bytes / total)


def _labels_on(
    grid: sitk.Image, labels: sitk.Image | LabelMaker | None, outlines: Sequence[Outline]
) -> NDArray[np.uint8]:
    """Labels on a grid, numbered as their outlines are, from 1."""
    if labels is None or isinstance(labels, sitk.Image):
        assert labels is not None
        there = sitk.Resample(labels, grid, sitk.Transform(3, sitk.sitkIdentity), sitk.sitkNearestNeighbor, 0)
        found = sitk.GetArrayViewFromImage(there)
    else:
        found = labels(grid)
    if found.dtype == np.uint8 and [o.label for o in outlines] == list(range(1, len(outlines) + 1)):
        return np.array(found)  # as they are
    numbers = np.zeros(max(int(found.max(initial=0)), max(o.label for o in outlines)) + 1, np.uint8)
    for k, outline in enumerate(outlines[:255]):
        numbers[outline.label] = k + 1
    drawn: NDArray[np.uint8] = numbers[found]
    return drawn


def _label_block(data: bytes, factor: int, outlines: Sequence[Outline]) -> Mapping[str, Any]:
    items = [{"name": o.name, "colour": o.colour, "dashed": o.dashed} for o in outlines[:255]]
    return {"factor": factor, "items": items, "data": as_text(data)}


def _layer(layer: Layer, data: bytes) -> Mapping[str, Any]:
    return {
        "name": layer.name,
        "unit": layer.unit,
        "tint": layer.tint,
        "windows": [[name, _six(low), _six(high)] for name, low, high in layer.windows],
        "values": _rounded(layer.scale.values),
        "codes": list(layer.scale.codes),
        "data": as_text(data),
    }


def _start(grid: sitk.Image, centre_mm: Sequence[float] | None) -> list[int]:
    size = np.array(grid.GetSize())
    if centre_mm is None:
        return [int(n) // 2 for n in size]
    index = grid.TransformPhysicalPointToContinuousIndex([float(v) for v in centre_mm])
    return [int(v) for v in np.clip(np.rint(index), 0, size - 1)]


def _caption(caption: str, grid: sitk.Image, layers: Sequence[Layer]) -> str:
    shown = " × ".join(f"{s:.2g}" for s in grid.GetSpacing())
    kept = "; ".join(
        f"{layer.name} {layer.scale.step_at(0.0):.2g} {layer.unit}".strip() for layer in layers if layer.unit
    )
    steps = f", values near 0 in steps of {kept}" if kept else ""
    return f"{caption} Shown with voxels of {shown} mm{steps}; what was measured is finer.".strip()


def _sample(image: sitk.Image) -> NDArray[np.float64]:
    """Some tens of thousands of an image's finite values that are not exactly 0."""
    values = sitk.GetArrayViewFromImage(image)
    step = [max(1, n // 48) for n in values.shape]
    thin = np.asarray(values[:: step[0], :: step[1], :: step[2]], dtype=np.float64)
    known: NDArray[np.float64] = thin[np.isfinite(thin) & (thin != 0)]
    return known


def _rounded(values: Sequence[float]) -> list[float]:
    return [_six(v) for v in values]


def _six(value: float) -> float:
    return float(f"{value:.6g}")
