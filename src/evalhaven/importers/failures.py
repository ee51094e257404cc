"""Why a server did not answer, in words that say what to check."""

import socket
import ssl
from collections.abc import Iterator
from typing import cast

import httpx2


def failure_text(error: Exception) -> str:
    """Return why there was no answer, or only part of one."""
    match error:
        case httpx2.ConnectTimeout():
            text = "no connection was made in time"
        case httpx2.TimeoutException():
            text = "no answer came in time"
        case httpx2.RemoteProtocolError() | httpx2.ReadError() | httpx2.WriteError():
            text = f"the connection ended before the answer was there ({_words(error)})"
        case _:
            text = _words(error)
    return next(filter(None, map(_system_text, _causes(error))), text)


def _system_text(error: BaseException) -> str | None:
    """Return what a system error means for the user; None if its own text says enough."""
    match error:
        case ConnectionRefusedError():
            return "the connection was refused: nothing listens at this address"
        case socket.gaierror():
            return "the name in the address does not resolve"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted ({error.verify_message})"
        case _:
            return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, including the members of groups."""
    waiting: list[BaseException] = [error]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += [cause for cause in (each.__cause__, each.__context__) if cause is not None]
        if isinstance(each, BaseExceptionGroup):
            waiting += cast("BaseExceptionGroup[BaseException]", each).exceptions


def _words(error: Exception) -> str:
    text = str(error).rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
