"""What the head of a request says of its sender."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says of its sender: a key, or the token of a session, and a project."""

    key: bytes | None
    token: bytes | None
    project: str | None


def credentials_of(headers: Iterable[tuple[bytes, bytes]], cookie: bytes) -> Credentials:
    """Return what the head of a request says of its sender.

    Args:
        headers: The request's.
        cookie: Name of the cookie that has the token of a session.
    """
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
            token = _token(value, cookie)
        elif name == b"openai-project" and project is None:
            project = value.decode("latin-1").strip() or None
    return Credentials(bearer or plain or None, token, project)


def _token(cookies: bytes, wanted: bytes) -> bytes | None:
    for each in cookies.split(b";"):
        name, _, value = each.strip().partition(b"=")
        if name == wanted:
            return value
    return None
