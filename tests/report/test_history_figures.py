from datetime import timedelta

import numpy as np
import pytest

from phantomcal.history.charts import control_charts
from phantomcal.report.history_figures import chart_words, control_chart, event_letters
from phantomcal.results.history import HistoryEvent
from tests.history.made import FIRST, in_control, rows
from tests.report.drawn import outside, overlapping, words


def happened(key: int, after_days: int, *, new_baseline: bool = False) -> HistoryEvent:
    return HistoryEvent(
        id=key, scanner="A", event_date=FIRST + timedelta(days=after_days), kind="service",
        words=f"visit {key}", new_baseline=new_baseline,
    )  # fmt: skip


def drawn(values, events=()):
    (chart,) = control_charts(rows(values), list(events)).charts
    return chart, control_chart(chart, events)


def wild(rng, n=40):
    values = in_control(rng, n)
    values[15] = 0.345
    values[25:34] += 0.0045
    return values


@pytest.mark.parametrize("n", [1, 2, 4, 40])
def test_nothing_overlaps_whatever_the_number_of_points(rng, n):
    _, canvas = drawn(wild(rng)[:n])
    assert overlapping(canvas) == []
    assert outside(canvas) == []
    told = words(canvas)
    assert {"Slope", "Moving range", "EWMA", "gadolinium QSM slope", "baseline mean"} <= set(told)
    assert ("+3 sigma" in told) == (n >= 6)
    assert ("no limits yet" in told) == (n < 6)


def test_small_slopes_have_their_power_of_ten_in_the_heading(rng):
    (chart,) = control_charts(rows(-2.6e-4 * (1 + 0.01 * rng.normal(size=20)), slope_se=3e-6), []).charts
    canvas = control_chart(chart)
    told = words(canvas)
    assert any("10⁻⁴ ppm per" in text for text in told)
    assert not any("1e" in text for text in told)
    assert any(text.startswith("−2.6") for text in told)
    assert overlapping(canvas) == []


def test_every_rule_that_is_broken_is_in_the_legend_and_marked_at_its_point(rng):
    chart, canvas = drawn(wild(rng))
    broken = {rule for p in chart.points for rule in p.rules}
    told = set(words(canvas))
    assert "beyond three sigma" in broken & told
    assert "eight in a row on one side" in broken
    marks = [line for line in canvas.axes[0].get_lines() if line.get_marker() == "D"]
    beyond = [p.value for p in chart.points if "beyond three sigma" in p.rules]
    assert marks[0].get_ydata().tolist() == beyond


def test_events_have_letters_that_do_not_cover_each_other(rng):
    events = [happened(1, 100), happened(2, 103), happened(3, 106), happened(4, 700, new_baseline=True)]
    chart, canvas = drawn(wild(rng), events)
    assert overlapping(canvas) == []
    assert outside(canvas) == []
    assert {"A", "B", "C", "D"} <= set(words(canvas))
    lines = [
        line for line in canvas.axes[0].get_lines() if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2
    ]
    assert len(lines) == 4
    assert len(chart.phases) == 2
    assert event_letters(events) == {1: "A", 2: "B", 3: "C", 4: "D"}


def test_many_events_keep_their_letters_apart():
    many = [happened(k, 10 * k) for k in range(1, 60)]
    letters = event_letters(many)
    assert len(set(letters.values())) == 59
    _, canvas = drawn(np.linspace(0.33, 0.331, 30), many)
    assert overlapping(canvas) == []


def test_hundreds_of_points_are_drawn_with_few_elements(rng):
    from phantomcal.report.style import as_svg

    chart, canvas = drawn(in_control(rng, 500))
    svg = as_svg(canvas).decode()
    quiet = sum(not p.rules for p in chart.points if not p.baseline)
    assert quiet > 300
    assert svg.count("<use") < 400
    # Each quiet point is a stroke of its own within one path of the first panel.
    assert max(path.count("M ") for path in svg.split("<path")) >= quiet


def test_a_chart_drawn_over_another_is_the_same_to_the_last_byte(rng):
    from phantomcal.report.style import as_svg

    small = rows(-2.6e-4 * (1 + 0.01 * rng.normal(size=130)), material="calcium")
    charts = control_charts([*rows(wild(rng)), *small, *rows([0.33, 0.34], material="iron")], []).charts
    events = [happened(1, 100), happened(2, 500)]
    canvas = None
    for chart in (*charts, charts[0]):
        canvas = control_chart(chart, events, canvas)
        assert as_svg(canvas) == as_svg(control_chart(chart, events)), chart.material


def test_the_picture_in_words(rng):
    chart, _ = drawn(wild(rng))
    text = chart_words(chart)
    assert "40 calibrations" in text
    assert "points break a rule" in text
