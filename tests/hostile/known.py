"""What a history knows of its runs: what their rows come to, and what was last seen of them."""

from dataclasses import dataclass
from typing import Any

from tests.contract.conftest import FINAL
from tests.system.client import item_rows

_NEXT = {
    "queued": {"queued", "in_progress", *FINAL},
    "in_progress": {"in_progress", *FINAL},
    **{status: {status} for status in FINAL},
}

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """Rows of a data source, and what a run over them comes to.

    Attributes:
        count: How many.
        is_broken: Whether the last one breaks the item schema, so that a run over a file of them fails.
    """

    count: int
    is_broken: bool = False

    @property
    def items(self) -> list[JsonObject]:
        """Every fifth has a wrong answer, every seventh a template without a value."""
        items = list(item_rows(self.count))
        if self.is_broken:
            items[-1] = {"n": "broken"}
        return items

    @property
    def fails(self) -> bool:
        return self.is_broken or not self.count

    @property
    def results(self) -> tuple[int, list[int], int]:
        """Return passed items, passes of each criterion, and items with an unresolved template."""
        answered = [n % 5 != 0 for n in range(self.count)]
        noted = [n % 7 != 0 for n in range(self.count)]
        both = sum(a and b for a, b in zip(answered, noted, strict=True))
        return both, [sum(answered), sum(noted)], self.count - sum(noted)


@dataclass
class KnownRun:
    """A run that exists, and what was last seen of it."""

    eval_id: str
    rows: Rows
    may_be_canceled: bool = False
    status: str = "queued"
    total: int = 0
    ended: JsonObject | None = None

    def sees_end(self, run: JsonObject) -> bool:
        """Compare a run with what was seen of it before; tell whether this is the first sight of its end."""
        counts, status = run["result_counts"], run["status"]
        assert status in _NEXT[self.status], f"{run['id']} went from {self.status} to {status}"
        total = counts["passed"] + counts["failed"] + counts["errored"]
        said = f"{run['id']}, {status}, of {self.rows}, had {self.total} items and has {counts}"
        assert self.total <= counts["total"] == total <= self.rows.count, said
        if total:
            by_criterion = run["per_testing_criteria_results"]
            assert [each["passed"] + each["failed"] + each.get("errored", 0) for each in by_criterion] == [total] * 2, (
                said
            )
        self.status, self.total = status, total
        if self.ended is not None:
            assert run == self.ended, f"{run['id']} changed after its end"
            return False
        self.ended = run if status in FINAL else None
        return self.ended is not None

    def check_end(self, run: JsonObject, items: list[JsonObject]) -> None:
        """Check a run that has ended, and every item of it."""
        status, counts = run["status"], run["result_counts"]
        said = f"{run['id']}, {status}, of {self.rows}: {counts}, {run['per_testing_criteria_results']}"
        if status == "canceled":
            assert self.may_be_canceled, said
        else:
            assert status == ("failed" if self.rows.fails else "completed"), run["error"]
        assert (run["error"] or {}).get("code") == ("invalid_data_source" if status == "failed" else None), said
        if status == "failed":
            assert counts["total"] == 0, said
        if status == "completed":
            passed, by_criterion, unresolved = self.rows.results
            count = self.rows.count
            assert counts == {"total": count, "passed": passed, "failed": count - passed, "errored": 0}, said
            assert [each["passed"] for each in run["per_testing_criteria_results"]] == by_criterion, said
            assert run["evalhaven"]["unresolved"] == unresolved, said
        positions = {item["datasource_item_id"] for item in items}
        assert len(positions) == len(items) == counts["total"], said
        assert positions <= set(range(self.rows.count)), said
        assert sum(item["status"] == "pass" for item in items) == counts["passed"], said
