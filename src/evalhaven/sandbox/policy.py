"""The list of the system calls that a grader may make; everything else is refused.

Calls that are not on the list answer ENOSYS, so that libraries fall back from calls newer than the list; known calls
that are refused on purpose answer EPERM, which Python shows as PermissionError.
"""

import errno
import os
from functools import cache

from evalhaven.sandbox.libseccomp import ALLOW, Comparison, Condition, Filter, refusal

PID_PLACEHOLDER = 0x1DEA5EED
"""Stands in the program for the process id of the host, which is known only when the host loads it."""

_FILES = """read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 close close_range lseek
 fstat stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat getdents64 getcwd chdir fchdir
 mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 fsync fdatasync ftruncate fallocate fadvise64
 copy_file_range sendfile statfs fstatfs umask dup dup2 dup3 pipe pipe2 flock"""
_WAITING = """poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2
 eventfd eventfd2 timerfd_create timerfd_settime timerfd_gettime nanosleep clock_nanosleep pause restart_syscall"""
_MEMORY = "mmap munmap mremap mprotect madvise mincore msync brk membarrier"
_THREADS = """futex futex_waitv set_robust_list get_robust_list set_tid_address rseq sched_yield sched_getaffinity
 sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min getcpu arch_prctl exit exit_group
 wait4 waitid"""
_SIGNALS = """rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack
 alarm getitimer setitimer"""
_FACTS = """clock_gettime clock_getres gettimeofday time times getrusage sysinfo uname getpid gettid getppid
 getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid getsid getpriority getrlimit getrandom
 capget"""
# For event loops, on a pair of connected sockets only: none of these calls names an address.
_SOCKET_PAIRS = "recvfrom shutdown getsockname getpeername getsockopt"
_ALLOWED = " ".join((_FILES, _WAITING, _MEMORY, _THREADS, _SIGNALS, _FACTS, _SOCKET_PAIRS)).split()

_KNOWN = """
 fork vfork execve execveat socket connect bind listen accept accept4 sendmsg sendmmsg recvmsg recvmmsg setsockopt
 tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal pidfd_getfd ptrace process_vm_readv
 process_vm_writev process_madvise kcmp chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes
 futimesat utimensat truncate link linkat symlink symlinkat mknod mknodat setxattr lsetxattr fsetxattr setxattrat
 memfd_create memfd_secret shmget shmat shmctl shmdt semget semop semctl msgget msgsnd msgrcv msgctl mq_open mount
 umount2 pivot_root chroot unshare setns fsopen fsmount fsconfig move_mount open_tree mount_setattr bpf
 perf_event_open keyctl add_key request_key userfaultfd io_uring_setup io_uring_enter io_uring_register setuid
 setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset setrlimit setpriority
 sched_setaffinity sched_setscheduler sched_setattr setpgid setsid personality seccomp landlock_create_ruleset
 init_module finit_module delete_module kexec_load reboot swapon swapoff sethostname setdomainname settimeofday
 clock_settime adjtimex acct quotactl syslog name_to_handle_at open_by_handle_at inotify_init inotify_init1
 fanotify_init vmsplice splice tee ioperm iopl lookup_dcookie"""
_REFUSED = _KNOWN.split()

_CLONE_VM, _CLONE_SIGHAND, _CLONE_THREAD = 0x100, 0x800, 0x10000
_THREAD_FLAGS = _CLONE_VM | _CLONE_SIGHAND | _CLONE_THREAD
# Mount, cgroup, uts, ipc, user, process and network namespaces; and time, which shares a bit with CSIGNAL.
_NAMESPACE_FLAGS = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x80
_FCNTL_COMMANDS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)  # descriptors, flags, locks; not owners or leases
_IOCTL_REQUESTS = (
    0x5401,
    0x5413,
    0x541B,
    0x5421,
    0x5450,
    0x5451,
)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX
_PRCTL_OPTIONS = (15, 16, 0x53564D41)  # PR_SET_NAME PR_GET_NAME PR_SET_VMA
_AF_UNIX, _SOCK_STREAM, _SOCKET_TYPES = 1, 1, 0xF


def _equals(argument: int, value: int) -> Condition:
    return Condition(argument, Comparison.EQUAL, value)


def _masked(argument: int, mask: int, left: int) -> Condition:
    return Condition(argument, Comparison.MASKED_EQUAL, mask, left)


@cache
def seccomp_program() -> bytes:
    """Return the filter for this machine's architecture, with `PID_PLACEHOLDER` in place of the host's process id.

    Raises:
        SeccompMissingError: There is no usable libseccomp.
    """
    refused = refusal(errno.EPERM)
    with Filter(refusal(errno.ENOSYS)) as rules:
        rules.add_all(ALLOW, _ALLOWED)
        rules.add_all(refused, _REFUSED)
        _add_opening(rules)
        _add_threads_and_signals(rules, refused)
        for command in _FCNTL_COMMANDS:
            rules.add(ALLOW, "fcntl", _equals(1, command))
        for request in _IOCTL_REQUESTS:
            rules.add(ALLOW, "ioctl", _equals(1, request))
        for option in _PRCTL_OPTIONS:
            rules.add(ALLOW, "prctl", _equals(0, option))
        rules.add(ALLOW, "socketpair", _equals(0, _AF_UNIX), _masked(1, _SOCKET_TYPES, _SOCK_STREAM))
        rules.add(ALLOW, "sendto", _equals(4, 0))
        return rules.export()


def _add_opening(rules: Filter) -> None:
    """Allow opening files; truncating needs the right to write, which Landlock before ABI 3 does not check."""
    for name, flags in (("open", 1), ("openat", 2)):
        rules.add(ALLOW, name, _masked(flags, os.O_TRUNC, 0))
        rules.add(ALLOW, name, _masked(flags, os.O_ACCMODE, os.O_WRONLY))
        rules.add(ALLOW, name, _masked(flags, os.O_ACCMODE, os.O_RDWR))
        rules.add(refusal(errno.EPERM), name, _masked(flags, os.O_TRUNC | os.O_ACCMODE, os.O_TRUNC))
    rules.add(ALLOW, "creat")


def _add_threads_and_signals(rules: Filter, refused: int) -> None:
    mask = _THREAD_FLAGS | _NAMESPACE_FLAGS
    rules.add(ALLOW, "clone", _masked(0, mask, _THREAD_FLAGS))
    rules.add(refused, "clone", _masked(0, _CLONE_THREAD, 0))
    for name in ("kill", "tgkill"):
        rules.add(ALLOW, name, _equals(0, PID_PLACEHOLDER))
        rules.add(refused, name, Condition(0, Comparison.NOT_EQUAL, PID_PLACEHOLDER))
    # Only for reading one's own limits: the process is the first argument, the new limit the third.
    rules.add(ALLOW, "prlimit64", _equals(0, 0), _equals(2, 0))
    rules.add(ALLOW, "prlimit64", _equals(0, PID_PLACEHOLDER), _equals(2, 0))
