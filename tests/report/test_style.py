import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from phantomcal.report.style import _TICKS, as_png, as_svg, house_style, new_canvas, width_px


def drawing(rng_seed=0):
    rng = np.random.default_rng(rng_seed)
    with house_style():
        canvas = new_canvas(3, 2)
        axes = canvas.add_subplot()
        axes.imshow(rng.random((40, 40)), cmap="gray", interpolation="none")
        axes.plot([0, 30], [0, 30], label="line")
        axes.set_xlabel("Susceptibility (ppm)")
    return canvas


def test_the_same_figure_gives_the_same_bytes():
    assert as_svg(drawing()) == as_svg(drawing())
    assert as_png(drawing()) == as_png(drawing())
    assert as_svg(drawing(1)) != as_svg(drawing())


def test_svg_is_well_formed_and_asks_for_nothing():
    data = as_svg(drawing())
    root = ET.fromstring(data)
    links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
    assert any(link.startswith("data:image/webp;base64,") for link in links)
    assert all(link.startswith(("data:", "#")) for link in links)
    text = data.decode()
    assert "<!DOCTYPE" not in text
    assert "metadata" not in text
    assert mpl.__version__ not in text


def test_letters_are_text_in_the_fonts_of_the_page():
    text = as_svg(drawing()).decode()
    assert "Susceptibility (ppm)</text>" in text
    assert "system-ui" in text
    assert "DejaVu" not in text


def test_the_style_leaves_no_trace_behind():
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError), house_style():
        _ = 1 / 0
    assert dict(mpl.rcParams) == before
    as_svg(drawing())
    assert dict(mpl.rcParams) == before


def test_no_window_system_is_touched():
    import matplotlib.pyplot as plt

    drawing()
    assert plt.get_fignums() == []
    assert width_px(drawing()) == 288


def test_the_style_is_seaborn_s_ticks_without_loading_seaborn():
    import seaborn

    theirs = seaborn.axes_style("ticks")
    assert {name: theirs[name] for name in _TICKS} == _TICKS
    with house_style():
        ours = dict(mpl.rcParams)
    # Colours and fonts are our own; no other setting of that style is missing.
    own = ("color", "family", "sans-serif", "spines.top", "spines.right", "axes.edgecolor", "image.cmap")
    assert {n for n, value in theirs.items() if ours[n] != value and not n.endswith(own)} == set()
