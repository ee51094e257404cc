"""Evals in a terminal."""

from typing import Any

from evalhaven.cli.figure_texts import make_printable
from evalhaven.cli.listing import part_of, print_facts, print_more, shown_metadata, shown_rate, shown_time
from evalhaven.cli.run_texts import RUN_COLUMNS, run_row
from evalhaven.cli.tables import Column, print_table
from evalhaven.cli.terminal import plain_console, print_hint, print_nothing

_VERSION = Column("version", is_figure=True)
_COLUMNS = (
    Column("eval"),
    _VERSION,
    Column("runs", is_figure=True),
    Column("passed %", is_figure=True),
    Column("last run (UTC)"),
    Column("name", may_be_cut=True),
)
_NO_EVALS = (
    "There are no evals yet. Create one with any OpenAI SDK: set its base_url to this server's address with /v1 and "
    "call evals.create. `evalhaven demo` shows one from upload to results."
)


def print_evals(found: dict[str, Any], limit: int, *, is_filtered: bool) -> None:
    """Print a list of evals.

    Args:
        found: The answer of `GET /api/evals`.
        limit: How many were asked for.
        is_filtered: Whether only some were asked for.
    """
    console = plain_console()
    if not found["data"]:
        print_nothing("No eval matches. `evalhaven evals` lists all of them." if is_filtered else _NO_EVALS)
        return
    has_versions = any(each["version"] > 1 for each in found["data"])
    columns = _COLUMNS if has_versions else [each for each in _COLUMNS if each is not _VERSION]
    print_table(console, columns, [_row(each, has_versions=has_versions) for each in found["data"]])
    print_more(console, found, limit)


def print_eval(shown: dict[str, Any], versions: dict[str, Any], runs: dict[str, Any]) -> None:
    """Print an eval.

    Args:
        shown: The answer of `GET /v1/evals/{eval_id}`.
        versions: The answer of `GET /api/evals/{eval_id}/versions`.
        runs: Its last runs, as `GET /api/runs` answers them.
    """
    console = plain_console()
    console.print(make_printable(shown["name"] or "(no name)"), style="bold")
    config = shown["data_source_config"]
    print_facts(
        console,
        {
            "id": shown["id"],
            **_version(versions),
            "created": f"{shown_time(shown['created_at'])} UTC",
            "data source": config["type"],
            "metadata": shown_metadata(shown["metadata"]),
        },
    )
    fields = _fields(config)
    if fields:
        console.print()
        print_table(console, (Column("field of an item", may_be_cut=True), Column("type"), Column("required")), fields)
    console.print()
    rows = [[each["name"], each["type"], _asks(each)] for each in shown["testing_criteria"]]
    heads = (Column("criterion", may_be_cut=True), Column("type"), Column("asks", may_be_cut=True))
    print_table(console, heads, rows)
    console.print()
    if not runs["data"]:
        print_nothing("There are no runs yet. Start one with any OpenAI SDK: call evals.runs.create.")
        return
    print_table(console, RUN_COLUMNS, [run_row(each) for each in runs["data"]])
    if runs["has_more"]:
        print_hint(console, f"All of them: evalhaven runs --eval {make_printable(shown['id'])}")


def _row(each: dict[str, Any], *, has_versions: bool) -> list[str]:
    last_rate, last_run = each["last_rate"], each["last_run"]
    return [
        each["id"],
        *([str(each["version"])] if has_versions else []),
        f"{each['runs']:,}",
        shown_rate(last_rate and last_rate["rate"]),
        shown_time(last_run and last_run["created_at"]),
        each["name"],
    ]


def _version(versions: dict[str, Any]) -> dict[str, str]:
    """Return what is told of an eval that is one of several versions."""
    told: dict[str, str] = {}
    this = versions["data"][0]
    if this["follows"] is not None:
        told["version"] = f"{this['version']}, follows {this['follows']}"
        if this["changes"] is None:
            told["changed"] = "unknown: the eval that it follows was deleted"
        else:
            told["changed"] = "; ".join(this["changes"]) or "neither the criteria nor the items"
    if followers := versions["followers"]:
        newer = [f"{each['id']} (version {each['version']})" for each in followers]
        told["followed by"] = ", ".join(newer)
    return told


def _fields(config: dict[str, Any]) -> list[list[str]]:
    """Return the fields that the schema of the items names."""
    item = part_of(part_of(part_of(config, "schema"), "properties"), "item")
    properties, required = part_of(item, "properties"), item.get("required") or ()
    return [[name, _type(part_of(properties, name)), "yes" if name in required else "no"] for name in properties]


def _type(says: dict[str, Any]) -> str:
    found = says.get("type") or "any"
    return found if isinstance(found, str) else ", ".join(map(str, found))


def _asks(criterion: dict[str, Any]) -> str:
    """Return in a few words what a criterion asks."""
    if criterion["type"] == "string_check":
        return f"{criterion['input']} {criterion['operation']} {criterion['reference']}"
    if criterion["type"] == "text_similarity":
        return f"{criterion['input']} {criterion['evaluation_metric']} {criterion['reference']}"
    return str(criterion.get("model") or criterion.get("calculate_output") or "")
