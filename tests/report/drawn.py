"""What can be read off a drawn figure: its texts and whether they cover each other."""

from itertools import combinations
from typing import Any

from matplotlib.text import Text


def texts(canvas: Any) -> list[Text]:
    """Every text that is really drawn, placed as it was drawn."""
    canvas.draw_without_rendering()
    hidden = set()
    for axes in canvas.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * (high - low)
            for tick in axis.get_major_ticks():
                if not axes.axison or not low - slack <= tick.get_loc() <= high + slack:
                    hidden |= {tick.label1, tick.label2}
            if not axes.axison:
                hidden.add(axis.label)
    return [t for t in canvas.findobj(Text) if t.get_visible() and t.get_text().strip() and t not in hidden]


def words(canvas: Any) -> list[str]:
    return [t.get_text() for t in texts(canvas)]


def overlapping(canvas: Any, tolerance_px: float = 1.5) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes cover each other by more than the tolerance both ways."""
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts(canvas)]
    return [
        (a, b)
        for (a, p), (b, q) in combinations(boxes, 2)
        if min(p.x1, q.x1) - max(p.x0, q.x0) > tolerance_px and min(p.y1, q.y1) - max(p.y0, q.y0) > tolerance_px
    ]


def outside(canvas: Any) -> list[str]:
    """Texts that run over the figure's edge."""
    width, height = canvas.bbox.width, canvas.bbox.height
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts(canvas)]
    return [w for w, b in boxes if b.x0 < -1 or b.y0 < -1 or b.x1 > width + 1 or b.y1 > height + 1]
