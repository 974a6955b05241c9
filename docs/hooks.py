"""What `mkdocs build` does beyond Markdown: navigation, tutorials run on the spot, the validation table, formulas.

- Fences ``bash exec`` and ``python exec`` are run when the page is built, in order, in one folder a page; what they
  print stands below them, SVG files they make are shown, reports are copied. A command that fails stops the build.
- ``<!-- validation -->`` becomes what the tests of published figures recorded, ``<!-- benchmarks -->`` the tables that
  the other pages keep of `python benchmarks/...`.
- README, CONTRIBUTING and CHANGELOG of the project become pages, and links between all of them are mended.
"""

import contextlib
import html
import io
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

# Every page of docs/ has its place here; tests/docs/test_site.py sees to it. A page not yet written is left out.
SECTIONS: dict[str, list[str]] = {
    "Start": ["README.md", "project.md", "tutorials/certificate.md", "tutorials/study.md"],
    "Phantoms": ["calibration.md", "lines.md", "concentration.md", "history.md", "protocols.md"],
    "People": ["registration.md", "regions.md", "correlation.md", "comparison.md", "study.md", "cluster.md"],
    "Lesions": ["lesions.md", "accuracy.md", "lesion-accuracy.md", "decomposition.md", "plaque.md"],
    "Time": ["tracking.md", "trials.md"],
    "Data": ["reports.md", "dicom.md", "export.md", "simulator.md", "outputs.md"],
    "Reference": [
        "python.md",
        "api.md",
        "api-functions.md",
        "api-results.md",
        "validation.md",
        "contributing.md",
        "changelog.md",
    ],
}
# Files outside docs/ that are pages or pictures of the site.
OUTSIDE = {
    "README.md": "project.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "reports/example/report.html": "example/report.html",
    "reports/example/report.png": "example/report.png",
} | {
    f"data_schemas/{schema.name}": f"schemas/{schema.name}" for schema in sorted((ROOT / "data_schemas").glob("*.json"))
}
LINK = re.compile(r"(\]\()([^)\s:#]+)(#[^)\s]*)?(\))")
FENCE = re.compile(r"^```(bash|python) exec(?: alt=\"([^\"]*)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BESIDE: dict[str, Any] = {}


def sections(docs: Path = DOCS) -> dict[str, list[str]]:
    """The navigation: pages that are there, in order; pages nobody has placed come last."""
    there = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")} | set(OUTSIDE.values())
    found = {title: [page for page in pages if page in there] for title, pages in SECTIONS.items()}
    placed = {page for pages in found.values() for page in pages}
    further = sorted(page for page in there - placed if page.endswith(".md"))
    return {title: pages for title, pages in {**found, "Further": further}.items() if pages}


def mended(markdown: str, source: str, page: str) -> str:
    """Links written for the repository, turned to the pages of the site. `source` and `page` are where they lie."""

    def turned(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), found[2]))
        place = OUTSIDE.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if place is None:
            return found[0]
        return f"{found[1]}{posixpath.relpath(place, posixpath.dirname(page) or '.')}{found[3] or ''}{found[4]}"

    # Links in code are examples, not links.
    pieces = re.split(r"(^```.*?^```$|`[^`\n]+`)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(piece if piece.startswith("`") else LINK.sub(turned, piece) for piece in pieces)


def figure(value: Any) -> str:
    """A recorded figure as a table shows it."""
    if isinstance(value, list):
        shown = ", ".join(figure(v) for v in value[:4])
        return f"{shown}, ... ({len(value)} in all)" if len(value) > 4 else shown
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def ratio(expected: Any, obtained: Any) -> str:
    """Obtained over expected, one for each figure; nothing where that means nothing."""
    pairs = list(zip(expected, obtained, strict=True)) if isinstance(expected, list) else [(expected, obtained)]
    if len(pairs) > 4 or any(not isinstance(v, int | float) for pair in pairs for v in pair):
        return "–"
    return ", ".join(f"{found / said:.4f}" if said else "–" for said, found in pairs)


def validation_tables(rows: list[dict[str, Any]]) -> str:
    """A table for each source, in the order of the tests, and what did not run."""
    sources: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        sources.setdefault((row["source"], row["doi"]), []).append(row)
    compared = [row for row in rows if "agrees" in row]
    n = len(compared)
    lines = [f"{n} figures from {len(sources)} sources; {sum(r['agrees'] for r in compared)} of {n} agree.", ""]
    for (source, doi), found in sources.items():
        address = doi.replace("<", "%3C").replace(">", "%3E").replace("(", "%28").replace(")", "%29")
        lines += [f"### {source}", ""]
        if doi:
            lines += [f"doi [{html.escape(doi)}](https://doi.org/{address})", ""]
        if figures := [row for row in found if "agrees" in row]:
            lines += ["| what | expected | obtained | ratio | tolerance | agrees |", "|---|---|---|---|---|---|"]
        for row in figures:
            if row["between"]:
                expected, share = f"{figure(row['between'][0])} to {figure(row['between'][1])}", "–"
            else:
                expected, share = figure(row["expected"]), ratio(row["expected"], row["obtained"])
            allowed = "exact"
            if row["between"]:
                allowed = "range"
            elif row["abs"] is not None:
                allowed = f"± {row['abs']:g}"
            elif row["rel"] is not None:
                allowed = f"± {100 * row['rel']:g} %"
            agrees = "yes" if row["agrees"] else "**no**"
            lines.append(f"| {row['what']} | {expected} | {figure(row['obtained'])} | {share} | {allowed} | {agrees} |")
        reasons = {row["not_run"] for row in found if "not_run" in row}
        tests = sum("not_run" in row for row in found)
        for reason in sorted(reasons):
            shown = re.sub(r" at \S+:", ":", reason)  # no path of this machine
            lines += ["", f"Not run here ({tests} test{'s' * (tests > 1)}): {html.escape(shown)}."]
        lines.append("")
    return "\n".join(lines)


def benchmark_tables(docs: Path = DOCS) -> str:
    """Every section of the pages that names a benchmark and keeps its table, with a link to where it stands."""
    lines = []
    for page in [page for pages in sections(docs).values() for page in pages]:
        path = docs / page
        if not path.exists() or page in ("validation.md", "README.md") or page.startswith("tutorials/"):
            continue
        text = path.read_text(encoding="utf-8")
        title = text.split("\n", 1)[0].lstrip("# ")
        for part in re.split(r"^(?=###? )", text, flags=re.MULTILINE):
            heading = part.split("\n", 1)[0].lstrip("# ")
            if re.search(r"benchmarks/\w+\.py", part) and re.search(r"^\|[ :|-]+\|$", part, re.MULTILINE):
                body = part.split("\n", 1)[1].strip()
                body = re.sub(r"\]\((#[^)]*)\)", rf"]({page}\1)", body)
                lines += [
                    f"### {title}: {heading[:1].lower() + heading[1:]}",
                    "",
                    f"From [{title}]({page}).",
                    "",
                    body,
                    "",
                ]
    return "\n".join(lines)


def run_fences(markdown: str, page: str, publish: Any) -> str:
    """Run the fences of a tutorial; `publish(name, path)` puts a file beside the page."""
    from mkdocs.exceptions import PluginError

    folder = Path(tempfile.mkdtemp(prefix="phantomcal-docs-"))
    names: dict[str, Any] = {}
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "MPLBACKEND": "agg",
    }

    def ran(found: re.Match[str]) -> str:
        language, alt, code = found[1], found[2], found[3]
        before = set(folder.rglob("*"))
        if language == "bash":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", code],
                cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
            printed = done.stdout
            if done.returncode:
                raise PluginError(f"{page}: exit code {done.returncode} of\n{code}\n{printed}")
        else:
            stream = io.StringIO()
            with contextlib.chdir(folder), contextlib.redirect_stdout(stream):
                exec(compile(code, page, "exec"), names)
            printed = stream.getvalue()
        printed = re.sub(r"\x1b\[[0-9;]*m", "", printed).replace(str(folder), ".").rstrip()
        shown = f"```{language}\n{code}```\n"
        if printed:
            shown += f'\n```text title="it prints"\n{printed}\n```\n'
        for made in sorted(set(folder.rglob("*")) - before):
            parts = made.relative_to(folder).parts
            name = "-".join(parts)
            if made.suffix == ".svg" and len(parts) == 1:
                publish(name, made)
                shown += f"\n![{alt or made.stem}]({name})\n"
            elif made.name == "report.html" and len(parts) == 2:
                publish(name, made)
                shown += f"\n[{made.relative_to(folder).as_posix()}]({name}){{ target=_blank }}, as it was written.\n"
        return shown

    try:
        return FENCE.sub(ran, markdown)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def validation_rows() -> list[dict[str, Any]]:
    """What the tests of published figures record, waiting for them to end."""
    from mkdocs.exceptions import PluginError

    printed, _ = BESIDE["tests"].communicate()
    if BESIDE["tests"].returncode:
        raise PluginError(f"tests/validation failed:\n{printed}")
    text = Path(BESIDE["record"]).read_text(encoding="utf-8")
    shutil.rmtree(Path(BESIDE["record"]).parent, ignore_errors=True)
    return [json.loads(line) for line in text.splitlines()]


def on_config(config: Any) -> Any:
    """The navigation; the tests start now and run beside the tutorials."""
    config.nav = [{title: pages} for title, pages in sections().items()]
    record = Path(tempfile.mkdtemp(prefix="phantomcal-docs-")) / "validation.jsonl"
    environment = {k: v for k, v in os.environ.items() if k != "CI"}  # absent data are said, not a failure
    BESIDE["record"] = record
    BESIDE["tests"] = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", "tests/validation"],
        cwd=ROOT, env={**environment, "PHANTOMCAL_VALIDATION": str(record)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return config


def on_files(files: Any, config: Any) -> Any:
    """The pages and pictures that lie outside docs/."""
    from mkdocs.structure.files import File

    for source, place in OUTSIDE.items():
        if (ROOT / source).exists():
            files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Run, fill in, mend."""
    from mkdocs.structure.files import File

    place = page.file.src_uri
    source = {there: here for here, there in OUTSIDE.items()}.get(place, f"docs/{place}")
    if place.startswith("tutorials/"):

        def publish(name: str, path: Path) -> None:
            files.append(File.generated(config, posixpath.join("tutorials", name), content=path.read_bytes()))

        markdown = run_fences(markdown, place, publish)
    if place == "validation.md":
        markdown = markdown.replace("<!-- benchmarks -->", benchmark_tables())
        markdown = markdown.replace("<!-- validation -->", validation_tables(validation_rows()))
    return mended(markdown, source, place)


def on_page_content(html: str, **_: Any) -> str:
    """Formulas as MathML, which browsers draw themselves."""
    from html import unescape

    from latex2mathml.converter import convert

    def drawn(found: re.Match[str]) -> str:
        block = found[1] == "div"
        return convert(unescape(found[2]).strip(), display="block" if block else "inline")

    return re.sub(r'<(div|span) class="arithmatex">\\[\[(](.*?)\\[\])]</\1>', drawn, html, flags=re.DOTALL)


def on_shutdown() -> None:
    """Nothing goes on after the build."""
    tests = BESIDE.get("tests")
    if tests is not None and tests.poll() is None:
        tests.kill()
