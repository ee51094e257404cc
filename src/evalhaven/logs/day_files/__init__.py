"""Logged calls beside SQLite: a file for each UTC day, several for a day with very many calls.

Each file stands alone: calls, what finds them, and the dictionary that compresses them. So retention removes files,
and a damaged file is a gap. Files are asked one after another, newest first.

- `layout`: names of files, and which rows of a file belong to a range of keys
- `directory`: which files there are; one is made or removed under a lock
- `tables`: what is in a file; `compression`: how a call's bytes are
- `connections`: files kept open
- `inserts`, `changes`, `queries`: what is done with one file
- `store`: all files together
"""
