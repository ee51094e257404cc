"""Import of tables: CSV files with a column of outputs, whatever wrote them.

The columns that say something of the output are named by the user; all others are the item. Rows with another model
are another run, and rows with the same id are one item, a second time in the same run as a repeat.
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.wording import counted
from evalhaven.importers.results import Finding, Row, RunFacts, Status, message, sample_document
from evalhaven.importers.source import Damage, SourceError

LARGEST_CELL_CHARS = 64 * 1024 * 1024
DEFAULT_PASS_FROM = 0.5
_DELIMITERS = ",;\t|"
_SHOWN_COLUMNS = 20
_NOT_UTF8 = "{} is not encoded in UTF-8. Save it as UTF-8, or convert it: `iconv -f latin1 -t utf-8 FILE`."
_TRUE = frozenset({"true", "yes", "y", "1", "1.0", "pass", "passed", "t", "correct"})
_FALSE = frozenset({"false", "no", "n", "0", "0.0", "fail", "failed", "f", "incorrect"})


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns say what.

    Attributes:
        output: What was answered.
        model: Which model answered; "" if there is no such column.
        row_id: What names the item; "" if there is no such column.
        error: Why there is no answer, empty if there is one; "" if there is no such column.
        scores: Numbers, each a criterion, with the lowest that passes.
        passes: Yes or no, each a criterion.
    """

    output: str
    model: str = ""
    row_id: str = ""
    error: str = ""
    scores: Mapping[str, float] | None = None
    passes: Sequence[str] = ()

    @property
    def named(self) -> Sequence[str]:
        """Return all of them."""
        found = (self.output, self.model, self.row_id, self.error, *(self.scores or {}), *self.passes)
        return [name for name in found if name]


class Table:
    """A CSV file with a header."""

    tool = "table"

    def __init__(self, path: Path, columns: Columns, name: str | None = None, delimiter: str | None = None) -> None:
        """Read the header of a file.

        Args:
            path: The file.
            columns: What its columns are.
            name: Name of the eval; by default the file's name, without its extension.
            delimiter: What stands between cells; by default what stands in the header.

        Raises:
            SourceError: The file cannot be read, or has no such columns.
        """
        self.path = path
        self.name = name or path.stem
        self.left_out: Sequence[str] = ()
        self._columns = columns
        csv.field_size_limit(LARGEST_CELL_CHARS)
        try:
            with path.open(encoding="utf-8-sig", newline="") as lines:
                first = lines.readline()
                self._delimiter = delimiter or max(_DELIMITERS, key=first.count)
                lines.seek(0)
                self._header: list[str] = next(csv.reader(lines, delimiter=self._delimiter), list[str]())
            self.created_at = max(0, int(path.stat().st_mtime))
            self._digest = _digest(path)
        except UnicodeDecodeError as error:
            raise SourceError(_NOT_UTF8.format(path)) from error
        except (OSError, csv.Error) as error:
            raise SourceError(f"{path} cannot be read: {_reason(error)}.") from error
        self._check_header()
        self._models: dict[str, None] = {}

    def eval_key(self, criteria: Sequence[str]) -> str:
        """Return what the table holds and how it was read: the same once more changes nothing."""
        columns = self._columns
        return "\n".join((self._digest, *criteria, *columns.named, str(sorted((columns.scores or {}).items()))))

    def run_key(self, run: str) -> str:
        """Return the eval's key with the model."""
        return f"{self.eval_key(())}\n{run}"

    def run_facts(self, run: str) -> RunFacts:
        """Return a run named like its model."""
        return RunFacts(run or self.name, self.created_at, {})

    def rows(self, run: str | None, damage: Damage) -> Iterator[Row]:
        """Yield the rows of a model, or of all."""
        columns, places = self._columns, {name: place for place, name in enumerate(self._header)}
        item_names = [name for name in self._header if name and (name not in columns.named or name == columns.row_id)]
        seen: dict[str, int] = {}
        positions: dict[bytes, int] = {}
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as lines:
                reader = csv.reader(lines, delimiter=self._delimiter)
                next(reader, None)
                for cells in reader:
                    if not cells:
                        continue
                    line = reader.line_num
                    if len(cells) != len(self._header):
                        damage.add(
                            f"{self.path}, line {line}: it has {counted(len(cells), 'cell')}, and the header "
                            f"{len(self._header):,}."
                        )
                        continue
                    row = {name: cells[place] for name, place in places.items()}
                    model = row.get(columns.model, "")
                    if columns.row_id:
                        key = sha256(row[columns.row_id].encode("utf-8", "surrogatepass")).digest()[:12]
                        position = positions.setdefault(key, len(positions))
                    else:
                        position = seen[model] = seen.get(model, -1) + 1
                    if run is not None and model != run:
                        continue
                    try:
                        findings = dict(_findings(row, columns))
                    except ValueError as error:
                        damage.add(f"{self.path}, line {line}: {error}.")
                        continue
                    yield _row(row, columns, model, position, {name: row[name] for name in item_names}, findings)
        except UnicodeDecodeError as error:
            raise SourceError(_NOT_UTF8.format(self.path)) from error
        except (OSError, csv.Error) as error:
            damage.add(f"{self.path} is damaged: {_reason(error)}. What follows cannot be read.")

    def _check_header(self) -> None:
        shown = ", ".join(repr(name) for name in self._header[:_SHOWN_COLUMNS]) or "none"
        for name in self._columns.named:
            if self._header.count(name) != 1:
                what = "two columns" if name in self._header else "no column"
                raise SourceError(f"{self.path} has {what} {name!r}. Its columns are: {shown}.")


def _row(
    row: Mapping[str, str], columns: Columns, model: str, position: int, item: JsonObject, findings: dict[str, Finding]
) -> Row:
    error = row.get(columns.error, "").strip()
    status: Status = "pass" if all(found.passed for found in findings.values()) else "fail"
    return Row(
        run=model,
        position=position,
        item=item,
        status="error" if error else status,
        findings={} if error else findings,
        sample=sample_document(
            [],
            [message("assistant", row[columns.output])],
            model,
            {},
            error={"code": "table_error", "message": error} if error else None,
        ),
    )


def _findings(row: Mapping[str, str], columns: Columns) -> Iterator[tuple[str, Finding]]:
    """Yield what the columns of scores and passes say; an empty cell says nothing.

    Raises:
        ValueError: A cell holds neither; the message says which.
    """
    for name, pass_from in (columns.scores or {}).items():
        text = row[name].strip()
        if text:
            try:
                score = float(text)
            except ValueError:
                score = math.nan
            if not math.isfinite(score):
                raise ValueError(f"its {name!r} is {text[:40]!r}, which is not a number")
            yield name, Finding(score, score >= pass_from)
    for name in columns.passes:
        text = row[name].strip().lower()
        if text:
            if text not in _TRUE and text not in _FALSE:
                raise ValueError(f"its {name!r} is {text[:40]!r}, which is neither yes nor no (true, pass, 1; …)")
            yield name, Finding(float(text in _TRUE), text in _TRUE)


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
