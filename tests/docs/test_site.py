"""The documentation: every page in the navigation, every link and anchor there, every command known to the program."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import typer

from phantomcal.cli import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
# Options of commands that stand for others in the text.
PLACEHOLDERS = {"...", "…", "phantom|head|study"}


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    """docs/hooks.py as mkdocs loads it; importing it needs no mkdocs."""
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Anchors as the code hosts and mkdocs make them of headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#{1,6} +(.+?) *$", text, re.MULTILINE)
    bare = [re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in headings]
    return {re.sub(r" +", "-", heading) for heading in bare}


def commands_of(text: str) -> Iterator[list[str]]:
    """Command lines in shell blocks, continued lines joined, comments and pipes cut off."""
    for block in re.findall(r"^```(?:bash|sh|console|shell)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"\w+=\S*", words[0]):
                words = words[1:]
            if words and words[0].endswith("phantomcal"):
                ends = [n for n, word in enumerate(words) if word in ("|", "&&", ";", ">", "||", "2>&1")]
                yield words[1 : ends[0] if ends else None]


def fault(words: list[str]) -> str | None:
    """What a command line asks for that the program does not know."""
    command = typer.main.get_command(app)
    given = list(words)
    while hasattr(command, "commands"):
        if not given or given[0].startswith("-"):
            break
        name = given.pop(0)
        if name in PLACEHOLDERS:
            return None
        if name not in command.commands:
            return f"no command {name!r}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
    known |= {"--help"}
    asked = [word.split("=", 1)[0] for word in given if re.match(r"--?[a-zA-Z]", word)]
    unknown = [option for option in asked if option not in known]
    return f"{command.name} has no option {', '.join(unknown)}" if unknown else None


def test_every_page_has_its_place_in_the_navigation(hooks: ModuleType) -> None:
    there = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    found = hooks.sections()
    assert "Further" not in found, f"give {found['Further']} a place in SECTIONS of docs/hooks.py"
    assert there <= {page for pages in found.values() for page in pages}


def test_the_index_names_every_page_of_a_capability() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    made_for_the_site = {"README.md", "api.md", "api-functions.md", "api-results.md", "validation.md"}
    pages = {page.name for page in DOCS.glob("*.md")} - made_for_the_site
    missing = [page for page in sorted(pages) if f"]({page})" not in index]
    assert not missing, f"docs/README.md does not name {missing}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for _, target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_shown_exist(page: Path) -> None:
    faults = [
        f"{' '.join(words)}: {said}"
        for words in commands_of(page.read_text(encoding="utf-8"))
        if (said := fault(words))
    ]
    assert not faults


def test_a_wrong_command_or_option_would_be_seen() -> None:
    text = "```bash\nphantomcal calibrat x -o y\nphantomcal fit a.csv --wieght 2 \\\n  -o out | less\n```\n"
    said = [fault(words) for words in commands_of(text)]
    assert said == ["no command 'calibrat'", "fit has no option --wieght"]


def test_links_are_mended_for_the_site(hooks: ModuleType) -> None:
    text = "[a](../CONTRIBUTING.md#real-data) [b](lines.md) `[c](../README.md)` [d](https://x.y/z.md)"
    expected = "[a](contributing.md#real-data) [b](lines.md) `[c](../README.md)` [d](https://x.y/z.md)"
    assert hooks.mended(text, "docs/calibration.md", "calibration.md") == expected
    assert hooks.mended("[a](docs/lines.md#limits)", "README.md", "project.md") == "[a](lines.md#limits)"
    assert hooks.mended("[a](../lines.md)", "docs/tutorials/x.md", "tutorials/x.md") == "[a](../lines.md)"


def test_validation_table_shows_what_was_recorded(hooks: ModuleType) -> None:
    common = {"source": "Author 2020", "doi": "10.1/x", "test": "t", "abs": None, "rel": None, "between": None}
    rows = [
        {**common, "what": "slope", "expected": 2.0, "obtained": 2.001, "rel": 0.01, "agrees": True},
        {**common, "what": "interval", "expected": [1.0, 4.0], "obtained": [1.5, 4.0], "abs": 0.1, "agrees": False},
        {**common, "what": "share", "expected": None, "between": [0.3, 0.5], "obtained": 0.4, "agrees": True},
        {"source": "Other 2021", "doi": "", "test": "u", "not_run": "no real data at /some/where: set X"},
    ]
    table = hooks.validation_tables(rows)
    assert "3 figures from 2 sources; 2 of 3 agree" in table
    assert "| slope | 2 | 2.001 | 1.0005 | ± 1 % | yes |" in table
    assert "| interval | 1, 4 | 1.5, 4 | 1.5000, 1.0000 | ± 0.1 | **no** |" in table
    assert "| share | 0.3 to 0.5 | 0.4 | – | range | yes |" in table
    assert "Not run here (1 test): no real data: set X." in table
    assert "/some/where" not in table


def test_benchmark_tables_are_taken_from_the_pages(hooks: ModuleType) -> None:
    found = hooks.benchmark_tables()
    assert "python benchmarks/phantom.py" in found
    assert "every vial found and rightly named" in found
    assert "](calibration.md)" in found
