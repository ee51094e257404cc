"""One executor and several sampling processes: it conducts and stores, they evaluate. Only with SQLite.

The executor tells its sampling processes which chunks are theirs. Each reads its rows and evaluates them as the
executor would, and sends finished items back in the form in which they are stored.
"""
