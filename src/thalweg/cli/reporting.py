"""How commands speak: results on standard output, errors on standard error, exit status 2 for the user's mistakes.

With `--json` exactly one JSON object goes to standard output, for errors too.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import typer

from thalweg.errors import InvariantBroken, ThalwegError, UserFault

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

STATUS_FAILURE: Final = 1
STATUS_MISTAKE: Final = 2
STATUS_INTERRUPTED: Final = 130
WIDTH_PIPED: Final = 160


@contextmanager
def reporting(as_json: bool) -> Iterator[None]:
    """Turn errors into one readable message and the right exit status."""
    try:
        yield
    except UserFault as fault:
        _fail(as_json, STATUS_MISTAKE, str(fault.reason), fault.detail)
    except ThalwegError as error:
        _fail(as_json, STATUS_FAILURE, str(error.reason), error.detail)
    except InvariantBroken as broken:
        _fail(as_json, STATUS_FAILURE, "stopped", f"{broken}. Nothing acknowledged is lost; start again")
    except KeyboardInterrupt:
        _fail(as_json, STATUS_INTERRUPTED, "interrupted", "")


def _fail(as_json: bool, status: int, reason: str, detail: str) -> None:
    if as_json:
        write_json({"ok": False, "error": {"reason": reason, "detail": detail}})
    else:
        text = f"{reason}: {detail}" if detail else reason
        sys.stderr.write(f"thalweg: {text}\n")
    raise typer.Exit(status)


def write_json(value: Any) -> None:
    """Print one JSON value on a line of its own."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def console() -> "Console":
    """Return the terminal; colours only where there is one."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_PIPED)


def show(as_json: bool, result: Any, render: "RenderableType | str") -> None:
    """Print a result: as JSON, or as a person reads it."""
    if as_json:
        write_json({"ok": True, "result": result})
    else:
        console().print(render)
