import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pandas as pd
import pytest

from phantomcal.report.page import (
    Callout,
    Card,
    Cards,
    Figure,
    KeyNumber,
    Report,
    Section,
    TableBlock,
    Text,
    Viewer,
    render,
)
from phantomcal.shipped import shipped_folder
from tests.report.records import provenance

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="10pt" height="10pt"><text x="1">a &amp; "b" 100% #1</text></svg>'
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HOSTILE = '<script>alert("x")</script>'


class Page(HTMLParser):
    """Tags with their attributes, and the text outside styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._style = tag in ("style", "script") or (self._style and tag != "body")

    def handle_endtag(self, tag):
        if tag in ("style", "script"):
            self._style = False

    def handle_data(self, data):
        if not self._style:
            self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def full_report(**changes):
    table = TableBlock(
        pd.DataFrame({"vial": ["Ca10", HOSTILE], "value": [-0.25, None], "used": [True, False]}),
        "Vials",
        labels={"vial": "Vial", "value": "Mean", "used": "Used"},
        units={"value": "ppm/(mmol/L)"},
        formats={"value": ".3f"},
        flags=["", "warn"],
        note="a note",
    )
    sections = [
        Section(
            "Lines & bands", "What it shows.", [Figure(SVG, "a line", "its caption", 300), table], ["Ca10 failed."]
        ),
        Section("Lines & bands", "", [Text("one\n\ntwo"), Callout("mind this", "fail", "Careful")]),
    ]
    fields = {
        "title": "A phantom",
        "subtitle": "one session",
        "verdict": "warn",
        "verdict_text": "Usable with care.",
        "key_numbers": [KeyNumber("Slope", "0.33 ± 0.01", "n = 6")],
        "sections": sections,
        "warnings": ["The unit was guessed.", "Ca10 failed."],
        "methods": "First paragraph.\n\nSecond paragraph.",
        "references": ["Deh et al. Magn Reson Med 2019. doi 10.1002/mrm.27410", "ICH Q2"],
        "provenance": provenance(),
    }
    return Report(**{**fields, **changes})


def test_every_part_of_the_model_is_on_the_page():
    page = Page(render(full_report()))
    for words in (
        "A phantom",
        "one session",
        "Review Usable with care.",
        "0.33 ± 0.01",
        "n = 6",
        "The unit was guessed.",
        "What it shows.",
        "its caption",
        "a note",
        "one",
        "two",
        "Careful",
        "mind this",
        "Second paragraph.",
        "ICH Q2",
        "sub-phantom_Chimap.nii.gz",
        "3f5a" * 16,
        "mask.erosion_mm",
        "2.4.0",
    ):
        assert words in page.text, words


def scripts(html):
    """Attributes and content of every script element."""
    return re.findall(r"<script([^>]*)>(.*?)</script", html, flags=re.DOTALL)


def test_nothing_is_fetched_from_anywhere():
    html = render(full_report())
    page = Page(html)
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag in ("link", "iframe", "object", "embed", "base", "form", "audio", "video"):
        assert not page.all(tag)
    sources = [attrs[name] for _, attrs in page.tags for name in ("src", "srcset", "poster", "data") if name in attrs]
    assert sources
    assert all(source.startswith("data:") for source in sources)
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("with_volumes", [False, True])
def test_only_the_pages_own_script_may_run(with_volumes):
    still = Figure(PNG, "slices")
    blocks = (
        [Viewer("A volume", still, {"layers": [{"name": "CT", "tint": ""}], "labels": None})] if with_volumes else []
    )
    html = render(full_report(sections=[Section("S", "", blocks)]))
    own = [content for attributes, content in scripts(html) if not attributes]
    assert len(own) == 1
    policy = next(
        meta["content"] for meta in Page(html).all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    )
    digest = base64.b64encode(hashlib.sha256(own[0].encode()).digest()).decode()
    assert re.findall(r"script-src ([^;]*)", policy) == [f"'sha256-{digest}'"]
    assert ("DecompressionStream" in own[0]) == with_volumes
    assert "fetch(" not in own[0]
    assert "innerHTML" not in own[0]


def test_text_in_a_volumes_data_cannot_end_its_block():
    hostile = f"</script>{HOSTILE}<!--\u2028\u202e'\""
    volumes = {"layers": [{"name": hostile, "tint": ""}], "labels": {"items": [{"name": hostile}]}}
    html = render(full_report(sections=[Section("S", "", [Viewer(hostile, Figure(PNG, hostile), volumes, hostile)])]))
    found = scripts(html)
    assert [attributes for attributes, _ in found] == [' type="application/json" class="volumes"', ""]
    assert json.loads(found[0][1])["layers"][0]["name"] == hostile
    assert "<" not in found[0][1]
    assert "\u2028" not in found[0][1]


def test_what_users_type_is_never_markup():
    hostile = Section(HOSTILE, HOSTILE, [Figure(PNG, HOSTILE, HOSTILE), Text(HOSTILE), Callout(HOSTILE)], [HOSTILE])
    record = provenance()
    record = record.model_copy(update={"parameters": {HOSTILE: HOSTILE}, "versions": {HOSTILE: HOSTILE}})
    html = render(
        full_report(
            title=HOSTILE,
            subtitle=HOSTILE,
            verdict_text=HOSTILE,
            key_numbers=[KeyNumber(HOSTILE, HOSTILE, HOSTILE)],
            sections=[*full_report().sections, hostile],
            methods=HOSTILE,
            references=[HOSTILE + ' 10.1000/x"onclick="y'],
            provenance=record,
            kind=HOSTILE,
        )
    )
    page = Page(html)
    assert [attributes for attributes, _ in scripts(html)] == [""]
    assert page.text.count('alert("x")') > 15
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]


def test_two_renderings_are_equal_and_hold_no_time():
    first = render(full_report())
    second = render(full_report(provenance=provenance(duration=99.0)))
    assert first == second
    assert "2031" not in first


def test_contents_point_at_what_exists_and_names_are_unique():
    page = Page(render(full_report()))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for a in page.all("a") if a["href"].startswith("#")]
    assert set(targets) <= set(ids)
    assert {"lines-bands", "lines-bands-2", "warnings", "methods", "references", "provenance"} <= set(targets)


def test_warnings_stand_at_the_top_and_beside_their_section():
    html = render(full_report())
    page = Page(html)
    assert "2 warnings" in page.text
    assert html.count("Ca10 failed.") == 2
    assert html.index("The unit was guessed.") < html.index("What it shows.")
    assert html.index("What it shows.") < html.rindex("Ca10 failed.") < html.index("its caption")


def test_many_warnings_of_a_section_are_cut_short_at_the_top_and_whole_beside_it():
    said = [f"Ca{k} failed." for k in range(9)]
    html = render(full_report(warnings=["Of all."], sections=[Section("Vials", "x", warnings=said)]))
    assert "10 warnings" in html
    assert [html.count(text) for text in said] == [2, 2, 2, 1, 1, 1, 1, 1, 1]
    assert re.search(r'and 6 more <a href="#vials">', html)


def test_tables_write_numbers_flags_and_gaps():
    page = render(full_report())
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    assert "−0.250" in body
    assert re.search(r'<tr class="warn">\s*<th scope="row"[^>]*>&lt;script', body)
    assert '<td class="num">–</td>' in body
    assert '<td class="num" data-v="-0.25">' in body
    assert "yes" in body
    assert "no" in body
    assert "ppm per\u00a0mmol/L" in page


def test_exact_values_stand_behind_written_ones():
    frame = pd.DataFrame({"line": ["a", "b"], "slope": ["0.33 ± 0.01", "–"], "n": [6, 7]})
    exact = {"slope": [0.333333333333, None], "slope SE": [0.0123456789, None]}
    table = TableBlock(frame, "Lines", numbers=("slope",), exact=exact)
    html = render(full_report(sections=[Section("S", "", [table])]))
    assert '<td class="num" data-v="0.333333333333">0.33 ± 0.01</td>' in html
    assert '<td class="num">6</td>' in html
    more = next(attrs["data-more"] for attrs in Page(html).all("table") if "data-more" in attrs)
    assert json.loads(more) == {"slope SE": ["0.0123456789", None]}


def test_an_empty_table_says_so():
    page = Page(render(full_report(sections=[Section("S", "", [TableBlock(pd.DataFrame({"a": []}), "Empty")])])))
    assert "Nothing to show." in page.text


@pytest.mark.parametrize(
    ("verdict", "word", "style"),
    [
        ("pass", "Pass", "pass"),
        ("warn", "Review", "review"),
        ("review", "Review", "review"),
        ("fail", "Fail", "fail"),
        ("info", "Result", "info"),
    ],
)
def test_a_verdict_is_a_word_and_a_shape_not_only_a_colour(verdict, word, style):
    html = render(full_report(verdict=verdict))
    assert f'<div class="verdict {style}">' in html
    band = html[html.index('<div class="verdict') : html.index("Usable with care.")]
    assert f"<b>{word}</b>" in band
    assert "<svg" in band


def test_figures_arrive_unchanged_with_their_alternative_text():
    webp = b"RIFF\x00\x00\x00\x00WEBPVP8 "
    figures = [Figure(SVG, "drawn"), Figure(PNG, "pixels"), Figure(webp, "photo")]
    images = Page(render(full_report(sections=[Section("S", "", figures)]))).all("img")
    assert [image["alt"] for image in images] == ["drawn", "pixels", "photo"]
    head, drawing = images[0]["src"].split(",", 1)
    assert head == "data:image/svg+xml"
    assert unquote(drawing).encode() == SVG
    assert images[1]["src"] == "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert images[2]["src"].startswith("data:image/webp;base64,")


def test_small_pictures_in_a_row_stand_side_by_side():
    pair = [Figure(PNG, "left", width_px=500), Figure(PNG, "right", width_px=500)]
    assert render(full_report(sections=[Section("S", "", pair)])).count('<div class="row">') == 1
    assert '<div class="row">' not in render(full_report(sections=[Section("S", "", pair[:1])]))


def test_a_doi_becomes_a_link_and_ends_where_it_ends():
    links = [a["href"] for a in Page(render(full_report())).all("a") if a["href"].startswith("http")]
    assert links == ["https://doi.org/10.1002/mrm.27410"]
    cited = full_report(references=["See (doi 10.1002/mrm.30006), and more."])
    assert "https://doi.org/10.1002/mrm.30006" in [a["href"] for a in Page(render(cited)).all("a")]


def test_parts_that_are_absent_leave_no_empty_headings():
    bare = full_report(
        warnings=(), sections=[Section("Only", "x")], methods="", references=(), provenance=None, key_numbers=()
    )
    page = Page(render(bare))
    headings = [
        attrs for _, attrs in page.tags if attrs.get("id") in ("warnings", "methods", "references", "provenance")
    ]
    assert not headings
    assert "Provenance" not in page.text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Figure(SVG, "  "), "alternative text"),
        (lambda: Figure(b"GIF89a", "x"), "SVG, PNG or WebP"),
        (lambda: Card("a", "b", "rust", None, []), "tone 'rust' is none of iron, calcium"),
        (lambda: TableBlock(pd.DataFrame({"a": [1]}), "T", flags=["", "warn"]), "2 row flags for 1 rows"),
        (lambda: TableBlock(pd.DataFrame({"a": [1]}), "T", exact={"a": [1, 2]}), "2 exact values of 'a' for 1 rows"),
        (lambda: TableBlock(pd.DataFrame({"a": [1]}), "T", labels={"b": "B"}), "no column 'b'"),
    ],
)
def test_content_that_cannot_be_shown_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_style_prints_on_a4_and_has_a_dark_side():
    style = (shipped_folder("templates") / "report.css").read_text(encoding="utf-8")
    assert "@page { size: A4" in style
    printed = style[style.index("@media print") :]
    assert "break-inside: avoid" in printed
    assert "prefers-color-scheme: dark" in style


def test_a_card_says_its_verdict_in_a_word_and_a_shape():
    picture = Figure(PNG, "lesion 1 on CT and QSM", width_px=200)
    cards = Cards(
        [
            Card("sub-01, lesion 1", "Haemorrhage", "iron", picture, [("QSM", "0.42 ± 0.03 ppm")], "small"),
            Card("sub-01, lesion 2", "Calcification", "calcium", None, [("CT", "140 ± 9 HU")]),
            Card("sub-02, lesion 1", "Undetermined", "undetermined", None, []),
        ],
        "Lesions",
    )
    html = render(full_report(sections=[Section("S", "", [cards])]))
    page = Page(html)
    assert [item["class"] for item in page.all("li") if "lesion" in item.get("class", "")] == [
        "lesion iron",
        "lesion calcium",
        "lesion undetermined",
    ]
    assert "Lesions sub-01, lesion 1 Haemorrhage QSM 0.42 ± 0.03 ppm small sub-01, lesion 2 Calcification" in page.text
    assert [image["alt"] for image in page.all("img")] == ["lesion 1 on CT and QSM"]
    marks = re.findall(r'<svg class="mark".*?</svg>', html)
    assert len(set(marks)) == 3


def test_what_is_on_a_card_is_never_markup():
    card = Card(HOSTILE, HOSTILE, "info", Figure(PNG, HOSTILE), [(HOSTILE, HOSTILE)], HOSTILE)
    html = render(full_report(sections=[Section("S", "", [Cards([card], HOSTILE)])]))
    assert len(scripts(html)) == 1
    assert Page(html).text.count('alert("x")') == 6
