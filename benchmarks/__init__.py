"""Benchmarks: what an item of a run costs, always beside what it would cost a minimal design."""
