"""The `thalweg` command."""

from thalweg.cli.entry import main

__all__ = ["main"]
