"""What the filter of system calls lets through, asked call by call."""

import errno
import os
import platform

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhaven.sandbox.libseccomp import Filter
from evalhaven.sandbox.policy import PID_PLACEHOLDER, seccomp_program
from tests.unit.sandbox.filter_machine import ALLOW, ARCHITECTURES, ERRNO, decide

pytestmark = pytest.mark.skipif(
    platform.machine() not in ARCHITECTURES or platform.system() != "Linux", reason="filters are made for Linux"
)
REFUSED = ERRNO | errno.EPERM
UNKNOWN = ERRNO | errno.ENOSYS
words = st.integers(0, (1 << 64) - 1)
arguments = st.lists(words, max_size=6)


def number(name: str) -> int:
    with Filter(ALLOW) as library:
        found = library.find_number(name)
    assert found is not None
    return found


def ask(name: str, *values: int) -> int:
    return decide(seccomp_program(), number(name), *values)


@pytest.mark.parametrize("name", ["read", "write", "mmap", "futex", "getpid", "clock_gettime", "exit_group"])
def test_everyday_calls_are_allowed(name: str) -> None:
    assert ask(name) == ALLOW


@pytest.mark.parametrize(
    "name",
    [
        "execve",
        "execveat",
        "socket",
        "connect",
        "ptrace",
        "bpf",
        "mount",
        "unshare",
        "keyctl",
        "memfd_create",
        "linkat",
    ],
)
@given(values=arguments)
def test_known_dangers_are_refused_whatever_the_arguments(name: str, values: list[int]) -> None:
    assert ask(name, *values) == REFUSED


@given(call=st.integers(600, (1 << 31) - 1), values=arguments)
def test_calls_newer_than_the_list_do_not_exist(call: int, values: list[int]) -> None:
    assert decide(seccomp_program(), call, *values) in (UNKNOWN, 0, 0x80000000)


@given(call=st.integers(0, 600), values=arguments, architecture=st.sampled_from([0x40000003, 0x40000028, 0]))
def test_calls_of_another_architecture_kill(call: int, values: list[int], architecture: int) -> None:
    assert decide(seccomp_program(), call, *values, architecture=architecture) in (0, 0x80000000)


@given(flags=st.integers(0, (1 << 32) - 1))
def test_a_file_is_emptied_only_by_who_may_write_to_it(flags: int) -> None:
    is_writing = flags & os.O_ACCMODE in (os.O_WRONLY, os.O_RDWR)
    expected = ALLOW if is_writing or not flags & os.O_TRUNC else None

    assert (ask("openat", 0, 0, flags) == ALLOW) is (expected == ALLOW)


THREAD = 0x3D0F00  # what glibc asks for when it makes a thread


def test_threads_are_made_and_processes_are_not() -> None:
    assert ask("clone", THREAD) == ALLOW
    assert ask("clone", 17) == REFUSED
    assert ask("clone3") == UNKNOWN


@given(flags=words)
def test_no_clone_makes_a_process_or_a_namespace(flags: int) -> None:
    namespaces = 0x7E020080
    if flags & 0x10900 != 0x10900 or flags & namespaces:
        assert ask("clone", flags) != ALLOW


@pytest.mark.parametrize("name", ["kill", "tgkill"])
@given(pid=words)
def test_only_the_own_process_is_signaled(name: str, pid: int) -> None:
    assert ask(name, PID_PLACEHOLDER, 9) == ALLOW
    assert pid == PID_PLACEHOLDER or ask(name, pid, 9) == REFUSED


@given(pid=words, limit=st.integers(1, (1 << 64) - 1))
def test_limits_are_read_and_never_set(pid: int, limit: int) -> None:
    assert ask("prlimit64", 0, 7, 0, 1) == ALLOW
    assert ask("prlimit64", pid, 7, limit, 0) == UNKNOWN
    assert pid in (0, PID_PLACEHOLDER) or ask("prlimit64", pid, 7, 0, 1) == UNKNOWN


@pytest.mark.parametrize("command", [8, 10, 15, 1024, 1031, 1033])
def test_descriptors_get_no_owner_lease_or_seal(command: int) -> None:
    assert ask("fcntl", 0, command) == UNKNOWN
    assert ask("fcntl", 0, 3) == ALLOW


def test_socket_pairs_are_for_event_loops_only() -> None:
    assert ask("socketpair", 1, 1 | os.O_NONBLOCK | os.O_CLOEXEC) == ALLOW
    assert ask("socketpair", 1, 2) == UNKNOWN
    assert ask("socketpair", 2, 1) == UNKNOWN
    assert ask("sendto", 3, 1, 1, 0, 0, 0) == ALLOW
    assert ask("sendto", 3, 1, 1, 0, 4096, 16) == UNKNOWN
