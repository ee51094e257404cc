"""Models that are a user's own code: an application that takes an item and returns a sample.

One is reached over HTTP, or is a command that is started for each call. Either way it is a transport like any other, so
that limits, retries, budgets and accounting are those of every model.
"""
