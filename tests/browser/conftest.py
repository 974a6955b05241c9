"""Reports opened in a real browser: Chromium, driven by Playwright, with no way to the network."""

import base64
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from tests.browser.pages import Opened, reports

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: needs Chromium and the Python package playwright")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def _absent(message: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running browser; tests skip where there is none, but never in CI."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        _absent("no Chromium: install Debian's package chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _absent("no playwright: pip install playwright")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Opened]]:
    """Open a page in a window of its own; whatever leaves it or goes wrong in it is kept."""
    contexts = []

    def open_page(path: Path, *, width: int = 1280, height: int = 900, dark: bool = False, scripts: bool = True) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            accept_downloads=True,
        )
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = Opened(context.new_page())
        page.open(path)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report of every kind, made from records, by name."""
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for name, html in reports().items():
        made[name] = folder / f"{name}.html"
        made[name].write_text(html, encoding="utf-8")
    return made


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs of a real `phantomcal calibrate --pdf` of a drawn map."""
    from phantomcal.cli import main
    from phantomcal.phantom.finding.candidates import expected_values
    from phantomcal.protocol import load_protocol
    from tests.phantom.drawn import drawn_phantom

    folder = tmp_path_factory.mktemp("calibrated")
    protocol = load_protocol("simulated-gd-ca")
    image, _ = drawn_phantom(protocol, expected_values(protocol, "qsm"), angle_deg=70, noise=0.02)
    sitk.WriteImage(image, str(folder / "scan_Chimap.nii.gz"))
    call = ["calibrate", "simulated-gd-ca", "--qsm", folder / "scan_Chimap.nii.gz", "-o", folder / "out"]
    call += ["--pdf"] if any(shutil.which(name) for name in BROWSERS) else []
    before = sys.argv
    sys.argv = ["phantomcal", *(str(part) for part in call)]
    try:
        with pytest.raises(SystemExit):
            main()
    finally:
        sys.argv = before
    return folder / "out"


@pytest.fixture
def pixels() -> Callable[[Any, str], np.ndarray]:
    """What a canvas shows, as an array."""

    def read(page: Any, plane: str) -> np.ndarray:
        address = page.evaluate("plane => document.querySelector(`.plane.${plane} canvas`).toDataURL()", plane)
        picture = Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))
        return np.asarray(picture.convert("RGB"))

    return read
