"""A call of an eval file: all of its runs, created up front, and found again after a kill."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.statuses import RunStatus
from evalhaven.eval_files.format import EvalFile
from evalhaven.eval_files.located import is_file_there
from evalhaven.eval_files.origins import commit_metadata, origin_of
from evalhaven.eval_files.problems import EvalFileError
from evalhaven.eval_files.rows import read_data_file
from evalhaven.eval_files.selecting import Selection, selected_rows
from evalhaven.eval_files.talking import RefusedError, Talker
from evalhaven.eval_files.uploading import upload_rows
from evalhaven.eval_files.upserting import digest_of
from evalhaven.eval_files.variants import Variant, variants_of
from evalhaven.wire.extension import CreateEvalRunExtension

CALL, VARIANT, RUNS, DATA = "evalhaven_call", "evalhaven_variant", "evalhaven_runs", "evalhaven_data"
SETUP, PART, ORIGIN, ROLE = "evalhaven_setup", "evalhaven_part", "evalhaven_origin", "evalhaven_role"
RECORDED = "recorded"
"""The role of a run that grades recorded answers, with which others are compared."""

_CANCELED = str(RunStatus.CANCELED)
_FINAL = tuple(str(status) for status in RunStatus if status.is_final)
_RECORDED_NAME = "recorded answers"
_REFUSALS = range(400, 500)
_NO_ANSWER = "This row is no recorded answer: each has the objects 'item' and 'sample', as --record writes them."
_MESSAGES = "data_source.input_messages.template"
_NO_MESSAGES: JsonObject = {"type": "template", "template": []}


class CallError(Exception):
    """A call cannot be made or taken up; the message says why, and the cure."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that a call creates.

    Attributes:
        variant: Name of its variant.
        body: The request that creates it, without metadata.
        data: Digest of its rows.
        rows: Number of its rows.
        role: What it is for: "" is to be judged.
    """

    variant: str
    body: JsonObject
    data: str
    rows: int
    role: str = ""

    @property
    def setup(self) -> str:
        """Return a short name of all that makes its results: model, prompt, options and data."""
        source = {**cast("JsonObject", self.body["data_source"]), "source": self.data}
        return digest_of([source, self.body.get("evalhaven"), self.variant, self.role])


@dataclass(frozen=True, slots=True)
class CalledRun:
    """A run of a call."""

    id: str
    eval_id: str
    variant: str
    role: str
    status: str
    metadata: dict[str, str]

    @property
    def is_final(self) -> bool:
        """Tell whether it has ended."""
        return self.status in _FINAL


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it is on a server.

    Attributes:
        id: Its id.
        runs: Those that were created, in the order of the file's variants; that of recorded answers comes first.
        size: How many there are to be.
    """

    id: str
    runs: tuple[CalledRun, ...]
    size: int

    @property
    def is_finished(self) -> bool:
        """Tell whether nothing is left to be done: of a call that was canceled, no further runs are created."""
        is_whole = len(self.runs) >= self.size or any(run.status == _CANCELED for run in self.runs)
        return is_whole and all(run.is_final for run in self.runs)

    @property
    def part(self) -> str | None:
        """Return which rows it takes; None if all."""
        return self.runs[0].metadata.get(PART)


async def plan_call(talker: Talker, file: EvalFile, selection: Selection) -> list[PlannedRun]:
    """Return the runs of a call; their rows are uploaded.

    Args:
        talker: Leads to the server.
        file: The file.
        selection: Which rows they take.

    Raises:
        CallError: No row is left.
        EvalFileError: The data, or the recorded answers, cannot be read.
        RefusedError: The server refused, or did not answer.
    """
    stem = file.path.stem if file.data_path is None else file.data_path.stem
    file_id, digest, count = await upload_rows(talker, stem, selected_rows(file, selection))
    if not count:
        raise CallError("No row of the data is left to run: the options leave all of them out.")
    options = _options_of(file)
    planned: list[PlannedRun] = []
    recorded = recorded_answers_of(file)
    if recorded is not None:
        rows = _recorded_rows(recorded, None if selection.is_whole else list(selected_rows(file, selection)))
        recorded_id, recorded_digest, recorded_count = await upload_rows(talker, recorded.stem, rows)
        if not recorded_count:
            raise CallError(f"{recorded} has no answer to any of the items.")
        body: JsonObject = {"name": _RECORDED_NAME, "data_source": {"type": "jsonl", "source": _source(recorded_id)}}
        planned.append(PlannedRun(_RECORDED_NAME, body, recorded_digest, recorded_count, RECORDED))
    for variant in variants_of(file):
        body = {"name": variant.name, "data_source": _data_source(file, variant, file_id)}
        planned.append(PlannedRun(variant.name, {**body, **options}, digest, count))
    return planned


def recorded_answers_of(file: EvalFile) -> Path | None:
    """Return the file of recorded answers that is the baseline; None if the baseline is something else."""
    word = file.baseline_word
    if word in {each.name for each in variants_of(file)}:
        return None
    path = file.path.parent / word
    return path if is_file_there(path) else None


async def create_runs(
    talker: Talker,
    file: EvalFile,
    eval_id: str,
    call_id: str,
    planned: Sequence[PlannedRun],
    selection: Selection,
) -> Call:
    """Create the runs of a call.

    Args:
        talker: Leads to the server.
        file: The file.
        eval_id: Its eval.
        call_id: A new one.
        planned: The runs.
        selection: Which rows they take.

    Raises:
        RefusedError: The server refused, or did not answer.
    """
    shared = {CALL: call_id, RUNS: str(len(planned)), ORIGIN: origin_of(file.path), **commit_metadata(file.path.parent)}
    if selection.text is not None:
        shared[PART] = selection.text
    runs: list[CalledRun] = []
    try:
        for each in planned:
            run = await create_run(talker, eval_id, each, shared)
            runs.append(run)
    except RefusedError as error:
        if error.status in _REFUSALS:
            # What is refused now is refused again: nobody is to pay for the others of a call that cannot be made.
            await cancel_call(talker, Call(call_id, tuple(runs), len(planned)))
        raise
    return Call(call_id, tuple(runs), len(planned))


async def create_run(talker: Talker, eval_id: str, planned: PlannedRun, shared: dict[str, str]) -> CalledRun:
    """Create one run of a call.

    Args:
        talker: Leads to the server.
        eval_id: Its eval.
        planned: The run.
        shared: What the metadata of all runs of the call says.

    Raises:
        RefusedError: The server refused, or did not answer.
    """
    own = {VARIANT: planned.variant, DATA: planned.data, SETUP: planned.setup}
    own |= {ROLE: planned.role} if planned.role else {}
    metadata: dict[str, JsonValue] = {**shared, **own}
    body: JsonObject = {**planned.body, "metadata": metadata}
    path = f"/v1/evals/{quote(eval_id, safe='')}/runs"
    key = f"{shared[CALL]}-{planned.setup}"
    try:
        return _called(await talker.ask("POST", path, {"strict": "true"}, body, idempotency_key=key), eval_id)
    except RefusedError as error:
        source = cast("JsonObject", planned.body["data_source"])
        if error.param != _MESSAGES or source.get("input_messages") != _NO_MESSAGES:
            raise
        message = (
            f"The model {source['model']!r} has to be asked something: add 'prompts'. Only an application is sent the "
            "item without them."
        )
        raise RefusedError(message, error.code, error.status) from error


async def find_call(talker: Talker, versions: Sequence[dict[str, Any]], origin: str | None) -> Call | None:
    """Return the last call of the evals of a file; None if there is none.

    Args:
        talker: Leads to the server.
        versions: The evals, as overviews, the newest first.
        origin: From where it was called; None means from anywhere.

    Raises:
        RefusedError: The server refused, or did not answer.
    """
    newest: tuple[int, str] | None = None
    runs: list[tuple[dict[str, Any], str]] = []
    for version in versions:
        async for each in talker.overviews("/api/runs", {"eval": version["id"]}):
            metadata = each["metadata"]
            if CALL not in metadata or (origin is not None and metadata.get(ORIGIN) != origin):
                continue
            runs.append((each, version["id"]))
            newest = max(newest or (0, ""), (each["created_at"], metadata[CALL]))
    if newest is None:
        return None
    found = [_called(each, eval_id) for each, eval_id in runs if each["metadata"][CALL] == newest[1]]
    found.sort(key=lambda run: run.id)
    return Call(newest[1], tuple(found), int(found[0].metadata.get(RUNS, len(found))))


async def take_up(talker: Talker, eval_id: str, call: Call, planned: Sequence[PlannedRun]) -> Call:
    """Return a call that was interrupted, with the runs that it had not yet created.

    Args:
        talker: Leads to the server.
        eval_id: The eval of the file.
        call: The call as it was found.
        planned: The runs that the file describes now.

    Raises:
        CallError: The file describes other runs now.
        RefusedError: The server refused, or did not answer.
    """
    setups = {each.setup for each in planned}
    if len(planned) != call.size or any(
        run.eval_id != eval_id or run.metadata.get(SETUP) not in setups for run in call.runs
    ):
        raise CallError(
            "The call cannot be taken up: the file, its data, prompts or graders have changed since. Start anew with "
            "--restart, or undo the change."
        )
    created = {run.metadata[SETUP]: run for run in call.runs}
    shared = {key: value for key, value in call.runs[0].metadata.items() if key not in (VARIANT, DATA, SETUP, ROLE)}
    runs = [created.get(each.setup) or await create_run(talker, eval_id, each, shared) for each in planned]
    return Call(call.id, tuple(runs), call.size)


async def cancel_call(talker: Talker, call: Call) -> None:
    """Cancel the runs of a call that have not ended.

    Raises:
        RefusedError: The server refused, or did not answer.
    """
    for run in call.runs:
        if not run.is_final:
            await talker.ask("POST", f"/v1/evals/{quote(run.eval_id, safe='')}/runs/{quote(run.id, safe='')}")


def _options_of(file: EvalFile) -> JsonObject:
    """Return the options of a file's runs: those keys of it that the `evalhaven` key of a run has, too."""
    names = CreateEvalRunExtension.model_fields.keys() & EvalFile.model_fields.keys()
    options: JsonObject = {name: value for name, value in file.sent.items() if name in names and value is not None}
    return {"evalhaven": options} if options else {}


def _data_source(file: EvalFile, variant: Variant, file_id: str) -> JsonObject:
    made: JsonObject = {"type": file.data_source_type, "source": _source(file_id)}
    if variant.model is not None:
        messages = _NO_MESSAGES if variant.prompt is None else file.input_messages[variant.prompt]
        made |= {"model": variant.model, "input_messages": messages}
        made |= {} if variant.sampling_params is None else {"sampling_params": variant.sampling_params}
    return made


def _source(file_id: str) -> JsonObject:
    return {"type": "file_id", "id": file_id}


def _recorded_rows(path: Path, of_rows: list[JsonObject] | None) -> Iterator[JsonObject]:
    """Yield recorded answers; only those to the items of some rows, if there are any."""
    items = None if of_rows is None else {digest_of(row["item"]) for row in of_rows}
    for number, row in read_data_file(path):
        if not isinstance(row.get("item"), dict) or not isinstance(row.get("sample"), dict):
            raise EvalFileError.at(path, number, _NO_ANSWER)
        if items is None or digest_of(row["item"]) in items:
            yield row


def _called(run: dict[str, Any], eval_id: str) -> CalledRun:
    metadata = cast("dict[str, str]", run["metadata"])
    return CalledRun(run["id"], eval_id, metadata[VARIANT], metadata.get(ROLE, ""), run["status"], metadata)
