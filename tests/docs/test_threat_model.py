"""The threat model in SECURITY.md: whatever it says is shown by a test is shown by one that exists."""

import ast
import re
from functools import cache
from pathlib import Path

_PROOF = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_every_threat_names_tests_that_exist(repository: Path) -> None:
    rows = _rows(repository)
    proofs = [(row[1], _PROOF.findall(row[3])) for row in rows]

    assert len(rows) > 30
    assert [threat for threat, named in proofs if not named] == []
    assert [
        f"{path}::{name}" for _, named in proofs for path, name in named if name not in _tests_of(repository / path)
    ] == []


def test_nothing_but_tests_stands_where_a_threat_is_shown_to_be_stopped(repository: Path) -> None:
    assert [row[3] for row in _rows(repository) if _PROOF.sub("", row[3]).strip(" ,")] == []


def _rows(repository: Path) -> list[list[str]]:
    text = (repository / "SECURITY.md").read_text(encoding="utf-8")
    table = text.partition("| who | threat | what stops it | shown by |\n|---|---|---|---|\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert {len(row) for row in rows} == {4}
    return rows


@cache
def _tests_of(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
