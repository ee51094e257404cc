"""Traces of this process, if they are switched on."""

from typing import TYPE_CHECKING

from evalhaven.app.stores import StartError
from evalhaven.settings import Settings

if TYPE_CHECKING:
    from evalhaven.tracing.tracer import Tracing


def open_tracing(settings: Settings) -> "Tracing | None":
    """Return what traces this process; None if traces are off.

    Raises:
        StartError: They are on, and what sends them is not installed.
    """
    if settings.traces == "off":
        return None
    try:
        from evalhaven.tracing.tracer import Tracing  # noqa: PLC0415 - an optional part
    except ImportError as error:
        raise StartError(
            "EVALHAVEN_TRACES needs the SDK of OpenTelemetry, which is not installed: pip install 'evalhaven[otel]'."
        ) from error
    return Tracing(has_content=settings.traces == "content")
