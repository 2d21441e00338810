"""Benchmarks: each a ratio to what is physically possible, both measured in one run on one machine."""
