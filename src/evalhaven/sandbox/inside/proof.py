"""The proof of a lock-down: everything that must be closed is tried, and each success is a leak."""

import os

from evalhaven.sandbox.inside.kernel import LIBC, check, has_capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from evalhaven.sandbox.inside.orders import Orders

_PROBE = "evalhaven-probe"
_AF_UNIX, _AF_INET, _SOCK_STREAM = 1, 2, 1


def prove(orders: "Orders") -> list[str]:
    """Return each forbidden act that succeeded, in a few words; empty: the lock-down holds."""
    attempts: dict[str, Callable[[], None]] = {
        "opened an internet socket": lambda: _open_socket(_AF_INET),
        "opened a unix socket": lambda: _open_socket(_AF_UNIX),
        "started a child process": _fork,
        "signaled another process": _signal_parent,
    }
    for path in ("/etc/passwd", "/proc/1/environ", *orders["canaries"]):
        attempts[f"opened {path}"] = lambda path=path: _open(path)
    for directory in ("/", "/tmp", "/dev/shm", "/usr/lib", *orders["forbidden_directories"]):  # noqa: S108
        attempts[f"created a file in {directory}"] = lambda directory=directory: _create_file(directory)
    leaks = [name for name, attempt in attempts.items() if _succeeds(attempt)]
    if not _is_execution_refused():
        leaks.append("may execute files")
    if has_capabilities():
        leaks.append("has capabilities")
    return leaks


def _succeeds(attempt: "Callable[[], None]") -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _open(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))


def _create_file(directory: str) -> None:
    path = f"{directory}/{_PROBE}-{os.getpid()}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    os.unlink(path)  # noqa: PTH108 - pathlib would be imported into every host


def _open_socket(family: int) -> None:
    os.close(check(LIBC.socket(family, _SOCK_STREAM, 0), "socket"))


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _signal_parent() -> None:
    # In a namespace of processes the parent is not visible: there every process is tried.
    os.kill(os.getppid() or -1, 0)


def _is_execution_refused() -> bool:
    try:
        os.execve("/nonexistent", ["/nonexistent"], {})  # noqa: S606 - it must be refused before the file is looked up
    except PermissionError:
        return True
    except OSError:
        return False
