"""What callers changed, as it is shown."""

import re

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.storage.access import audit as store
from evalhaven.wire.audit import AuditCaller, AuditEntry, AuditTarget

_ID = re.compile(r"audit_([0-9]{1,18})")


def shown_entry(entry: store.AuditEntry) -> AuditEntry:
    """Return an entry of the audit log."""
    caller_kind, caller_id, caller_name = entry.caller
    target_kind, target_id = entry.target
    return AuditEntry(
        object="audit_entry",
        id=f"audit_{entry.key}",
        created_at=entry.at,
        project=entry.project,
        action=entry.action,
        caller=AuditCaller(kind=caller_kind, id=caller_id, name=caller_name),
        target=AuditTarget(kind=target_kind, id=target_id),
        details=entry.details,
        request_id=entry.request_id,
        address=entry.address,
    )


def row_before(after: str | None) -> int | None:
    """Return the row of the entry that a page begins after; None for the first page.

    Raises:
        InvalidRequestError: It is no entry's id.
    """
    if not after:
        return None
    found = _ID.fullmatch(after)
    if found is None:
        raise InvalidRequestError(
            "Invalid 'after': pass the 'next' of the page before, unchanged, or leave it out for the first page.",
            param="after",
            code="invalid_cursor",
        )
    return int(found[1])
