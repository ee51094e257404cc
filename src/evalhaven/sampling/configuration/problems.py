"""What is wrong with `evalhaven.toml`, in sentences: table, key, reason and cure."""

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from evalhaven.sampling.configuration.tables import (
    ApplicationTable,
    CommandTable,
    HttpTable,
    PriceTable,
    RuleTable,
    ScriptedTable,
    Table,
    UsageTable,
)

_KEY_NAMES = frozenset({"api_key", "apikey", "key", "token", "api_token", "secret", "password"})
_LEAST_LIKENESS = 0.5
_SHOWN = 10
_OR_BASE_URL = ", or write `base_url` for models"
_OR_URL = "; write the whole address as `url`"


def explain(name: str, table: type[Table], error: ValidationError) -> list[str]:
    """Return what is wrong with the table of an endpoint.

    Args:
        name: The endpoint's name.
        table: The model that it was read as.
        error: What pydantic found.
    """
    found = error.errors(include_url=False, include_input=False)
    more = len(found) - _SHOWN
    told = [_sentence(name, table, each) for each in found[:_SHOWN]]
    return [*told, f"{at(name)}: {more:,} more mistakes like these."] if more > 0 else told


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return why a key is unknown, and which key was probably meant."""
    if key.lower().replace("-", "_") in _KEY_NAMES:
        return (
            "a key does not belong in this file. Put it into a variable of the environment and write "
            '`api_key_env = "NAME"`, or into a file and write `api_key_file = "PATH"`'
        )
    names = sorted(known)
    near = get_close_matches(key, names, 1, _LEAST_LIKENESS)
    return f"is unknown; did you mean `{near[0]}`?" if near else f"is unknown; there are {', '.join(names)}"


def at(name: str, key: str = "") -> str:
    """Return the name of a place in the table of an endpoint."""
    return f"[endpoints.{name}] {key}".rstrip()


def _sentence(name: str, table: type[Table], error: ErrorDetails) -> str:
    place, inner, table = _place(name, table, error)
    reason = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if error["type"] == "extra_forbidden":
        reason = unknown_key(inner, table.model_fields)
        if table is HttpTable and inner == "rules":
            reason = "belongs to scripted endpoints; add `scripted = true`"
        elif table is HttpTable and inner in ("command", "url"):
            reason = f'is the way to an application; add `protocol = "item"`{_OR_BASE_URL if inner == "url" else ""}'
        elif table is ScriptedTable and inner in HttpTable.model_fields:
            reason = "has no meaning with `scripted = true`; remove one of the two"
        elif table is CommandTable and inner in ApplicationTable.model_fields:
            reason = "has no meaning with `command`; remove one of the two"
        elif table in (ApplicationTable, CommandTable) and inner in HttpTable.model_fields:
            reason = f'has no meaning with `protocol = "item"`{_OR_URL if inner == "base_url" else ""}'
    elif error["type"] == "missing":
        reason = "is missing"
        if inner == "base_url":
            reason = 'is missing; add `base_url = "https://…/v1"`, or `scripted = true` for one that answers by rules'
        elif inner == "url":
            reason = 'is missing; add `url = "http://…"`, or `command = ["python", "app.py"]`'
    elif table is HttpTable and inner == "protocol":
        reason += ", or 'item' for an application of yours"
    return f"{place}: {reason}"


def _place(name: str, table: type[Table], error: ErrorDetails) -> tuple[str, str, type[Table]]:
    """Return the place of an error, its key, and the table that it is in."""
    steps = list(error["loc"])
    place = at(name)
    for key, inner in (("prices", PriceTable), ("rules", RuleTable)):
        if steps[:1] == [key] and len(steps) > 1 and isinstance(steps[1], int):
            place, table, steps = f"[[endpoints.{name}.{key}]] number {steps[1] + 1}", inner, steps[2:]
    key = str(steps[-1]) if steps else ""
    if steps[:1] == ["usage"] and len(steps) > 1:
        table = UsageTable
    shown = ".".join(f"entry {step + 1}" if isinstance(step, int) else step for step in steps if step != "[key]")
    return f"{place} {shown}".rstrip(), key, table
