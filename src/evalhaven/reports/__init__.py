"""What the items of a run add up to, and how two runs differ.

- `columns/`: a run's items by column, made once it has ended, from which everything here is computed
"""
