"""Every kind of report in a browser: quiet, closed to the outside, accessible, narrow, on paper."""

import re
from pathlib import Path

import pytest

KINDS = ("calibration", "alignment", "correlation", "study", "lesions", "hostile")
# A4 less the margins of the style sheet, in pixels of 96 an inch.
PAPER = (round((210 - 32) / 25.4 * 96), round((297 - 35) / 25.4 * 96))


def wider_than_paper(page):
    """What reaches beyond the paper: on screen tables scroll to the side, on paper nothing can."""
    return page.evaluate(
        """width => [...document.querySelectorAll("main *, header *")]
            .filter(e => e.getClientRects().length && e.getBoundingClientRect().right > width + 1)
            .map(e => e.tagName + "." + e.className + " " + Math.round(e.getBoundingClientRect().right))""",
        PAPER[0],
    )


@pytest.fixture(scope="module")
def axe() -> str:
    package = pytest.importorskip("axe_playwright_python", reason="pip install axe-playwright-python")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_pages_open_without_a_word_and_ask_for_nothing(opened, pages, kind):
    seen = opened(pages[kind])
    seen.wait_for_volumes()
    seen.page.mouse.wheel(0, 4000)
    seen.settle()
    assert seen.errors == []
    assert seen.asked == []
    assert seen.page.evaluate("window.taken") is None


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("kind", KINDS[:-1])
def test_axe_finds_nothing_serious(opened, pages, axe, kind, dark):
    seen = opened(pages[kind], dark=dark)
    seen.wait_for_volumes()
    if kind == "lesions":
        seen.page.click("summary")
        seen.page.click("th .sort >> nth=1")
    seen.page.evaluate(axe)
    # What dark changes is colours; the rest of the page has been looked at in light.
    rules = "runOnly: ['color-contrast', 'link-in-text-block']" if dark else ""
    found = seen.page.evaluate(f"axe.run(document, {{ resultTypes: ['violations'], {rules} }})")["violations"]
    bad = [
        (fault["id"], node["target"], node.get("failureSummary", "")[:300])
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
    assert bad == []


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_cut_in_narrow_windows_or_on_paper(opened, pages, kind):
    seen = opened(pages[kind], width=390, height=800)
    seen.wait_for_volumes()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
    seen.page.set_viewport_size({"width": PAPER[0], "height": PAPER[1]})
    seen.page.emulate_media(media="print", color_scheme="light")
    seen.settle()
    assert wider_than_paper(seen.page) == []
    figures = seen.page.evaluate(
        """[...document.querySelectorAll("figure, .lesion, .whole")].map(e => [
            getComputedStyle(e).breakInside, e.getBoundingClientRect().height, e.className])"""
    )
    assert [f for f in figures if f[0] != "avoid" or f[1] > PAPER[1]] == []
    shown = ".tools, .stage, .copy, .toc, .skip"
    assert seen.page.evaluate(f"[...document.querySelectorAll('{shown}')].every(e => !e.getClientRects().length)")


def test_paper_has_the_still_and_the_screen_the_volume(opened, pages):
    seen = opened(pages["lesions"])
    seen.wait_for_volumes()
    visible = "selector => document.querySelector(selector).getClientRects().length > 0"
    assert not seen.page.evaluate(visible, ".still img")
    assert seen.page.evaluate(visible, ".planes canvas")
    seen.page.emulate_media(media="print")
    assert seen.page.evaluate(visible, ".still img")
    pdf = seen.page.pdf(prefer_css_page_size=True)
    n_pages = len(re.findall(rb"/Type /Page\b(?!s)", pdf))
    assert 2 <= n_pages <= 6


def test_without_scripts_the_still_stands_there_and_no_dead_button(chromium, opened, pages):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(pages["lesions"].as_uri())
    assert page.locator(".still img").is_visible()
    assert page.locator("button:visible, input:visible, select:visible, canvas:visible").count() == 0
    assert page.locator("table.data").first.is_visible()
    context.close()


def test_the_policy_stops_other_scripts_and_requests(opened, pages):
    seen = opened(pages["lesions"])
    outcome = seen.page.evaluate(
        """async () => {
            const script = document.createElement("script");
            script.textContent = "window.foreign = 1";
            document.body.append(script);
            const picture = document.createElement("div");
            picture.innerHTML = "<img src=x onerror='window.foreign = 2'>";
            document.body.append(picture);
            let asked = "answered";
            try { await fetch("https://example.org/"); } catch { asked = "refused"; }
            await new Promise(done => setTimeout(done, 150));
            return [window.foreign ?? null, asked];
        }"""
    )
    assert outcome == [None, "refused"]
    assert seen.asked == []


def test_methods_are_copied_as_plain_text(opened, pages):
    seen = opened(pages["lesions"])
    seen.page.click("button.copy")
    seen.page.wait_for_function("document.querySelector('button.copy').textContent === 'Copied'")
    copied = seen.page.evaluate("navigator.clipboard.readText()")
    assert copied == "First paragraph on lesion.\n\nSecond paragraph."


def test_a_real_calibration_opens_and_is_printed(opened, calibrated):
    seen = opened(calibrated / "report.html")
    seen.wait_for_volumes()
    assert seen.errors == []
    assert seen.asked == []
    assert seen.page.locator("figure.viewer canvas").count() == 3
    assert "QSM" in seen.page.locator(".readout").inner_text()
    seen.page.set_viewport_size({"width": PAPER[0], "height": PAPER[1]})
    seen.page.emulate_media(media="print")
    assert wider_than_paper(seen.page) == []
    pdf = (calibrated / "report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b(?!s)", pdf)) >= 5
    assert (calibrated / "report.html").stat().st_size < 1_500_000
