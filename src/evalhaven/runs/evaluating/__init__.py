"""Turning one row into one output item: its sample, then its grades.

The requests of a run are compiled once. For an item the messages are rendered, the cache is asked if the run wants it,
and the caller of `sampling` returns an answer or the error that becomes the item's. The guard sees every outcome, and
ends the run if all fail alike or the budget is spent.

A grader that asks a model is given the means to do so (`open_judge` of its facilities), with a sampler of its own:
limits, cache, guard and accounting are the same code. Those graders of an item that wait do so side by side; the others
compute meanwhile.
"""
