"""The targets of attacks: files, sockets and the process of a server that runs graders."""

import hashlib
import os
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from evalhaven.sandbox.libseccomp import Filter

SECRET = "a secret of the server"


@contextmanager
def open_victim(directory: Path, packages: str) -> Generator[dict[str, object]]:
    """Make the files and sockets, and yield their places, as attacks are told them."""
    paths = {name: directory / f"{name}.bin" for name in ("database", "configuration", "spare")}
    for path in paths.values():
        path.write_text(SECRET * 100)
        # Permissions alone must not protect it.
        path.chmod(0o666)
    abstract = f"evalhaven-{os.getpid()}"
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for address in (str(directory / "socket"), "\0" + abstract):
            unix = stack.enter_context(socket.socket(socket.AF_UNIX))
            unix.bind(address)
            unix.listen()
        (directory / "socket").chmod(0o666)
        yield {
            **{name: str(path) for name, path in paths.items()},
            "pid": os.getpid(),
            "port": tcp.getsockname()[1],
            "socket": str(directory / "socket"),
            "abstract": abstract,
            "packages": packages,
        }


def fingerprint(directory: Path) -> dict[str, str]:
    """Return a hash of everything that must stay as it is: content, mode, owner and time of each file."""
    found: dict[str, str] = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        facts = (status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_mtime_ns, status.st_nlink)
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = hashlib.sha256(repr(facts).encode() + content).hexdigest()
    return found


def system_call_numbers(names: list[str]) -> dict[str, int]:
    """Return the number of each system call that this machine has."""
    with Filter(0) as library:
        numbers = {name: library.find_number(name) for name in names}
    return {name: number for name, number in numbers.items() if number is not None}
