"""A run broken down by any field of its items, from the items themselves: a part at a time, whatever they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, parse
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import ItemStatus
from evalhaven.reports.fields import Field, MissingFieldError
from evalhaven.reports.figures import shown_rate
from evalhaven.reports.groups import Group, Groups
from evalhaven.stats.rates import Rate, rate_of_counts, rate_of_sums
from evalhaven.stats.sums import ItemSums
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_columns import list_item_texts
from evalhaven.storage.runs import get_run_by_id

_PART_ITEMS = 2000
_PART_BYTES = 4 * 1024 * 1024


@dataclass(slots=True)
class _Item:
    """The samples of one position that have been read."""

    position: int
    text: str
    passed: int = 0
    failed: int = 0
    errored: int = 0

    def count(self, status: int) -> None:
        """Count a sample."""
        if status == ItemStatus.PASS:
            self.passed += 1
        elif status == ItemStatus.FAIL:
            self.failed += 1
        else:
            self.errored += 1


class Breakdown:
    """Breaks a run down by a field, a part of its items with each `read`; to be closed."""

    def __init__(self, scope: ProjectScope, run: Run, field: str, directory: Path) -> None:
        """Begin with nothing read.

        Args:
            scope: Whose run.
            run: The run.
            field: Name of the field.
            directory: Where there is room for a file, should there be many values.
        """
        self._scope = scope
        self.run = run
        self._field = Field(field)
        self._groups = Groups(directory)
        self._item: _Item | None = None
        self._last: tuple[int, int] | None = None
        # An imported run does not say how many samples its items have.
        self._is_repeated = run.samples_of_item > 1
        self.items = 0

    def close(self) -> None:
        """Give back what was used."""
        self._groups.close()

    async def read(self, tx: ReadTransaction) -> bool:
        """Read the next part; False: there was none.

        Raises:
            NotFoundError: The run was deleted meanwhile.
        """
        self.run = await get_run_by_id(tx, self._scope, self.run.id)
        rows = await list_item_texts(tx, self._scope, self.run.key, self._last, _PART_ITEMS, _PART_BYTES)
        for position, _, status, text in rows:
            if self._item is None or self._item.position != position:
                self._add_item()
                self._item = _Item(position, text)
            else:
                self._is_repeated = True
            self._item.count(status)
        if not rows:
            self._add_item()
            return False
        self._last = (rows[-1].position, rows[-1].repeat)
        self.items += len(rows)
        return True

    def count(self) -> tuple[int, int]:
        """Return how many different values there are, and how many groups: items without a value are one, too."""
        return self._groups.count()

    def largest(self, limit: int) -> Iterator[str]:
        """Yield the JSON text of the largest groups."""
        for group in self._groups.largest(limit):
            yield self._line_of(group)

    def _add_item(self) -> None:
        item, self._item = self._item, None
        if item is None:
            return
        counts = (item.passed, item.failed, item.errored)
        try:
            value = self._field.value_in(parse(item.text))
        except (InvalidJsonError, MissingFieldError):
            self._groups.add_without(item.position, counts)
        else:
            self._groups.add(value, item.position, counts)

    def _line_of(self, group: Group) -> str:
        rest = {
            "missing": group.shown is None,
            "shortened": group.is_cut,
            "items": group.passed + group.failed + group.errored,
            "passed": group.passed,
            "failed": group.failed,
            "errored": group.errored,
            "rate": shown_rate(self._rate_of(group)).model_dump(),
        }
        return f'{{"object":"run.breakdown.group","value":{group.shown or "null"},{jsontext.render(rest)[1:]}'

    def _rate_of(self, group: Group) -> Rate:
        known = group.passed + group.failed
        if not self._is_repeated:
            return rate_of_counts(group.passed, known)
        sums = ItemSums(group.items, group.items, group.total, group.squares, group.total, group.items)
        return rate_of_sums(sums, known or None)
