"""Files that a command reads a part of its request from: JSON, or TOML if the name ends so."""

import tomllib
from pathlib import Path
from typing import Any

from evalhaven.cli.shell import EXIT_USAGE, fail
from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue


def read_object(path: Path, what: str, example: str) -> dict[str, Any]:
    """Return the object in a file; the command ends where there is none.

    Args:
        path: The file.
        what: What it holds.
        example: What it may look like.
    """
    found = read_value(path, what)
    if not isinstance(found, dict):
        fail(f"The {what} {str(path)!r} must be an object, such as {example}.", EXIT_USAGE)
    return found


def read_value(path: Path, what: str) -> JsonValue:
    """Return the value in a file; the command ends where it cannot be read.

    Args:
        path: The file.
        what: What it holds.
    """
    is_toml = path.suffix == ".toml"
    try:
        raw = path.read_bytes()
        return tomllib.loads(raw.decode()) if is_toml else jsontext.parse_received(raw)
    except OSError as error:
        fail(f"The {what} {str(path)!r} cannot be read: {error.strerror}.", EXIT_USAGE)
    except ValueError as error:
        fail(f"The {what} {str(path)!r} is not valid {'TOML' if is_toml else 'JSON'}: {error}.", EXIT_USAGE)
