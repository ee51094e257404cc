"""Checks hosts 20 times a second while they work: time, memory, threads and disk."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

import anyio
import anyio.to_thread

from evalhaven.sandbox.limits import Limits
from evalhaven.sandbox.scratch import measure
from evalhaven.sandbox.sessions import Session, Verdict

_TICK_S = 0.05
_MIB = 1 << 20
# The kernel's own limits come first; hosts that are ended here got past them.
_MEMORY_TOLERANCE = 1.125
_THREADS_BEYOND = 8
_PAGE_BYTES = 4096
# The database may be on the same disk: then no run continues, and none gives its hosts back, until there is room.
_NEEDED_BYTES = 16 * _MIB
_LITTLE_BYTES = _MIB
_THREADS_FIELD, _PAGES_FIELD = 17, 21  # of /proc/<pid>/stat, counted behind the name of the program


class Watchdog:
    """Ends hosts that use more than their limits allow."""

    def __init__(self, limits: Limits) -> None:
        """Watch nothing yet."""
        self._limits = limits
        self._sessions: set[Session] = set()
        self._has_work = anyio.Event()

    def add(self, session: Session) -> None:
        """Watch a session from now on."""
        self._sessions.add(session)
        self._has_work.set()

    def remove(self, session: Session) -> None:
        """Stop watching a session."""
        self._sessions.discard(session)

    async def watch(self) -> None:
        """Check all sessions, until canceled."""
        while True:
            if not self._sessions:
                self._has_work = anyio.Event()
                await self._has_work.wait()
            await anyio.sleep(_TICK_S)
            now = time.monotonic()
            for session in list(self._sessions):
                session.check_clock(now)
            # Counting a scratch directory full of files takes a while.
            for session, verdict in await anyio.to_thread.run_sync(self._inspect, list(self._sessions)):
                if session.link.is_open:
                    session.end(verdict)

    def _inspect(self, sessions: list[Session]) -> list[tuple[Session, Verdict]]:
        is_full = _is_disk_full(session.link.host.scratch for session in sessions)
        # What an idle host has written stays until it ends.
        looked_at = [session for session in sessions if session.calls or is_full]
        found = ((session, self._find_excess(session, is_full=is_full)) for session in looked_at)
        return [(session, verdict) for session, verdict in found if verdict is not None]

    def _find_excess(self, session: Session, *, is_full: bool) -> Verdict | None:
        limits, host = self._limits, session.link.host
        threads, memory_bytes = _read_use(host.pid)
        usage = measure(host.scratch, limits.scratch_files)
        if usage.size_bytes > limits.disk_bytes:
            return Verdict("disk", f"the grader wrote more than {limits.disk_bytes // _MIB} MiB")
        if is_full and usage.size_bytes > _LITTLE_BYTES:
            size_mib = usage.size_bytes // _MIB
            return Verdict("disk", f"the disk for temporary files is full, and the grader wrote {size_mib} MiB there")
        if usage.files > limits.scratch_files:
            return Verdict("disk", f"the grader made more than {limits.scratch_files} files")
        if memory_bytes + usage.size_bytes > limits.memory_bytes * _MEMORY_TOLERANCE:
            return Verdict("memory", f"the grader used more than {limits.memory_bytes // _MIB} MiB of memory")
        if threads > limits.threads + _THREADS_BEYOND:
            return Verdict("threads", f"the grader started more than {limits.threads} threads")
        return None


def _is_disk_full(directories: Iterable[Path]) -> bool:
    """Tell whether the disk of these directories has hardly any room left."""
    for directory in directories:
        try:
            disk = os.statvfs(directory)
        except OSError:
            continue  # its host has ended
        return disk.f_bavail * disk.f_frsize < _NEEDED_BYTES
    return False


def _read_use(pid: int | None) -> tuple[int, int]:
    """Return the threads and the resident memory (bytes) of a process; zeros if that cannot be known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0
    return int(fields[_THREADS_FIELD]), int(fields[_PAGES_FIELD]) * _PAGE_BYTES
