"""Signatures of Standard Webhooks: the receiver computes the same from its secret, and knows who sent it and when."""

import base64
import hmac
from collections.abc import Sequence

_PREFIX = "whsec_"
_HINT_CHARS = 4


def signature_headers(secrets: Sequence[str], delivery_id: str, at: int, body: bytes) -> dict[str, str]:
    """Return the headers that prove a body: a signature by each secret, any of which convinces a receiver.

    Args:
        secrets: `whsec_…`, the newest first.
        delivery_id: The same for each attempt, so that a receiver knows what it has seen.
        at: Unix second, which receivers compare with their clock.
        body: What is sent.

    Source: Standard Webhooks, https://github.com/standard-webhooks/standard-webhooks, "Signature scheme".
    """
    signed = f"{delivery_id}.{at}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(_key(secret), signed, "sha256")).decode() for secret in secrets]
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def hint_of(secret: str) -> str:
    """Return what is shown of a secret, so that its owner recognises it."""
    return f"{_PREFIX}…{secret[-_HINT_CHARS:]}"


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(_PREFIX))
