"""The command line: parse, call, print. No science."""

import io
import os
import sys
from typing import Annotated, Any

import typer

from phantomcal import __version__

# Imported for their commands, in the order that `--help` shows.
from phantomcal.cli import (  # isort: skip  # noqa: F401
    study,
    phantom,
    fit,
    concentration,
    registration,
    regions,
    correlation,
    classification,
    decomposition,
    plaque,
    tracking,
    history,
    trials,
    simulation,
    dicom,
    export,
    schema,
)
from phantomcal.cli.options import app
from phantomcal.errors import PhantomcalError


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"phantomcal {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point: one-line errors and the exit codes of the contract."""
    raise SystemExit(_run())


def _run() -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode must not end in a traceback
    try:
        code: Any = app(standalone_mode=False)
        return code if isinstance(code, int) else 0
    except PhantomcalError as error:
        return _refuse(str(error))
    except (KeyboardInterrupt, EOFError):
        return _refuse("interrupted; nothing was written")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        # Typer's own usage errors carry their text; typer and click ship different classes by version.
        if hasattr(error, "format_message"):
            text = " ".join(error.format_message().split())
            return _refuse(f"{text or 'no command given'} (see `phantomcal --help`)") if text else 0
        if type(error).__name__ in ("Abort", "Exit"):
            return int(getattr(error, "exit_code", 2))
        if os.environ.get("PHANTOMCAL_DEBUG"):
            raise
        detail = " ".join(str(error).split())[:200]
        return _refuse(
            f"internal fault ({type(error).__name__}: {detail}): please report it; "
            "PHANTOMCAL_DEBUG=1 shows where it arose"
        )


def _refuse(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return 2
