"""What was published beside what the code gives: checked by the tests, and kept for the validation page of the docs.

Where the environment variable ``PHANTOMCAL_VALIDATION`` names a file, every comparison is appended to it as a line of
JSON, and so is every test that did not run, with the reason.
"""

import json
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

Value = float | str | Sequence[float] | Sequence[str]


class Published(Protocol):
    """``published(what, obtained, expected, ...)``: fails as an assertion does, and is recorded either way."""

    def __call__(
        self,
        what: str,
        obtained: Any,
        expected: Any = None,
        *,
        abs: float | None = None,
        rel: float | None = None,
        between: tuple[float, float] | None = None,
    ) -> None:
        """Exactly equal, unless a tolerance is given (as in `pytest.approx`) or a range (both ends included)."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "source(citation, doi): where the expected figures of a test are printed")


def source_of(node: pytest.Item) -> dict[str, str]:
    marker = node.get_closest_marker("source")
    if marker is None:
        return {"source": "", "doi": ""}
    citation, doi = (*marker.args, "")[:2]
    return {"source": citation, "doi": doi}


def keep(row: dict[str, Any]) -> None:
    if path := os.environ.get("PHANTOMCAL_VALIDATION"):
        with Path(path).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def plain(value: Any) -> Any:
    """Numbers and lists as JSON holds them."""
    if isinstance(value, str) or value is None:
        return value
    return np.asarray(value).tolist()


@pytest.fixture
def published(request: pytest.FixtureRequest) -> Published:
    source = source_of(request.node)
    assert source["source"], "a test of published figures names their source: @pytest.mark.source(citation, doi)"

    def compare(
        what: str,
        obtained: Any,
        expected: Any = None,
        *,
        abs: float | None = None,
        rel: float | None = None,
        between: tuple[float, float] | None = None,
    ) -> None:
        obtained, expected = plain(obtained), plain(expected)
        exact = abs is None and rel is None
        if between is not None:
            agrees = obtained is not None and between[0] <= obtained <= between[1]
        else:
            agrees = bool(obtained == (expected if exact else pytest.approx(expected, abs=abs, rel=rel)))
        figures = {"expected": expected, "between": between, "obtained": obtained, "abs": abs, "rel": rel}
        keep({"test": request.node.nodeid, **source, "what": what, **figures, "agrees": agrees})
        assert agrees, f"{what}: {obtained} where {between or expected} is published ({source['source']})"

    return compare


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        keep({"test": item.nodeid, **source_of(item), "not_run": reason.removeprefix("Skipped: ")})
    elif report.failed:
        keep({"test": item.nodeid, **source_of(item), "failed": report.when})
    return report
