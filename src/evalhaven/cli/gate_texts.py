"""What the gate decided: in a terminal, as Markdown for a pull request and as JUnit XML for a CI system."""

import re
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from evalhaven.cli.figure_texts import make_printable
from evalhaven.cli.tables import Column, print_table
from evalhaven.cli.terminal import plain_console, print_text
from evalhaven.domain.wording import counted, in_points, signed_points

_MARKS = {"pass": "✅", "fail": "❌", "inconclusive": "❔"}
_ESCAPED = {**{sign: f"\\{sign}" for sign in "\\`*_{}[]#|!~$"}, "<": "&lt;", ">": "&gt;", "&": "&amp;"}
# What hosts make links, mentions and pictures of, even where signs are escaped: a space without width comes between.
_BEGINS_LINK = re.compile(r"(?<=@)(?=\w)|(?<=#)(?=\d)|(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=:)(?=[\w+-]+:)", re.IGNORECASE)
_BEGINS_BLOCK = re.compile(r"(?:[-+]|\d+[.)])(?=\s|$)|---+$")
_NOTHING = "\N{ZERO WIDTH SPACE}"
_WORDS = {
    "better": "better",
    "no_regression": "no regression",
    "regression": "**regression**",
    "reached": "reached",
    "below": "**below**",
    "inconclusive": "inconclusive",
}
_STYLES = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}
_COLUMNS = (
    Column("check", may_be_cut=True),
    Column("tier"),
    Column("asked"),
    Column("found"),
    Column("95 %"),
    Column("verdict"),
)


def print_decision(result: dict[str, Any]) -> None:
    """Print what was decided.

    Args:
        result: The answer of `POST /api/runs/{run_id}/gate`.
    """
    console = plain_console()
    print_text(console, make_printable(result["sentence"]), style=_STYLES[result["outcome"]])
    print_table(console, _COLUMNS, [[*_told(check), check["verdict"].replace("_", " ")] for check in result["checks"]])
    for warning in result["warnings"]:
        print_text(console, make_printable(warning), "! ", "  ", "yellow")


def render_markdown(result: dict[str, Any]) -> str:
    """Return what was decided as Markdown.

    Args:
        result: The answer of `POST /api/runs/{run_id}/gate`.
    """
    lines = [f"### {_MARKS[result['outcome']]} {escape_markdown(result['sentence'])}", ""]
    lines += [f"| {' | '.join(each.name for each in _COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]
    lines += [_row(check) for check in result["checks"]]
    lines += ["", _runs_of(result)]
    lines += [f"- ⚠ {escape_markdown(warning)}" for warning in result["warnings"]]
    return "\n".join(lines) + "\n"


def render_junit(result: dict[str, Any]) -> str:
    """Return what was decided as JUnit XML: a test case a check; an inconclusive one is an error.

    Args:
        result: The answer of `POST /api/runs/{run_id}/gate`.
    """
    suite = junit_suite(result)
    indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(suite, encoding="unicode")}\n'


def junit_suite(result: dict[str, Any]) -> Element:
    """Return the suite of a decision.

    Args:
        result: The answer of `POST /api/runs/{run_id}/gate`.
    """
    suite = Element("testsuite", name=clean_xml(f"evalhaven gate {result['run']['name'] or result['run']['run_id']}"))
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for check in result["checks"]:
        counts["tests"] += 1
        case = SubElement(suite, "testcase", classname=result["run"]["run_id"], name=clean_xml(check["name"]))
        message = clean_xml(f"{asked_of(check)}: {found_of(check)}, {limits_of(check)}")
        if check["tier"] == "advisory":
            counts["skipped"] += 1
            SubElement(case, "skipped", message=f"advisory; {message}")
        elif check["verdict"] in ("regression", "below"):
            counts["failures"] += 1
            SubElement(case, "failure", message=message, type=check["verdict"])
        elif check["verdict"] == "inconclusive":
            counts["errors"] += 1
            SubElement(case, "error", message=message, type=check["reason"] or "inconclusive")
    if result["outcome"] == "inconclusive" and not counts["errors"]:
        # A run that did not complete decides nothing, whatever the checks say.
        counts["tests"] += 1
        counts["errors"] += 1
        case = SubElement(suite, "testcase", classname=result["run"]["run_id"], name="decision")
        SubElement(case, "error", message=clean_xml(result["sentence"]), type="inconclusive")
    for name, count in counts.items():
        suite.set(name, str(count))
    SubElement(suite, "system-out").text = clean_xml(result["sentence"])
    return suite


def escape_markdown(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line: names and answers come from anybody."""
    flat = _BEGINS_LINK.sub(_NOTHING, make_printable(" ".join(text.split())))
    shown = "".join(_ESCAPED.get(sign, sign) for sign in flat)
    begin = _BEGINS_BLOCK.match(shown)
    return shown if begin is None else f"{shown[: begin.end() - 1]}\\{shown[begin.end() - 1 :]}"


def _row(check: dict[str, Any]) -> str:
    name, *told = _told(check)
    return f"| {' | '.join([escape_markdown(name), *told])} | {_WORDS[check['verdict']]} |"


def _told(check: dict[str, Any]) -> list[str]:
    return [check["name"], check["tier"], asked_of(check), found_of(check), limits_of(check)]


def asked_of(check: dict[str, Any]) -> str:
    """Return what a check asks for."""
    if check["margin"] is not None:
        return f"at most {in_points(check['margin'])} worse"
    return f"at least {100 * check['threshold']:g} %"


def found_of(check: dict[str, Any]) -> str:
    """Return the difference or the rate that a check found."""
    if check["difference"] is not None:
        return f"{signed_points(check['difference']['value'])} points"
    value = check["rate"]["value"]
    return "no result" if value is None else f"{100 * value:.1f} %"


def limits_of(check: dict[str, Any]) -> str:
    """Return the 95 % interval that a check found."""
    shown = check["difference"] or check["rate"]
    if shown["low"] is None:
        return "no interval"
    if check["difference"] is not None:
        return f"{signed_points(shown['low'])} to {signed_points(shown['high'])}"
    return f"{100 * shown['low']:.1f} to {100 * shown['high']:.1f}"


def _runs_of(result: dict[str, Any]) -> str:
    run, baseline = result["run"], result["baseline"]
    told = f"Run `{run['run_id']}` ({counted(run['items'], 'item')})"
    if baseline is None:
        return f"{told}, without a baseline."
    how = {"named": "named", "pinned": "the pinned run", "earlier": "the most comparable earlier run"}
    chosen = how[result["chosen"]]
    return f"{told}, compared with `{baseline['run_id']}` ({counted(baseline['items'], 'item')}; {chosen})."


def clean_xml(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return (
        "".join(each if each >= " " or each in "\t\n\r" else "\ufffd" for each in text)
        .encode("utf-8", "replace")
        .decode()
    )
