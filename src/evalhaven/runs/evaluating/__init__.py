"""One row made into one output item: its sample, then its grades.

The requests of a run are compiled once. For an item the messages are rendered, the cache is asked if the run wants it,
and the caller of `sampling` returns an answer or the error that becomes the item's. The guard sees every outcome, and
ends the run when all fail alike or the budget is spent.

A grader that asks a model is handed a way to do so (`open_judge` of its facilities), made with a sampler of its own:
limits, cache, guard and accounting are the same code. The graders of an item that wait do so at once; all others
compute meanwhile.
"""
