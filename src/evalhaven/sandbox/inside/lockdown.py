"""The lock-down of a host, in the one order that works: each step needs something that a later one takes away."""

import base64
import contextlib
import importlib
import os
import sys

from evalhaven.sandbox.inside import kernel, landlock
from evalhaven.sandbox.inside.parent import die_with_parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evalhaven.sandbox.inside.orders import Orders

CALLS, REPLIES = 3, 4
"""Descriptors of the pipes, after `seize_descriptors`."""


class LockdownError(Exception):
    """The host cannot be locked down as ordered; the message is a sentence."""


def seize_descriptors() -> None:
    """Move the pipes away from standard input and output, and close whatever else was inherited."""
    os.dup2(0, CALLS, inheritable=False)
    os.dup2(1, REPLIES, inheritable=False)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.closerange(REPLIES + 1, os.sysconf("SC_OPEN_MAX"))


def lock_down(orders: "Orders") -> None:
    """Give up everything that a grader must not have.

    Raises:
        LockdownError: This machine cannot do what is ordered.
        OSError: The kernel refused.
    """
    _bind_to_parent(orders)
    _limit_resources(orders)
    if orders["user"]:
        _become(orders["user"])
        _bind_to_parent(orders)  # changing the user clears the signal
    if orders["sheds_privileges"]:
        kernel.drop_capabilities()
        kernel.forbid_new_privileges()
    os.chdir(orders["scratch"])
    os.umask(0o077)
    os.environ.update(TMPDIR=orders["scratch"], HOME=orders["scratch"])
    if orders["grants"] is not None:
        version = min(landlock.find_version(), orders["landlock_abi_max"])
        if version < 1:
            raise LockdownError("the kernel has no Landlock (it came with Linux 5.13 and must be in lsm=)")
        landlock.restrict([(grant["path"], grant["rights"]) for grant in orders["grants"]], version)
    sys.path.extend(orders["sys_path"])
    _check_libraries(orders["sys_path"])
    if orders["seccomp"]:
        kernel.filter_system_calls(base64.b64decode(orders["seccomp"]), orders["seccomp_pid"])
    os.dup2(0, 2)


def _bind_to_parent(orders: "Orders") -> None:
    is_bound = die_with_parent(orders["parent_pid"])
    if orders["is_bound_to_parent"]:
        if not is_bound:
            raise LockdownError("the kernel does not end this process with its parent")
        kernel.forbid_tracing()


def _limit_resources(orders: "Orders") -> None:
    if orders["rlimits"]:
        import resource  # noqa: PLC0415 - not on every platform

        for name, value in orders["rlimits"].items():
            kind: int | None = getattr(resource, name, None)
            if kind is not None:
                _, hard = resource.getrlimit(kind)
                limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(kind, (limit, limit))
    os.nice(orders["niceness"])
    if orders["cores"]:
        # A container may have fewer processors by now; that is not a reason to refuse.
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, orders["cores"])


def _become(user: int) -> None:
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except PermissionError as error:
        raise LockdownError("root may not change its user here: run the server as another user") from error


def _check_libraries(directories: list[str]) -> None:
    """Check that a grader will be able to read the libraries it imports from, now that the rest is closed."""
    try:
        # A small module of the standard library that nothing has imported yet.
        importlib.import_module("colorsys")
    except ImportError as error:
        raise LockdownError(
            "the interpreter's library cannot be read in the sandbox: it may lie below a directory closed to others"
        ) from error
    for directory in directories:
        try:
            os.scandir(directory).close()
        except OSError as error:
            raise LockdownError(f"packages cannot be read in the sandbox: {error.strerror}: {directory}") from error
