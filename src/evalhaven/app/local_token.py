"""The token by which commands on the server's machine are let in: whoever can read it could read the database, too."""

import os
from pathlib import Path

_FILE = "local.token"


def write_local_token(data_dir: Path, token: str) -> None:
    """Leave the token of this start for commands that find the server by its data directory."""
    path = data_dir / f"{_FILE}.new"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    path.replace(data_dir / _FILE)


def read_local_token(data_dir: Path) -> str | None:
    """Return the token of the server that holds a data directory; None if it cannot be read."""
    try:
        return (data_dir / _FILE).read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None
