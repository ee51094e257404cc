"""A run cut into chunks, before anything of it is executed.

Its source checks its rows and cuts them. Chunks are stored first, then `items_planned` in a transaction of its own; a
plan that was cut short is thrown away and made again.
"""
