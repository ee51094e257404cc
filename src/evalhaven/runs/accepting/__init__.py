"""Making evals and runs from requests: `Acceptance` is the one way in, and the routes are thin.

Inline rows are checked against the item schema one by one, while the body is on disk, and are written to the
run's blob. What authenticates tools is masked in the document before that is stored. A run that grades another one's
samples, and a run that is retried, begin here too. Whether models can be asked what a run asks is decided from
the catalogue alone (`model_checks`), so that the code which asks them is not needed here.
"""
