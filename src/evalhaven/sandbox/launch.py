"""How a host is started: its command line, and what it is ordered to give up."""

import base64
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalhaven.sandbox.environment import Environment, Layers
from evalhaven.sandbox.inside.orders import Grant, Orders
from evalhaven.sandbox.interpreters import Interpreter
from evalhaven.sandbox.limits import REPLY_BYTES, Limits
from evalhaven.sandbox.policy import PID_PLACEHOLDER, seccomp_program

_USR = Path("/usr")
_PYTHON_INSIDE = Path("/opt/python")
_PACKAGES_INSIDE = Path("/opt/packages")
_NLTK_INSIDE = Path("/opt/nltk_data")
_SCRATCH_INSIDE = Path("/scratch")
_NOBODY = 65534
_NICENESS = 5
_CORES = 2
_MIB = 1 << 20
# The interpreter, libraries and thread stacks map memory that they never use.
_ADDRESS_SPACE_PER_MEMORY = 1.25
# The kernel counts all of a user's processes, wherever they run; a namespace of users has its own count (Linux 5.14).
_THREADS_OF_SHARED_USER = 4096
_OWN_COUNT_SINCE = (5, 14)
_SETTINGS = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_BOOT = """
import json, os, sys
def take(size):
    taken = b""
    while len(taken) < size:
        part = os.read(0, size - len(taken))
        if not part:
            os._exit(0)
        taken += part
    return taken
program, orders = json.loads(take(int.from_bytes(take(4), "little")))
for name, text in program:
    module = sys.modules[name] = type(sys)(name)
    exec(compile(text, "<" + name + ">", "exec", dont_inherit=True), module.__dict__)
be_host = module.prepare(orders)
del program, orders, name, text, module, take
be_host()
"""
BWRAP = "bwrap"


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything that starts one host.

    Attributes:
        command: Program and arguments, except those for the descriptor of bubblewrap's information.
        variables: The whole environment of the process.
        orders: What the host is told.
    """

    command: list[str]
    variables: dict[str, str]
    orders: Orders


@dataclass(frozen=True, slots=True)
class Place:
    """What differs from host to host.

    Attributes:
        scratch: The directory that it may write to.
        user: The user that it becomes; 0: it keeps its user.
        number: How many hosts were started before it.
    """

    scratch: Path
    user: int
    number: int


def plan_launch(
    layers: Layers,
    limits: Limits,
    environment: Environment,
    interpreter: Interpreter,
    place: Place,
    canaries: Sequence[Path],
) -> Launch:
    """Return how to start a host.

    Raises:
        SeccompMissingError: A filter is needed but cannot be made.
    """
    view = _View(layers.namespaces, environment, interpreter)
    scratch = _SCRATCH_INSIDE if layers.namespaces else place.scratch
    variables = _SETTINGS | view.variables
    command = [str(view.executable), "-I", "-S", "-c", _BOOT]
    if layers.namespaces:
        command = [*_bwrap(view, limits, place, variables), "--", *command]
        variables = {"PATH": os.environ.get("PATH", os.defpath)}
    orders = Orders(
        parent_pid=0 if layers.namespaces else os.getpid(),
        is_bound_to_parent=platform.system() == "Linux",
        rlimits=_rlimits(layers, limits, place) if layers.rlimits else {},
        niceness=_NICENESS,
        cores=_cores(place.number),
        user=place.user,
        sheds_privileges=layers.privileges,
        scratch=str(scratch),
        grants=_grants(view, scratch) if layers.landlock else None,
        landlock_abi_max=layers.landlock_abi_max,
        seccomp=base64.b64encode(seccomp_program()).decode() if layers.seccomp else "",
        seccomp_pid=PID_PLACEHOLDER,
        sys_path=[str(path) for path in view.packages],
        canaries=[str(path) for path in canaries],
        forbidden_directories=[str(path.parent) for path in canaries],
        is_proving=layers.is_proving,
        output_bytes=limits.output_chars,
        reply_bytes=REPLY_BYTES,
    )
    return Launch(command, variables, orders)


def find_bwrap() -> str | None:
    """Return where bubblewrap is installed."""
    return shutil.which(BWRAP)


class _View:
    """The paths that a host sees: in a namespace, they reveal nothing about this machine."""

    def __init__(self, is_moved: bool, environment: Environment, interpreter: Interpreter) -> None:
        self.binds: list[tuple[Path, Path]] = []
        self._is_moved = is_moved
        prefix = self._place(interpreter.prefix, _PYTHON_INSIDE)
        self.executable = _replant(interpreter.executable, interpreter.prefix, prefix)
        self.libraries = [_replant(path, interpreter.prefix, prefix) for path in interpreter.library_directories]
        self.packages = [
            self._place(path.resolve(), _PACKAGES_INSIDE / str(number)) for number, path in enumerate(environment.paths)
        ]
        self.variables: dict[str, str] = {}
        self.corpora: Path | None = None
        if environment.nltk_data is not None:
            self.corpora = self._place(environment.nltk_data.resolve(), _NLTK_INSIDE)
            self.variables["NLTK_DATA"] = str(self.corpora)
        if prefix != interpreter.prefix:
            # A shared libpython is looked up where it was installed.
            self.variables["LD_LIBRARY_PATH"] = ":".join(map(str, self.libraries))

    def _place(self, path: Path, inside: Path) -> Path:
        if not self._is_moved or path.is_relative_to(_USR):
            return path
        self.binds.append((path, inside))
        return inside


def _replant(path: Path, old: Path, new: Path) -> Path:
    return new / path.relative_to(old) if path.is_relative_to(old) else path


def _bwrap(view: _View, limits: Limits, place: Place, variables: dict[str, str]) -> list[str]:
    command = [find_bwrap() or BWRAP]
    if place.user:
        command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--unshare-user", "--uid", str(_NOBODY), "--gid", str(_NOBODY)]
    command += [
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    command += ["--die-with-parent", "--new-session", "--clearenv", "--hostname", "grader"]
    command += ["--ro-bind", "/usr", "/usr"]
    for path in (Path("/lib"), Path("/lib32"), Path("/lib64")):
        if path.is_symlink():
            command += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            command += ["--ro-bind", str(path), str(path)]
    # Parent directories that bubblewrap creates by itself are closed to the user that a host becomes.
    for parent in dict.fromkeys((Path("/etc"), *(inside.parent for _, inside in view.binds))):
        command += ["--perms", "0755", "--dir", str(parent)]
    for outside, inside in view.binds:
        command += ["--ro-bind", str(outside), str(inside)]
    for file in ("/etc/ld.so.cache", "/etc/localtime"):
        command += ["--ro-bind-try", file, file]
    command += ["--dev", "/dev", "--remount-ro", "/dev"]
    # One of our directories, where writes can be counted: a file system in memory would be charged to no process.
    command += ["--bind", str(place.scratch), str(_SCRATCH_INSIDE)]
    command += ["--remount-ro", "/"]
    for name, value in variables.items():
        command += ["--setenv", name, value]
    return command


def _grants(view: _View, scratch: Path) -> list[Grant]:
    readable = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime"]
    readable += [str(path) for path in (*view.libraries, *view.packages)]
    if view.corpora is not None:
        readable.append(str(view.corpora))
    # scikit-learn and others read these about their own process and machine; a namespace does not have them.
    readable += [f"/proc/self/{name}" for name in ("maps", "status", "statm")]
    readable += ["/proc/cpuinfo", "/proc/meminfo", "/dev/urandom", "/dev/random"]
    devices = ["/dev/null", "/dev/zero", "/dev/full"]
    grants = [Grant(path=path, rights="read") for path in readable]
    grants += [Grant(path=path, rights="device") for path in devices]
    return [*grants, Grant(path=str(scratch), rights="scratch")]


def _rlimits(layers: Layers, limits: Limits, place: Place) -> dict[str, int]:
    counts_own = bool(place.user) or (layers.namespaces and _kernel_version() >= _OWN_COUNT_SINCE)
    return {
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_FSIZE": limits.disk_bytes,
        "RLIMIT_NPROC": limits.threads if counts_own else _THREADS_OF_SHARED_USER,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_SIGPENDING": 128,
        "RLIMIT_RTPRIO": 0,
        "RLIMIT_NICE": 0,
        "RLIMIT_STACK": 8 * _MIB,
        "RLIMIT_AS": int(limits.memory_bytes * _ADDRESS_SPACE_PER_MEMORY),
    }


def _kernel_version() -> tuple[int, ...]:
    return tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2] if part.isdecimal())


def _cores(number: int) -> list[int]:
    """Return the processors of a host: two of those available, different ones from host to host."""
    if platform.system() != "Linux":
        return []
    available = sorted(os.sched_getaffinity(0))
    first = number * _CORES % len(available)
    return [*available, *available][first : first + _CORES]
