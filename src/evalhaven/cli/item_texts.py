"""Output items in a terminal."""

import json
from typing import TYPE_CHECKING, Any

from evalhaven.cli.figure_texts import make_printable
from evalhaven.cli.listing import part_of, print_facts, print_more, shown_time
from evalhaven.cli.tables import Column, print_table
from evalhaven.cli.terminal import escape_text, plain_console, print_nothing, print_text
from evalhaven.domain import jsontext

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN_CHARS = 200
_INDENT = "  "
_COLUMNS = (
    Column("item"),
    Column("row", is_figure=True),
    Column("status"),
    Column("scores", may_be_cut=True),
    Column("answer", may_be_cut=True),
)
_STYLES = {"pass": "green", "fail": "red", "error": "yellow"}


def print_items(found: dict[str, Any], names: dict[str, str], run_id: str, limit: int, *, is_filtered: bool) -> None:
    """Print a list of output items.

    Args:
        found: Output items, as the API lists them.
        names: Names of criteria by their ids.
        run_id: The run.
        limit: How many were asked for.
        is_filtered: Whether only some were asked for.
    """
    console = plain_console()
    if not found["data"]:
        lacking = f"No item matches. `evalhaven items {run_id}` lists all of them."
        waiting = f"The run has no items yet. `evalhaven watch {run_id}` shows how it goes on."
        print_nothing(make_printable(lacking if is_filtered else waiting))
        return
    print_table(console, _COLUMNS, [_row(each, names) for each in found["data"]])
    print_more(console, found, limit)


def print_item(shown: dict[str, Any], names: dict[str, str]) -> None:
    """Print an output item.

    Args:
        shown: The answer of `GET /v1/evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}`.
        names: Names of criteria by their ids.
    """
    console = plain_console()
    extension, sample = part_of(shown, "evalhaven"), shown["sample"]
    print_facts(
        console,
        {
            "id": shown["id"],
            "run": shown["run_id"],
            "row": str(shown["datasource_item_id"]),
            "repeat": str(extension["repeat"]) if extension.get("repeat") else None,
            "status": shown["status"],
            "ended": f"{shown_time(shown['created_at'])} UTC",
            "model": sample["model"],
        },
    )
    _print_part(console, "Item", _indented_json(shown["datasource_item"]))
    for title, messages in (("Asked", sample["input"]), ("Answered", sample["output"])):
        for message in messages:
            _print_part(console, f"{title}: {message.get('role') or 'message'}", _message(message))
    if sample["error"]:
        _print_part(console, "Error", sample["error"].get("message") or "", "yellow")
    for result in shown["results"]:
        _print_grade(console, result, names)


def _row(each: dict[str, Any], names: dict[str, str]) -> list[str]:
    scores = ", ".join(f"{names.get(grade['name'], grade['name'])} {_score(grade)}" for grade in each["results"])
    error = each["sample"]["error"]
    answer = " ".join(_message(message) for message in each["sample"]["output"])
    shown = f"error: {error.get('message')}" if error else answer
    # A table that is piped shows it as it is, and nobody reads a megabyte there.
    cut = shown if len(shown) <= _SHOWN_CHARS else f"{shown[:_SHOWN_CHARS]}…"
    return [each["id"], str(each["datasource_item_id"]), each["status"], scores, cut]


def _print_grade(console: "Console", result: dict[str, Any], names: dict[str, str]) -> None:
    extension = part_of(result, "evalhaven")
    error = part_of(extension, "error")
    outcome = "error" if error and _score(result) == "-" else "pass" if result["passed"] else "fail"
    lines = [f"score {_score(result)}"]
    if error:
        lines.append(f"error: {error.get('message') or error.get('code')}")
    lines += [f"note: {note}" for note in extension.get("notes") or ()]
    unresolved = extension.get("unresolved")
    if unresolved:
        lines.append(f"without a value: {', '.join(map(str, unresolved))}")
    if extension.get("output"):
        lines.append(str(extension["output"]))
    judged = part_of(result, "sample").get("output") or ()
    lines += [f"the judge says: {_message(message)}" for message in judged]
    title = f"Grade: {names.get(result['name'], result['name'])}: {outcome}"
    _print_part(console, title, "\n".join(lines), _STYLES[outcome])


def _print_part(console: "Console", title: str, text: str, style: str | None = None) -> None:
    console.print()
    console.print(escape_text(" ".join(title.split())), style=f"bold {style}" if style else "bold")
    print_text(console, escape_text(text), _INDENT, _INDENT)


def _message(message: dict[str, Any]) -> str:
    """Return what a message says: its text, and the tools that it calls."""
    content = message.get("content")
    parts = [] if content in (None, "") else [content if isinstance(content, str) else _indented_json(content)]
    parts += [f"calls {_called(call)}" for call in message.get("tool_calls") or ()]
    return "\n".join(parts) or "-"


def _called(call: dict[str, Any]) -> str:
    function = part_of(call, "function")
    return f"{function.get('name')}({function.get('arguments')})" if function else jsontext.render(call)


def _score(grade: dict[str, Any]) -> str:
    error = part_of(part_of(grade, "evalhaven"), "error")
    # A fault of a user's code scores 0; an error has no score.
    if grade["score"] is None or (error and error.get("origin") != "user_code"):
        return "-"
    return f"{grade['score']:g}"


def _indented_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
