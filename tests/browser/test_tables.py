"""Tables in a browser: sorted, filtered, saved as CSV with every digit."""

import csv
import io

import pytest

from tests.browser.pages import HOSTILE, NUMBERS


def column(page, index):
    rows = page.locator(".tablebox >> nth=0").locator("tbody tr:visible")
    return [row.locator("th, td").nth(index).inner_text() for row in rows.all()]


def sort(page, index):
    page.locator(".tablebox >> nth=0").locator("thead th").nth(index).locator("button").click()


def csv_of(page, number=0):
    with page.expect_download() as waiting:
        page.locator(".tablebox").nth(number).get_by_role("button", name="CSV").click()
    download = waiting.value
    with open(download.path(), encoding="utf-8", newline="") as stream:
        return download.suggested_filename, list(csv.reader(io.StringIO(stream.read())))


@pytest.fixture
def seen(opened, pages):
    return opened(pages["lesions"])


def test_numbers_are_sorted_by_value_and_what_is_missing_comes_last(seen):
    known = sorted(v for v in NUMBERS if v is not None)
    order = column(seen.page, 0)
    sort(seen.page, 1)
    names = column(seen.page, 0)
    by_name = dict(zip(order, NUMBERS, strict=True))
    assert [by_name[name] for name in names] == [*known, None]
    head = seen.page.locator("thead th >> nth=1")
    assert head.get_attribute("aria-sort") == "ascending"
    sort(seen.page, 1)
    assert [by_name[name] for name in column(seen.page, 0)] == [*known[::-1], None]
    assert head.get_attribute("aria-sort") == "descending"
    sort(seen.page, 1)
    assert column(seen.page, 0) == order
    assert head.get_attribute("aria-sort") is None


def test_written_numbers_are_sorted_with_their_signs_and_powers(seen):
    sort(seen.page, 2)
    assert [text[:5] for text in column(seen.page, 2)][:2] == ["(−8.5", "(−6.5"]
    assert column(seen.page, 2)[-1].startswith("9.0")


def test_names_are_sorted_as_people_count(seen):
    sort(seen.page, 0)
    assert column(seen.page, 0) == [f"lesion {k}" for k in range(1, 11)]


def test_the_keyboard_sorts_too(seen):
    button = seen.page.locator("thead th >> nth=0 >> button")
    button.focus()
    button.press("Enter")
    assert seen.page.locator("thead th >> nth=0").get_attribute("aria-sort") == "ascending"
    button.press("Space")
    assert seen.page.locator("thead th >> nth=0").get_attribute("aria-sort") == "descending"


def test_rows_are_filtered_and_counted(seen):
    field = seen.page.get_by_role("searchbox", name="Filter rows of Values of lesion")
    field.fill("LESION 1")
    assert column(seen.page, 0) == ["lesion 10", "lesion 1"]
    assert seen.page.get_by_role("status").first.inner_text() == "2 of 10 rows"
    field.fill("")
    assert len(column(seen.page, 0)) == 10


def test_short_tables_have_no_filter(seen):
    assert seen.page.locator("input[type=search]").count() == 1
    assert seen.page.locator(".tablebox >> nth=1").get_by_role("button", name="CSV").count() == 1


def test_the_csv_holds_every_digit(seen):
    name, rows = csv_of(seen.page)
    assert name == "values-of-lesion.csv"
    assert rows[0] == ["Lesion", "Mean (ppm)", "Written", "Slope ± SE", "slope_se"]
    assert [float(row[1]) if row[1] else None for row in rows[1:]] == NUMBERS
    assert [float(row[3]) for row in rows[1:]] == pytest.approx([k / 9 for k in range(10)], abs=1e-15)
    assert {row[4] for row in rows[1:]} == {"0.4871234567"}


def test_the_csv_is_what_is_shown_in_its_order(seen):
    sort(seen.page, 0)
    seen.page.locator("input[type=search]").fill("lesion 1")
    _, rows = csv_of(seen.page)
    assert [row[0] for row in rows[1:]] == ["lesion 1", "lesion 10"]


def test_names_in_the_csv_are_data(opened, pages):
    page = opened(pages["hostile"]).page
    _, rows = csv_of(page)
    assert rows[1][0] == " ".join(f"{HOSTILE} 3".replace("\u2028", " ").split())
    assert len({len(row) for row in rows}) == 1
