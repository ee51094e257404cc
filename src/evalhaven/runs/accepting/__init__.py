"""Evals and runs made of requests: `eval_acceptance`, `run_acceptance` and `rerun_acceptance` are the ways in.

The order is the same everywhere: what can be checked without the database comes first, then what reads it, and the
transaction that stores the object looks again at what may have changed meanwhile. What is refused leaves nothing
behind. Routes call these and write nothing of an eval or a run themselves.

Inline rows are checked against the item schema one by one, while the body is on disk, and are written to the
run's blob. What authenticates tools is masked in the document before that is stored. A run that grades another one's
samples, and a run that is retried, begin here too. Whether models can be asked what a run asks is decided from
the catalogue alone (`model_checks`), so that the code which asks them is not needed here.
"""
