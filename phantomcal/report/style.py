"""One look for every figure, and figures turned into bytes that are the same every time."""

import base64
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Okabe and Ito's palette, told apart with any colour vision; yellow is left out because it fades on white.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, BLACK = "#56B4E9", "#CC79A7", "#000000"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, MUTED, HAIR = "#1d2530", "#5c6672", "#d8d8d4"
BEHAVIOUR_COLOURS = {"paramagnetic": VERMILION, "diamagnetic": BLUE, "undetermined": MUTED}
BEHAVIOUR_MARKS = {"paramagnetic": "▲", "diamagnetic": "▼", "undetermined": "○"}
BEHAVIOUR_MARKERS = {"paramagnetic": "^", "diamagnetic": "v", "undetermined": "o"}
MODALITY_NAMES = {"ct": "CT", "qsm": "QSM"}


def modality_name(modality: str) -> str:
    """``CT``, ``QSM``, or whatever else a table calls it (perhaps nothing)."""
    return MODALITY_NAMES.get(modality, modality)


_PAGE_FONTS = (
    "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','Noto Sans','Liberation Sans',Arial,sans-serif"
)
# seaborn's "ticks" style, written out, as loading seaborn takes longer than drawing a report. A test compares them.
_TICKS = {
    "figure.facecolor": "white",
    "xtick.direction": "out",
    "ytick.direction": "out",
    "axes.axisbelow": True,
    "grid.linestyle": "-",
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "xtick.top": False,
    "ytick.right": False,
    "axes.grid": False,
    "axes.facecolor": "white",
    "grid.color": ".8",
    "axes.spines.left": True,
    "axes.spines.bottom": True,
    "xtick.bottom": True,
    "ytick.left": True,
}
_OWN = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so the layout is the same on every machine
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.use_mathtext": False,
    "axes.formatter.useoffset": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "phantomcal",
    "svg.image_inline": True,
    "path.simplify": True,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib settings of the report, in force inside the block only."""
    with mpl.rc_context({**_TICKS, **_OWN}):
        yield


def new_canvas(width_in: float, height_in: float, pad_in: float = 0.04, space: float = 0.02) -> Canvas:
    """An empty figure that lays itself out; made without pyplot, so nothing global is touched.

    Parameters
    ----------
    width_in, height_in : float
        Size, inches.
    pad_in : float
        Margin around every panel, inches.
    space : float
        Extra space between panels, as a share of their size.

    Returns
    -------
    matplotlib.figure.Figure
    """
    layout = ConstrainedLayoutEngine(w_pad=pad_in, h_pad=pad_in, wspace=space, hspace=space)
    canvas = Canvas(figsize=(width_in, height_in), layout=layout)
    FigureCanvasAgg(canvas)  # text can be measured
    return canvas


def fixed_canvas(width_in: float, height_in: float) -> Canvas:
    """An empty figure whose panels are placed by hand: laying out many panels takes longer than drawing them."""
    canvas = Canvas(figsize=(width_in, height_in))
    FigureCanvasAgg(canvas)
    return canvas


def settle(canvas: Canvas) -> None:
    """Lay the figure out once and keep it so, on a grid coarse enough to be the same in every run.

    The layout solver's sums depend on the order of its variables, which is that of their addresses: the last digits of
    every position differ between runs unless they are rounded away.
    """
    engine = canvas.get_layout_engine()
    if engine is None:
        return
    # Only the layout, not a whole drawing that nobody sees; and no engine left that would ask for another.
    with house_style():
        engine.execute(canvas)
    canvas.set_layout_engine(None)
    for axes in canvas.axes:
        left, bottom, width, height = (round(value, 4) for value in axes.get_position(original=True).bounds)
        axes.set_position((left, bottom, width, height))


def as_svg(canvas: Canvas) -> bytes:
    """A figure as SVG: no date, no random names, text set in the page's fonts, photographs inside as WebP.

    Parameters
    ----------
    canvas : matplotlib.figure.Figure
        From any function of `phantomcal.report.figures`.

    Returns
    -------
    bytes
        The same for the same figure.
    """
    buffer = io.StringIO()
    with house_style():
        settle(canvas)
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]  # neither prolog nor document type, which names an outside address
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"(font-family|font): ?((?:[^;\"]*? )?)'DejaVu Sans'[^;\"]*", rf"\1: \2{_PAGE_FONTS}", text)
    text = re.sub(r"data:image/png;base64,([^\"]+)", _recompressed, text)
    return text.encode()


def as_png(canvas: Canvas, dpi: int = 150) -> bytes:
    """A figure as PNG without a date, for where SVG is not understood."""
    buffer = io.BytesIO()
    with house_style():
        settle(canvas)
        canvas.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def width_px(canvas: Canvas) -> int:
    """Width on screen at which the figure's letters have their nominal size (96 pixels an inch)."""
    return round(canvas.get_figwidth() * 96)


def _recompressed(match: "re.Match[str]") -> str:
    from PIL import Image

    # Noise does not compress without loss: a 512 x 512 CT slice is 250 kB as PNG and 40 kB like this.
    data = base64.b64decode(re.sub(r"\s", "", match[1]))
    picture = Image.open(io.BytesIO(data))
    alpha = np.asarray(picture.convert("RGBA"))[..., 3]
    buffer = io.BytesIO()
    picture.convert("RGB" if alpha.min() == 255 else "RGBA").save(buffer, format="WEBP", quality=82, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def group_colours(groups: list[str]) -> dict[str, str]:
    """A colour for each group, in order of first appearance; past the palette's end colours repeat."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(dict.fromkeys(groups))}


def heading(axes: Any, title: str, lines: list[str] | None = None, colour: str = INK) -> None:
    """A bold left-aligned title with smaller lines beneath it, above the axes."""
    detail = lines or []
    offset = 5.0
    for line in reversed(detail):
        axes.annotate(
            line,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, offset),
            textcoords="offset points",
            size=7.8,
            color=MUTED,
        )
        offset += 11.5
    axes.annotate(
        title,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, offset + 1),
        textcoords="offset points",
        size=9.5,
        weight="bold",
        color=colour,
    )


def beside(axes: Any, row: float, texts: Sequence[tuple[float, str]]) -> None:
    """Texts to the right of a row of a plot, each at its own distance (points) from the axes."""
    for offset, text in texts:
        axes.annotate(
            text,
            (1, row),
            xycoords=("axes fraction", "data"),
            xytext=(offset, 0),
            textcoords="offset points",
            va="center",
        )


def above_columns(axes: Any, names: Sequence[tuple[float, str]], lift: float = 4) -> None:
    """Names of the columns that `beside` fills, `lift` points above the axes."""
    for offset, text in names:
        axes.annotate(
            text,
            (1, 1),
            xycoords="axes fraction",
            xytext=(offset, lift),
            textcoords="offset points",
            color=MUTED,
            size=8,
        )
