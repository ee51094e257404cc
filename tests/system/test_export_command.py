"""Facts about `evalhaven export` as a user of the shell sees them."""

import csv
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]
import pytest

from tests.contract.conftest import eval_body, inline_source, items_of, wait_for_end
from tests.server import Server
from tests.system.commands import call_command


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("export")).running() as running:
        yield running


@pytest.fixture(scope="module")
def run(server: Server) -> dict[str, Any]:
    rows = [{"item": {"a": letter, "b": "x"}} for letter in "xyz"]
    with httpx2.Client(base_url=server.url) as http:
        parent = http.post("/v1/evals", json=eval_body()).json()
        made = http.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": inline_source(rows)}).json()
        return {**wait_for_end(http, made), "items": items_of(http, made)}


def test_lines_go_to_standard_output_and_nothing_else_does(server: Server, run: dict[str, Any]) -> None:
    done = call_command("export", run["id"], "--url", server.url)

    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line) for line in done.stdout.splitlines()] == run["items"]


def test_a_file_is_written_in_the_format_that_its_name_ends_in(
    server: Server, run: dict[str, Any], tmp_path: Path
) -> None:
    page = f"{server.url}/ui/evals/{run['eval_id']}/runs/{run['id']}"
    table = tmp_path / "items.csv"
    frame = tmp_path / "items.parquet"
    done = call_command("export", page, "-o", str(table), "--columns", "item.a,status", "--status", "fail")
    call_command("export", page, "-o", str(frame))

    assert done.returncode == 0
    assert f"{table}: " in done.stderr
    with table.open(newline="") as file:
        assert list(csv.reader(file)) == [["item.a", "status"], ["y", "fail"], ["z", "fail"]]
    assert pq.read_table(frame)["item.a"].to_pylist() == ["x", "y", "z"]  # pyright: ignore[reportUnknownMemberType]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items.csv", "items.parquet"]


def test_the_filters_and_the_order_of_the_table_hold_for_an_export(server: Server, run: dict[str, Any]) -> None:
    chosen = ("--where", "sort=position", "--where", "order=desc", "--where", "text=z", "--where", "most_score=0.5")
    done = call_command("export", run["id"], "--url", server.url, *chosen, "--status", "fail", "--columns", "item.a")
    assert (done.returncode, done.stdout) == (0, '{"item.a":"z"}\n')
    document = httpx2.get(f"{server.url}/api/openapi.json", timeout=60).json()
    offered = document["paths"]["/api/runs/{run_id}/export"]["get"]["parameters"]
    names = [each["name"] for each in offered if each["in"] == "query" and each["name"] not in ("format", "columns")]
    for wrong in ("colour=red", "text"):
        refused = call_command("export", run["id"], "--url", server.url, "--where", wrong)
        assert refused.returncode == 64
        assert ", ".join(names) in " ".join(refused.stderr.replace("│", "").split())


def test_without_a_server_the_data_directory_itself_is_read(tmp_path: Path) -> None:
    with Server(tmp_path).running() as server, httpx2.Client(base_url=server.url) as http:
        parent = http.post("/v1/evals", json=eval_body()).json()
        made = http.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": inline_source()}).json()
        wait_for_end(http, made)
        items = items_of(http, made)
    done = call_command("export", made["id"], "--data-dir", str(server.data_dir))

    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line) for line in done.stdout.splitlines()] == items


def test_a_refusal_leaves_the_file_as_it_was(server: Server, run: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text("before")
    done = call_command("export", run["id"], "-o", str(file), "--columns", "colour", "--url", server.url)

    assert done.returncode == 64
    assert "There is no column 'colour'" in done.stderr
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("items.csv", "before")]


def test_an_answer_that_breaks_off_leaves_no_half_file(run: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "items.jsonl"
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer_half() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{}\n\r\n")

        thread = threading.Thread(target=answer_half)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        done = call_command("export", run["id"], "-o", str(file), "--url", url)
        thread.join()

    assert done.returncode == 70
    assert "The answer broke off" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_enough_ends_the_command_quietly(server: Server, run: dict[str, Any]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "evalhaven", "export", run["id"], "--url", server.url]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EVALHAVEN_")}
    try:
        done = subprocess.run(
            command, stdout=writing, stderr=subprocess.PIPE, env=inherited, text=True, check=False, timeout=60
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (70, "")


def test_a_place_that_cannot_be_written_is_named(server: Server, run: dict[str, Any], tmp_path: Path) -> None:
    done = call_command("export", run["id"], "-o", str(tmp_path / "none" / "items.csv"), "--url", server.url)

    assert done.returncode == 70
    assert "cannot be written: No such file or directory" in done.stderr


def test_a_report_is_a_file_that_shows_the_run(server: Server, run: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    figures = call_command("report", run["id"], "--json", "--url", server.url)
    assert (figures.returncode, json.loads(figures.stdout)["object"]) == (0, "run.report")
    done = call_command("report", run["id"], "-o", str(file), "--examples", "1", "--url", server.url)
    page = file.read_text()

    assert done.returncode == 0
    assert page.startswith("<!doctype html>")
    assert "1 of 3 items passed: 33.3 %" in page
    assert "Items failed: 1 of 2" in page
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_comparison_is_written_as_a_page_beside_what_is_printed(
    server: Server, run: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "comparison.html"
    done = call_command("compare", run["id"], run["id"], "--json", "--html", str(file), "--url", server.url)
    sentence = json.loads(done.stdout)["comparisons"][0]["sentence"]

    assert done.returncode == 0
    assert sentence in file.read_text()
