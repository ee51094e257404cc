"""Logging: structured lines on standard error. Keys and prompt text are never logged at info level."""

import contextlib
import io
import logging
import sys
from typing import Literal, TextIO, cast

import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class UnfailingStream(io.TextIOBase):
    """A stream for log lines that drops what it cannot write: runs must not stop because the log's disk is full."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write or drop a text."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush as far as possible."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def configure_logging(level: Literal["debug", "info", "warning", "error"], form: Literal["text", "json"]) -> None:
    """Set up how this process logs.

    Args:
        level: Lowest level that is written.
        form: `text` for people, `json` for machines: one object a line.
    """
    # Rich tracebacks show local variables, which hold prompts and keys; plain ones do not.
    renderers: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if form == "json"
        else [
            _quote_unprintable,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", UnfailingStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library: only their warnings and errors are of interest.
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryLines()])
    # It warns of each attempt to connect, while a single line `database_unavailable` tells of the outage.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


class _LibraryLines(logging.Handler):
    """Makes a line like all others of what a library logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record as `library`."""
        level = min(record.levelno, logging.ERROR)
        structlog.get_logger("evalhaven").log(
            level, "library", library=record.name, message=record.getMessage(), exc_info=record.exc_info
        )


class _Quoted:
    """A text that is shown with quotes, and with codes for what cannot be printed."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def _quote_unprintable(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Keep what a client sends, such as a path, from doing anything in the terminal of whoever reads the log."""
    for key, value in event.items():
        if key != "event" and isinstance(value, str) and not value.isprintable():
            event[key] = _Quoted(value)
    return event
