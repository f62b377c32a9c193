"""Trade options and other derivatives directly with each other, over channels on an EVM chain."""

from typing import Final

__version__: Final = "0.1.0"
