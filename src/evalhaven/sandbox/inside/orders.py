"""What a host is told before it locks itself down, in the one form that both sides share."""

from typing import TypedDict


class Grant(TypedDict):
    """A path that Landlock leaves open, including everything below it.

    Attributes:
        path: File or directory; one that does not exist is skipped.
        rights: `read` (files and directories), `device` (read and write), or `scratch`.
    """

    path: str
    rights: str


class Orders(TypedDict):
    """How a host locks itself down, and what it must find closed afterwards.

    Attributes:
        parent_pid: Process that must still be the parent; 0: not checked, as in a namespace of processes.
        is_bound_to_parent: Whether the kernel kills the host when its parent ends.
        rlimits: Name of each limit of the resource module, and its value.
        niceness: Is added to the host's niceness.
        cores: Processors that it may use; empty: all.
        user: User and group id to become; 0: keep the current ones.
        sheds_privileges: Whether capabilities are dropped, and none can come back.
        scratch: The directory that it may write to.
        grants: What Landlock leaves open; None: without Landlock.
        landlock_abi_max: Newest version of Landlock to use.
        seccomp: Instructions of the filter, in base64; "": without a filter.
        seccomp_pid: The constant of these instructions that stands for the host's own process id.
        sys_path: Additional directories to import modules from.
        canaries: Files that it must not be able to open.
        forbidden_directories: Where it must not be able to create a file.
        is_proving: Whether it tries each canary.
        output_bytes: How much of what a call prints is kept; the rest is dropped.
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
