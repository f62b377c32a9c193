"""docs/pricing.md: its blocks run, in order, and print what it says."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[3] / "docs" / "pricing.md"
BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)


def test_the_page_prints_what_it_says() -> None:
    names: dict[str, Any] = {}
    printed = None
    checked = 0
    for kind, text in BLOCK.findall(PAGE.read_text()):
        if kind == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(text, str(PAGE), "exec"), names)
            printed = out.getvalue()
        else:
            assert printed == text
            checked += 1
    assert checked >= 6
