"""A run made of a request.

Inline rows are checked against the item schema one by one, while the body lies on the disk, and are written to the
run's blob. What authenticates tools is masked in the document before that is stored. A run that grades another one's
samples, and one that is tried again, begin here too.
"""
