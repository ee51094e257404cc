"""Import of the platform's results exports: rows of one or several runs, without evals and definitions of graders.

A file is read twice: once to count, once to yield the items. Rows that cannot be read are reported and skipped. Memory
holds the runs, and two bytes a row of the run that is being yielded. Each file becomes one eval; ids depend only on its
content, so that a second import finds everything already there.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue, RawJson, Span
from evalhaven.importers.dashboard_rows import (
    ExportRow,
    RowRefusedError,
    item_status,
    output_item_document,
    parse_export_row,
)
from evalhaven.importers.jsonfiles import LineCounter, mapped_file, record_spans
from evalhaven.importers.source import Damage, SourceError, SourceFile

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FILE_ID_DIGITS = 22
_MOST_OCCURRENCES = (1 << 16) - 1
_NO_DEFINITION = """\
# This grader came with a results export, which holds the grades it gave but not its definition.
# Runs graded before keep their results. To grade new runs, create an eval with the real criterion.
def grade(sample, item) -> float:
    raise NotImplementedError("The results export did not contain the definition of this grader.")
"""


@dataclass(slots=True)
class _RunTally:
    """The sums over the rows of one run.

    Attributes:
        first: Byte at which its first row begins.
        last: Byte at which its last row begins.
        ungraded: Rows with neither an error nor grades.
        criteria: Passed and failed counts of each grader.
        usage: Invocations and tokens (prompt, completion, total, cached) of each model.
    """

    id: str
    created_at: int
    first: int
    last: int = 0
    model: str = ""
    passed: int = 0
    failed: int = 0
    errored: int = 0
    ungraded: int = 0
    criteria: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    usage: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    def add(self, row: ExportRow, start: int) -> None:
        self.last = start
        self.model = self.model or _name_of(row.sample)
        if not row.is_errored and not row.passes:
            self.ungraded += 1
        else:
            status = item_status(row, has_graders=True)
            self.passed += status == "pass"
            self.failed += status == "fail"
            self.errored += status == "error"
        for key, is_passed in row.passes.items():
            self.criteria.setdefault(key, [0, 0])[0 if is_passed else 1] += 1
        for sample in (row.sample, *row.grader_samples().values()):
            self._add_usage(sample)

    def document(self, eval_id: str) -> JsonObject:
        graded = bool(self.criteria)
        counts = {
            "total": self.passed + self.failed + self.errored + self.ungraded,
            "errored": self.errored + (self.ungraded if graded else 0),
            "failed": self.failed,
            "passed": self.passed + (0 if graded else self.ungraded),
        }
        return {
            "object": "eval.run",
            "id": self.id,
            "eval_id": eval_id,
            "report_url": "",
            "status": "completed",
            "model": self.model,
            "name": self.model or self.id,
            "created_at": self.created_at,
            "result_counts": dict[str, JsonValue](counts),
            "per_model_usage": [
                {
                    "model_name": model,
                    "invocation_count": invocations,
                    "prompt_tokens": prompt,
                    "completion_tokens": completion,
                    "total_tokens": total,
                    "cached_tokens": cached,
                }
                for model, (invocations, prompt, completion, total, cached) in self.usage.items()
            ],
            "per_testing_criteria_results": [
                {"testing_criteria": key, "testing_criteria_id": key, "passed": passed, "failed": failed}
                for key, (passed, failed) in self.criteria.items()
            ],
            "data_source": {"type": "jsonl", "source": {"type": "file_id", "id": self.file_id}},
            "error": None,
            "metadata": {},
            "shared_with_openai": False,
        }

    @property
    def file_id(self) -> str:
        """Return an id for the file of the run's rows, since the export does not name it."""
        number = int.from_bytes(sha256(f"rows of {self.id}".encode()).digest())
        digits = ""
        for _ in range(_FILE_ID_DIGITS):
            number, digit = divmod(number, len(_BASE62))
            digits += _BASE62[digit]
        return f"file-{digits}"

    def _add_usage(self, sample: JsonObject) -> None:
        model, tokens = _name_of(sample), sample.get("token_usage")
        if not model or not isinstance(tokens, dict):
            return
        counts = self.usage.setdefault(model, [0] * 5)
        counts[0] += 1
        for place, key in enumerate(("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"), start=1):
            count = tokens.get(key)
            counts[place] += count if isinstance(count, int) else 0


@dataclass(slots=True)
class _Export:
    """One file of rows."""

    path: Path
    name: str
    damage: Damage
    runs: dict[str, _RunTally] = field(default_factory=dict[str, _RunTally])

    @property
    def eval_id(self) -> str:
        digits = sha256("\n".join(sorted(self.runs)).encode()).hexdigest()
        return f"eval_{self.created_at:08x}{digits[:4]}8190{digits[4:20]}"

    @property
    def created_at(self) -> int:
        return min(run.created_at for run in self.runs.values())

    def count(self) -> None:
        """Read the file for the first time.

        Raises:
            SourceError: No row has the form of the export.
        """
        found = Damage()
        for span, row in self.rows(None, found):
            if row.run_id not in self.runs:
                self.runs[row.run_id] = _RunTally(row.run_id, row.created_at, span[0])
            self.runs[row.run_id].add(row, span[0])
        if not self.runs:
            raise SourceError(*found.messages[:1] or [f"{self.path} holds no rows of a results export."])
        for message in found.messages:
            self.damage.add(message)
        self.damage.count += found.count - len(found.messages)

    def rows(self, run: _RunTally | None, damage: Damage | None = None) -> Iterator[tuple[Span, ExportRow]]:
        """Yield the rows of a run, or of all runs; a run's rows are only looked for between its first and its last.

        Args:
            run: None for the rows of all runs.
            damage: Collects what cannot be read.
        """
        number, is_told, damage = 0, False, damage or Damage()
        with mapped_file(self.path) as (raw, span):
            line_of, is_array = LineCounter(raw), jsontext.starts_with(raw, span, b"[")
            try:
                for start, end in record_spans(raw, span):
                    number += 1
                    if run is not None and start < run.first:
                        continue
                    if run is not None and start > run.last:
                        return
                    if run is not None and _is_surely_not_of(run.id, raw, (start, end)):
                        continue
                    try:
                        row = parse_export_row(raw[start:end])
                    except RowRefusedError as error:
                        place = f"line {line_of(start)}" + (f", row {number}" if is_array else "")
                        damage.add(f"{self.path}, {place}: {error}.")
                        is_told = True
                        continue
                    is_told = False
                    if run is None or row.run_id == run.id:
                        yield (start, end), row
            except InvalidJsonError as error:
                # If it ends within a row, that row is reported already.
                if not is_told:
                    damage.add(f"{self.path} is damaged after row {number}: {error}. What follows cannot be read.")

    def eval_document(self) -> JsonObject:
        keys = dict.fromkeys(key for run in self.runs.values() for key in run.criteria)
        schema: JsonObject = {"type": "object", "properties": {"item": {"type": "object"}}, "required": ["item"]}
        return {
            "object": "eval",
            "id": self.eval_id,
            "data_source_config": {"type": "custom", "schema": schema},
            "testing_criteria": [{"name": key, "id": key, "type": "python", "source": _NO_DEFINITION} for key in keys],
            "name": self.name,
            "created_at": self.created_at,
            "metadata": {},
        }

    def output_items(self, run: _RunTally) -> Iterator[bytes]:
        seen = array("H")
        for _, row in self.rows(run):
            if row.index >= len(seen):
                seen.extend([0] * (row.index + 1 - len(seen)))
            occurrence = seen[row.index]
            seen[row.index] = min(occurrence + 1, _MOST_OCCURRENCES)
            document = output_item_document(row, self.eval_id, occurrence, has_graders=bool(run.criteria))
            yield jsontext.render(document).encode()


class DashboardSource:
    """Objects of results exports."""

    def __init__(self, exports: Sequence[_Export], damage: Damage | None = None) -> None:
        self._damage = damage or Damage()
        holders: dict[str, _Export] = {}
        for export in exports:
            for run_id in export.runs:
                first = holders.setdefault(run_id, export)
                if first is not export:
                    raise SourceError(
                        f"{first.path} and {export.path} hold the same run {run_id}: import one file with all rows."
                    )
        self._exports = {export.eval_id: export for export in exports}

    @classmethod
    def open(cls, paths: Sequence[Path], name: str | None = None) -> "DashboardSource":
        """Read each file for the first time.

        Args:
            paths: The files.
            name: Name of the evals; by default the name of each file, without its extension.

        Raises:
            SourceError: A file has no readable row, or two files hold rows of the same run.
        """
        damage = Damage()
        exports = [_Export(path, name or path.stem, damage) for path in paths]
        for export in exports:
            export.count()
        return cls(exports, damage)

    @property
    def damage(self) -> Damage:
        """Return the rows that could not be read."""
        return self._damage

    @property
    def origin(self) -> str:
        """Return the kind and the names of the files."""
        return f"results export {', '.join(export.path.name for export in self._exports.values())}"

    def evals(self) -> Iterator[bytes]:
        """Yield an eval for each file."""
        for export in self._exports.values():
            yield jsontext.render(export.eval_document()).encode()

    def runs(self, eval_id: str) -> Iterator[bytes]:
        """Yield the runs of a file, with counts over their rows."""
        for run in self._exports[eval_id].runs.values():
            yield jsontext.render(run.document(eval_id)).encode()

    def output_items(self, run_id: str) -> Iterator[bytes]:
        """Yield the rows of a run as output items."""
        for export in self._exports.values():
            if run_id in export.runs:
                yield from export.output_items(export.runs[run_id])
                return

    def files(self) -> Iterator[SourceFile]:
        """Yield nothing: the rows of each run are rebuilt from its output items."""
        return iter(())

    def file_record(self, file_id: str) -> None:
        """Return None: an export has no records of files."""


def _is_surely_not_of(run_id: str, raw: RawJson, span: Span) -> bool:
    """Tell without parsing that a row is of another run: its text has neither the id nor an escape that may hide it."""
    return raw.find(run_id.encode(), *span) < 0 and raw.find(b"\\u", *span) < 0


def _name_of(sample: JsonObject) -> str:
    name = sample.get("sampled_model_name")
    return name if isinstance(name, str) else ""
