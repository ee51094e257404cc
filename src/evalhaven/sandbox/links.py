"""The pipes to one host, driven by the event loop: many calls per write, many replies per read."""

import asyncio
import errno
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import anyio
import anyio.to_thread
import msgspec

from evalhaven.sandbox.environment import Environment
from evalhaven.sandbox.hosts import Host, HostStarter, HostStartError
from evalhaven.sandbox.interpreters import InterpreterError
from evalhaven.sandbox.libseccomp import SeccompMissingError
from evalhaven.sandbox.limits import REPLY_BYTES

_READ_BYTES = 1 << 18
_HEAD_BYTES = 4
_SHORTAGES = (errno.EAGAIN, errno.ENOMEM)


class _Ready(msgspec.Struct):
    leaks: list[str] = []
    failed: str = ""


class HostLink:
    """A started host and its pipes; what it sends goes to `on_received`, and an empty message means its end.

    Attributes:
        host: The process.
        is_open: Whether more can come from it.
        on_received: Called with what was read; replaced by whoever takes over the host.
    """

    def __init__(self, host: Host) -> None:
        """Begin to read."""
        self.host = host
        self.is_open = True
        self.on_received: Callable[[bytes], None] = self._keep
        self._kept = b""
        self._has_news = asyncio.Event()
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(host.replies, self.read)

    def read(self) -> None:
        """Pass on what the host has sent so far."""
        if not self.is_open:
            return
        try:
            received = os.read(self.host.replies, _READ_BYTES)
        except BlockingIOError:
            return
        if not received:
            self.close()
        self.on_received(received)

    def send(self, calls: bytes) -> None:
        """Write as much as the pipe holds, and the rest when there is room."""
        if not self.is_open:
            return
        if not self._unsent:
            try:
                calls = calls[os.write(self.host.calls, calls) :]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                return  # reading will notice the end
            if calls:
                self._loop.add_writer(self.host.calls, self._send_rest)
        self._unsent += calls

    def _send_rest(self) -> None:
        try:
            del self._unsent[: os.write(self.host.calls, self._unsent)]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent.clear()
        if not self._unsent:
            self._loop.remove_writer(self.host.calls)

    def close(self) -> None:
        """Read and write no more; the process is not ended by this."""
        if self.is_open:
            self.is_open = False
            self._loop.remove_reader(self.host.replies)
            self._loop.remove_writer(self.host.calls)

    def _keep(self, received: bytes) -> None:
        self._kept += received
        self._has_news.set()

    async def wait_ready(self) -> None:
        """Wait until the host has locked itself down and proved so.

        Raises:
            HostStartError: The host could not lock itself down, or something got through.
        """
        while (size := self._kept_size()) is None or len(self._kept) < size:
            if not self.is_open or (size or 0) > REPLY_BYTES:
                raise HostStartError("it ended before it was ready", is_passing=True)
            self._has_news.clear()
            await self._has_news.wait()
        try:
            ready = msgspec.json.decode(self._kept[_HEAD_BYTES:], type=_Ready)
        except msgspec.MsgspecError as error:
            raise HostStartError("it did not say that it was ready") from error
        self._kept = b""
        if ready.failed:
            raise HostStartError(ready.failed)
        if ready.leaks:
            raise HostStartError(f"the sandbox leaks: a host {', '.join(ready.leaks)}")

    def _kept_size(self) -> int | None:
        if len(self._kept) < _HEAD_BYTES:
            return None
        return _HEAD_BYTES + int.from_bytes(self._kept[:_HEAD_BYTES], "little")


async def open_host(starter: HostStarter, environment: Environment, start_s: float) -> HostLink:
    """Start a host and wait until it is ready for a source.

    Raises:
        HostStartError: The host could not be started, or its sandbox does not hold; the message says why.
    """
    link = await _start(starter, environment)
    try:
        with anyio.fail_after(start_s):
            await link.wait_ready()
    except TimeoutError as error:
        await end_host(starter, link)
        raise HostStartError(f"it was not ready within {start_s:g} seconds", is_passing=True) from error
    except HostStartError as error:
        await end_host(starter, link)
        host = link.host
        said = host.last_words
        is_short = any(os.strerror(number) in said for number in _SHORTAGES)
        is_passing = error.is_passing and (is_short or (host.was_killed and not said))
        raise HostStartError(f"{error}: {said}" if said else str(error), is_passing=is_passing) from error
    except BaseException:
        await end_host(starter, link)
        raise
    link.on_received = _ignore
    # Only reads one small file, in which the kernel lists children.
    link.host.find_itself()
    return link


async def _start(starter: HostStarter, environment: Environment) -> HostLink:
    starting = asyncio.get_running_loop().run_in_executor(starter.thread, partial(starter.start, environment))
    host: Host | None = None
    try:
        # A cancellation in between would leave a process behind that nothing keeps track of.
        with anyio.CancelScope(shield=True):
            host = await starting
    except (InterpreterError, SeccompMissingError, OSError) as error:
        raise HostStartError(str(error)) from error
    if host is None:
        raise HostStartError("it was not started")
    return HostLink(host)


async def end_host(starter: HostStarter, link: HostLink) -> None:
    """End a host and wait until nothing of it is left."""
    link.close()
    with anyio.CancelScope(shield=True), suppress(ProcessLookupError):
        await anyio.to_thread.run_sync(starter.end, link.host)


def _ignore(_received: bytes) -> None:
    """Drop what nobody asked for."""
