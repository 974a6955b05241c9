"""Two more ways to look at an alignment: the images by turns, and how their values go together."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from phantomcal.report.alignment_figures import CT_WINDOW_HU, scaled
from phantomcal.report.style import MUTED, heading, house_style, new_canvas

_HEIGHT_PX = 300  # of the tallest plane, as drawn; pictures are twice as fine
_GAP_PX = 6
_SECONDS = 2.2
HISTOGRAM_HU = (-200.0, 1000.0)
_BINS = 64


def flicker(
    mr_slices: Mapping[str, NDArray[Any]],
    ct_slices: Mapping[str, NDArray[Any]],
    spacing: Mapping[str, tuple[float, float]],
    window_hu: tuple[float, float] = CT_WINDOW_HU,
) -> tuple[bytes, int]:
    """MR and aligned CT in the same place by turns, as an SVG that moves by style alone (no script).

    Where the reader's system asks for reduced motion, both are shown at once, half and half. Print shows one of them.

    Parameters
    ----------
    mr_slices, ct_slices : mapping of str to ndarray
        Slices by plane name on one grid; row 0 at the top. CT in HU, NaN outside its field of view.
    spacing : mapping of str to (row_mm, column_mm)
        Pixel size of each plane.
    window_hu : tuple of float
        CT values drawn black and white.

    Returns
    -------
    svg : bytes
    width_px : int

    Raises
    ------
    ValueError
        If there is no plane, or CT and MR differ in shape.
    """
    planes = list(mr_slices)
    if not planes:
        raise ValueError("no plane to draw")
    for plane in planes:
        if plane not in ct_slices or np.shape(ct_slices[plane]) != np.shape(mr_slices[plane]):
            raise ValueError(f"MR and CT must share one grid in the {plane} plane")
    tallest = max(mr_slices[p].shape[0] * spacing[p][0] for p in planes)
    per_mm = _HEIGHT_PX / tallest
    low, high = window_hu
    x, parts = 0, {"mr": "", "ct": ""}
    for plane in planes:
        rows, columns = mr_slices[plane].shape
        height, width = round(rows * spacing[plane][0] * per_mm), round(columns * spacing[plane][1] * per_mm)
        grey_ct = np.nan_to_num(np.clip((np.asarray(ct_slices[plane], float) - low) / (high - low), 0, 1))
        for name, grey in (("mr", scaled(mr_slices[plane])), ("ct", grey_ct)):
            uri = _webp(grey, 2 * width, 2 * height)
            top = (_HEIGHT_PX - height) // 2
            parts[name] += f'<image x="{x}" y="{top}" width="{width}" height="{height}" href="{uri}"/>'
        x += width + _GAP_PX
    width = x - _GAP_PX
    label = f'x="8" y="{_HEIGHT_PX - 9}" font-family="sans-serif" font-size="13" font-weight="bold" fill="#fff"'
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT_PX}" width="{width}" '
        f'height="{_HEIGHT_PX}"><style>@keyframes turns{{0%{{opacity:1}}50%{{opacity:0}}}}'
        f".ct{{animation:turns {_SECONDS}s step-end infinite}}"
        "@media (prefers-reduced-motion:reduce){.ct{animation:none;opacity:.5}}</style>"
        f'<rect width="{width}" height="{_HEIGHT_PX}" fill="#000"/>'
        f"<g>{parts['mr']}<text {label}>MR</text></g>"
        f'<g class="ct">{parts["ct"]}<rect x="2" y="{_HEIGHT_PX - 26}" width="40" height="24"/>'
        f"<text {label}>CT</text></g></svg>"
    )
    return svg.encode(), width


def joint_histogram(
    mr: NDArray[Any],
    ct_before: NDArray[Any],
    ct_after: NDArray[Any],
    mr_name: str = "MR magnitude",
    nats: tuple[float | None, float | None] = (None, None),
) -> Canvas:
    """How often each CT value lies on each MR value, before and after: alignment gathers them into clusters.

    Parameters
    ----------
    mr, ct_before, ct_after : ndarray, any one shape
        Values at the same places; CT in HU, NaN outside its field of view. Where the MR is 0 nothing is counted.
    mr_name : str
        Label of the MR axis.
    nats : tuple of float
        Information shared before and after, for the headings.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if not np.shape(mr) == np.shape(ct_before) == np.shape(ct_after):
        raise ValueError("MR, CT before and CT after must have one shape")
    values = np.asarray(mr, dtype=float)
    shown = values[values != 0]
    low, high = np.percentile(shown, [0.5, 99.5]) if shown.size else (0.0, 1.0)
    edges = [np.linspace(*HISTOGRAM_HU, _BINS + 1), np.linspace(low, max(high, low + 1e-9), _BINS + 1)]
    counts = []
    for ct in (ct_before, ct_after):
        known = np.isfinite(ct) & (values != 0)
        counts.append(np.histogram2d(np.asarray(ct)[known], values[known], bins=edges)[0])
    most = max(2.0, *(float(c.max()) for c in counts))
    with house_style():
        canvas = new_canvas(7.2, 2.9, space=0.06)
        for axes, count, name, shared in zip(
            canvas.subplots(1, 2, sharey=True), counts, ("Before", "After"), nats, strict=True
        ):
            heading(axes, name, [f"{shared:.2f} nats shared" if shared is not None else " "])
            if not count.any():
                axes.text(0.5, 0.5, "the images do not overlap", transform=axes.transAxes, ha="center", color=MUTED)
            axes.imshow(
                np.where(count > 0, count, np.nan).T,
                origin="lower",
                extent=(*HISTOGRAM_HU, edges[1][0], edges[1][-1]),
                aspect="auto",
                interpolation="none",
                cmap="Blues",
                norm=LogNorm(0.5, most),
            )
            axes.set_xlabel("CT number (HU)")
        canvas.axes[0].set_ylabel(mr_name)
    return canvas


def _webp(grey: NDArray[np.float64], width: int, height: int) -> str:
    from PIL import Image

    picture = Image.fromarray(np.round(grey * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, format="WEBP", quality=78, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
