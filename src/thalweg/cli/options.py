"""Options that several commands share, spelled once."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

DATA_VARIABLE: Final = "THALWEG_DATA"


def default_folder() -> Path:
    """Return the data folder used where none is named."""
    return Path(os.environ.get(DATA_VARIABLE) or Path.home() / ".thalweg")


Data = Annotated[
    Path,
    typer.Option(
        "--data", "-d", help=f"Data folder (or {DATA_VARIABLE}).", default_factory=default_folder, show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", help="File with the password (else THALWEG_PASSWORD, else asked).")
]
ChannelId = Annotated[
    str, typer.Option("--channel", "-c", help="Channel id, or its beginning. Not needed where one is open.")
]
Wait = Annotated[float, typer.Option("--wait", min=0, max=600, help="Seconds to wait for the outcome.")]
Attached = Annotated[
    bool, typer.Option("--attached", help="Stop when standard input closes: for processes started by others.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More on standard error.")]
Listen = Annotated[str, typer.Option("--listen", help="Address and port for peers; port 0 takes a free one.")]
