"""Middle slices of a viewer's volumes as one picture, for print and for where no script runs."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from phantomcal.report.packed import NOTHING, Scale

if TYPE_CHECKING:
    from PIL import Image

_WIDTH_PX, _TALLEST_PX, _GAP_PX = 1320, 620, 8
_MOST_ROWS = 2


class Drawn(Protocol):
    """What a still needs to know of an outline."""

    @property
    def colour(self) -> str: ...


@dataclass(frozen=True, eq=False)
class Shade:
    """Codes of a volume (z, y, x), their scale, the window they are shown in, and the colour of an overlay."""

    codes: NDArray[np.uint8]
    scale: Scale
    window: tuple[float, float]
    tint: str = ""


def still(
    shades: Sequence[Shade],
    spacing_mm: Sequence[float],
    at: Sequence[int],
    labels: NDArray[np.uint8] | None,
    label_factor: int,
    outlines: Sequence[Drawn],
) -> bytes:
    """Axial, coronal and sagittal slices through one voxel, a row for each of the first two volumes.

    Parameters
    ----------
    shades : sequence of Shade
        On one LPS-oriented grid; an overlay is drawn on the volume before it.
    spacing_mm : sequence of float
        Along x, y and z.
    at : sequence of int
        Voxel (x, y, z) the slices pass.
    labels : ndarray of uint8, optional
        On a grid `label_factor` times as fine; label k is drawn in the colour of ``outlines[k - 1]``.
    label_factor : int
    outlines : sequence

    Returns
    -------
    bytes
        WebP.
    """
    from PIL import Image

    nz, ny, nx = shades[0].codes.shape
    dx, dy, dz = spacing_mm
    sizes_mm = [(nx * dx, ny * dy), (nx * dx, nz * dz), (ny * dy, nz * dz)]
    gaps = 2 * _GAP_PX
    per_mm = min((_WIDTH_PX - gaps) / sum(w for w, _ in sizes_mm), _TALLEST_PX / max(h for _, h in sizes_mm))
    sizes = [(max(1, round(w * per_mm)), max(1, round(h * per_mm))) for w, h in sizes_mm]
    height = max(h for _, h in sizes)
    rows = _rows(shades)
    sheet = Image.new("RGB", (sum(w for w, _ in sizes) + gaps, len(rows) * (height + _GAP_PX) - _GAP_PX), "black")
    for r, row in enumerate(rows):
        x = 0
        for plane, size in enumerate(sizes):
            picture = _picture(row, plane, at).resize(size, Image.Resampling.BICUBIC)
            if labels is not None:
                picture = _outlined(picture, _plane(labels, plane, [label_factor * v for v in at]), outlines)
            sheet.paste(picture, (x, r * (height + _GAP_PX) + (height - size[1]) // 2))
            x += size[0] + _GAP_PX
    stream = io.BytesIO()
    sheet.save(stream, "WEBP", quality=74, method=2)
    return stream.getvalue()


def _rows(shades: Sequence[Shade]) -> list[list[Shade]]:
    rows: list[list[Shade]] = []
    for shade in shades:
        if shade.tint and rows:
            rows[-1].append(shade)
        else:
            rows.append([shade])
    return rows[:_MOST_ROWS]


def _plane(volume: NDArray[np.uint8], plane: int, at: Sequence[int]) -> NDArray[np.uint8]:
    """A slice as it is looked at: head up, patient's right on the left."""
    x, y, z = at
    slice_2d: NDArray[np.uint8] = volume[z] if plane == 0 else volume[::-1, y] if plane == 1 else volume[::-1, :, x]
    return slice_2d


def _picture(row: Sequence[Shade], plane: int, at: Sequence[int]) -> "Image.Image":
    from PIL import Image

    levels = np.arange(256, dtype=np.uint8)
    colour: NDArray[np.float64] = np.zeros((1, 1, 3))
    for shade in row:
        values = shade.scale.decode(levels)
        low, high = shade.window
        shown = np.nan_to_num(np.clip((values - low) / (high - low), 0, 1))
        shown[NOTHING] = 0
        part = shown[_plane(shade.codes, plane, at)][..., None]
        colour = colour * (1 - part) + part * _rgb(shade.tint) if shade.tint else np.repeat(part, 3, axis=2)
    return Image.fromarray(np.rint(colour * 255).astype(np.uint8), "RGB")


def _outlined(picture: "Image.Image", labels: NDArray[np.uint8], outlines: Sequence[Drawn]) -> "Image.Image":
    from PIL import Image

    width, height = picture.size
    large = np.asarray(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))
    padded = np.pad(large, 1, mode="edge")
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    rim = np.zeros(large.shape, bool)
    for other in around:
        rim |= (other != large) & (large > 0)
    colours = np.array([[0, 0, 0], *((_rgb(o.colour) * 255) for o in outlines)]).astype(np.uint8)
    pixels = np.asarray(picture).copy()
    pixels[rim] = colours[large[rim]]
    return Image.fromarray(pixels, "RGB")


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
