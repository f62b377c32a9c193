"""Benchmarks of prices: `make bench-pricing` prints the table and writes bench/results/pricing.json.

One file a figure: each has `measure() -> Figure` and is found by its place here. Peers run in turn with ours, in one
process and in an order that rotates each round, so that what is compared has seen the same machine.
"""
