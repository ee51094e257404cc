"""Processes that are forked off a forked server before it does anything, and become the children that it starts.

To load Evalhaven is most of what a start of the executor or of the recorder costs. The server could not fork itself
later: it has threads by then, and connections to SQLite, which must not be carried into another process. The executor
has stand-ins of its own for its sampling processes.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

from evalhaven.app import sampler, supervisor
from evalhaven.cli.main import main
from evalhaven.sandbox.inside.parent import die_with_parent

_CHUNK = 65_536
_MOST_DESCRIPTORS = 16
_LARGEST_DESCRIPTOR = 2**31 - 1
_ENDED_BADLY = 70
_POLL_S = 0.02
# What glibc reads from the environment at a program's start, by the numbers that mallopt(3) has for it.
_MALLOC_OPTIONS = {"MALLOC_MMAP_THRESHOLD_": -3, "MALLOC_ARENA_MAX": -8}


class StandIn:
    """A child of this process that waits to be told what it is; it ends with this process."""

    def __init__(self) -> None:
        """Fork."""
        self._orders, orders = socket.socketpair()
        parent = os.getpid()
        self._pid = os.fork()
        if not self._pid:
            die_with_parent(parent)
            _follow(orders, self._orders)
        orders.close()

    def start(self, command: list[str], environment: Mapping[str, str], descriptors: Mapping[int, int]) -> "Started":
        """Let the child be what `subprocess.Popen` would start in a session of its own.

        Args:
            command: This interpreter, `-m evalhaven`, and arguments.
            environment: All of its variables.
            descriptors: What it inherits by which numbers, beside this process's standard output and standard error.
        """
        order = {"command": command, "environment": dict(environment), "descriptors": [*descriptors]}
        with self._orders:
            body = json.dumps(order).encode()
            sent = socket.send_fds(self._orders, [body], [*descriptors.values()])
            self._orders.sendall(body[sent:])
        return Started(self._pid)


class Started:
    """A child that was a stand-in, with what is used of `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._reaping = threading.Lock()

    def poll(self) -> int | None:
        """Return the exit status; None while it runs, or while another thread waits for it."""
        if self._reaping.acquire(blocking=False):
            try:
                self._reap(os.WNOHANG)
            finally:
                self._reaping.release()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Return the exit status when there is one.

        Raises:
            subprocess.TimeoutExpired: There is none in time.
        """
        if timeout is None:
            with self._reaping:
                self._reap(0)
            return self.returncode
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(_POLL_S)
        return self.returncode

    def terminate(self) -> None:
        """Tell it to end."""
        self._send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._send_signal(signal.SIGKILL)

    def _send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def _reap(self, options: int) -> None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)


def use_stand_ins(count: int, starter: ModuleType = supervisor) -> None:
    """Let this process start its first children by stand-ins, and all others as always.

    Args:
        count: How many by stand-ins.
        starter: The module that starts them, by `subprocess.Popen`.
    """
    # Elsewhere nothing shows others what a stand-in has become.
    waiting = [StandIn() for _ in range(count if sys.platform == "linux" else 0)]

    def start(command: list[str], **options: Any) -> Started | subprocess.Popen[Any]:
        if not waiting or len(_title_of(command)) > _room_for_title():
            return subprocess.Popen(command, **options)
        with Path(os.devnull).open("rb") as nothing:
            return waiting.pop().start(command, options.get("env", os.environ), _descriptors(options, nothing.fileno()))

    # What else that module uses of subprocess is as it was.
    setattr(starter, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": start}))  # noqa: B010 - types


def _descriptors(options: dict[str, Any], nothing: int) -> dict[int, int]:
    """Return what a child inherits by which numbers, from the options of `subprocess.Popen`."""
    stdin = options["stdin"]
    found = {
        0: nothing if stdin == subprocess.DEVNULL else stdin,
        **{each: each for each in options.get("pass_fds", [])},
    }
    if "stdout" in options:
        assert options["stderr"] == subprocess.STDOUT
        found |= {1: options["stdout"].fileno(), 2: options["stdout"].fileno()}
    return found


def become(command: list[str], environment: Mapping[str, str]) -> None:
    """Give this process arguments and an environment, as if it had been started with them."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = command


def _follow(orders: socket.socket, other_end: socket.socket) -> NoReturn:
    status = _ENDED_BADLY
    try:
        other_end.close()
        body, received, *_ = socket.recv_fds(orders, _CHUNK, _MOST_DESCRIPTORS)
        if not body:
            os._exit(0)  # the server is gone
        while more := orders.recv(_CHUNK):
            body += more
        order = json.loads(body)
        _inherit(dict(zip(order["descriptors"], received, strict=True)))
        os.setsid()
        become(["evalhaven", *order["command"][3:]], order["environment"])
        _set_title(order["command"])
        for name, number in _MALLOC_OPTIONS.items():
            if name in order["environment"]:
                ctypes.CDLL(None).mallopt(number, int(order["environment"][name]))
        if order["command"][3] == "own-server":
            use_stand_ins(1)
        samplers = int(order["environment"].get("EVALHAVEN_SAMPLING_PROCESSES", 1))
        if samplers > 1 and order["command"][3] == "executor" and "--seat" not in order["command"]:
            use_stand_ins(samplers, sampler)
        main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _inherit(descriptors: dict[int, int]) -> None:
    """Have these descriptors, by the numbers that they shall have, beside standard output and standard error."""
    # First out of the way of those numbers.
    above = max(*descriptors, *descriptors.values()) + 1
    high = {wanted: os.dup2(given, above + place) for place, (wanted, given) in enumerate(descriptors.items())}
    for wanted, held in high.items():
        os.dup2(held, wanted)
    kept = sorted({0, 1, 2, *descriptors})
    for lower, upper in zip(kept, [*kept[1:], _LARGEST_DESCRIPTOR], strict=True):
        os.closerange(lower + 1, upper)
    # What multiprocessing has put there reads nothing.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - until the process ends


def _title_of(command: list[str]) -> bytes:
    return "\0".join(command).encode() + b"\0"


def _title_area() -> tuple[int, int]:
    """Return where in memory the command line of this process begins and ends, as the kernel shows it to others."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return int(fields[45]), int(fields[46])


def _room_for_title() -> int:
    begin, end = _title_area()
    return end - begin


def _set_title(command: list[str]) -> None:
    """Show others this command line instead of that of the process that was forked."""
    begin, end = _title_area()
    title = _title_of(command)
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, title, len(title))
