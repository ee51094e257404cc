"""What the import tests share: handmade archives, the command, comparisons, the rows of a database."""

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from evalhaven.importers.archive import Manifest, Unit, UnitKind, file_sha256, unit_file, write_manifest
from evalhaven.storage.tables import runs
from tests.server import Server
from tests.system.commands import call_command
from tests.system.watch import watch_of

Json = dict[str, Any]
ORIGIN = "https://api.example.com/v1"
_LINE = re.compile(r"^ *(files|evals|runs|output items) +([\d,]+) +([\d,]+) +([\d,]+)", re.MULTILINE)
_TABLES = {"evals": "key", "runs": "key", "output_items": "run_key, position, repeat", "files": "key"}


@dataclass
class Holdings:
    """The content of an archive: documents, or their JSON texts if the exact text matters."""

    evals: list[Any] = field(default_factory=list[Any])
    runs: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    items: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    files: list[tuple[Json, bytes | None]] = field(default_factory=list[tuple[Json, bytes | None]])


def write_archive(directory: Path, holdings: Holdings, finished_at: float | None = 2.0) -> Path:
    """Write an archive and return its directory."""
    directory.mkdir(parents=True)
    units = [_write_list(directory, "evals", None, holdings.evals)]
    units += [_write_list(directory, "runs", owner, found) for owner, found in holdings.runs.items()]
    units += [_write_list(directory, "output_items", owner, found) for owner, found in holdings.items.items()]
    for document, content in holdings.files:
        units.append(_write_unit(directory, "file", document["id"], json.dumps(document).encode(), 1))
        if content is not None:
            units.append(_write_unit(directory, "file_content", document["id"], content, 1))
    write_manifest(directory, Manifest(base_url=ORIGIN, started_at=1.0, finished_at=finished_at, units=units))
    return directory


def _write_list(directory: Path, kind: UnitKind, owner: str | None, found: Iterable[Any]) -> Unit:
    texts = [each if isinstance(each, str) else json.dumps(each) for each in found]
    page = f'{{"object":"list","data":[{",".join(texts)}],"has_more":false}}\n'
    return _write_unit(directory, kind, owner, gzip.compress(page.encode()), len(texts))


def _write_unit(directory: Path, kind: UnitKind, owner: str | None, content: bytes, objects: int) -> Unit:
    path = directory / unit_file(kind, owner)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return Unit(unit_file(kind, owner), kind, file_sha256(path), len(content), objects, owner)


@dataclass(frozen=True)
class Outcome:
    """How the command ended; `counts` has (came over, here already, cannot come over) of each kind."""

    status: int
    out: str
    err: str

    @property
    def counts(self) -> dict[str, tuple[int, ...]]:
        return {
            kind: tuple(int(number.replace(",", "")) for number in numbers)
            for kind, *numbers in _LINE.findall(self.out)
        }


def start_import(
    *arguments: object, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.Popen[str]:
    """Start `evalhaven import …`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("EVALHAVEN_", "OPENAI_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "evalhaven", "import", *map(str, arguments)],
        env={**inherited, "COLUMNS": "200", **(environment or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_import(*arguments: object, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> Outcome:
    """Run `evalhaven import …` within this process and return how it ended."""
    done = call_command("import", *map(str, arguments), directory=cwd, **(environment or {}))
    return Outcome(done.returncode, done.stdout, done.stderr)


def canonical(document: Json) -> str:
    """Return a document as canonical JSON, without what an import changes: `report_url` and its own record."""
    rest = {key: value for key, value in document.items() if key != "report_url"}
    if isinstance(extension := rest.get("evalhaven"), dict):
        rest["evalhaven"] = {key: value for key, value in extension.items() if key != "imported"}
        if not rest["evalhaven"]:
            del rest["evalhaven"]
    return json.dumps(rest, sort_keys=True)


# How many times items changed, and what was made of them since, depends on how they came in.
_LEFT_OUT_OF_RUNS = ("items_version", "columns_version")


def stored_rows(server: Server) -> dict[str, tuple[int, str]]:
    """Return the number and a hash of the rows of each table that imports fill."""
    found: dict[str, tuple[int, str]] = {}
    with watch_of(server) as watch:
        for table, order in _TABLES.items():
            digest, count = sha256(), 0
            compared = ", ".join(each.name for each in runs.c if each.name not in _LEFT_OUT_OF_RUNS)
            columns = compared if table == "runs" else "*"
            for row in watch.iterate(f"SELECT {columns} FROM {table} ORDER BY {order}"):  # noqa: S608 - names from above
                digest.update(repr(tuple(row)).encode())
                count += 1
            found[table] = (count, digest.hexdigest())
    return found


def count_items(server: Server) -> int:
    """Return how many output items are stored."""
    with watch_of(server) as watch:
        return watch.value("SELECT count(*) FROM output_items")


def an_eval(number: int = 1, **changes: Any) -> Json:
    """Return an eval as the hosted API returns it."""
    return {
        "object": "eval",
        "id": f"eval_6813e1{number:02x}5630819094b3646a860de26f",
        "data_source_config": {
            "type": "custom",
            "schema": {"type": "object", "properties": {"item": {"type": "object"}}, "required": ["item"]},
        },
        "testing_criteria": [
            {
                "name": "same",
                "id": "same-f1c79982-df7e-4470-91d5-2008c67b8c9c",
                "type": "string_check",
                "input": "{{ item.a }}",
                "reference": "{{ item.b }}",
                "operation": "eq",
            }
        ],
        "name": f"Eval {number}",
        "created_at": 0x6813E100 + number,
        "metadata": {},
        **changes,
    }


def a_run(parent: Json, number: int = 1, counts: Sequence[int] = (1, 1, 1), **changes: Any) -> Json:
    """Return a completed run as the hosted API returns it; its counts are (passed, failed, errored)."""
    passed, failed, errored = counts
    run_id = f"evalrun_6813e2{number:02x}3048819082bf58524fcd{parent['id'][11:13]}6d"
    criterion = parent["testing_criteria"][0]["id"] if parent["testing_criteria"] else "none"
    return {
        "object": "eval.run",
        "id": run_id,
        "eval_id": parent["id"],
        "report_url": f"https://platform.example.com/evaluations/{parent['id']}?project_id=proj_1&run_id={run_id}",
        "status": "completed",
        "model": "gpt-4.1",
        "name": f"Run {number}",
        "created_at": 0x6813E200 + number,
        "result_counts": {"total": sum(counts), "errored": errored, "failed": failed, "passed": passed},
        "per_model_usage": [],
        "per_testing_criteria_results": [{"testing_criteria": criterion, "passed": passed, "failed": failed}],
        "data_source": {
            "type": "completions",
            "source": {"type": "file_id", "id": "file-8rn4wHqWo14MaSFZAjC1S3"},
            "model": "gpt-4.1",
            "sampling_params": None,
        },
        "error": None,
        "metadata": {},
        "shared_with_openai": False,
        **changes,
    }


def an_item(run: Json, position: int, status: str = "pass", **changes: Any) -> Json:
    """Return an output item as the hosted API returns it."""
    error = {"code": "invalid_image_url", "message": "Timeout while downloading."} if status == "error" else None
    created_at = 0x6813E300 + position % 7
    results = [{"name": "same-f1c79982-df7e-4470-91d5-2008c67b8c9c", "sample": None, "passed": status == "pass"}]
    return {
        "object": "eval.run.output_item",
        "id": f"outputitem_{created_at:08x}30488190{run['id'][14:16]}85{run['id'][-4:]}{position:08x}",
        "created_at": created_at,
        "run_id": run["id"],
        "eval_id": run["eval_id"],
        "status": status,
        "datasource_item_id": position,
        "datasource_item": {"a": f"row {position}", "b": f"row {position}" if status == "pass" else "other"},
        "results": [] if error else [{**results[0], "score": float(status == "pass")}],
        "sample": {
            "input": [{"role": "user", "content": "Say it."}],
            "output": [{"role": "assistant", "content": f"row {position}"}],
            "finish_reason": "stop",
            "model": "gpt-4.1-2025-04-14",
            "usage": {"total_tokens": 10, "completion_tokens": 4, "prompt_tokens": 6, "cached_tokens": 0},
            "error": error,
            "temperature": 1.0,
            "max_completion_tokens": None,
            "top_p": 1.0,
            "seed": None,
        },
        **changes,
    }


def a_file(**changes: Any) -> Json:
    """Return a file as the hosted API returns it."""
    return {
        "object": "file",
        "id": "file-8rn4wHqWo14MaSFZAjC1S3",
        "purpose": "evals",
        "filename": "tickets.jsonl",
        "bytes": 268,
        "created_at": 1746133376,
        "expires_at": None,
        "status": "processed",
        "status_details": None,
        **changes,
    }


def small_holdings(items: int = 3) -> Holdings:
    """Return an eval with one run of so many items: a third each pass, fail and are errored."""
    parent = an_eval()
    statuses = [("pass", "fail", "error")[position % 3] for position in range(items)]
    run = a_run(parent, counts=[statuses.count(status) for status in ("pass", "fail", "error")])
    found = [an_item(run, position, status) for position, status in enumerate(statuses)]
    return Holdings([parent], {parent["id"]: [run]}, {run["id"]: found})
