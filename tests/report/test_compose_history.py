import pytest

from phantomcal.history.charts import control_charts
from phantomcal.history.compare import compare_scanners
from phantomcal.phantom.repeating.stability import repeatability
from phantomcal.report.columns import table_of
from phantomcal.report.compose_history import history_report
from phantomcal.report.compose_repeatability import repeatability_report
from phantomcal.report.compose_scanners import scanners_report
from phantomcal.report.page import TableBlock, render
from tests.history.made import LEVELS, in_control, made, rows
from tests.report.test_history_figures import happened, wild


def test_a_history_s_page_names_signals_events_and_phases(rng):
    events = [happened(1, 500, new_baseline=True)]
    record = control_charts([*rows(wild(rng)), *rows(in_control(rng, 12), scanner="B")], events)
    page = render(history_report(record))
    assert page == render(history_report(record))
    for text in ("A: gadolinium QSM", "B: gadolinium QSM", "visit 1", "Points that break a rule", "Western Electric"):
        assert text in page
    assert "doi.org/10.1080/00401706.1990.10484583" in page
    assert "default of phantomcal" in page


def test_a_failing_scanner_is_the_verdict(rng):
    values = in_control(rng, 20, sigma=0.001)
    values[-1] = 0.40
    report = history_report(control_charts(rows(values), []))
    assert report.verdict == "fail"
    assert "beyond 10 %" in report.verdict_text


def test_a_repeatability_page(rng):
    records = [made(0.33, noise=rng.normal(0, 0.01, len(LEVELS))) for _ in range(3)]
    page = render(repeatability_report(repeatability(records, ["one", "two", "three"])))
    for text in ("Bland-Altman plot of two against one", "ICC(2,k)", "Repeatability of every vial", "1.96"):
        assert text in page


def test_a_page_without_sound_vials(rng):
    records = [made(0.33, noise=rng.normal(0, 0.01, len(LEVELS))) for _ in range(2)]
    flagged = [r.model_copy(update={"vials": [v.model_copy(update={"used": False}) for v in r.vials]}) for r in records]
    report = repeatability_report(repeatability(flagged, ["one", "two"]))
    assert "nothing can be pooled" in report.verdict_text
    assert "Repeatability of every vial" in render(report)


@pytest.mark.parametrize("n", [2, 3])
def test_a_comparison_s_page(rng, n):
    names = ["A", "B", "C"][:n]
    data = [r for k, name in enumerate(names) for r in rows(in_control(rng, 5, 0.33 + 0.02 * k), scanner=name)]
    report = scanners_report(compare_scanners(data, names))
    page = render(report)
    assert "Tests of equal slopes" in page
    assert "differ" in report.verdict_text.lower()
    assert ("Differences of slopes in percent" in page) == (n == 2)


def test_light_tables_are_tables():
    block = TableBlock(table_of({"a": [1, 2], "b": ["x", "y"]}), "Table", {"b": "B"})
    assert len(block.frame) == 2
    with pytest.raises(ValueError, match="unequal"):
        table_of({"a": [1], "b": [1, 2]})
    with pytest.raises(ValueError, match="no column"):
        TableBlock(table_of({"a": [1]}), "Table", {"c": "C"})
