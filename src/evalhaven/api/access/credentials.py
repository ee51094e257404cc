"""What the head of a request says of its sender."""

from collections.abc import Iterable
from dataclasses import dataclass

from evalhaven.access.sessions import COOKIE

_COOKIE = COOKIE.encode()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says of its sender: a key, or the token of a session, and a project."""

    key: bytes | None
    token: bytes | None
    project: str | None


def credentials_of(headers: Iterable[tuple[bytes, bytes]]) -> Credentials:
    """Return what the head of a request says of its sender."""
    bearer: bytes | None = None
    plain: bytes | None = None
    token: bytes | None = None
    project: str | None = None
    for name, value in headers:
        if name == b"authorization":
            scheme, _, rest = value.partition(b" ")
            if scheme.lower() == b"bearer" and bearer is None:
                bearer = rest.strip()
        elif name == b"api-key" and plain is None:
            plain = value.strip()
        elif name == b"cookie" and token is None:
            token = _token(value)
        elif name == b"openai-project" and project is None:
            project = value.decode("latin-1").strip() or None
    return Credentials(bearer or plain or None, token, project)


def _token(cookies: bytes) -> bytes | None:
    for each in cookies.split(b";"):
        name, _, value = each.strip().partition(b"=")
        if name == _COOKIE:
            return value
    return None
