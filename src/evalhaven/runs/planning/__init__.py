"""A run is cut into chunks before any of it is executed.

The run's source checks its rows and cuts them. Chunks are stored first, then `items_planned` in its own transaction; a
plan that was interrupted is thrown away and made again.
"""
