"""Host processes as the server sees them: how they start, how they end, and what they died of."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO

from evalhaven.sandbox.environment import Environment, Layers
from evalhaven.sandbox.interpreters import examine_interpreter
from evalhaven.sandbox.launch import Launch, Place, plan_launch
from evalhaven.sandbox.limits import Limits
from evalhaven.sandbox.scratch import ScratchRoot, remove_tree
from evalhaven.sandbox.users import is_root, may_mount, pick_user

_PROGRAM = ("kernel", "landlock", "parent", "lockdown", "proof", "printing", "grading", "serving", "entry")
_PACKAGE = "evalhaven.sandbox.inside"
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
_ERRORS_BYTES = 2000
# When memory runs out, the kernel shall kill hosts before anything else: memory that they share with others (scratch
# directories in memory) is charged to nobody, and the server must not die for it. The host's process inherits this.
_EXPENDABLE = ("/bin/sh", "-c", 'echo 1000 2>/dev/null >/proc/self/oom_score_adj; exec "$@"', "host")
_SIGNALED_STATUS = 128  # bubblewrap exits with this plus the number of the signal that killed its child


class HostStartError(Exception):
    """A host could not be started; the message says why.

    Attributes:
        is_passing: Whether the next attempt may succeed: this host was killed or slow, or the machine was short of
            something.
    """

    def __init__(self, message: str, *, is_passing: bool = False) -> None:
        super().__init__(message)
        self.is_passing = is_passing


@dataclass(slots=True, eq=False)
class Host:
    """A process in a sandbox.

    Attributes:
        process: What was started: the host, or bubblewrap around it.
        pid: The host itself, or bubblewrap's first process until the host is ready; None if it is not known.
        calls: Descriptor of the pipe to it, which does not block.
        replies: Descriptor of the pipe from it, which does not block.
        scratch: The directory that it may write to.
        errors: What the host writes to standard error until it is ready.
        last_words: The end of that, once the process is gone.
        is_wrapped: Whether bubblewrap reports its end.
    """

    process: subprocess.Popen[bytes]
    pid: int | None
    calls: int
    replies: int
    scratch: Path
    errors: IO[bytes]
    is_wrapped: bool
    last_words: str = ""

    def kill(self) -> None:
        """Kill the host and everything it could have started; a second call does nothing."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def find_itself(self) -> None:
        """Find the process id of the host within its namespace, whose first process is bubblewrap's."""
        if self.is_wrapped and self.pid is not None:
            self.pid = _find_child(self.pid)

    @property
    def was_killed(self) -> bool:
        """Tell whether a signal ended the host, as far as can be known."""
        code = self.process.returncode
        return code is not None and (code < 0 or (self.is_wrapped and code > _SIGNALED_STATUS))

    def describe_end(self) -> str:
        """Return how the host ended, as the end of a sentence whose subject is the process."""
        code = self.process.returncode
        if code is None:
            return "has not ended"
        if self.is_wrapped and code > _SIGNALED_STATUS:
            code = _SIGNALED_STATUS - code
        if code >= 0:
            return f"exited with status {code}"
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"

    def close(self) -> None:
        """Close the pipes, and keep the last lines of standard error."""
        os.close(self.calls)
        os.close(self.replies)
        with self.errors as errors:
            errors.seek(max(0, os.fstat(errors.fileno()).st_size - _ERRORS_BYTES))
            self.last_words = errors.read(_ERRORS_BYTES).decode("utf-8", "replace").strip()


class HostStarter:
    """Starts hosts from a thread of its own, and ends the remaining ones when it is closed.

    The kernel kills hosts with the thread that started them, so that thread lives as long as this object.
    """

    def __init__(self, layers: Layers, limits: Limits, canaries: Sequence[Path]) -> None:
        """Start nothing yet.

        Args:
            layers: The walls of every host.
            limits: What every host may use.
            canaries: Files that no host may be able to open.
        """
        self._layers = layers
        self._limits = limits
        self._canaries = [path.resolve() for path in canaries]
        self._numbers: Iterator[int] = count()
        self._living: set[Host] = set()
        self._scratch: ScratchRoot | None = None
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="evalhaven-hosts")

    def start(self, environment: Environment) -> Host:
        """Start a host and send it its program; call this in `thread`.

        Raises:
            HostStartError: The host could not be started.
            InterpreterError: There is no interpreter to start.
            SeccompMissingError: The filter cannot be made.
        """
        interpreter = examine_interpreter(environment.python)
        user = pick_user() if self._layers.privileges and self._has_users() else 0
        scratch = self._root().make(user)
        place = Place(scratch, user, next(self._numbers))
        try:
            launch = plan_launch(self._layers, self._limits, environment, interpreter, place, self._canaries)
            host = _spawn(launch, scratch, self._layers.namespaces)
        except BaseException:
            remove_tree(scratch)
            raise
        self._living.add(host)
        return host

    def end(self, host: Host) -> None:
        """Kill a host, wait until it is gone, and remove what it left."""
        host.kill()
        host.process.wait()
        try:
            self._living.remove(host)
        except KeyError:
            return  # it was ended meanwhile
        host.close()
        remove_tree(host.scratch)

    def list_living(self) -> list[Host]:
        """Return the hosts that have not been ended yet."""
        return list(self._living)

    def close(self) -> None:
        """End every host that is left."""
        for host in self.list_living():
            self.end(host)
        self.thread.shutdown()
        if self._scratch is not None:
            self._scratch.close()

    def _has_users(self) -> bool:
        return is_root() and (may_mount() or not self._layers.namespaces)

    def _root(self) -> ScratchRoot:
        if self._scratch is None:
            self._scratch = ScratchRoot()
        return self._scratch


@cache
def _program() -> list[tuple[str, str]]:
    directory = Path(__file__).parent / "inside"
    modules = [(f"{_PACKAGE}.{name}", (directory / f"{name}.py").read_text()) for name in _PROGRAM]
    return [(_PACKAGE, ""), *modules]


def _spawn(launch: Launch, scratch: Path, is_wrapped: bool) -> Host:
    calls_inside, calls, replies, replies_inside, facts, facts_inside = ends = _open_pipes(3)
    try:
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the host
    except OSError:
        _close(ends)
        raise
    ours, theirs = [calls, replies], [calls_inside, replies_inside, facts_inside]
    command = launch.command
    if is_wrapped:
        command = [command[0], "--info-fd", str(facts_inside), *command[1:]]
    command = [*_EXPENDABLE, *command]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            stdin=calls_inside,
            stdout=replies_inside,
            stderr=errors,
            env=launch.variables,
            pass_fds=(facts_inside,) if is_wrapped else (),
            start_new_session=True,
            cwd="/",
        )
    except OSError as error:
        _close(ours)
        errors.close()
        raise HostStartError(f"{launch.command[0]} does not start: {error.strerror}", is_passing=True) from error
    finally:
        _close(theirs)
        with os.fdopen(facts, "rb") as information:
            pid = _host_pid(information) if is_wrapped else None
    host = Host(process, pid if is_wrapped else process.pid, calls, replies, scratch, errors, is_wrapped)
    _send_program(host, launch)
    for descriptor in ours:
        os.set_blocking(descriptor, False)
    return host


def _open_pipes(count: int) -> list[int]:
    """Return both ends of so many pipes; leave none open if one of them cannot be made."""
    ends: list[int] = []
    try:
        for _ in range(count):
            ends += os.pipe()
    except OSError:
        _close(ends)
        raise
    return ends


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _host_pid(information: IO[bytes]) -> int | None:
    """Return the process id that bubblewrap reports; None: it ended first."""
    try:
        return json.load(information)["child-pid"]
    except ValueError:
        return None


def _find_child(parent: int) -> int | None:
    """Return the one child of a process; None: it has none, or it is not visible."""
    try:
        # Some kernels do not list children.
        listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return int(listed[0]) if listed else None
    except OSError:
        pass
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(status.read_text().rpartition(")")[2].split()[1]) == parent:
                return int(status.parent.name)
    return None


def _send_program(host: Host, launch: Launch) -> None:
    """Send the program while the pipe still blocks; if the host has died, whoever waits for it notices."""
    _widen(host.calls)
    text = json.dumps([_program(), launch.orders]).encode()
    with suppress(BrokenPipeError), os.fdopen(host.calls, "wb", closefd=False) as pipe:
        pipe.write(len(text).to_bytes(4, "little") + text)


def _widen(pipe: int) -> None:
    """Enlarge a pipe to hold many calls, if the kernel allows this user one of that size."""
    try:
        fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EINVAL, errno.EBUSY):
            raise
