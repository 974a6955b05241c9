"""A report as PDF, printed by a browser that is installed anyway."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from phantomcal.errors import InputError

BROWSER_VARIABLE = "PHANTOMCAL_BROWSER"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge")
_PLACES = {
    "darwin": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ),
    "win32": (
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
    ),
}
_TIMEOUT_S = 180
# Offline, without a profile, and nothing of the browser's own on the paper.
_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-pdf-header-footer",
)
_INSTALL = f"install Chromium, Chrome or Edge, or name one in the environment variable {BROWSER_VARIABLE}"


def find_browser() -> str:
    """Program that can print a page: `PHANTOMCAL_BROWSER`, else Chromium, Chrome or Edge.

    Returns
    -------
    str

    Raises
    ------
    InputError
        There is none; the message says what to install.
    """
    wanted = os.environ.get(BROWSER_VARIABLE)
    if wanted:
        found = shutil.which(wanted)
        if found is None:
            raise InputError(f"{BROWSER_VARIABLE} names no program: {Path(wanted).name}", "--pdf", _INSTALL)
        return found
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    for place in _PLACES.get(sys.platform, ()):
        if Path(place).is_file():
            return place
    raise InputError("no browser to print the report with", "--pdf", _INSTALL)


def print_pdf(page: Path, pdf: Path, browser: str | None = None) -> None:
    """Print a report to PDF.

    Parameters
    ----------
    page : pathlib.Path
        ``report.html``.
    pdf : pathlib.Path
        File to write; equal pages give equal files with the same browser.
    browser : str, optional
        From `find_browser`.

    Raises
    ------
    InputError
        No browser, or it did not print.
    """
    program = browser or find_browser()
    options = list(_OPTIONS)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # in containers, where everyone is root, it does not start otherwise
    with tempfile.TemporaryDirectory(prefix="phantomcal-print-", ignore_cleanup_errors=True) as profile:
        made = Path(profile) / "report.pdf"
        call = [program, *options, f"--user-data-dir={profile}/profile", f"--print-to-pdf={made}"]
        try:
            done = subprocess.run(
                [*call, page.resolve().as_uri()], capture_output=True, timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(
                f"{Path(program).name} did not print ({type(error).__name__})", "--pdf", _INSTALL
            ) from error
        if done.returncode != 0 or not made.is_file():
            raise InputError(f"{Path(program).name} did not print (code {done.returncode})", "--pdf", _INSTALL)
        pdf.write_bytes(without_time(made.read_bytes()))


def without_time(pdf: bytes) -> bytes:
    """The file with its dates set to 2000-01-01, so that equal reports are equal files; no length changes."""
    return re.sub(rb"(/(?:Creation|Mod)Date \(D:)\d{14}", rb"\g<1>20000101000000", pdf)
