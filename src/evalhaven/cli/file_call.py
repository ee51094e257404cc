"""A call of an eval file on a server, followed to its end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2

from evalhaven.app.client import open_client
from evalhaven.app.own_server import OwnServer
from evalhaven.app.stores import StartError
from evalhaven.cli.call_display import CallDisplay
from evalhaven.cli.call_texts import Report, RunReport
from evalhaven.cli.run_document import RunDocument
from evalhaven.cli.run_watcher import follow_run
from evalhaven.cli.shell import print_warning
from evalhaven.cli.watched_run import WatchedRun
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.statuses import RunStatus
from evalhaven.eval_files.baselines import Baselines, find_baselines
from evalhaven.eval_files.calling import (
    RECORDED,
    Call,
    CalledRun,
    CallError,
    cancel_call,
    create_runs,
    find_call,
    plan_call,
    take_up,
)
from evalhaven.eval_files.deciding import compare, decide
from evalhaven.eval_files.format import EvalFile
from evalhaven.eval_files.origins import origin_of
from evalhaven.eval_files.recording import find_failing_items, record_outputs
from evalhaven.eval_files.selecting import Selection, selection_of
from evalhaven.eval_files.talking import Talker
from evalhaven.eval_files.upserting import DEFINITION, PlacedEval, definition_of, digest_of, find_versions, upsert_eval
from evalhaven.eval_files.variants import variants_of
from evalhaven.settings import Settings

_FIRST_PAUSE_S, _PAUSES_GROW = 0.05, 1.3


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What is asked of a call beyond the file."""

    selection: Selection
    record: Path | None
    resume: bool
    restart: bool
    is_for_people: bool


async def refuse_unfinished(client: httpx2.AsyncClient, file: EvalFile) -> None:
    """Refuse to call a file whose last call on the server of this directory has not ended.

    Raises:
        CallError: It has not.
        RefusedError: The server refused, or did not answer.
    """
    talker = Talker(client)
    call = await find_call(talker, await find_versions(talker, file.name), None)
    if call is not None and not call.is_finished:
        raise _unfinished(file, call)


async def call_file(settings: Settings, own: OwnServer | None, file: EvalFile, asked: CallSettings) -> Report:
    """Create the runs of a file, or find them, follow them to their end, and decide.

    Args:
        settings: They name the server.
        own: The server, if it is the command's own.
        file: The file.
        asked: What else is asked for.

    Raises:
        CallError: It cannot be called; the message says why.
        RefusedError: The server refused, or did not answer.
        StartError: The own server has ended.
    """
    async with open_client(settings) as client:
        talker = Talker(client)
        versions = await find_versions(talker, file.name)
        # On another server, others may call an eval of this name, too.
        last = await find_call(talker, versions, None if own is not None else origin_of(file.path))
        placed = (
            None if not asked.resume else _eval_of(file, last, [(each["id"], each["metadata"]) for each in versions])
        )
        selection = asked.selection if placed is None or last is None else selection_of(last.part)
        if selection.failing is not None:
            selection = replace(selection, of_items=await find_failing_items(talker, selection.failing))
        if placed is None and last is not None and not last.is_finished:
            if not asked.restart:
                raise _unfinished(file, last)
            await cancel_call(talker, last)
        planned = await plan_call(talker, file, selection)
        call_id = IdFactory(Clock()).new_uuid() if placed is None or last is None else last.id
        names = [each.name for each in variants_of(file)]
        word = "none" if planned[0].role == RECORDED else file.baseline_word
        baselines = await find_baselines(talker, versions, word, call_id, selection.text, names)
        if placed is not None and last is not None:
            call = await take_up(talker, placed.id, last, planned)
        else:
            placed = await upsert_eval(talker, file, f"{call_id}-eval")
            for warning in placed.warnings:
                print_warning(warning)
            call = await create_runs(talker, file, placed.id, call_id, planned, selection)
        documents = await _follow(settings, own, call, is_for_people=asked.is_for_people)
        runs = [await _judged(talker, file, run, documents[run.id], call, baselines, selection) for run in call.runs]
        recorded = await _record(talker, call, asked.record)
        return Report(file, placed, call, selection, runs, recorded)


def _eval_of(file: EvalFile, last: Call | None, versions: list[tuple[str, dict[str, str]]]) -> PlacedEval:
    """Return the eval of a call that is taken up."""
    if last is None:
        raise CallError("There is nothing to take up: the file has not been called here. Leave out --resume.")
    digest = digest_of(definition_of(file))
    eval_id = next((each for each, metadata in versions if metadata[DEFINITION] == digest), "")
    return PlacedEval(eval_id, is_new=False)


def _unfinished(file: EvalFile, call: Call) -> CallError:
    left = sum(not run.is_final for run in call.runs) + call.size - len(call.runs)
    return CallError(
        f"The last call of {str(file.path)!r} has not ended ({left} of {call.size} runs are left): take it up with "
        "--resume, or cancel it and start anew with --restart."
    )


async def _follow(
    settings: Settings, own: OwnServer | None, call: Call, *, is_for_people: bool
) -> dict[str, RunDocument]:
    """Show the runs of a call until all have ended; return them by id."""
    ended: dict[str, RunDocument] = {}
    problem: str | None = None

    async def follow(run: CalledRun) -> None:
        async with WatchedRun(settings, run.id) as watched:
            ended[run.id] = await follow_run(
                watched, display.of(run.variant), display.interval_s, is_once=False, sleep=_growing_pauses()
            )
        if len(ended) == len(call.runs):
            tasks.cancel_scope.cancel()

    async def look_after(server: OwnServer) -> None:
        nonlocal problem
        await anyio.to_thread.run_sync(server.process.wait, abandon_on_cancel=True)
        problem = server.problem()
        tasks.cancel_scope.cancel()

    with CallDisplay([run.variant for run in call.runs], is_for_people=is_for_people) as display:
        async with anyio.create_task_group() as tasks:
            for run in call.runs:
                tasks.start_soon(follow, run)
            if own is not None:
                tasks.start_soon(look_after, own)
    if problem is not None:
        raise StartError(problem)
    return ended


def _growing_pauses() -> Callable[[float], Awaitable[None]]:
    """Return what waits between looks at a run: briefly at first, since the run may be short."""
    pause_s = _FIRST_PAUSE_S

    async def sleep(longest_s: float) -> None:
        nonlocal pause_s
        await anyio.sleep(min(longest_s, pause_s))
        pause_s *= _PAUSES_GROW

    return sleep


async def _judged(
    talker: Talker,
    file: EvalFile,
    run: CalledRun,
    document: RunDocument,
    call: Call,
    baselines: Baselines,
    selection: Selection,
) -> RunReport:
    baseline = baselines.run_for(run, call)
    is_baseline = run.role == RECORDED or run.variant == baselines.word
    # Items that were chosen because they failed say nothing about the others.
    if is_baseline or selection.failing is not None or document.status is not RunStatus.COMPLETED:
        return RunReport(run, document, baseline, is_baseline=is_baseline)
    decision = None if file.policy is None else await decide(talker, run.id, baseline, file.policy)
    comparison = None if baseline is None else await compare(talker, run.id, baseline, file.policy)
    return RunReport(run, document, baseline, decision, comparison)


async def _record(talker: Talker, call: Call, path: Path | None) -> list[tuple[Path, int]]:
    """Write the answers of each variant to a file of its own."""
    written: list[tuple[Path, int]] = []
    for run in call.runs if path is not None else ():
        if run.role:
            continue
        name = "".join(each if each.isalnum() or each in "-_." else "-" for each in run.variant)
        to = Path(str(path).replace("{variant}", name))
        written.append((to, await record_outputs(talker, run.eval_id, run.id, to)))
    return written
