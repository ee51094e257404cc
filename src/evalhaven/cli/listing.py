"""What commands that list and show objects have in common: the pages behind a list, and how figures are written."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from evalhaven.cli.figure_texts import make_printable
from evalhaven.cli.terminal import print_hint

if TYPE_CHECKING:
    from rich.console import Console

    from evalhaven.cli.asking import Asker, Query

_PAGE = 100


async def take(asker: "Asker", path: str, query: "Query", limit: int) -> dict[str, Any]:
    """Return the first objects of a list, as one page.

    Args:
        asker: Asks the server.
        path: The list.
        query: What is wanted of it.
        limit: Most objects.
    """
    objects: list[Any] = []
    after: str | None = None
    while True:
        page = await asker.ask("GET", path, {**query, "after": after, "limit": min(_PAGE, limit - len(objects))})
        objects += page["data"]
        # Lists of the contract go on after an id, ours after what they say.
        after = page.get("next") or page.get("last_id")
        if not page["has_more"] or len(objects) >= limit or after is None:
            return {"object": "list", "data": objects, "has_more": page["has_more"]}


def part_of(shown: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object within another one; it is empty where there is none."""
    found = shown.get(name)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def print_more(console: "Console", found: dict[str, Any], limit: int) -> None:
    """Say that a list goes on, if it does."""
    if found["has_more"]:
        print_hint(console, f"There are more: --limit {limit * 10} shows them.")


def print_facts(console: "Console", facts: dict[str, str | None]) -> None:
    """Print facts, a line each; those without a value are left out."""
    width = max(map(len, facts))
    for name, value in facts.items():
        if value:
            console.print(f"{name:<{width}}  {make_printable(value)}")


def shown_time(at: int | None) -> str:
    """Return a Unix second as date and time in UTC; `-` for None."""
    return "-" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"


def shown_rate(rate: dict[str, Any] | None) -> str:
    """Return a rate in per cent; `-` where there is none."""
    value = None if rate is None else rate["value"]
    return "-" if value is None else f"{100 * value:.1f}"


def shown_interval(rate: dict[str, Any]) -> str:
    """Return the 95 % interval of a rate; `-` where there is none."""
    return "-" if rate["low"] is None else f"{100 * rate['low']:.1f} to {100 * rate['high']:.1f}"


def shown_metadata(metadata: dict[str, str] | None) -> str:
    """Return metadata as it is written on the command line."""
    return ", ".join(f"{key}={value}" for key, value in (metadata or {}).items())
