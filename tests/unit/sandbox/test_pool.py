"""Graders in hosts without walls: what is under way, what a dying host costs, and what comes back."""

import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from evalhaven.domain.jsontext import JsonValue
from evalhaven.sandbox.environment import Environment, Isolation, Tier
from evalhaven.sandbox.hosts import Host, HostStarter
from evalhaven.sandbox.limits import Limits
from evalhaven.sandbox.pool import HostPool, Reply, SandboxedGrader, SandboxRefusedError
from evalhaven.sandbox.sessions import Session
from evalhaven.sandbox.tiers import choose_isolation
from evalhaven.sandbox.warm_hosts import WarmHosts
from tests.sizes import SIZES

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="hosts are started on POSIX systems")
HERE = Environment(Path(sys.executable))
# Does what it is told: the item is code, and what it leaves in `score` is returned.
OBEDIENT = """
import os, sys, time
calls = 0

def grade(sample, item):
    global calls
    calls += 1
    space = {"calls": calls, "score": sample}
    exec(item, globals() | space, space)
    return space["score"]
"""
CRASHING = """
import os
def grade(sample, item):
    if item["crashes"]:
        os._exit(7)
    return item["score"]
"""
MIB = 1 << 20


@asynccontextmanager
async def open_grader(
    source: str = OBEDIENT, limits: Limits | None = None, hosts: int = 1, environment: Environment = HERE
) -> AsyncGenerator[SandboxedGrader]:
    async with (
        HostPool(Isolation(Tier.OFF, {}), limits) as pool,
        pool.open_grader(source, environment, hosts) as grader,
    ):
        yield grader


async def call_all(grader: SandboxedGrader, calls: list[tuple[Any, Any]], at_once: int = 300) -> list[Reply]:
    """Call with so many under way at once; replies in the order of calls."""
    replies: dict[int, Reply] = {}
    waiting = iter(enumerate(calls))

    async def work() -> None:
        for number, (sample, item) in waiting:
            replies[number] = await grader.call(sample, item)

    async with anyio.create_task_group() as tasks:
        for _ in range(at_once):
            tasks.start_soon(work)
    return [replies[number] for number in range(len(calls))]


async def test_replies_belong_to_their_calls() -> None:
    async with open_grader(hosts=3) as grader:
        replies = await call_all(grader, [(number / 4, "") for number in range(3_000)])

    assert [reply.score for reply in replies] == [number / 4 for number in range(3_000)]
    assert all(reply.error is None and reply.message == "" for reply in replies)


async def test_samples_and_items_arrive_as_they_are() -> None:
    item: JsonValue = {"text": "é\ud800\0\u2028", "large": 10**100, "nested": [[[{"a": None}]]], "half": 0.1}
    source = f"def grade(sample, item):\n    return item == {item!r} and sample == {{'output_text': 'x'}}"
    async with open_grader(source) as grader:
        reply = await grader.call({"output_text": "x"}, item)

    assert (reply.score, reply.error) == (1.0, None)


async def test_output_comes_with_the_call_that_printed_it() -> None:
    async with open_grader(limits=Limits(output_chars=10)) as grader:
        replies = await call_all(
            grader,
            [
                (1, "print('one')"),
                (1, ""),
                (1, "print('two', file=sys.stderr); 1 / 0"),
                (1, "print('x' * 1000000)"),
                (1, "sys.stdout.close()"),
                (1, "print('\\0' * 10)"),
                (1, "os.write(1, b'nowhere')"),
            ],
            at_once=1,
        )

    assert [reply.output for reply in replies] == ["one\n", "", "two\n", "x" * 10, "", "\0" * 10, ""]
    assert [reply.error for reply in replies] == [None, None, "exception", None, None, None, None]


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("1 / 0", "exception", "ZeroDivisionError: division by zero"),
        ("sys.exit()", "exception", "SystemExit"),
        ("score = float('nan')", "invalid_result", "grade() returned nan, which is not a finite number"),
        ("score = 'good'", "invalid_result", "grade() returned 'good', which is not a finite number"),
        ("import nosuch", "import", "No module named 'nosuch'"),
        ("os._exit(3)", "crashed", "the grader's process exited with status 3"),
        ("import ctypes; ctypes.string_at(0)", "crashed", "the grader's process was killed by SIGSEGV"),
        ("os.write(4, b'nonsense')", "protocol", "the grader broke the protocol: a reply of"),
    ],
)
async def test_each_failure_is_told_apart_and_the_next_call_is_answered(code: str, kind: str, message: str) -> None:
    async with open_grader() as grader:
        reply = await grader.call(1, code)
        after = await grader.call(0.5, "")

    assert (reply.score, reply.error) == (None, kind)
    assert message in reply.message
    assert after.score == 0.5


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("score = len(bytearray(1 << 30))", "memory"),
        ("open('large', 'wb').write(bytes(9 << 20))", "disk"),
        ("for n in range(9): open(str(n), 'wb').write(bytes(4 << 20))\ntime.sleep(60)", "disk"),
        ("for n in range(100): open(str(n), 'wb')\ntime.sleep(60)", "disk"),
        ("import _thread\nfor _ in range(40): _thread.start_new_thread(time.sleep, (60,))\ntime.sleep(60)", "threads"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="limits are enforced on Linux")
async def test_limits_are_enforced(code: str, kind: str) -> None:
    limits = Limits(memory_bytes=512 * MIB, disk_bytes=8 * MIB, scratch_files=50, threads=20)
    async with open_grader(limits=limits) as grader:
        reply = await grader.call(1, code)
        after = await grader.call(0.5, "")

    assert reply.error == kind
    assert after.score == 0.5


async def test_a_call_that_takes_too_long_is_ended_and_charged_alone() -> None:
    async with open_grader(limits=Limits(call_s=0.3)) as grader:
        started = time.monotonic()
        replies = await call_all(grader, [(1, ""), (1, "while True: pass"), (1, ""), (1, "time.sleep(60)"), (1, "")])
        elapsed_s = time.monotonic() - started

    assert [reply.error for reply in replies] == [None, "timeout", None, "timeout", None]
    assert replies[1].message == "grade() took longer than 0.3 seconds"
    assert replies[1].seconds >= 0.3
    assert elapsed_s < 30


async def test_the_clock_begins_anew_with_every_reply() -> None:
    async with open_grader(limits=Limits(call_s=2.0)) as grader:
        replies = await call_all(grader, [(1, "time.sleep(0.5)")] * 6)

    assert [reply.error for reply in replies] == [None] * 6


@pytest.mark.proof
async def test_every_crash_costs_one_call_and_no_other() -> None:
    every = SIZES.grader_calls // 100
    calls = [({}, {"score": number, "crashes": number % every == every // 2}) for number in range(SIZES.grader_calls)]
    async with open_grader(CRASHING, hosts=2) as grader:
        replies = await call_all(grader, calls)

    assert len(replies) == SIZES.grader_calls
    assert [number for number, reply in enumerate(replies) if reply.error is not None] == list(
        range(every // 2, SIZES.grader_calls, every)
    )
    assert {reply.error for reply in replies} == {None, "crashed"}
    assert all(reply.score in (None, number) for number, reply in enumerate(replies))


async def test_a_grader_whose_hosts_die_one_after_the_other_is_stopped() -> None:
    async with open_grader(limits=Limits(deaths_in_a_row=5)) as grader:
        replies = await call_all(grader, [(1, "os._exit(3)")] * 20)
        late = await grader.call(1, "")

    assert [reply.error for reply in replies].count("crashed") == 5
    assert [reply.error for reply in replies].count("stopped") == 15
    assert late.error == "stopped"
    assert late.message == "5 hosts died in a row; the last: the grader's process exited with status 3"


async def test_a_reply_in_between_forgives_the_deaths_before_it() -> None:
    async with open_grader(limits=Limits(deaths_in_a_row=2)) as grader:
        replies = await call_all(grader, [(1, "os._exit(3)"), (1, "")] * 5, at_once=1)

    assert [reply.error for reply in replies] == ["crashed", None] * 5


async def test_a_source_that_ends_its_host_while_it_is_loaded_is_stopped() -> None:
    async with open_grader("import os\nos._exit(1)", Limits(deaths_in_a_row=3)) as grader:
        replies = await call_all(grader, [(1, 1)] * 5)

    assert sorted(reply.error or "" for reply in replies) == ["crashed"] * 3 + ["stopped"] * 2


async def test_a_source_that_cannot_be_loaded_answers_every_call() -> None:
    async with open_grader("import nosuch") as grader:
        replies = await call_all(grader, [(1, 1)] * 5)

    assert {reply.error for reply in replies} == {"import"}


async def test_hosts_are_replaced_after_their_calls_and_none_is_lost() -> None:
    async with open_grader(limits=Limits(calls_a_host=100)) as grader:
        replies = await call_all(grader, [(0, "score = calls")] * 1_000)

    scores = [reply.score for reply in replies]
    assert None not in scores
    assert max(score for score in scores if score is not None) == 100
    assert scores.count(1.0) == 10


async def test_two_hosts_share_slow_calls() -> None:
    async with open_grader(hosts=2) as grader:
        await call_all(grader, [(1, "time.sleep(0.2)")] * 2)
        replies = await call_all(grader, [(0, "time.sleep(0.2); score = os.getpid()")] * 10)

    pids = [reply.score for reply in replies]
    assert len(set(pids)) == 2
    assert all(pids.count(pid) >= 3 for pid in pids)


async def test_a_canceled_call_is_skipped_and_the_others_go_on() -> None:
    async with open_grader() as grader:
        with anyio.move_on_after(0.5) as scope:
            await call_all(grader, [(1, "time.sleep(60)"), (1, "")])
        assert scope.cancelled_caught

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(grader.call, 1, "")
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()


async def test_hosts_end_with_their_grader_and_their_pool() -> None:
    async with HostPool(Isolation(Tier.OFF, {})) as pool:
        async with pool.open_grader(OBEDIENT, HERE, 1) as grader:
            reply = await grader.call(0, "score = os.getpid()")
            with anyio.move_on_after(0.2):
                await grader.call(0, "while True: pass")
        assert reply.score is not None
        assert int(reply.score) not in [host.pid for host in pool.list_hosts()]
        warm = [host.pid for host in pool.list_hosts()]

    assert all(not is_running(pid) for pid in (int(reply.score), *warm))


async def test_calls_that_wait_when_a_grader_is_closed_are_answered() -> None:
    replies: list[Reply] = []

    async def keep(grader: SandboxedGrader, code: str) -> None:
        replies.append(await grader.call(1, code))

    async with anyio.create_task_group() as tasks, open_grader() as grader:
        await grader.call(1, "")
        for code in ("time.sleep(60)", "", ""):
            tasks.start_soon(keep, grader, code)
        await anyio.sleep(0.1)

    assert [reply.error for reply in replies] == ["stopped"] * 3


@pytest.mark.parametrize("last_words", ["os._exit(3)", "pass"])
async def test_a_host_that_ends_while_its_grader_is_closed_makes_room_once(
    last_words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, limits, bury = tmp_path / "gate", Limits(hosts=4), WarmHosts.bury
    wait = f"while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"

    async def bury_while_another_ends(hosts: WarmHosts, session: Session) -> str:
        end = await bury(hosts, session)
        gate.touch()
        await anyio.sleep(0.3)
        return end

    monkeypatch.setattr(WarmHosts, "bury", bury_while_another_ends)
    async with HostPool(Isolation(Tier.OFF, {}), limits) as pool:
        async with pool.open_grader(OBEDIENT, HERE, 1) as patient:
            async with pool.open_grader(OBEDIENT, HERE, 2) as closed:
                # The first host is given two calls, the second one the third.
                for code in (f"open({str(tmp_path / 'first')!r}, 'w'); time.sleep(60)", "", ""):
                    closed.begin(1, code or f"open({str(tmp_path / 'second')!r}, 'w')\n{wait}{last_words}")
                with anyio.fail_after(30):
                    for name in ("first", "second"):
                        while not (tmp_path / name).exists():  # noqa: ASYNC110 - another process makes it
                            await anyio.sleep(0.01)
                reply = patient.begin(2, "")
                await anyio.lowlevel.checkpoint()
            assert (await reply).score == 2.0
        async with AsyncExitStack() as stack:
            for _ in range(4):
                grader = await stack.enter_async_context(pool.open_grader(OBEDIENT, HERE, 1))
                assert (await grader.call(3, "")).score == 3.0
                assert len(pool.list_hosts()) <= 4


async def test_an_interpreter_that_is_not_there_is_named() -> None:
    environment = Environment(Path("/nonexistent/python"))
    async with open_grader(environment=environment, limits=Limits(patience_s=0.5)) as grader:
        reply = await grader.call(1, "")

    assert reply.error == "unavailable"
    assert reply.message.startswith("no host for graders can be started: /nonexistent/python does not run")


async def test_a_grader_waits_for_its_host_while_none_can_be_started(tmp_path: Path) -> None:
    python = tmp_path / "python"
    replies: list[Reply] = []

    async def keep(grader: SandboxedGrader) -> None:
        replies.append(await grader.call(1, ""))

    async with open_grader(environment=Environment(python)) as grader, anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(keep, grader)
        await anyio.sleep(1.0)
        assert replies == []
        python.symlink_to(sys.executable)

    assert [reply.score for reply in replies] == [1.0] * 3


async def test_graders_share_the_hosts_there_may_be_and_each_gets_its_turn() -> None:
    limits = Limits(hosts=4)
    most = 0
    async with HostPool(Isolation(Tier.OFF, {}), limits) as pool, AsyncExitStack() as stack:
        graders = [await stack.enter_async_context(pool.open_grader(OBEDIENT, HERE, 2)) for _ in range(8)]
        replies: list[Reply] = []

        async def keep(grader: SandboxedGrader) -> None:
            nonlocal most
            for number in range(20):
                replies.append(await grader.call(number, ""))
                most = max(most, len(pool.list_hosts()))

        async with anyio.create_task_group() as tasks:
            for grader in graders:
                tasks.start_soon(keep, grader)

    assert len(replies) == 160
    assert all(reply.error is None for reply in replies)
    assert most <= 4


async def test_a_grader_that_always_has_calls_leaves_its_host_after_its_turn() -> None:
    limits = Limits(hosts=3, turn_s=0.2)
    replies: list[Reply] = []
    async with (
        HostPool(Isolation(Tier.OFF, {}), limits) as pool,
        pool.open_grader(OBEDIENT, HERE, 1) as busy,
        pool.open_grader(OBEDIENT, HERE, 1) as patient,
        anyio.create_task_group() as tasks,
    ):

        async def keep_busy() -> None:
            while True:
                await busy.call(1, "time.sleep(0.01)")

        for _ in range(4):
            tasks.start_soon(keep_busy)
        await busy.call(1, "")
        replies.append(await patient.call(2, ""))
        tasks.cancel_scope.cancel()

    assert [reply.score for reply in replies] == [2.0]


async def test_what_lies_in_the_scratch_directory_counts_as_memory() -> None:
    limits = Limits(memory_bytes=64 * MIB)
    async with open_grader(limits=limits) as grader:
        many = "for number in range(80):\n    open(f'part-{number}', 'wb').write(bytes(1 << 20))\n"
        reply = await grader.call(1, f"{many}time.sleep(60)")

    assert reply.error == "memory"
    assert reply.message == "the grader used more than 64 MiB of memory"


async def test_a_reply_sent_through_the_frames_below_is_nobody_elses_score() -> None:
    source = """
import sys
def grade(sample, item):
    below = sys._getframe(1).f_locals
    if item:
        below["replies"].send_score(below["number"], 1.0, 0.0)
    return sample
"""
    async with open_grader(source) as grader:
        replies = await call_all(grader, [(0.0, True), (0.5, False), (0.25, False)])

    # The call that was under way when the second reply to the first one came is charged with it.
    assert [(reply.score, reply.error) for reply in replies] == [(1.0, None), (None, "protocol"), (0.25, None)]


@pytest.mark.parametrize(
    "source",
    [
        "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\n",
        "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='utf-8')\n",
        "import codecs, sys\nsys.stdout = codecs.getwriter('utf-8')(sys.stdout.detach())\n",
        "import codecs, sys\nsys.stderr = codecs.getwriter('utf-8')(sys.stderr.buffer)\n",
        "import sys\nsys.stdout.reconfigure(encoding='utf-8', line_buffering=True)\n",
        "import io, os, sys\nsys.stdout = os.fdopen(os.dup(sys.stdout.fileno()), 'w')\n",
        "import faulthandler\nfaulthandler.enable()\n",
        "import sys\nsys.stdout.close()\n",
        "import sys\nsys.stdout = None\n",
        "import sys\ndel sys.stdout\n",
    ],
)
@pytest.mark.parametrize("where", ["source", "call"])
async def test_what_a_grader_does_to_its_output_costs_no_score(source: str, where: str) -> None:
    if where == "source":
        source = f"{source}def grade(sample, item):\n    print('said', item)\n    return sample\n"
    else:
        body = "".join(f"    {line}\n" for line in source.splitlines())
        source = f"def grade(sample, item):\n    print('said', item)\n{body}    return sample\n"
    async with open_grader(source) as grader:
        replies = [await grader.call(number, str(number)) for number in range(3)]

    assert [(reply.error, reply.score) for reply in replies] == [(None, 0.0), (None, 1.0), (None, 2.0)]
    assert [reply.output for reply in replies] == ["said 0\n", "said 1\n", "said 2\n"]


async def test_what_a_grader_prints_through_a_file_of_its_own_belongs_to_its_call() -> None:
    source = """
import io, sys
def grade(sample, item):
    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
    print(item)
    return sample
"""
    async with open_grader(source) as grader:
        replies = [await grader.call(number, str(number)) for number in range(3)]

    assert [reply.output for reply in replies] == ["0\n", "1\n", "2\n"]


@pytest.mark.parametrize("kills", [1, 3])
async def test_a_canary_that_is_killed_is_tried_again(kills: int, monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = HostStarter.start, 0

    def start_and_kill(starter: HostStarter, environment: Environment) -> Host:
        nonlocal started
        host = start(starter, environment)
        started += 1
        if started <= kills:
            host.kill()
        return host

    monkeypatch.setattr(HostStarter, "start", start_and_kill)
    isolation = await choose_isolation(Tier.OFF, HERE, [], Limits(pauses_s=(0.0, 0.0, 0.0)))

    assert isolation == Isolation(Tier.OFF, {})


async def test_nothing_is_started_where_no_isolation_holds() -> None:
    async with HostPool(Isolation(None, {Tier.FULL: "no bubblewrap"})) as pool:
        with pytest.raises(SandboxRefusedError):
            async with pool.open_grader(OBEDIENT, HERE, 1):
                pass


async def test_hosts_see_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALHAVEN_SECRET", "secret")
    async with open_grader() as grader:
        reply = await grader.call(0, "print(sorted(os.environ), sys.path)")

    assert "SECRET" not in reply.output
    assert "site-packages" not in reply.output


def is_running(pid: int | None) -> bool:
    try:
        os.kill(pid or -1, 0)
    except ProcessLookupError:
        return False
    return True
