"""The paper's table: what stands in it, and that it can be pasted."""

import io
import re

import pandas as pd
import pytest

from phantomcal.report.paper_table import latex_text, paper_frame, paper_html, paper_latex
from tests.report.records import correlation, empty_region, region_table


@pytest.fixture
def record(rng):
    found = correlation(region_table(rng, {"globus_pallidus & rim": 0.7, "plexus": -0.7, "none": 0.0}))
    return found.model_copy(update={"regions": [*found.regions, empty_region("empty")]})


def test_every_region_has_its_row_and_every_p_its_adjusted_value(record):
    frame = paper_frame(record)
    assert frame["Region"].tolist() == ["globus_pallidus & rim", "plexus", "none", "empty"]
    for region, row in zip(record.regions[:3], frame.to_dict("records"), strict=False):
        assert row["Pearson r (95 % CI)"].startswith(f"{region.pearson_r:.2f} [".replace("-", "−"))
        assert row["p adjusted"]
        assert row["Verdict"] == region.behaviour
    assert frame.loc[3, "Pearson r (95 % CI)"] == "–"
    assert any("ppm per HU" in name for name in frame.columns)


def test_html_holds_the_same_table(record):
    text = paper_html(record)
    assert "globus_pallidus &amp; rim" in text
    cells = re.findall(r"<td>(.*?)</td>", text)
    assert len(cells) == paper_frame(record).size
    assert "Holm" in text


def test_latex_is_escaped_and_every_row_is_complete(record):
    text = paper_latex(record)
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")].splitlines()[1:]
    columns = len(paper_frame(record).columns)
    for line in body:
        assert line.endswith(r"\\")
        assert len(re.split(r"(?<!\\)&", line)) == columns
    assert r"globus\_pallidus \& rim" in text
    assert text.isascii()
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize(
    ("plain", "latex"),
    [
        ("−0.5 ± 0.1", r"$-$0.5 $\pm$ 0.1"),
        ("(3.3 ± 4.2) × 10⁻⁴", r"(3.3 $\pm$ 4.2) $\times$ 10$^{-4}$"),
        ("R²", r"R\textsuperscript{2}"),
        ("a_b 95 %", r"a\_b 95 \%"),
        ("p < 0.001", r"p $<$ 0.001"),
    ],
)
def test_latex_text(plain, latex):
    assert latex_text(plain) == latex


def test_csv_survives_a_round_trip(record):
    frame = paper_frame(record)
    again = pd.read_csv(io.StringIO(frame.to_csv(index=False)), dtype=str)
    assert again.fillna("").to_numpy().tolist() == frame.to_numpy().tolist()
