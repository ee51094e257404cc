"""Facts about `evalhaven gate` and `evalhaven compare` as a user of the shell sees them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx2
import pytest

from tests.contract.conftest import wait_for_end
from tests.server import Server
from tests.system.commands import call_command

COUNT = 200
HOSTILE = '</td>|<script>`x`\x1b[31m\x07 & "q"'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("gate")).running() as running:
        yield running


@pytest.fixture(scope="module")
def runs(server: Server) -> dict[str, str]:
    """Ids of runs: a baseline, one like it, one much worse, and two of which the criterion has a hostile name."""
    with httpx2.Client(base_url=server.url, timeout=60) as client:

        def make_eval(name: str) -> str:
            criterion = {"type": "string_check", "name": name, "input": "{{ sample.output_text }}",
                         "reference": "x", "operation": "eq"}  # fmt: skip
            config = {"type": "custom", "item_schema": {"type": "object"}}
            body = {"name": "E", "data_source_config": config, "testing_criteria": [criterion]}
            answer = client.post("/v1/evals", json=body)
            assert answer.status_code == 201, answer.text
            return answer.json()["id"]

        def make_run(eval_id: str, wrong: int, answer: str = "y", name: str = "") -> str:
            rows: list[dict[str, Any]] = [
                {"item": {"n": n, "q": answer}, "sample": {"output_text": answer if n < wrong else "x"}}
                for n in range(COUNT)
            ]
            source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
            made = client.post(f"/v1/evals/{eval_id}/runs", json={"name": name, "data_source": source})
            assert made.status_code == 201, made.text
            return wait_for_end(client, made.json())["id"]

        plain, hostile = make_eval("right"), make_eval(HOSTILE)
        return {
            "base": make_run(plain, 0, name="main"),
            "same": make_run(plain, 0, name="branch"),
            "worse": make_run(plain, 60, name="worse"),
            "hostile base": make_run(hostile, 0, HOSTILE),
            "hostile": make_run(hostile, 60, HOSTILE, name=HOSTILE),
        }


def gate(server: Server, *arguments: str, summary: str = "") -> tuple[int, str, str]:
    """Return the exit status of a gate, and what it printed on both streams."""
    done = call_command("gate", *arguments, "--url", server.url, GITHUB_STEP_SUMMARY=summary)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("run", "options", "status", "says"),
    [
        ("same", ["--margin", "0.05"], 0, "branch passes"),
        ("worse", ["--margin", "0.05"], 1, "worse fails"),
        ("same", ["--margin", "0.001"], 2, "would settle it"),
        ("worse", ["--threshold", "0.9", "--baseline", "none"], 1, "are below 90 %"),
    ],
)
def test_the_exit_status_says_what_was_decided(
    server: Server, runs: dict[str, str], run: str, options: list[str], status: int, says: str
) -> None:
    base = [] if "--baseline" in options else ["--baseline", runs["base"]]
    code, out, err = gate(server, runs[run], *base, *options)

    assert (code, err) == (status, "")
    assert says in out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "has no margin"),
        (["--margin", "2"], "not a number from 0 to 1"),
        (["--no-such-option"], "No such option"),
        (["--policy", "nowhere.json"], "cannot be read"),
        (["--margin", "0.1", "--baseline", "none"], "There is no baseline"),
    ],
)
def test_wrong_use_has_a_status_of_its_own(server: Server, runs: dict[str, str], options: list[str], says: str) -> None:
    base = [] if "--baseline" in options else ["--baseline", runs["base"]]
    code, _, err = gate(server, runs["same"], *base, *options)

    assert code == 64
    assert says in " ".join(err.split())


def test_a_server_that_is_not_there_is_a_failure_of_the_tool(runs: dict[str, str]) -> None:
    done = call_command("gate", runs["same"], "--margin", "0.1", "--url", "http://127.0.0.1:9")

    assert done.returncode == 70
    assert "does not answer" in done.stderr


def test_an_unknown_run_is_a_failure_of_the_tool(server: Server) -> None:
    code, _, err = gate(server, "evalrun_00000000000000000000000000000000", "--threshold", "0.1")

    assert code == 70
    assert "Run not found" in err


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("policy.json", '{"criteria": {"right": {"tier": "critical", "margin": 0.05}}}', 0),
        ("policy.toml", '[criteria.right]\ntier = "supporting"\nmargin = 0.05\n', 0),
        ("policy.json", '{"criteria": {"wrong": {}}, "margin": 0.05}', 64),
        ("policy.json", '{"marign": 0.05}', 64),
        ("policy.json", "[1]", 64),
        ("policy.json", "{", 64),
        ("policy.toml", "= 1", 64),
    ],
)
def test_a_policy_is_read_from_a_file(
    server: Server, runs: dict[str, str], tmp_path: Path, name: str, text: str, status: int
) -> None:
    (tmp_path / name).write_text(text)
    code, _, err = gate(server, runs["same"], "--baseline", runs["base"], "--policy", str(tmp_path / name))

    assert code == status, err
    assert bool(err) == (status == 64)


def test_markdown_and_xml_hold_whatever_names_there_are(server: Server, runs: dict[str, str], tmp_path: Path) -> None:
    summary, junit = tmp_path / "summary.md", tmp_path / "junit.xml"
    arguments = (runs["hostile"], "--baseline", runs["hostile base"], "--margin", "0.05", "--junit", str(junit))
    code, out, _ = gate(server, *arguments, "--markdown", summary=str(summary))

    assert code == 1
    assert summary.read_text() == out + "\n"
    for sign in ("<script>", "</td>", "\x1b", "\x07"):
        assert sign not in out
    suite = ET.parse(junit).getroot()  # noqa: S314 - our own file
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == ("1", "1", "0")
    assert "\x1b" not in gate(server, *arguments)[1]


@pytest.mark.parametrize(
    ("place", "run", "status"), [("/dev/full", "worse", 1), ("nowhere/summary.md", "same", 0), ("/", "same", 0)]
)
def test_a_summary_that_cannot_be_written_leaves_the_decision(
    server: Server, runs: dict[str, str], place: str, run: str, status: int
) -> None:
    arguments = ("gate", runs[run], "--baseline", runs["base"], "--margin", "0.05", "--json", "--url", server.url)
    done = call_command(*arguments, GITHUB_STEP_SUMMARY=place)

    assert (done.returncode, json.loads(done.stdout)["exit_status"]) == (status, status)
    assert done.stderr.startswith(
        f"Warning: The summary of the job lacks this decision, which stands: {place!r} cannot be "
    )


@pytest.mark.parametrize("place", ["/dev/full", "nowhere/junit.xml"])
def test_xml_that_cannot_be_written_is_a_failure_that_says_so_after_the_decision(
    server: Server, runs: dict[str, str], place: str, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    arguments = ("gate", runs["worse"], "--baseline", runs["base"], "--margin", "0.05", "--junit", place)
    done = call_command(*arguments, "--url", server.url, GITHUB_STEP_SUMMARY=str(summary))

    assert done.returncode == 70
    assert done.stdout.startswith("worse fails: ")
    assert done.stderr.startswith(
        f"Error: The JUnit XML is missing, although it was asked for: {place!r} cannot be written: "
    )
    assert "worse fails" in summary.read_text()


def test_json_is_what_the_api_answers(server: Server, runs: dict[str, str]) -> None:
    code, out, _ = gate(server, runs["worse"], "--baseline", runs["base"], "--margin", "0.05", "--json")
    decision = json.loads(out)

    assert (code, decision["outcome"], decision["exit_status"]) == (1, "fail", 1)


def test_compare_shows_the_sentence_the_table_and_what_flipped(server: Server, runs: dict[str, str]) -> None:
    done = call_command("compare", runs["base"], runs["worse"], "--url", server.url, "--items", "2")

    assert (done.returncode, done.stderr) == (0, "")
    assert "worse is worse than main: 30.0 points" in done.stdout
    assert done.stdout.splitlines()[1] == "60 regressed, 140 passed"
    assert "Regressed (2 of 60):" in done.stdout
    assert "    A: x\n    B: y\n" in done.stdout


def test_compare_prints_json_and_markdown(server: Server, runs: dict[str, str]) -> None:
    told = call_command("compare", runs["base"], runs["worse"], "--url", server.url, "--json", "--items", "1")
    shown = call_command("compare", runs["hostile base"], runs["hostile"], "--url", server.url, "--markdown")

    found = json.loads(told.stdout)
    assert found["comparisons"][0]["counts"]["regressed"] == 60
    assert [len(items) for items in found["items"].values()] == [1, 0]
    for sign in ("<script>", "</td>", "\x1b", "\x07"):
        assert sign not in shown.stdout


def test_compare_of_an_unknown_run_fails(server: Server, runs: dict[str, str]) -> None:
    done = call_command("compare", runs["base"], "evalrun_00000000000000000000000000000000", "--url", server.url)

    assert done.returncode == 70
    assert "Run not found" in done.stderr


@pytest.mark.parametrize("columns", ["80", "200"])
def test_compare_fits_the_terminal_and_is_not_wrapped_elsewhere(
    server: Server, runs: dict[str, str], columns: str
) -> None:
    arguments = ("compare", runs["base"], runs["worse"], "--url", server.url, "--items", "1")
    shown = call_command(*arguments, COLUMNS=columns, TTY_COMPATIBLE="1", NO_COLOR="1", TERM="xterm")
    piped = call_command(*arguments, COLUMNS=columns)

    lines = re.sub(r"\x1b\[[\d;]*m", "", shown.stdout).splitlines()
    assert max(map(len, lines)) <= int(columns)
    figures = ["right", "100.0", "70.0", "-30.0", "(-36.7", "to", "-24.1)", "0", "60", "worse"]
    assert figures in [line.split() for line in lines]
    [row] = [line for line in piped.stdout.splitlines() if line.startswith("right")]
    assert row.split() == figures
    assert "\x1b" not in piped.stdout


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("gate", "same", "--baseline", "base", "--margin", "0.05"), 0),
        (("gate", "worse", "--baseline", "base", "--margin", "0.05", "--json"), 1),
        (("compare", "base", "same"), 70),
        (("items", "base", "--json"), 70),
    ],
)
def test_a_reader_that_leaves_makes_no_regression(
    server: Server, runs: dict[str, str], arguments: tuple[str, ...], status: int
) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "evalhaven", *(runs.get(each, each) for each in arguments), "--url", server.url]
    done = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False, env=_plain_environment()
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (status, "")


def test_the_decision_needs_no_standard_output(server: Server, runs: dict[str, str]) -> None:
    command = f"exec {sys.executable} -m evalhaven gate {runs['same']} --baseline {runs['base']} --margin 0.05 --url "
    done = subprocess.run(
        ["sh", "-c", f"{command}{server.url} >&-"],
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
        env=_plain_environment(),
    )
    assert (done.returncode, done.stderr) == (0, "")


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("EVALHAVEN_")}
