"""Where the rows of a run stand: a module for each source, which cuts them into chunks and opens those of a chunk.

- `source`: what each source can do, and what it gives
- `file_rows`: lines of a file, opened whole, as it was accepted, or not at all (`source_file`); read once, where rows
  are bare twice
- `stored_rows`: output items, of another run or errored ones of the run's own, read page by page, by position
- `choice`: which source a run has. A new source is a module of its own and a line there.
"""
