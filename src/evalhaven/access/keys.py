"""The form of API keys: what they look like, and what of them is kept."""

import re
from datetime import UTC, datetime
from hashlib import sha256

PREFIX = "sk-"
"""What the key of a project begins with."""

ADMIN_PREFIX = "sk-admin-"
"""What an admin key begins with."""

LOCAL_PREFIX = "local-"
"""What the token begins with that a server writes for commands on its machine."""

LATEST_EXPIRY = 253_402_300_799
"""The last second of the year 9999, after which no calendar goes on."""

_SHOWN_CHARS = 4
_FORM = re.compile(rb"(?:sk-admin-|sk-|local-)[0-9A-Za-z]{43}")


def digest_of(secret: bytes) -> bytes:
    """Return what is stored of a key. It has 256 random bits, so a fast hash cannot be turned around."""
    return sha256(secret).digest()


def is_key_form(secret: bytes) -> bool:
    """Tell whether a text can be a key of this server at all: any other needs no look into the database."""
    return _FORM.fullmatch(secret) is not None


def redacted(secret: str) -> str:
    """Return what lists show of a key: its prefix and its last characters."""
    prefix = ADMIN_PREFIX if secret.startswith(ADMIN_PREFIX) else PREFIX
    return f"{prefix}…{secret[-_SHOWN_CHARS:]}"


def day_of(at: int) -> str:
    """Return a Unix second as people read it in a message, in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
