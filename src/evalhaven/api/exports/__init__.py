"""Output items of a run as a file: which columns, in which format, streamed."""
