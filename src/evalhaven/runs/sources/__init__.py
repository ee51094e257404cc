"""Where the rows of a run come from: a module for each source, which cuts them into chunks and opens them by chunk.

- `source`: what each source can do, and what it returns
- `file_rows`: lines of a file, refused if its length has changed since it was accepted (`source_file`); read once, or
  twice if its rows are bare
- `stored_rows`: output items of another run, or errored ones of the run itself, read page by page in order of position
- `logged_calls`: logged calls, pinned by their keys when the run is planned (`call_filters` says which), and read page
  by page as rows (`logged_rows`)
- `choice`: which source a run has. A new source is a module here and a line there.
"""
