"""Vyper sources and their compiled artefacts."""
