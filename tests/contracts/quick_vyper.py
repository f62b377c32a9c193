"""Vyper, twice as fast and to the byte the same: its optimiser remembers what it has looked at.

It looks at every expression again whenever one around it changes, and nothing in an expression changes meanwhile.
`test_mutants.py` holds the result against the artefacts.
"""

import gc
from typing import Any

from vyper.ir import optimizer

_optimize = optimizer._optimize


def hurry() -> None:
    """Let this process compile faster, at the price of memory."""
    gc.disable()  # a compilation makes millions of objects, and no rubbish worth looking for
    optimizer._optimize = _remembered


def _remembered(node: Any, parent: Any) -> tuple[bool, Any]:
    around = None if parent is None else parent.value
    known: dict[Any, tuple[bool, Any]] = node.__dict__.setdefault("_optimized_in", {})
    if around not in known:
        found = _optimize(node, parent)
        known[around] = found
        found[1].__dict__.setdefault("_optimized_in", {})[around] = (False, found[1])
    return known[around]
