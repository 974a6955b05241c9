import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Call

VIALS = "vial_id,material,concentration_mmol_per_l,modality,value\n" + "".join(
    f"v{k},gadolinium,{k},ct,{5.7 * k + 0.1 * (-1) ** k}\n" for k in range(6)
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "vials.csv"
    path.write_text(VIALS)
    return path


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that prints like a browser: it keeps what it was asked and copies the page."""
    program = tmp_path / "browser"
    program.write_text(
        '#!/bin/sh\nfor a in "$@"; do case "$a" in --print-to-pdf=*) to="${a#--print-to-pdf=}";; '
        f'file://*) from="${{a#file://}}";; esac; done\necho "$@" > {tmp_path}/asked\ncp "$from" "$to"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PHANTOMCAL_BROWSER", str(program))
    return program


def test_the_report_is_printed_beside_the_page(call: Call, table: Path, browser: Path, tmp_path: Path) -> None:
    assert call("fit", table, "--pdf", "-o", tmp_path / "out").code == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"vials.csv", "calibration.json", "report.html", "report.pdf"}
    assert (tmp_path / "out" / "report.pdf").read_bytes() == (tmp_path / "out" / "report.html").read_bytes()
    assert "--headless" in (tmp_path / "asked").read_text()


def test_the_page_is_the_same_with_and_without_printing(call: Call, table: Path, browser: Path, tmp_path: Path) -> None:
    call("fit", table, "--pdf", "-o", tmp_path / "with")
    call("fit", table, "-o", tmp_path / "without")
    assert (tmp_path / "with" / "report.html").read_bytes() == (tmp_path / "without" / "report.html").read_bytes()
    assert not (tmp_path / "without" / "report.pdf").exists()


def test_without_a_browser_nothing_is_begun(
    call: Call, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHANTOMCAL_BROWSER", str(tmp_path / "gone"))
    done = call("fit", table, "--pdf", "-o", tmp_path / "out")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "install Chromium, Chrome or Edge" in done.err
    assert not (tmp_path / "out").exists()


def test_a_browser_that_fails_leaves_nothing(call: Call, table: Path, browser: Path, tmp_path: Path) -> None:
    browser.write_text("#!/bin/sh\nexit 1\n")
    done = call("fit", table, "--pdf", "-o", tmp_path / "out")
    assert done.code == 2
    assert "did not print" in done.err
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".out", "out"))] == []


def test_without_a_folder_there_is_no_report_to_print(call: Call, table: Path, browser: Path, tmp_path: Path) -> None:
    call("fit", table, "-o", tmp_path / "out")
    done = call("concentration", "--calibration", tmp_path / "out", "--hu", "20", "--pdf")
    assert done.code == 2
    assert "needs an output folder" in done.err


@pytest.mark.parametrize(
    "command",
    [
        ("run",), ("demo",), ("calibrate",), ("fit",), ("concentration",), ("register",), ("correlate",), ("compare",),
        ("classify",), ("decompose",), ("plaque",), ("track",), ("power",), ("trial",), ("repeatability",),
        ("history", "chart"), ("history", "compare"),
    ],
)  # fmt: skip
def test_every_command_with_a_report_can_print_it(call: Call, command: tuple[str, ...]) -> None:
    done = call(*command, "--help")
    assert done.code == 0
    assert "--pdf" in done.out
