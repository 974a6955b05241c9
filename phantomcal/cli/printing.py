"""`--pdf`: one option for every command that writes a report."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from phantomcal.errors import InputError

Command = TypeVar("Command", bound=Callable[..., Any])
Pdf = Annotated[
    bool, typer.Option("--pdf", help="Also print the report to report.pdf, with an installed Chromium, Chrome or Edge.")
]


def with_pdf(command: Command) -> Command:
    """A command with the option ``--pdf``, which prints its ``report.html`` before the outputs appear.

    Parameters
    ----------
    command : callable
        Of typer; it writes its report into an `output_folder`.

    Returns
    -------
    callable
        To be decorated with ``app.command()``.
    """

    @wraps(command)
    def printing(*args: Any, pdf: bool = False, **kwargs: Any) -> Any:
        if not pdf:
            return command(*args, **kwargs)
        from phantomcal.outputs import before_appearing
        from phantomcal.report.pdf import find_browser, print_pdf

        if "out" in kwargs and kwargs["out"] is None:
            raise InputError("a report needs an output folder", "--pdf", "give one with -o")
        browser = find_browser()  # asked for before hours of work

        def to_pdf(folder: Path) -> None:
            if (folder / "report.html").is_file():
                print_pdf(folder / "report.html", folder / "report.pdf", browser)

        with before_appearing(to_pdf):
            return command(*args, **kwargs)

    signature = inspect.signature(command)
    option = inspect.Parameter("pdf", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Pdf)
    printing.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    printing.__annotations__ = {**command.__annotations__, "pdf": Pdf}
    return printing  # type: ignore[return-value]
