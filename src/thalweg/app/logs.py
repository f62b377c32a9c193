"""Where log lines go: JSON to a file in the data folder, readable text to standard error. Never a secret in either.

What is logged are reasons, ids and counts; keys, passwords, tokens and mnemonics are never passed to a logger.
"""

import json
import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

FILE_NAME: Final = "node.log"
FILE_BYTES_MAX: Final = 8 * 2**20
FILES_KEPT: Final = 3


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        line: dict[str, object] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "from": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


def start_logging(folder: Path, *, verbose: bool = False) -> None:
    """Send this process's log lines to the data folder and to standard error."""
    file = RotatingFileHandler(folder / FILE_NAME, maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT)
    file.setFormatter(JsonLines())
    file.setLevel(logging.INFO)
    screen = logging.StreamHandler(sys.stderr)
    screen.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    screen.setLevel(logging.INFO if verbose else logging.WARNING)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.handlers[:] = [file, screen]
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def stop_logging() -> None:
    """Close the file."""
    root = logging.getLogger()
    for handler in tuple(root.handlers):
        root.removeHandler(handler)
        handler.close()
