"""How many files a process may have open: each connection is one."""

import contextlib
import sys

_KEPT = 512  # for the database, uploads, and calls to endpoints


def allow_many_connections() -> None:
    """Let this process open as many files as the system allows: each call needs one, and the default is often 1,024."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - not on every platform

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):  # some systems do not accept "without limit" as a number
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def most_connections() -> int | None:
    """Return how many connections the server may have, so that files are left for what it does; None for any number."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - not on every platform

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if files == resource.RLIM_INFINITY else max(files - _KEPT, files // 2)
