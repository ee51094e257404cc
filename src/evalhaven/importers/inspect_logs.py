"""Import of eval logs of Inspect, in its JSON form; logs in its own form (`.eval`) are converted by Inspect itself.

A log is a run, the logs of one task are runs of one eval, an epoch is a repeat, and each score of a scorer a
criterion. Inspect does not say which scores pass: full ones do, unless somebody says otherwise.
"""

import contextlib
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue
from evalhaven.importers.dashboard_rows import flattened_message
from evalhaven.importers.jsonfiles import LineCounter, mapped_file
from evalhaven.importers.results import Finding, Row, RunFacts, message, sample_document
from evalhaven.importers.source import Damage, SourceError

_ATTACHMENT = "attachment://"
_RUN = "log"
_CONVERSION_TIMEOUT_S = 3600
_STATUSES = {"success": "completed", "cancelled": "canceled", "error": "failed"}
_LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_MESSAGE_KEYS = frozenset({"role", "content", "tool_calls", "tool_call_id", "function"})
_USAGE = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "total_tokens": "total_tokens",
    "input_tokens_cache_read": "cached_tokens",
    "reasoning_tokens": "reasoning_tokens",
}


class _SampleRefusedError(ValueError):
    """A sample does not have the form of Inspect's; the message says why."""


class InspectLog:
    """A log in the JSON form."""

    tool = "Inspect"

    def __init__(self, path: Path, content: Path, pass_from: float = 1.0, name: str | None = None) -> None:
        """Read the head of a log.

        Args:
            path: The log as the user named it.
            content: Where it is in the JSON form; the same, unless it was converted.
            pass_from: The lowest score that passes.
            name: Name of the eval; by default that of the task.

        Raises:
            SourceError: It is not a log of Inspect, or not a finished one.
        """
        self.path = path
        self._content = content
        self._pass_from = pass_from
        head: JsonObject = {}
        with mapped_file(content) as (raw, span):
            try:
                spans = jsontext.members(raw, span, may_be_cut=True) if jsontext.starts_with(raw, span, b"{") else {}
                head = {
                    key: jsontext.parse(raw[slice(*spans[key])]) for key in ("eval", "status", "error") if key in spans
                }
            except InvalidJsonError as error:
                raise SourceError(f"{path} is damaged: {error}.") from error
        about = _object(head.get("eval"))
        if not about or "samples" not in spans:
            raise SourceError(
                f"{path} is not an eval log of Inspect with samples. `inspect eval` writes logs into ./logs; one that "
                "was made with --no-log-samples holds no results of items."
            )
        self._samples = spans["samples"]
        status = _text(head.get("status"))
        if status not in _STATUSES:
            raise SourceError(f"{path} is the log of an eval that has not ended: its status is {status!r}.")
        self._task = _text(about.get("task_display_name")) or _text(about.get("task")) or path.stem
        self._run_key = _text(about.get("eval_id")) or f"{_text(about.get('run_id'))} {_text(about.get('task_id'))}"
        self._model = _text(about.get("model"))
        self._has_scorers = bool(about.get("scorers"))
        ids = _object(about.get("dataset")).get("sample_ids")
        self._positions: dict[JsonValue, int] = {}
        for each in ids if isinstance(ids, list) else []:
            if isinstance(each, str | int):
                self._positions.setdefault(each, len(self._positions))
        self.name = name or self._task
        self.created_at = _seconds(_text(about.get("created")))
        self.left_out = [
            "What happened within a sample beyond its messages: events, tools and stores.",
            f"Inspect does not say which scores pass: those from {pass_from:g} on do here (--pass-from).",
        ]
        error = _text(_object(head.get("error")).get("message"))
        metadata = {"task": self._task, "model": self._model, "inspect_run_id": _text(about.get("run_id"))}
        self._facts = RunFacts(
            self._model or self._task,
            self.created_at,
            {key: value[:512] for key, value in metadata.items() if value},
            _STATUSES[status],
            error,
        )

    def eval_key(self, criteria: Sequence[str]) -> str:
        """Return the name of the task with its scorers: its logs are runs of one eval as long as these are the same."""
        return "\n".join((self.name, *criteria))

    def run_key(self, run: str) -> str:
        """Return Inspect's id of the eval."""
        return self._run_key

    def run_facts(self, run: str) -> RunFacts:
        """Return what the log says of its run."""
        return self._facts

    def rows(self, run: str | None, damage: Damage) -> Iterator[Row]:
        """Yield the samples."""
        number = 0
        with mapped_file(self._content) as (raw, _):
            line_of = LineCounter(raw)
            try:
                for start, end in jsontext.elements(raw, self._samples, may_be_cut=True):
                    number += 1
                    try:
                        yield self._row(_object(jsontext.parse_received(raw[start:end])))
                    except (_SampleRefusedError, InvalidJsonError) as error:
                        damage.add(f"{self.path}, line {line_of(start)}, sample {number}: {error}.")
            except InvalidJsonError as error:
                damage.add(f"{self.path} is damaged after sample {number}: {error}. What follows cannot be read.")

    def _row(self, sample: JsonObject) -> Row:
        sample_id = sample.get("id")
        if not isinstance(sample_id, str | int) or "input" not in sample:
            raise _SampleRefusedError("it is not a sample of Inspect: its 'id' or its 'input' is missing")
        sample = _object(_with_attachments(sample, _object(sample.get("attachments"))))
        position = self._positions.setdefault(sample_id, len(self._positions))
        item: JsonObject = {"id": sample_id, "input": _plain(sample["input"]), "target": sample.get("target")}
        item |= {key: sample[key] for key in ("choices", "metadata") if sample.get(key)}
        findings = dict(self._findings(sample))
        error = _error_of(sample, has_scores=bool(findings) or not self._has_scorers)
        passed = all(found.passed for found in findings.values())
        output = _object(sample.get("output"))
        said: JsonObject = {
            key: sample[key] for key in ("uuid", "limit", "model_usage", "total_time") if sample.get(key)
        }
        return Row(
            run=_RUN,
            position=position,
            item=item,
            status="error" if error else "pass" if passed else "fail",
            findings=findings,
            sample=self._sample(sample, output, error),
            latency_ms=_milliseconds(output.get("time"), sample.get("working_time")),
            more={"inspect": {"epoch": sample.get("epoch"), **said}},
        )

    def _findings(self, sample: JsonObject) -> Iterator[tuple[str, Finding]]:
        for scorer, score in _object(sample.get("scores")).items():
            said = _object(score)
            value, reason = said.get("value"), _text(said.get("explanation"))
            if isinstance(value, dict):
                parts = {f"{scorer}.{key}": part for key, part in value.items()}
            elif isinstance(value, list):
                parts = {f"{scorer}.{place}": part for place, part in enumerate(value)}
            else:
                parts = {scorer: value}
            for name, part in parts.items():
                number = _number(part)
                if number is not None:
                    yield name, Finding(number, number >= self._pass_from, reason)

    def _sample(self, sample: JsonObject, output: JsonObject, error: str) -> JsonObject:
        messages = [each for each in _list(sample.get("messages")) if isinstance(each, dict)]
        last = max((at for at, each in enumerate(messages) if each.get("role") == "assistant"), default=None)
        sent = messages if last is None else messages[:last]
        answered = [_message(messages[last])] if last is not None else []
        if not answered and (text := _text(output.get("completion"))):
            answered = [message("assistant", text)]
        model = _text(output.get("model")) or self._model
        usage = _object(_object(sample.get("model_usage")).get(self._model)) or _object(output.get("usage"))
        choice = _object(next(iter(_list(output.get("choices"))), None))
        return sample_document(
            [_message(each) for each in sent],
            answered,
            model,
            _usage(usage),
            finish_reason=_text(choice.get("stop_reason")),
            error={"code": "inspect_error", "message": error} if error else None,
        )


@contextlib.contextmanager
def opened_logs(
    paths: Sequence[Path], pass_from: float = 1.0, name: str | None = None
) -> Generator[Sequence[InspectLog]]:
    """Open logs, or those of directories; what had to be converted exists while the block lasts.

    Raises:
        SourceError: There are no logs, one cannot be read, or one needs Inspect to be read and it is not installed.
    """
    found = [log for path in paths for log in _logs_of(path)]
    if not found:
        raise SourceError(f"There are no logs (*.eval, *.json) in {', '.join(repr(str(path)) for path in paths)}.")
    with tempfile.TemporaryDirectory(prefix="evalhaven-inspect-") as directory:
        contents = [_converted(path, Path(directory) / str(number)) for number, path in enumerate(found)]
        yield [InspectLog(path, content, pass_from, name) for path, content in zip(found, contents, strict=True)]


def find_inspect() -> str | None:
    """Return the command of Inspect: that beside this Python, or that on the PATH; None if it is not installed."""
    return shutil.which("inspect", path=str(Path(sys.executable).parent)) or shutil.which("inspect")


def _logs_of(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.iterdir() if each.suffix in (".eval", ".json"))


def _converted(path: Path, directory: Path) -> Path:
    """Return a log in the JSON form."""
    if path.suffix != ".eval":
        return path
    if not path.is_file():
        raise SourceError(f"{path} cannot be read: no such file.")
    command = find_inspect()
    if command is None:
        raise SourceError(
            f"{path} can only be read by Inspect itself, which is not installed here. Install it beside Evalhaven "
            "(`pip install inspect_ai`), or convert the log where it is installed: `inspect log convert "
            f"{path.name} --to json --output-dir converted`."
        )
    asked = [command, "log", "convert", str(path), "--to", "json", "--output-dir", str(directory)]
    asked += ["--resolve-attachments", "full"]
    try:
        done = subprocess.run(  # noqa: S603 - Inspect's own command with a path of the user
            asked, capture_output=True, text=True, check=False, timeout=_CONVERSION_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceError(f"{path} could not be converted by {command}: {error}.") from error
    made = next(iter(sorted(directory.glob("*.json"))), None) if directory.is_dir() else None
    if done.returncode or made is None:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise SourceError(f"{path} could not be converted by {command}: {said[-1] if said else 'it says nothing'}.")
    return made


def _with_attachments(value: JsonValue, attachments: JsonObject) -> JsonValue:
    """Return a value with the long texts that the log keeps apart."""
    if not attachments:
        return value
    if isinstance(value, str) and value.startswith(_ATTACHMENT):
        return attachments.get(value.removeprefix(_ATTACHMENT), value)
    if isinstance(value, dict):
        return {key: _with_attachments(part, attachments) for key, part in value.items() if key != "attachments"}
    if isinstance(value, list):
        return [_with_attachments(part, attachments) for part in value]
    return value


def _number(value: JsonValue) -> float | None:
    """Return a score as a number, as Inspect's own metrics do; None if the sample was not scored."""
    if isinstance(value, str):
        known = _LETTERS.get(value, _WORDS.get(value.lower()))
        if known is not None:
            return known
    elif not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    return number if math.isfinite(number) else None


def _error_of(sample: JsonObject, *, has_scores: bool) -> str:
    error = sample.get("error")
    if error:
        return _text(_object(error).get("message")) or "Inspect does not say why."
    return "" if has_scores else "The sample was not scored."


def _message(given: JsonObject) -> JsonObject:
    kept: JsonObject = {key: value for key, value in given.items() if key in _MESSAGE_KEYS and value is not None}
    return _object(flattened_message(kept))


def _plain(value: JsonValue) -> JsonValue:
    """Return an input, the messages of which without Inspect's own ids."""
    if not isinstance(value, list):
        return value
    return [_message(each) if isinstance(each, dict) else each for each in value]


def _usage(usage: JsonObject) -> Mapping[str, int]:
    return {name: count for key, name in _USAGE.items() if isinstance(count := usage.get(key), int)}


def _milliseconds(*seconds: JsonValue) -> int | None:
    found = next((each for each in seconds if isinstance(each, int | float) and each >= 0), None)
    return None if found is None else round(found * 1000)


def _seconds(timestamp: str) -> int:
    try:
        return max(0, int(datetime.fromisoformat(timestamp).timestamp()))
    except ValueError:
        return 0


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
