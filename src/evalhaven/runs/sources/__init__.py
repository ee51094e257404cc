"""Where the rows of a run stand: in a file, or in the output items of another run.

A file is opened whole, as it was accepted, or not at all. Output items are read page by page, by position.
"""
