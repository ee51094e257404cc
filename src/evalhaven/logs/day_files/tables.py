"""What is in a day file."""

import sqlite3
from pathlib import Path

from evalhaven.logs.day_files.compression import Codec

FORMAT = 1

# calls: the stored form of each call by row; without data, a deleted one. names: rows by hash of (project, kind, id).
# origins: what was ever added. kv: a number for each tag, and how many calls have it. tags: the calls of a tag.
# text: words of calls, and their tags too, so that a frequent word and a rare tag meet within one index. Columns would
# cost a third more; marks before the words say what they are.
_TABLES = """
CREATE TABLE calls (row INTEGER PRIMARY KEY, project_id INTEGER NOT NULL, dictionary INTEGER NOT NULL, data BLOB);
CREATE TABLE names (hash BLOB NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (hash, row)) WITHOUT ROWID;
CREATE TABLE origins (hash BLOB NOT NULL, project_id INTEGER NOT NULL, PRIMARY KEY (hash, project_id)) WITHOUT ROWID;
CREATE TABLE kv (number INTEGER PRIMARY KEY, tag BLOB NOT NULL UNIQUE, calls INTEGER NOT NULL);
CREATE TABLE tags (number INTEGER NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (number, row)) WITHOUT ROWID;
CREATE VIRTUAL TABLE text USING fts5(terms, content='', columnsize=0, detail=none, tokenize='ascii');
CREATE TABLE attached
    (number INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, uses INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE dictionaries (number INTEGER PRIMARY KEY, is_own INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE volume (added INTEGER NOT NULL, calls INTEGER NOT NULL);
INSERT INTO volume VALUES (0, 0);
"""


class OpenFile:
    """A connection to a day file; one thread uses it at a time.

    Attributes:
        connection: Without transactions of its own: whoever needs one begins it.
        codec: How its calls are compressed.
        inode: Which file it is, since another may get its name.
    """

    def __init__(self, path: Path, inode: int, longest_wait_s: float) -> None:
        """Open a file.

        Args:
            path: The file.
            inode: Which file it is.
            longest_wait_s: How long others may keep it locked.

        Raises:
            sqlite3.DatabaseError: It cannot be opened, or is not a day file of this release.
        """
        self.inode = inode
        self.connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=longest_wait_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self.connection.execute("PRAGMA synchronous=NORMAL")
            self.connection.execute("PRAGMA journal_size_limit=8388608")
            _check_format(self.connection)
        except BaseException:
            self.connection.close()
            raise
        self.codec = Codec(self.connection)

    def close(self) -> None:
        """Close it."""
        self.connection.close()


def _check_format(connection: sqlite3.Connection) -> None:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found != FORMAT:
        raise sqlite3.DatabaseError(f"it has the format {found} instead of {FORMAT}")


def fill(path: Path, dictionary: bytes | None) -> None:
    """Make the tables in an empty file.

    Args:
        path: The file.
        dictionary: What compresses its calls until it has one of its own.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA page_size=8192")  # holds calls with less waste than the default
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # for days of which one project drops its calls
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN")
        for statement in _TABLES.split(";\n"):
            connection.execute(statement)
        if dictionary is not None:
            connection.execute("INSERT INTO dictionaries VALUES (1, 0, ?)", (dictionary,))
        connection.execute(f"PRAGMA user_version={FORMAT}")
        connection.execute("COMMIT")
    finally:
        connection.close()
