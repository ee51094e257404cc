"""Benchmarks: what an item of a run costs, always compared with what it costs in a minimal design."""
