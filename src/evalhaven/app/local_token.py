"""The token by which commands on the server's machine are let in: whoever can read it could read the database, too."""

import os
from pathlib import Path

import structlog

_FILE = "local.token"


def leave_local_token(data_dir: Path, token: str) -> str:
    """Leave a token for commands that find the server by its data directory; return the one that is there.

    It is the given one, unless the disk is full or cannot be written: then that of the start before, if there is one.
    """
    path = data_dir / f"{_FILE}.new"
    try:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(token)
        path.replace(data_dir / _FILE)
    except OSError as error:
        structlog.get_logger("evalhaven.access").warning(
            "local_token_not_written", reason=error.strerror, effect="commands on this machine may need a key"
        )
        return read_local_token(data_dir) or token
    return token


def read_local_token(data_dir: Path) -> str | None:
    """Return the token of the server that holds a data directory; None if it cannot be read."""
    try:
        return (data_dir / _FILE).read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None
