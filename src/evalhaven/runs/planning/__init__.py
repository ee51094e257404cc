"""A run cut into chunks, before anything of it is executed.

The source is read once, a file of bare rows twice: rows of a file are checked, inline ones were on creation. A chunk
has at most 500 rows or 8 MB, and knows its bytes in the source. Chunks are stored first, then `items_planned` in a
transaction of its own; a plan that was cut short is thrown away and made again. A run that grades another one's samples
is cut by the positions of that run's output items.
"""
