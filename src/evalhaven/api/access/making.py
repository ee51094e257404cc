"""Making keys: the secret, which is shown once, and what is kept of it."""

from evalhaven.access.keys import ADMIN_PREFIX, PREFIX, digest_of, redacted
from evalhaven.access.permissions import ALL_PERMISSIONS, Permission
from evalhaven.domain.ids import IdFactory
from evalhaven.storage.access.keys import ApiKey


def make_key(
    ids: IdFactory,
    name: str,
    scopes: frozenset[Permission],
    now: int,
    *,
    expires_at: int | None = None,
    service_account_key: int | None = None,
) -> tuple[ApiKey, str]:
    """Return a new key of a project, and its secret.

    Args:
        ids: Makes both.
        name: What it is called.
        scopes: What it allows.
        now: Unix second.
        expires_at: From when on it is refused.
        service_account_key: Whose it is, if it is a service account's.
    """
    return _make(ids.new_secret(PREFIX), ids.new_key_id(), name, scopes, now, expires_at, service_account_key)


def make_admin_key(ids: IdFactory, name: str, now: int, *, expires_at: int | None = None) -> tuple[ApiKey, str]:
    """Return a new admin key, and its secret."""
    return _make(ids.new_secret(ADMIN_PREFIX), ids.new_key_id(), name, ALL_PERMISSIONS, now, expires_at, None)


def _make(
    secret: str,
    key_id: str,
    name: str,
    scopes: frozenset[Permission],
    now: int,
    expires_at: int | None,
    service_account_key: int | None,
) -> tuple[ApiKey, str]:
    key = ApiKey(
        id=key_id,
        name=name,
        digest=digest_of(secret.encode()),
        redacted=redacted(secret),
        scopes=scopes,
        created_at=now,
        expires_at=expires_at,
        service_account_key=service_account_key,
    )
    return key, secret
