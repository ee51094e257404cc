"""What a host is told before it locks itself down: the one shape that both sides agree on."""

from typing import TypedDict


class Grant(TypedDict):
    """A path that Landlock leaves open, everything below it included.

    Attributes:
        path: File or directory; one that does not exist is passed over.
        rights: `read` (files and directories), `device` (read and write), or `scratch`.
    """

    path: str
    rights: str


class Orders(TypedDict):
    """How a host locks itself down, and what it must find closed then.

    Attributes:
        parent_pid: Process that must still be the parent; 0: not checked, within a namespace of processes.
        is_bound_to_parent: The kernel kills the host with its parent.
        rlimits: Name of each limit of the resource module, and its value.
        niceness: What is added to the host's niceness.
        cores: Processors that it may use; empty: all.
        user: User and group id to become; 0: the one that it has.
        sheds_privileges: Whether capabilities are dropped, and none can come back.
        scratch: The directory that it may write to.
        grants: What Landlock leaves open; None: without Landlock.
        landlock_abi_max: Newest version of Landlock that is made use of.
        seccomp: Instructions of the filter, in base64; "": without a filter.
        seccomp_pid: The constant of these instructions that stands for the host's own process id.
        sys_path: What is added to the places modules are imported from.
        canaries: Files that it must not be able to open.
        forbidden_directories: Where it must not be able to create a file.
        is_proving: Whether it tries each canary.
        output_bytes: How much a call may print until the rest is dropped.
        reply_bytes: Longest reply.
    """

    parent_pid: int
    is_bound_to_parent: bool
    rlimits: dict[str, int]
    niceness: int
    cores: list[int]
    user: int
    sheds_privileges: bool
    scratch: str
    grants: list[Grant] | None
    landlock_abi_max: int
    seccomp: str
    seccomp_pid: int
    sys_path: list[str]
    canaries: list[str]
    forbidden_directories: list[str]
    is_proving: bool
    output_bytes: int
    reply_bytes: int
