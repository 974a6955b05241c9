import os
import stat

import pytest

from phantomcal.errors import InputError
from phantomcal.report.pdf import BROWSER_VARIABLE, find_browser, print_pdf, without_time


def fake_browser(folder, body):
    program = folder / "browser"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def test_a_browser_named_in_the_environment_is_taken(tmp_path, monkeypatch):
    program = fake_browser(tmp_path, "exit 0")
    monkeypatch.setenv(BROWSER_VARIABLE, program)
    assert find_browser() == program


def test_a_browser_on_the_path_is_found(tmp_path, monkeypatch):
    program = fake_browser(tmp_path, "exit 0")
    os.rename(program, tmp_path / "google-chrome")
    monkeypatch.delenv(BROWSER_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_browser() == str(tmp_path / "google-chrome")


def test_without_a_browser_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(BROWSER_VARIABLE, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(InputError, match=r"no browser.*install Chromium, Chrome or Edge.*PHANTOMCAL_BROWSER"):
        find_browser()
    monkeypatch.setenv(BROWSER_VARIABLE, str(tmp_path / "gone"))
    with pytest.raises(InputError, match="PHANTOMCAL_BROWSER names no program: gone"):
        find_browser()


@pytest.mark.parametrize("body", ["exit 3", "exit 0"])
def test_a_browser_that_prints_nothing_is_said(tmp_path, body):
    page = tmp_path / "report.html"
    page.write_text("<p>x</p>")
    with pytest.raises(InputError, match="browser did not print"):
        print_pdf(page, tmp_path / "report.pdf", fake_browser(tmp_path, body))
    assert not (tmp_path / "report.pdf").exists()


def test_dates_of_printing_are_taken_out(tmp_path):
    page = tmp_path / "report.html"
    page.write_text("<p>x</p>")
    body = (
        'for a in "$@"; do case "$a" in --print-to-pdf=*) '
        "printf '/CreationDate (D:20260102030405+00)' > \"${a#--print-to-pdf=}\";; esac; done"
    )
    print_pdf(page, tmp_path / "report.pdf", fake_browser(tmp_path, body))
    assert (tmp_path / "report.pdf").read_bytes() == b"/CreationDate (D:20000101000000+00)"
    assert without_time(b"(D:20260102030405)") == b"(D:20260102030405)"
