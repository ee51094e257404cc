"""What is printed of API keys."""

import time
from collections.abc import Sequence
from typing import Any

from evalhaven.cli.figure_texts import make_printable
from evalhaven.cli.listing import print_facts, shown_time
from evalhaven.cli.shell import print_note
from evalhaven.cli.tables import Column, print_table
from evalhaven.cli.terminal import plain_console, print_nothing

_COLUMNS = [
    Column("id"),
    Column("name", may_be_cut=True),
    Column("key"),
    Column("scopes", may_be_cut=True),
    Column("created"),
    Column("last used"),
    Column("state"),
]


def print_new_key(made: dict[str, Any]) -> None:
    """Print a new key: the key alone on standard output, so that a program can take it."""
    print(made["value"])
    print_note(
        f"This key ({make_printable(made['name'])}, {made['id']}) is shown only now: the server keeps a hash of it. It "
        f"allows {_scopes(made)}{_until(made)}."
    )


def print_keys(keys: Sequence[dict[str, Any]], *, is_admin: bool) -> None:
    """Print keys, a line each."""
    if not keys:
        kind, cure = ("admin keys", " --admin") if is_admin else ("keys of this project", "")
        others = "" if is_admin else " `evalhaven keys --admin` lists admin keys."
        print_nothing(f"There are no {kind}. `evalhaven keys create --name NAME{cure}` makes one.{others}")
        return
    rows = [
        [
            key["id"],
            key["name"],
            key["redacted_value"],
            _scopes(key),
            shown_time(key["created_at"]),
            shown_time(key["last_used_at"]),
            _state(key),
        ]
        for key in keys
    ]
    print_table(plain_console(), _COLUMNS, rows)


def print_revoked(key: dict[str, Any]) -> None:
    """Print what was revoked."""
    facts = {
        "revoked": f"{key['name']} ({key['redacted_value']})",
        "id": key["id"],
        "at": shown_time(key["revoked_at"]),
    }
    print_facts(plain_console(), facts)


def _scopes(key: dict[str, Any]) -> str:
    return "everything" if key["project"] is None else ", ".join(key["scopes"])


def _until(key: dict[str, Any]) -> str:
    return "" if key["expires_at"] is None else f" until {shown_time(key['expires_at'])} UTC"


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"] is not None:
        return f"revoked {shown_time(key['revoked_at'])}"
    if key["expires_at"] is None:
        return "valid"
    is_over = key["expires_at"] <= time.time()
    return f"{'expired' if is_over else 'valid until'} {shown_time(key['expires_at'])}"
