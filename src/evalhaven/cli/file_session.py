"""`evalhaven run` from the file to its exit status: the server, the call, and what follows its end."""

import os
import shlex
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anyio
import httpx2

from evalhaven.app.client import find_server, open_client
from evalhaven.app.own_server import OwnServer, run_own_server
from evalhaven.app.stores import InUseError, StartError, database_path
from evalhaven.cli.call_texts import Report, write_report
from evalhaven.cli.ending import Ending, end_like_ctrl_c
from evalhaven.cli.figure_texts import make_printable
from evalhaven.cli.file_call import CallSettings, call_file, refuse_unfinished
from evalhaven.cli.shell import EXIT_INTERRUPTED, EXIT_TOOL, EXIT_USAGE, fail, print_error, print_note
from evalhaven.cli.watched_run import WatchError
from evalhaven.domain.ids import RUN_PREFIXES
from evalhaven.eval_files.calling import CallError
from evalhaven.eval_files.format import BASELINE_WORDS, EvalFile
from evalhaven.eval_files.problems import EvalFileError
from evalhaven.eval_files.reading import read_eval_file
from evalhaven.eval_files.selecting import Selection
from evalhaven.eval_files.talking import RefusedError
from evalhaven.eval_files.variants import variants_of
from evalhaven.settings import Settings
from evalhaven.storage.lock import find_holder

_HOLDER_WITHIN_S = 40.0  # for a server that was killed to be gone with its children, or for one that starts
_HOLDER_PAUSE_S = 0.1
_LOOK_PAUSE_S = 0.5
_VARIANT = "{variant}"
_WRONG_USE = 400


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for."""

    path: Path
    selection: Selection
    baseline: str | None
    record: Path | None
    junit: Path | None
    config: Path | None
    resume: bool
    restart: bool
    watch: bool
    form: Literal["text", "json", "markdown"]


def execute(wishes: Wishes, settings: Settings) -> int:
    """Run a file; return the exit status."""
    try:
        file = _with_baseline(read_eval_file(wishes.path), wishes.baseline)
        _refuse_record(file, wishes.record)
        with end_like_ctrl_c() as ending, _server(wishes, settings, file) as (reached, own):
            if not wishes.watch:
                return _call(wishes, reached, own, file)
            return _call_again_and_again(wishes, reached, own, file, ending)
    except CallError as error:
        fail(_shown(error), EXIT_USAGE)
    except EvalFileError as error:
        _print_problems(error)
        return EXIT_USAGE
    except RefusedError as error:
        fail(_shown(error), EXIT_USAGE if error.status == _WRONG_USE else EXIT_TOOL)
    except (StartError, WatchError, OSError, httpx2.InvalidURL) as error:
        fail(_shown(error), EXIT_TOOL)
    except KeyboardInterrupt:
        print_note(f"\nInterrupted. `{make_printable(_resuming(wishes, settings))}` goes on with its runs.")
        return EXIT_INTERRUPTED


def _resuming(wishes: Wishes, settings: Settings) -> str:
    """Return the command that goes on with the runs of the last call."""
    words = ["evalhaven", "run", str(wishes.path)]
    if settings.url is not None:
        words += ["--url", settings.url]
    elif settings.data_dir != Settings.model_fields["data_dir"].default:
        words += ["--data-dir", str(settings.data_dir)]
    words += [] if wishes.config is None else ["--config", str(wishes.config)]
    words += [] if wishes.baseline is None else ["--baseline", wishes.baseline]
    return shlex.join([*words, "--resume"])


def _print_problems(error: EvalFileError) -> None:
    for problem in error.problems:
        print_error(make_printable(str(problem)))


def _shown(error: Exception) -> str:
    return "\n".join(make_printable(line) for line in str(error).splitlines())


def _call(wishes: Wishes, settings: Settings, own: OwnServer | None, file: EvalFile, *, restart: bool = False) -> int:
    """Call the file once, and print what came out."""
    asked = CallSettings(
        selection=wishes.selection,
        record=wishes.record,
        resume=wishes.resume,
        restart=wishes.restart or restart,
        is_for_people=wishes.form == "text",
    )

    async def call() -> Report:
        return await call_file(settings, own, file, asked)

    return write_report(anyio.run(call), wishes.form, wishes.junit, None if own is None else settings.data_dir)


def _call_again_and_again(
    wishes: Wishes, settings: Settings, own: OwnServer | None, file: EvalFile, ending: Ending
) -> int:
    """Call the file whenever it, or a file that it names, has changed; ends with Ctrl-C."""
    paths, is_first, current = file.read_paths, True, file
    while True:
        seen = _times_of(paths)
        try:
            if not is_first:
                current = _with_baseline(read_eval_file(wishes.path), wishes.baseline)
                paths, seen = current.read_paths, _times_of(current.read_paths)
            _call(wishes, settings, own, current, restart=not is_first)
        except EvalFileError as error:
            _print_problems(error)
        except (CallError, RefusedError) as error:
            if is_first:
                raise
            print_error(_shown(error))
        is_first = False
        print_note("Waiting for a change of the file, its data, prompts or graders; Ctrl-C ends.")
        while _times_of(paths) == seen:
            ending.check()
            if own is not None and (problem := own.problem()):
                raise StartError(problem)
            time.sleep(_LOOK_PAUSE_S)


def _times_of(paths: tuple[Path, ...]) -> list[tuple[int, int] | None]:
    found: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size))
        except OSError:
            found.append(None)
    return found


@contextmanager
def _server(wishes: Wishes, settings: Settings, file: EvalFile) -> Generator[tuple[Settings, OwnServer | None]]:
    """Yield settings that name a server: the one that there is, else one of the command's own."""
    url = _find_living_server(settings)
    if url is not None:
        yield settings.model_copy(update={"url": url}), None
        return
    has_database = settings.database_url is not None or database_path(settings.data_dir).exists()
    if has_database and not (wishes.resume or wishes.restart):
        # Before a server goes on with runs that nobody asked for.
        anyio.run(_refuse_unfinished_here, settings, file)
    with run_own_server(settings, wishes.config) as own:
        yield settings.model_copy(update={"url": own.url}), own


async def _refuse_unfinished_here(settings: Settings, file: EvalFile) -> None:
    async with open_client(settings) as client:
        await refuse_unfinished(client, file)


def _find_living_server(settings: Settings) -> str | None:
    """Return the address of the server to work with; of one that was just killed, its end is waited for."""
    if settings.url is not None:
        return settings.url
    until = time.monotonic() + _HOLDER_WITHIN_S
    with httpx2.Client(timeout=5.0, trust_env=False, verify=False) as client:
        while find_holder(settings.data_dir) is not None:
            url, problem = _ask_holder(settings, client)
            if problem is None:
                return url
            if time.monotonic() > until:
                raise StartError(f"The server of the data directory does not answer: {problem}") from problem
            time.sleep(_HOLDER_PAUSE_S)
    return None


def _ask_holder(settings: Settings, client: httpx2.Client) -> tuple[str | None, Exception | None]:
    """Return the address of the server that holds the data directory, and why it does not answer, if it does not."""
    try:
        url = find_server(settings)
        if url is not None:
            client.get(f"{url}/healthz")
    except (InUseError, httpx2.TransportError) as error:
        return None, error
    return url, None


def _with_baseline(file: EvalFile, word: str | None) -> EvalFile:
    """Return the file with the baseline that the command line names, if it names one."""
    if word is None:
        return file
    names = [each.name for each in variants_of(file)]
    path = Path(word)
    if word in BASELINE_WORDS or word in names or word.startswith(RUN_PREFIXES):
        return file.model_copy(update={"baseline": word})
    if path.is_file():
        return file.model_copy(update={"baseline": os.path.abspath(path)})  # noqa: PTH100 - it may be a link
    known = ", ".join([*BASELINE_WORDS, *(names if len(names) > 1 else [])])
    message = f"There is no baseline {word!r}: it may be {known}, the id of a run, or a JSONL file."
    raise CallError(message)


def _refuse_record(file: EvalFile, record: Path | None) -> None:
    if record is not None and _VARIANT not in str(record) and len(variants_of(file)) > 1:
        fail(
            f"--record {record} would hold the answers of several variants: write {_VARIANT} into the name, such as "
            f"{record.with_stem(record.stem + '-' + _VARIANT)}.",
            EXIT_USAGE,
        )
