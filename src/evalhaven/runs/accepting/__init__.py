"""Evals and runs made of requests: `Acceptance` is the one way in, and the routes are thin.

Inline rows are checked against the item schema one by one, while the body lies on the disk, and are written to the
run's blob. What authenticates tools is masked in the document before that is stored. A run that grades another one's
samples, and one that is tried again, begin here too. Whether models can be asked what is wanted of them is decided from
the catalogue alone (`model_checks`), so that the code which asks them is not needed here.
"""
