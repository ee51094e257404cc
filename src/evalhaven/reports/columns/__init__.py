"""A run's items by column: outcomes, scores, latencies and the values of fields as arrays of numbers.

A report or comparison looks at all items of a run, and reading a million rows takes many seconds. As columns they are
some tens of bytes an item, and an array of them is looked through in milliseconds.

- `making`: columns out of rows, a part at a time
- `keeper`: makes them for every run that has ended, in the background, and goes on where a kill stopped it
- `loading`: arrays out of stored columns; for a small run without any, out of its rows
"""
