"""Import of promptfoo's results: what `promptfoo eval -o` and `promptfoo export eval` write, as JSON or JSON lines.

Each pair of a provider and a prompt is a run, and each repetition of a test a repeat of its item. Assertions with the
same metric, or of the same type, are one criterion: tests may have different ones.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue, RawJson, Span
from evalhaven.importers.jsonfiles import LineCounter, mapped_file, record_spans
from evalhaven.importers.results import Finding, Judge, Row, RunFacts, Status, message, sample_document
from evalhaven.importers.source import Damage, SourceError

_OLDEST_VERSION = 3
_ERROR = 2  # the `failureReason` of a test that could not be carried out
_MAX_POSITION = 20_000_000
_LONGEST_NAME = 100
_JUDGED = frozenset(
    {
        "agent-rubric",
        "answer-relevance",
        "context-faithfulness",
        "context-recall",
        "context-relevance",
        "conversation-relevance",
        "factuality",
        "g-eval",
        "llm-rubric",
        "model-graded-closedqa",
        "model-graded-factuality",
        "pi",
        "search-rubric",
        "select-best",
        "trajectory:goal-success",
    }
)
_USAGE = {"prompt": "prompt_tokens", "completion": "completion_tokens", "total": "total_tokens"}
_NOT_RESULTS = (
    "{} is not a file of promptfoo's results. `promptfoo eval -o results.json` writes one, and `promptfoo export eval "
    "latest -o results.json` one of an eval that is done."
)
_LEFT_OUT = "The configuration with its assertions: `evalhaven convert promptfoo` makes an eval file of it."


class _RowRefusedError(ValueError):
    """A result does not have the form of promptfoo's; the message says why."""


class PromptfooFile:
    """A file of promptfoo's results."""

    tool = "promptfoo"

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Read the head of a file.

        Args:
            path: The file.
            name: Name of the eval; by default the description in the configuration, else the file's name.

        Raises:
            SourceError: It is not a file of promptfoo's results, or of a version that is too old.
        """
        self.path = path
        self.left_out: list[str] = [_LEFT_OUT]
        self._names: dict[str, tuple[str, str]] = {}
        self._results: Span | None = None  # None if each line is a result
        self._places: dict[str, array[int]] = {}  # where the results of each run begin and end, once all were read
        self._repeats = 1
        with mapped_file(path) as (raw, span):
            try:
                head = _members(raw, span) if jsontext.starts_with(raw, span, b"{") else {}
                said = self._head(raw, head) if "results" in head else self._lines_head(raw, span)
            except InvalidJsonError as error:
                raise SourceError(f"{path} is damaged: {error}.") from error
        self._key, self.created_at, description = said
        self.name = name or description or path.stem

    def eval_key(self, criteria: Sequence[str]) -> str:
        """Return promptfoo's id of the eval."""
        return self._key

    def run_key(self, run: str) -> str:
        """Return that id with the number of the pair of provider and prompt."""
        return f"{self._key}\n{run}"

    def run_facts(self, run: str) -> RunFacts:
        """Return the name of a run, which says what the others do not have in common with it."""
        provider, prompt = self._names[run]
        providers, prompts = ({each[place] for each in self._names.values()} for place in (0, 1))
        parts = [provider] * (len(providers) > 1 or len(prompts) == 1) + [prompt] * (len(prompts) > 1)
        name = " · ".join(parts)
        if list(self._names.values()).count((provider, prompt)) > 1:
            name = f"{name} · {int(run) + 1}"
        return RunFacts(name, self.created_at, {"provider": provider[:512], "prompt": prompt[:512]})

    def rows(self, run: str | None, damage: Damage) -> Iterator[Row]:
        """Yield the results of a run, or of all."""
        if run is not None and run in self._places:
            yield from self._known_rows(self._places[run])
            return
        places: dict[str, array[int]] = {}
        number = 0
        with mapped_file(self.path) as (raw, whole):
            line_of = LineCounter(raw)
            try:
                for start, end in self._spans(raw, whole):
                    number += 1
                    try:
                        found = self._row(raw[start:end])
                    except (_RowRefusedError, InvalidJsonError) as error:
                        damage.add(f"{self.path}, line {line_of(start)}, result {number}: {error}.")
                        continue
                    places.setdefault(found.run, array("Q")).extend((start, end))
                    if run is None or found.run == run:
                        yield found
            except InvalidJsonError as error:
                damage.add(f"{self.path} is damaged after result {number}: {error}. What follows cannot be read.")
        self._places = places

    def _known_rows(self, places: Sequence[int]) -> Iterator[Row]:
        with mapped_file(self.path) as (raw, _):
            for start, end in zip(places[::2], places[1::2], strict=True):
                yield self._row(raw[start:end])

    def _spans(self, raw: RawJson, whole: Span) -> Iterator[Span]:
        if self._results is None:
            return record_spans(raw, whole)
        return jsontext.elements(raw, self._results, may_be_cut=True)

    def _head(self, raw: RawJson, head: Mapping[str, Span]) -> tuple[str, int, str]:
        inner = _members(raw, head["results"]) if jsontext.starts_with(raw, head["results"], b"{") else {}
        if "version" not in inner:
            raise SourceError(_NOT_RESULTS.format(self.path))
        version = jsontext.parse(raw[slice(*inner["version"])])
        if "results" not in inner or not isinstance(version, int) or version < _OLDEST_VERSION:
            raise SourceError(
                f"{self.path} holds promptfoo results of version {version}, and {_OLDEST_VERSION} is the oldest that "
                "can be read. Write them with a newer promptfoo: `promptfoo export eval EVAL_ID -o results.json`."
            )
        self._results = inner["results"]
        said = {
            key: jsontext.parse(raw[slice(*span)])
            for spans, key in ((head, "evalId"), (head, "config"), (head, "runtimeOptions"), (inner, "timestamp"))
            if (span := spans.get(key)) is not None
        }
        options, config = _object(said.get("runtimeOptions")), _object(said.get("config"))
        repeats = options.get("repeat")
        self._repeats = repeats if isinstance(repeats, int) and repeats > 1 else 1
        timestamp = _text(said.get("timestamp"))
        return _text(said.get("evalId")) or timestamp, _seconds(timestamp, self.path), _text(config.get("description"))

    def _lines_head(self, raw: RawJson, span: Span) -> tuple[str, int, str]:
        first = next(record_spans(raw, span), None)
        try:
            document = _object(jsontext.parse_received(raw[slice(*first)])) if first else {}
        except InvalidJsonError:
            document = {}
        if "promptIdx" not in document or "testIdx" not in document:
            raise SourceError(_NOT_RESULTS.format(self.path))
        return _text(document.get("id")), _modified_at(self.path), ""

    def _row(self, raw: bytes) -> Row:
        document = _object(jsontext.parse_received(raw))
        run, test = _index(document, "promptIdx"), _index(document, "testIdx")
        item = document.get("vars")
        if not isinstance(item, dict):
            raise _RowRefusedError("its 'vars' are missing or not an object")
        provider, prompt = _object(document.get("provider")), _object(document.get("prompt"))
        model = _text(provider.get("label")) or _text(provider.get("id")) or "unknown"
        label = " ".join((_text(prompt.get("label")) or _text(prompt.get("raw"))).split())[:_LONGEST_NAME]
        self._names.setdefault(str(run), (model, label))
        is_errored = document.get("failureReason") == _ERROR
        status: Status = "error" if is_errored else "pass" if document.get("success") is True else "fail"
        grading = _object(document.get("gradingResult"))
        latency, cost = document.get("latencyMs"), document.get("cost")
        return Row(
            run=str(run),
            position=test // self._repeats,
            item=item,
            status=status,
            findings=dict(_findings(grading, _object(prompt.get("config")))),
            sample=_sample(document, _text(prompt.get("raw")), model, is_errored=is_errored),
            latency_ms=round(latency) if isinstance(latency, int | float) and not is_errored else None,
            cost=float(cost) if isinstance(cost, int | float) and not is_errored else None,
            more={"promptfoo": _more(document, grading)},
        )


def _findings(grading: JsonObject, options: JsonObject) -> Iterator[tuple[str, Finding]]:
    """Yield the name and the finding of each assertion; a name that occurs again in a test is numbered."""
    parts = grading.get("componentResults")
    seen: dict[str, int] = {}
    for part in parts if isinstance(parts, list) else []:
        if not isinstance(part, dict):
            continue
        assertion = _object(part.get("assertion"))
        in_set = _object(_object(part.get("metadata")).get("assertionSet"))
        base = _text(assertion.get("metric")) or _text(assertion.get("type"))
        base = base or _text(in_set.get("metric")) or ("assert-set" if "componentResults" in part else "assertion")
        seen[base] = seen.get(base, 0) + 1
        name = base if seen[base] == 1 else f"{base} {seen[base]}"
        score = part.get("score")
        is_failure = _object(part.get("metadata")).get("graderError") is True
        yield (
            name,
            Finding(
                score=float(score) if isinstance(score, int | float) else 0.0,
                passed=part.get("pass") is True,
                reason=_text(part.get("reason")),
                error=_text(part.get("reason")) or "The judge gave no grade." if is_failure else "",
                judge=_judge(assertion, options, part),
            ),
        )


def _judge(assertion: JsonObject, options: JsonObject, part: JsonObject) -> Judge | None:
    if _text(assertion.get("type")).removeprefix("not-") not in _JUDGED:
        return None
    asked = assertion.get("provider") or options.get("provider")
    model = _text(asked) or _text(_object(asked).get("id")) or "unknown"
    return Judge(model, _usage(_object(part.get("tokensUsed"))))


def _sample(document: JsonObject, prompt: str, model: str, *, is_errored: bool) -> JsonObject:
    response = _object(document.get("response"))
    output = response.get("output")
    answered = [] if output is None else [message("assistant", _shown(output))]
    error: JsonObject | None = None
    if is_errored:
        said = _text(response.get("error")) or _text(document.get("error")) or "promptfoo does not say why."
        error = {"code": "promptfoo_error", "message": said}
    usage = _usage(_object(response.get("tokenUsage")))
    reason = _text(response.get("finishReason"))
    return sample_document(_messages(prompt), answered, model, usage, finish_reason=reason, error=error)


def _messages(prompt: str) -> Sequence[JsonObject]:
    """Return a prompt as the messages that were sent: a list of them as JSON, or one of the user."""
    if prompt.lstrip().startswith("["):
        try:
            parsed = jsontext.parse_received(prompt)
        except InvalidJsonError:
            parsed = None
        given = parsed if isinstance(parsed, list) else []
        found = [each for each in given if isinstance(each, dict) and "role" in each]
        if found and len(found) == len(given):
            return found
    return [message("user", prompt)] if prompt else []


def _usage(tokens: JsonObject) -> Mapping[str, int]:
    found = {name: count for key, name in _USAGE.items() if isinstance(count := tokens.get(key), int)}
    cached, details = tokens.get("cached"), _object(tokens.get("completionDetails"))
    if isinstance(cached, int) and cached:
        found["cached_tokens"] = cached
    if isinstance(reasoning := details.get("reasoning"), int) and reasoning:
        found["reasoning_tokens"] = reasoning
    return found


def _more(document: JsonObject, grading: JsonObject) -> JsonObject:
    """Return what else promptfoo says of a test; {} if nothing."""
    test = _object(document.get("testCase"))
    metadata = {key: value for key, value in _object(test.get("metadata")).items() if not key.startswith("_")}
    said: JsonObject = {
        "id": document.get("id"),
        "score": document.get("score"),
        "reason": grading.get("reason"),
        "comment": grading.get("comment"),
        "description": test.get("description"),
        "metadata": metadata,
        "namedScores": document.get("namedScores"),
    }
    return {key: value for key, value in said.items() if value not in (None, "", {})}


def _members(raw: RawJson, span: Span) -> dict[str, Span]:
    """Return the spans of an object's members; those before the damage if it is damaged."""
    return jsontext.members(raw, span, may_be_cut=True)


def _index(document: JsonObject, key: str) -> int:
    value = document.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_POSITION:
        raise _RowRefusedError(f"its {key!r} is missing or not an index")
    return value


def _seconds(timestamp: str, path: Path) -> int:
    try:
        return max(0, int(datetime.fromisoformat(timestamp).timestamp()))
    except ValueError:
        return _modified_at(path)


def _modified_at(path: Path) -> int:
    return max(0, int(path.stat().st_mtime))


def _shown(output: JsonValue) -> str:
    return output if isinstance(output, str) else jsontext.render(output)


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
