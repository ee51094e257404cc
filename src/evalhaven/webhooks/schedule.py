"""When a delivery that failed is tried again."""

from hashlib import sha256

from evalhaven.domain.webhooks import Delivery

GIVES_UP_AFTER_S = 72 * 3600
_FIRST_S, _FACTOR, _LONGEST_S = 5.0, 3.0, 6 * 3600.0
_MOST_DOUBLINGS = 20  # beyond which every pause is the longest
_SPREAD = 0.2


def next_attempt_at(delivery: Delivery, now: int) -> int | None:
    """Return the Unix second of the next attempt after one that failed; None if the delivery is given up.

    Pauses grow threefold from 5 seconds to 6 hours, each up to a fifth longer or shorter, so that what failed together
    does not come back together. The last attempt is made within 72 hours of the first.

    Args:
        delivery: As it was before the attempt that failed.
        now: Unix second.
    """
    grown_s = min(_LONGEST_S, _FIRST_S * _FACTOR ** min(delivery.attempts, _MOST_DOUBLINGS))
    due_at = now + max(1, round(grown_s * (1 - _SPREAD + 2 * _SPREAD * _fraction(delivery))))
    since = now if delivery.tried_since is None else delivery.tried_since
    return due_at if due_at <= since + GIVES_UP_AFTER_S else None


def _fraction(delivery: Delivery) -> float:
    """Return a number from 0 to 1 that differs between deliveries and attempts as if by chance."""
    digest = sha256(f"{delivery.id} {delivery.attempts}".encode()).digest()
    return int.from_bytes(digest[:4]) / 0xFFFFFFFF
