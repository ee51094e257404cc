"""A run's items by column: outcomes, scores, latencies and the values of fields as arrays of numbers.

A report or comparison looks at all items of a run, and reading a million rows takes many seconds. As columns they are
some tens of bytes an item, and an array of them is looked through in milliseconds.

- `making`: columns out of rows, a part at a time
- `parts`: which items each part shows, and which of them a retry may have changed since
- `preparing`: the next part of a run, read and made in one go
- `keeper`: has parts made in the background, while runs go on and after they have ended, and stores them
- `loading`: arrays out of stored columns, and out of the rows of items that have none yet
"""
