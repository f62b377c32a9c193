"""Whether the compiled kernels are there yet.

Importing numba and loading kernels takes about a second (and ten more the first time, when they are compiled and
cached), so nothing does it at start-up. `start` does it in a thread; until it is done small requests are computed in
pure Python and large ones wait. Where numba is not installed, everything is computed in pure Python.
"""

import importlib.util
import sys
import threading
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Final

SERIAL_MAX: Final = 4096  # elements; below, starting threads costs more than it saves
PYTHON_MAX: Final = 1000  # elements that are computed in pure Python rather than waited for: a few milliseconds
AMERICAN_PYTHON_MAX: Final = 8  # of these one takes ten milliseconds in pure Python
_PACKAGE: Final = "thalweg.pricing.kernels"
_MODULES: Final = ("european", "normal", "implied")
_LATER: Final = ("quote", "cosine", "paths")  # single quotes and models: loaded behind the others, or when asked for


class _Warmth:
    """The kernels once loaded, and the lock under which that happens once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kernels: SimpleNamespace | None = None
        self.available = importlib.util.find_spec("numba") is not None
        self.thread: threading.Thread | None = None

    def load(self) -> SimpleNamespace:
        with self.lock:
            if self.kernels is None:
                self.kernels = SimpleNamespace(**{name: import_module(f"{_PACKAGE}.{name}") for name in _MODULES})
            return self.kernels

    def load_all(self) -> None:
        self.load()
        for name in _LATER:
            import_module(f"{_PACKAGE}.{name}")


_warmth: Final = _Warmth()


def start() -> None:
    """Load the kernels in a thread of their own; return at once."""
    if _warmth.available and _warmth.thread is None and _warmth.kernels is None:
        _warmth.thread = threading.Thread(target=_warmth.load_all, name="pricing-kernels", daemon=True)
        _warmth.thread.start()


def ready() -> bool:
    """Say whether the kernels are loaded."""
    return _warmth.kernels is not None


def kernels(size: int) -> SimpleNamespace | None:
    """Return the kernels for a request of `size` elements; None where pure Python is to compute it."""
    if _warmth.kernels is not None:
        return _warmth.kernels
    if not _warmth.available or size <= PYTHON_MAX:
        return None
    return _warmth.load()


def optional(name: str) -> ModuleType | None:
    """Return a kernel module that is not loaded with the others, loading it where need be; None without numba."""
    return import_module(f"{_PACKAGE}.{name}") if _warmth.available else None


def american(size: int) -> ModuleType | None:
    """Return the kernels of American options for `size` elements, loaded when first needed; None as in `kernels`."""
    is_loaded = f"{_PACKAGE}.american" in sys.modules
    return optional("american") if is_loaded or size > AMERICAN_PYTHON_MAX else None
