"""Draw docs/demo.svg: the demonstration as a terminal of eighty columns shows it. `make picture` runs this."""

import io
import os
import pty
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 80
TARGET = Path(__file__).parent / "demo.svg"
_REDRAW = re.compile(r"\x1b\[\?25[lh]|\x1b\[\d*[AK]|\r")


def main() -> int:
    """Run the demonstration in a terminal of its own, and keep what is left on the screen at the end."""
    os.environ.update(COLUMNS=str(COLUMNS), LINES="60", TERM="xterm-256color")
    chunks: list[bytes] = []

    def read(descriptor: int) -> bytes:
        chunk = os.read(descriptor, 4096)
        chunks.append(chunk)
        return chunk

    status = os.waitstatus_to_exitcode(pty.spawn([sys.executable, "-m", "thalweg.cli", "demo", *sys.argv[1:]], read))
    screen = Console(record=True, width=COLUMNS, file=io.StringIO())
    screen.print(Text.from_ansi("\n".join(settled(b"".join(chunks).decode()))))
    screen.save_svg(str(TARGET), title="make demo")
    return status


def settled(output: str) -> list[str]:
    """Return the lines that were not drawn over: a phase is redrawn until its last line says how it went."""
    lines: list[str] = []
    for line in output.split("\n"):
        if "\x1b[1A" in line:  # the cursor went up: what stood there is drawn anew
            del lines[len(lines) - line.count("\x1b[1A") :]
        lines.append(_REDRAW.sub("", line.rpartition("\x1b[2K")[2]))
    return lines


if __name__ == "__main__":
    sys.exit(main())
