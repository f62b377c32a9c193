"""Benchmarks: figures with the command that gives them."""
