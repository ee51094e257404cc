"""A server of graders for attacks to meet, in a process of its own: `python -m tests.sandbox.driver '{…}'`.

It gives up root if told to, carries out its orders, and prints the outcome as one line of JSON.
"""

import ctypes
import errno
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from evalhaven.domain.jsontext import JsonValue
from evalhaven.sandbox.environment import LAYERS, Environment, Layers, Tier
from evalhaven.sandbox.inside import kernel
from evalhaven.sandbox.libseccomp import ALLOW, Comparison, Condition, Filter, refusal
from evalhaven.sandbox.limits import Limits
from evalhaven.sandbox.policy import PID_PLACEHOLDER
from evalhaven.sandbox.pool import HostPool, Reply, SandboxedGrader
from evalhaven.sandbox.tiers import choose_isolation
from tests.sandbox.attacks import Attack, read_attacks
from tests.sandbox.victim import SECRET, fingerprint, open_victim, system_call_numbers

_MIB = 1 << 20
_LIMITS = Limits(
    call_s=60,
    memory_bytes=96 * _MIB,
    disk_bytes=16 * _MIB,
    scratch_files=300,
    threads=16,
    deaths_in_a_row=1000,
    hosts=24,  # the neighbour keeps its own to the end
)
_ENDLESS_S = 0.3
_AT_ONCE = 6
_ATTACKER = """
import ctypes, errno, os, socket, sys, time

def grade(sample, item):
    def system_call(name, *arguments):
        values = [ctypes.c_long(value) for value in arguments]
        return ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(sample["numbers"][name]), *values)

    def is_considered(name, *arguments):
        arguments = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
        if name not in sample["numbers"]:
            return False
        return system_call(name, *arguments) != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS)

    def send(text):
        os.write(4, len(text).to_bytes(4, "little") + text)

    space = globals() | {"system_call": system_call, "is_considered": is_considered, "send": send}
    body = "".join(f"    {line}\\n" for line in item.splitlines())
    exec(f"def attack(server):\\n    pass\\n{body}", space)
    return space["attack"](sample)
"""
_WARM = 2
_BUSY = """
def grade(sample, item):
    while sample:
        pass
    return 0
"""
_NEIGHBOUR = """
count = 0
def grade(sample, item):
    global count
    count += 1
    return count
"""
_DOCKER_CAPABILITIES = 0x00000000A80425FB
_PR_SET_DUMPABLE = 4
_CLONE_NEW = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)


def main(orders: dict[str, Any]) -> None:
    """Carry out the orders."""
    os.environ["EVALHAVEN_SECRET"] = SECRET
    _block(orders.get("blocked", ()))
    if orders.get("user"):
        os.setgroups([])
        os.setresgid(orders["user"], orders["user"], orders["user"])
        os.setresuid(orders["user"], orders["user"], orders["user"])
        # As if this user had started it: changing the user closes a process to others of that user.
        kernel.prctl(_PR_SET_DUMPABLE, 1)
    # Nothing cleans up after a driver that is killed.
    tempfile.tempdir = orders.get("scratch")
    environment = Environment(Path(orders["python"]), tuple(Path(path) for path in orders.get("packages", ())))
    function = {"attack": _attack, "choose": _choose, "grade": _grade, "hold": _hold}[orders["mode"]]
    anyio.run(function, orders, environment, backend_options={"use_uvloop": True})


def _block(names: list[str]) -> None:
    """Permanently disable what a machine may not have: `landlock`, or what Docker takes away from a container."""
    if not names:
        return
    with Filter(ALLOW) as rules:
        if "landlock" in names:
            rules.add_all(
                refusal(errno.ENOSYS), ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")
            )
        if "namespaces" in names:
            rules.add_all(refusal(errno.EPERM), ("mount", "umount2", "pivot_root", "unshare", "setns"))
            rules.add_all(refusal(errno.ENOSYS), ("clone3",))
            for flag in _CLONE_NEW:
                rules.add(refusal(errno.EPERM), "clone", Condition(0, Comparison.MASKED_EQUAL, flag, flag))
        program = rules.export()
    kernel.forbid_new_privileges()
    kernel.filter_system_calls(program, PID_PLACEHOLDER)
    if "namespaces" in names and os.geteuid() == 0:
        _keep_capabilities(_DOCKER_CAPABILITIES)


def _keep_capabilities(kept: int) -> None:
    sets = b"".join((kept >> shift & 0xFFFFFFFF).to_bytes(4, "little") * 2 + bytes(4) for shift in (0, 32))
    kernel.check(kernel.LIBC.capset((0x20080522).to_bytes(4, "little") + bytes(4), ctypes.c_char_p(sets)), "capset")


def _layers(orders: dict[str, Any]) -> Layers:
    if "tier" in orders:
        return replace(LAYERS[Tier(orders["tier"])], **orders.get("changes", {}))
    return Layers(**orders["layers"])


async def _choose(orders: dict[str, Any], environment: Environment) -> None:
    wanted = Tier(orders["tier"]) if "tier" in orders else None
    isolation = await choose_isolation(wanted, environment, [Path(path) for path in orders.get("canaries", ())])
    _print({"tier": isolation.tier, "rejected": dict(isolation.rejected)})


async def _grade(orders: dict[str, Any], environment: Environment) -> None:
    """Call a grader once and print its reply."""
    async with (
        HostPool.with_layers(_layers(orders), Limits(**orders.get("limits", {}))) as pool,
        pool.open_grader(orders["source"], environment, 1) as grader,
    ):
        reply = await grader.call({}, {})
        _print({"score": reply.score, "error": reply.error, "message": reply.message})


async def _hold(orders: dict[str, Any], environment: Environment) -> None:
    """Keep a busy host and warm ones until this process is killed; print their process ids."""
    async with (
        HostPool.with_layers(_layers(orders), Limits()) as pool,
        pool.open_grader(_BUSY, environment, 1) as grader,
        anyio.create_task_group() as tasks,
    ):
        await grader.call(False, {})
        tasks.start_soon(grader.call, True, {})
        # Besides the busy one, two are kept warm.
        assert pool._hosts is not None
        while len(pool._hosts._warm[environment]) < _WARM:  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.01)
        _print({"pids": [host.pid for host in pool.list_hosts()]})


async def _attack(orders: dict[str, Any], environment: Environment) -> None:
    directory, scratch = Path(orders["directory"]), orders["scratch"]
    layers = _layers(orders)
    attacks = [attack for attack in read_attacks() if orders["solo"] or not attack.is_solo]
    with open_victim(directory, orders["target_packages"]) as server:
        names = [attack.name.partition(".")[2] for attack in attacks if attack.name.startswith("kernel.")]
        server["numbers"] = system_call_numbers([*names, "ptrace", "process_vm_readv", "clone"])
        before = fingerprint(directory)
        canaries = [Path(str(server["database"])), Path(str(server["configuration"]))] if layers.is_proving else []
        async with (
            HostPool.with_layers(layers, _LIMITS, canaries) as pool,
            HostPool.with_layers(layers, replace(_LIMITS, call_s=_ENDLESS_S), canaries) as hasty_pool,
        ):
            run = _Attacks(pool, hasty_pool, environment, server)
            await run.execute(attacks)
        after = fingerprint(directory)
    _print(
        {
            "outcomes": run.outcomes,
            "neighbour": run.neighbour,
            "changed": [path for path in before if before[path] != after.get(path)],
            "left": os.listdir(scratch),  # noqa: PTH208 - nothing else is going on any more
            "seconds": run.seconds,
        }
    )


class _Attacks:
    def __init__(
        self, pool: HostPool, hasty_pool: HostPool, environment: Environment, server: dict[str, object]
    ) -> None:
        self._pool = pool
        self._hasty_pool = hasty_pool
        self._environment = environment
        self._server: JsonValue = json.loads(json.dumps(server))
        self.outcomes: dict[str, list[str]] = {}
        self.neighbour: list[float | None] = []
        self.seconds: dict[str, float] = {}

    async def execute(self, attacks: list[Attack]) -> None:
        slots = anyio.CapacityLimiter(_AT_ONCE)
        async with (
            self._pool.open_grader(_NEIGHBOUR, self._environment, 1) as neighbour,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(self._execute_shared, [attack for attack in attacks if not attack.is_solo], neighbour)
            for attack in attacks:
                if attack.is_solo:
                    tasks.start_soon(self._execute_solo, attack, neighbour, slots)

    async def _execute_shared(self, attacks: list[Attack], neighbour: SandboxedGrader) -> None:
        async with self._pool.open_grader(_ATTACKER, self._environment, 1) as grader:
            for attack in attacks:
                self._note(attack, await grader.call(self._server, attack.source))
        await self._ask(neighbour)

    async def _execute_solo(self, attack: Attack, neighbour: SandboxedGrader, slots: anyio.CapacityLimiter) -> None:
        pool = self._hasty_pool if attack.name.startswith("endless.") else self._pool
        async with slots, pool.open_grader(_ATTACKER, self._environment, 1) as grader:
            self._note(attack, await grader.call(self._server, attack.source))
        await self._ask(neighbour)

    async def _ask(self, neighbour: SandboxedGrader) -> None:
        self.neighbour.append((await neighbour.call({}, {})).score)

    def _note(self, attack: Attack, reply: Reply) -> None:
        # An attack that got in returned True.
        outcome = reply.error or ("in" if reply.score == 1.0 else "score")
        self.outcomes[attack.name] = [outcome, reply.message]
        self.seconds[attack.name] = round(reply.seconds, 3)


def _print(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    started = time.monotonic()
    main(json.loads(sys.argv[1]))
