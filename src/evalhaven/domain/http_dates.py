"""Dates in HTTP headers."""

from datetime import UTC
from email.utils import parsedate_to_datetime


def find_http_time(text: str) -> float | None:
    """Return the Unix seconds of a date such as "Sun, 06 Nov 1994 08:49:37 GMT"; None if the text is not a date.

    HTTP dates are UTC even if they name no zone or `-0000`, which Python would read as local time.
    """
    try:
        date = parsedate_to_datetime(text)
        return (date.replace(tzinfo=UTC) if date.tzinfo is None else date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
