"""Results of other tools as an import: files whose rows are an item, what was answered, and what was said of it.

A module a tool reads its files and yields rows; here they become an eval, its runs and their output items. A file is
read once to count, and once for each of its runs. Memory holds the runs, the names of the criteria, and at most where
each row stands. Ids depend on what the file says alone, so that a second import finds everything already there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal, Protocol

from evalhaven.domain import jsontext
from evalhaven.domain.ids import OUTPUT_ITEM_PREFIX
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.importers.source import Damage, SourceError, SourceFile

Status = Literal["pass", "fail", "error"]
MOST_CRITERIA = 1000
_USAGE_KEYS = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")
_NO_DEFINITION = """\
# This criterion came with results of {tool}, which hold what it found but not how to find it.
# Items graded before keep their results. To grade new runs, create an eval with the real criterion.
def grade(sample, item) -> float:
    raise LookupError("The results did not contain the definition of this criterion.")
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one criterion found.

    Attributes:
        reason: Why, in the words of the tool or of a judge; "" if it does not say.
        error: Why there is no conclusion; "" if there is one.
        judge: The model that was asked for it, and its usage; None for a criterion without a judge.
    """

    score: float
    passed: bool
    reason: str = ""
    error: str = ""
    judge: "Judge | None" = None


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge's part in a finding."""

    model: str = ""
    usage: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Row:
    """One result: an item, what was answered, and what the criteria found.

    Attributes:
        run: Key of the run that it belongs to.
        position: Which item of the run's data it is, from 0; a position that occurs again is a repeat.
        status: As the tool has it, which need not follow from the findings.
        findings: By the name of the criterion.
        sample: Messages that were sent and answered, in the form of the API.
        latency_ms: Milliseconds that the answer took; None if that is not known.
        cost: US dollars of the answer; None if that is not known.
        more: What else the tool says of it.
    """

    run: str
    position: int
    item: JsonObject
    status: Status
    findings: Mapping[str, Finding]
    sample: JsonObject
    latency_ms: int | None = None
    cost: float | None = None
    more: JsonObject = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a file says of one of its runs.

    Attributes:
        status: `completed`, `failed` or `canceled`.
        error: Why it failed; "" if it did not.
    """

    name: str
    created_at: int
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    status: str = "completed"
    error: str = ""


class ResultsFile(Protocol):
    """A file of results."""

    @property
    def path(self) -> Path:
        """Return its path."""
        ...

    @property
    def tool(self) -> str:
        """Return what made it, for people."""
        ...

    @property
    def name(self) -> str:
        """Return the name of the eval."""
        ...

    @property
    def created_at(self) -> int:
        """Return the Unix second at which it began."""
        ...

    @property
    def left_out(self) -> Sequence[str]:
        """Return what it says that there is no place for here; known when it has been read once."""
        ...

    def eval_key(self, criteria: Sequence[str]) -> str:
        """Return what makes its eval the same one as that of another import; known when it has been read once."""
        ...

    def run_key(self, run: str) -> str:
        """Return what makes a run the same one as that of another import."""
        ...

    def run_facts(self, run: str) -> RunFacts:
        """Return what it says of a run whose rows it has."""
        ...

    def rows(self, run: str | None, damage: Damage) -> Iterator[Row]:
        """Yield the rows of a run, or of all; what cannot be read is added to the damage and skipped."""
        ...


@dataclass(slots=True)
class _Usage:
    """Calls to one model."""

    calls: int = 0
    tokens: list[int] = field(default_factory=lambda: [0] * len(_USAGE_KEYS))
    cost: float | None = 0.0

    def add(self, usage: JsonValue, cost: float | None) -> None:
        self.calls += 1
        self.cost = None if self.cost is None or cost is None else self.cost + cost
        if isinstance(usage, dict):
            for place, key in enumerate(_USAGE_KEYS):
                count = usage.get(key)
                self.tokens[place] += count if isinstance(count, int) else 0

    def document(self, model: str) -> JsonObject:
        return {
            "model_name": model,
            "invocation_count": self.calls,
            **dict(zip(_USAGE_KEYS, self.tokens, strict=True)),
            "cost": self.cost,
        }


@dataclass(slots=True)
class _Tally:
    """The sums over the rows of a run."""

    statuses: dict[str, int] = field(default_factory=lambda: {"pass": 0, "fail": 0, "error": 0})
    criteria: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    targets: dict[str, _Usage] = field(default_factory=dict[str, _Usage])
    judges: dict[str, _Usage] = field(default_factory=dict[str, _Usage])

    def add(self, row: Row) -> None:
        self.statuses[row.status] += 1
        for name, found in row.findings.items():
            place = 2 if found.error else 0 if found.passed else 1
            self.criteria.setdefault(name, [0, 0, 0])[place] += 1
            if found.judge is not None and found.judge.usage:
                self.judges.setdefault(found.judge.model, _Usage()).add(dict(found.judge.usage), None)
        model = row.sample.get("model")
        if isinstance(model, str) and model and row.sample.get("error") is None:
            self.targets.setdefault(model, _Usage()).add(row.sample.get("usage"), row.cost)


class _Import:
    """One file as an eval."""

    def __init__(self, file: ResultsFile) -> None:
        self.file = file
        self.tallies: dict[str, _Tally] = {}
        self.criteria: dict[str, None] = {}
        self.eval_id = ""

    def count(self, damage: Damage) -> None:
        found = Damage()
        for row in self.file.rows(None, found):
            self.tallies.setdefault(row.run, _Tally()).add(row)
            self.criteria |= dict.fromkeys(row.findings)
            if len(self.criteria) > MOST_CRITERIA:
                raise SourceError(
                    f"{self.file.path} names more than {MOST_CRITERIA:,} criteria. Give those that are the same "
                    "the same name."
                )
        if not self.tallies:
            raise SourceError(*found.messages[:1] or [f"{self.file.path} holds no results."])
        for message in found.messages:
            damage.add(message)
        damage.count += found.count - len(found.messages)
        self.eval_id = f"eval_{_digits(self.file.tool, self.file.eval_key(list(self.criteria)))}"

    def run_id(self, run: str) -> str:
        return f"evalrun_{_digits(self.file.tool, 'run', self.file.run_key(run))}"

    def eval_document(self) -> JsonObject:
        schema: JsonObject = {"type": "object", "properties": {"item": {"type": "object"}}, "required": ["item"]}
        source = _NO_DEFINITION.format(tool=self.file.tool)
        criteria: list[JsonValue] = [
            {"name": name, "id": name, "type": "python", "source": source} for name in self.criteria
        ]
        return {
            "object": "eval",
            "id": self.eval_id,
            "data_source_config": {"type": "custom", "schema": schema},
            "testing_criteria": criteria,
            "name": self.file.name,
            "created_at": self.file.created_at,
            "metadata": {},
        }

    def run_document(self, run: str) -> JsonObject:
        facts, tally = self.file.run_facts(run), self.tallies[run]
        passed, failed, errored = tally.statuses.values()
        run_id = self.run_id(run)
        targets = [usage.document(model) for model, usage in tally.targets.items()]
        judges = [usage.document(model) for model, usage in tally.judges.items()]
        split: JsonObject = {"target": list[JsonValue](targets), "judge": list[JsonValue](judges)}
        costs = [usage.cost for usage in tally.targets.values()]
        known = [cost for cost in costs if cost is not None]
        return {
            "object": "eval.run",
            "id": run_id,
            "eval_id": self.eval_id,
            "report_url": "",
            "status": facts.status,
            "model": next(iter(tally.targets), ""),
            "name": facts.name,
            "created_at": facts.created_at,
            "result_counts": {
                "total": passed + failed + errored,
                "errored": errored,
                "failed": failed,
                "passed": passed,
            },
            "per_model_usage": [
                {key: value for key, value in usage.items() if key not in ("cost", "reasoning_tokens")}
                for usage in (*targets, *judges)
            ],
            "per_testing_criteria_results": [
                {"testing_criteria": name, "passed": yes, "failed": no, "errored": unknown}
                for name, (yes, no, unknown) in tally.criteria.items()
            ],
            "data_source": {"type": "jsonl", "source": {"type": "file_id", "id": _file_id(run_id)}},
            "error": {"code": "failed", "message": facts.error} if facts.error else None,
            "metadata": dict[str, JsonValue](facts.metadata),
            "evalhaven": {
                "usage_split": split,
                "cost": {"target": sum(known) if len(known) == len(costs) and known else None, "judge": None},
            },
        }

    def output_items(self, run: str) -> Iterator[bytes]:
        run_id, created_at = self.run_id(run), self.file.run_facts(run).created_at
        base = _digits(run_id)[:16]
        for number, row in enumerate(self.file.rows(run, Damage())):
            own = sha256(f"{run_id} {number}".encode()).hexdigest()[:8]
            document: JsonObject = {
                "object": "eval.run.output_item",
                "id": f"{OUTPUT_ITEM_PREFIX}{base}{number:08x}{own}",
                "created_at": created_at,
                "run_id": run_id,
                "eval_id": self.eval_id,
                "status": row.status,
                "datasource_item_id": row.position,
                "datasource_item": row.item,
                "results": [_result(name, found) for name, found in row.findings.items()],
                "sample": row.sample,
                "evalhaven": {"latency_ms": row.latency_ms, "cost": row.cost, **row.more},
            }
            yield jsontext.render(document).encode()


class ResultsSource:
    """Objects of files of results."""

    def __init__(self, files: Sequence[ResultsFile]) -> None:
        """Read each file for the first time.

        Raises:
            SourceError: A file has no readable row, or two files are of the same eval.
        """
        self._damage = Damage()
        self._imports: list[_Import] = []
        holders: dict[str, Path] = {}
        for file in files:
            new = _Import(file)
            new.count(self._damage)
            self._imports.append(new)
            for run in new.tallies:
                first = holders.setdefault(new.run_id(run), file.path)
                if first != file.path:
                    raise SourceError(f"{first} and {file.path} hold results of the same run: import one of them.")

    @property
    def damage(self) -> Damage:
        """Return the rows that could not be read."""
        return self._damage

    @property
    def left_out(self) -> Sequence[str]:
        """Return what the files say that there is no place for here."""
        return list(dict.fromkeys(text for each in self._imports for text in each.file.left_out))

    @property
    def origin(self) -> str:
        """Return the kind and the names of the files."""
        tools = ", ".join(dict.fromkeys(each.file.tool for each in self._imports))
        return f"{tools} results {', '.join(each.file.path.name for each in self._imports)}"

    def evals(self) -> Iterator[bytes]:
        """Yield the evals: one for each file, or for several that are of the same."""
        for each in {each.eval_id: each for each in reversed(self._imports)}.values():
            yield jsontext.render(each.eval_document()).encode()

    def runs(self, eval_id: str) -> Iterator[bytes]:
        """Yield the runs of an eval, with counts over their rows."""
        for owner in self._imports:
            for run in owner.tallies if owner.eval_id == eval_id else ():
                yield jsontext.render(owner.run_document(run)).encode()

    def output_items(self, run_id: str) -> Iterator[bytes]:
        """Yield the rows of a run as output items."""
        for each in self._imports:
            for run in each.tallies:
                if each.run_id(run) == run_id:
                    yield from each.output_items(run)
                    return

    def files(self) -> Iterator[SourceFile]:
        """Yield nothing: the rows of each run are rebuilt from its output items."""
        return iter(())

    def file_record(self, file_id: str) -> None:
        """Return None: such files have no records of files."""


def message(role: str, content: str) -> JsonObject:
    """Return a message of one text."""
    return {"role": role, "content": content}


def sample_document(
    sent: Sequence[JsonObject], answered: Sequence[JsonObject], model: str, usage: Mapping[str, int], **more: JsonValue
) -> JsonObject:
    """Return a sample in the form of the API."""
    document: JsonObject = {
        "input": list[JsonValue](sent),
        "output": list[JsonValue](answered),
        "finish_reason": "",
        "model": model,
        "usage": {**dict.fromkeys(_USAGE_KEYS[:4], 0), **usage},
        "error": None,
    }
    return {**document, **more}


def _result(name: str, found: Finding) -> JsonObject:
    result: JsonObject = {"name": name, "score": found.score, "passed": found.passed, "sample": None}
    if found.judge is not None:
        result["sample"] = sample_document(
            [], [message("assistant", found.reason)], found.judge.model, found.judge.usage
        )
    more: JsonObject = {}
    if found.error:
        more["error"] = {"code": "failed", "message": found.error}
    if found.reason and found.judge is None:
        more["reason"] = found.reason
    return {**result, "evalhaven": more} if more else result


def _digits(*parts: str) -> str:
    """Return 32 hex digits that depend on the parts alone: many tools do not say when a result was made."""
    digits = sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{digits[:12]}8190{digits[12:28]}"


def _file_id(run_id: str) -> str:
    """Return an id for the file of a run's rows, which no tool names."""
    return f"file-{sha256(f'rows of {run_id}'.encode()).hexdigest()[:22]}"
