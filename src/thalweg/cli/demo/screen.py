"""What the demonstration shows: a line a phase, live where there is a terminal, and tables. Calm: little colour."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from time import monotonic
from typing import Final, Protocol

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.status import Status
from rich.table import Table
from rich.text import Text

WIDTH_MAX: Final = 108
_TITLE_WIDTH: Final = 11


class Phase(Protocol):
    """The phase under way."""

    def say(self, text: str) -> None:
        """Say what has become of it so far; the last words stay."""


class Screen(Protocol):
    """Where the show goes."""

    def phase(self, title: str) -> AbstractContextManager[Phase]:
        """Begin a phase."""

    def show(self, item: RenderableType) -> None:
        """Show something below the phases so far."""


class _Words:
    def __init__(self, title: str, status: Status | None) -> None:
        self.text = ""
        self._title = title
        self._status = status

    def say(self, text: str) -> None:
        self.text = text
        if self._status is not None:
            self._status.update(_line(self._title, text))


class TerminalScreen:
    """Draws with Rich; a spinner only on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        console.width = min(console.width, WIDTH_MAX) if console.is_terminal else WIDTH_MAX

    @contextmanager
    def phase(self, title: str) -> Iterator[Phase]:
        """Show a phase while it lasts, and its last words when it is done."""
        began = monotonic()
        status = self._console.status(_line(title, ""), spinner="dots", spinner_style="cyan")
        words = _Words(title, status if self._console.is_terminal else None)
        if self._console.is_terminal:
            status.start()
        try:
            yield words
        except BaseException:
            status.stop()
            self._print("✗", "red", title, words.text, began)
            raise
        status.stop()
        self._print("✓", "green", title, words.text, began)

    def show(self, item: RenderableType) -> None:
        """Show something."""
        self._console.print(item)

    def _print(self, mark: str, style: str, title: str, text: str, began: float) -> None:
        line = Table.grid(padding=(0, 1), expand=True)
        line.add_column(width=1)
        line.add_column(width=_TITLE_WIDTH)
        line.add_column(ratio=1)
        line.add_column(justify="right", style="dim", width=7)
        line.add_row(Text(mark, style), Text(title, "bold"), Text.from_markup(text), f"{monotonic() - began:.1f} s")
        self._console.print(line)


class SilentScreen:
    """Shows nothing: for `--json`."""

    @contextmanager
    def phase(self, title: str) -> Iterator[Phase]:
        """Do nothing."""
        yield _Words(title, None)

    def show(self, item: RenderableType) -> None:
        """Do nothing."""


def _line(title: str, text: str) -> Text:
    return Text.assemble((title.ljust(_TITLE_WIDTH + 1), "bold"), Text.from_markup(text, style="dim"))


def indented(item: RenderableType) -> RenderableType:
    """Return something set in under the phases."""
    return Padding(item, (0, 0, 0, 2))


def plain_table(*columns: tuple[str, str]) -> Table:
    """Return an empty table of (title, justification) columns."""
    made = Table(box=box.SIMPLE, pad_edge=False, header_style="dim", show_edge=False, padding=(0, 1))
    for title, justify in columns:
        made.add_column(title, justify="right" if justify == "right" else "left", no_wrap=True)
    return made
