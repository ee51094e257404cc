"""API keys as they are shown."""

from evalhaven.access.permissions import in_order
from evalhaven.storage.access.keys import ApiKey
from evalhaven.wire import keys as wire


def shown_key(key: ApiKey, project: str | None) -> wire.ApiKey:
    """Return a key without its secret.

    Args:
        key: The key.
        project: Public id of its project; None for an admin key.
    """
    return wire.ApiKey(
        object="api_key",
        id=key.id,
        name=key.name,
        redacted_value=key.redacted,
        scopes=in_order(key.scopes),
        project=project,
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
        requests_per_minute=key.requests_per_minute,
    )


def shown_new_key(key: ApiKey, project: str | None, secret: str) -> wire.NewApiKey:
    """Return a key with its secret, which this one answer shows."""
    return wire.NewApiKey(**shown_key(key, project).model_dump(), value=secret)
