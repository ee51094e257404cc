"""Logged calls in PostgreSQL: a partition for each UTC day, which retention drops as a whole.

- `tables`: the tables
- `days`: which partitions there are; one is made or dropped
- `rows`: calls written and read
- `dropping`: calls of one project dropped from a day of several
- `queries`: the keys of calls that are wanted
- `store`: all of it together
"""
