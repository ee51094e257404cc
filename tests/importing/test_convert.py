"""`evalhaven convert`: what is made of other tools' configurations is executed here and gives their verdicts."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from evalhaven.eval_files.reading import read_eval_file
from evalhaven.eval_files.rows import read_rows
from tests.contract.conftest import inline_source, items_of, wait_for_end
from tests.importing.moving import Json
from tests.server import Server
from tests.system.commands import call_command

PEERS = Path(__file__).with_name("peers")
CAPITALS = PEERS / "promptfoo_verdicts"
RELEASE = "promptfoo@0.121.20"


def recorded_model() -> str:
    """Return an endpoint that answers the two prompts as the model did that promptfoo asked."""
    lines = ["[endpoints.recorded]", "scripted = true", 'models = ["small"]']
    for each in json.loads((CAPITALS / "verdicts.json").read_text()):
        asked = f"{'C' if each['prompt'] == 0 else 'c'}apital of {each['country']}"
        lines += ["[[endpoints.recorded.rules]]", f'when = "{asked}"', f"answer = {json.dumps(each['output'])}"]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    directory = tmp_path_factory.mktemp("server")
    (directory / "recorded.toml").write_text(recorded_model())
    with (
        Server(directory, EVALHAVEN_CONFIG=str(directory / "recorded.toml")).running() as server,
        httpx2.Client(base_url=server.url, timeout=30) as opened,
    ):
        yield opened


def run_answered(http: httpx2.Client, file: Path, *runs: Sequence[str]) -> list[list[str]]:
    """Grade recorded answers by the criteria of an eval file; return the status of each item of each run."""
    read = read_eval_file(file)
    schema = read.schema_of_items or {"type": "object"}
    body = {
        "name": read.name,
        "data_source_config": {"type": "custom", "item_schema": schema, "include_sample_schema": True},
        "testing_criteria": [each.sent for each in read.testing_criteria],
    }
    parent = http.post("/v1/evals", json=body).json()
    started: list[Json] = []
    for answers in runs:
        rows = [
            {**row, "sample": {"output_text": answer}} for row, answer in zip(read_rows(read), answers, strict=True)
        ]
        started.append(http.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": inline_source(rows)}).json())
    return [[item["status"] for item in items_of(http, wait_for_end(http, run))] for run in started]


def test_a_configuration_of_three_assertions_and_two_prompts_gives_the_verdicts_of_promptfoo(
    http: httpx2.Client, tmp_path: Path
) -> None:
    made = tmp_path / "eval.yaml"
    config = str(CAPITALS / "promptfooconfig.yaml")
    done = call_command("convert", "promptfoo", config, "--model", "small", "-o", str(made))
    ran = call_command("run", str(made), "--url", str(http.base_url), directory=tmp_path)
    (parent,) = [each for each in http.get("/v1/evals").json()["data"] if each["name"] == "Capitals, three ways"]
    runs = http.get(f"/v1/evals/{parent['id']}/runs").json()["data"]
    recorded: list[Json] = json.loads((CAPITALS / "verdicts.json").read_text())
    names = ["short", "What is the capital of {{country}}?"]

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert ran.returncode == 0, ran.stderr
    assert sorted(run["name"] for run in runs) == sorted(names)
    for run in runs:
        told = [each for each in recorded if names[each["prompt"]] == run["name"]]
        items = items_of(http, run)
        assert [item["sample"]["output"][0]["content"] for item in items] == [each["output"] for each in told]
        assert [item["status"] for item in items] == ["pass" if each["success"] else "fail" for each in told]
        assert [[result["passed"] for result in item["results"]] for item in items] == [each["passes"] for each in told]


def test_an_eval_of_oaieval_gives_its_verdicts(http: httpx2.Client, tmp_path: Path) -> None:
    made = tmp_path / "eval.yaml"
    registry = PEERS / "oaieval" / "evals" / "capitals.yaml"
    done = call_command("convert", "openai-evals", str(registry), "--eval", "capitals-fuzzy", "-o", str(made))
    rows: list[Json] = [*read_rows(read_eval_file(made))]
    answers = [row["item"]["answer"] for row in rows]
    verdicts: list[bool] = json.loads((PEERS / "oaieval" / "verdicts.json").read_text())["fuzzy"]

    assert (done.returncode, done.stderr) == (0, "")
    assert run_answered(http, made, answers) == [["pass" if verdict else "fail" for verdict in verdicts]]


def test_what_is_left_out_is_said_beside_the_file_and_in_it(tmp_path: Path) -> None:
    config = tmp_path / "promptfooconfig.yaml"
    config.write_text(
        "prompts: ['{{q}}']\n"
        "providers: [openai:gpt-4.1-mini]\n"
        "tests:\n"
        "  - vars: {q: Hi}\n"
        "    assert:\n"
        "      - {type: contains, value: hi}\n"
        "      - type: javascript\n"
        "        value: output.length > 3\n"
    )
    done = call_command("convert", "promptfoo", str(config))
    said = "promptfooconfig.yaml:7, tests[0].assert[1]: javascript has no grader"
    (tmp_path / "made.yaml").write_text(done.stdout)

    assert done.returncode == 2
    assert f"Warning: not converted: {said}" in done.stderr
    assert f"# - {said}" in done.stdout
    assert [each.name for each in read_eval_file(tmp_path / "made.yaml").testing_criteria] == ["contains"]


def test_many_items_stand_in_a_file_beside_the_eval(tmp_path: Path) -> None:
    tests = [{"vars": {"q": f"{number}\u2028"}} for number in range(101)]
    asserted = {"assert": [{"type": "contains", "value": "{{q}}"}]}
    config = tmp_path / "promptfooconfig.json"
    config.write_text(json.dumps({"prompts": ["{{q}}"], "defaultTest": asserted, "tests": tests}))
    done = call_command("convert", "promptfoo", str(config), "--model", "m", "-o", str(tmp_path / "eval.yaml"))
    rows: list[Json] = [*read_rows(read_eval_file(tmp_path / "eval.yaml"))]

    assert done.returncode == 0
    assert done.stderr == f"101 items are in {tmp_path / 'eval.jsonl'}.\n"
    assert [row["item"] for row in rows] == [test["vars"] for test in tests]


@pytest.mark.parametrize(
    ("tool", "text", "said"),
    [
        ("promptfoo", "prompts: [", "config.yaml:1: This is not valid YAML"),
        ("promptfoo", "a: 1", "is not a configuration of promptfoo"),
        ("promptfoo", "prompts: [p]\ntests: [{vars: {a: 1}}]", "has no assertion that could be converted: "),
        ("openai-evals", "{}", "has 0 evals; choose one with --eval"),
    ],
)
def test_what_cannot_be_converted_at_all_is_refused(tmp_path: Path, tool: str, text: str, said: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    done = call_command("convert", tool, str(config), "-o", str(tmp_path / "made.yaml"))

    assert done.returncode == 64
    assert said in done.stderr
    assert not (tmp_path / "made.yaml").exists()


@pytest.mark.soak
def test_the_recorded_verdicts_are_those_that_promptfoo_gives(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, with which promptfoo would be")
    installed = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--prefix", str(tmp_path), RELEASE], check=False
    )
    if installed.returncode:
        pytest.skip("npm could not install promptfoo")
    tool = tmp_path / "node_modules" / "promptfoo" / "dist" / "src" / "entrypoint.js"
    for directory in (CAPITALS, PEERS / "promptfoo_kinds"):
        results = tmp_path / f"{directory.name}.json"
        subprocess.run(
            ["node", str(tool), "eval", "-o", str(results), "--no-cache", "--no-table"],
            cwd=directory,
            env={
                "PATH": str(Path(shutil.which("node") or "node").parent) + ":/usr/bin:/bin",
                "PROMPTFOO_CONFIG_DIR": str(tmp_path / "promptfoo"),
                "PROMPTFOO_DISABLE_TELEMETRY": "1",
                "PROMPTFOO_DISABLE_UPDATE": "1",
            },
            check=False,  # it ends with 100 if a test fails
        )
        found: list[Json] = json.loads(results.read_text())["results"]["results"]
        found.sort(key=lambda each: (each["promptIdx"], each["testIdx"]))
        told = [(each["response"]["output"], each["success"], _passes(each)) for each in found]
        recorded = json.loads((directory / "verdicts.json").read_text())

        assert told == [(each["output"], each["success"], each["passes"]) for each in recorded]


def _passes(result: Json) -> list[bool]:
    """Return whether each assertion passed; those inside a set stand after it."""
    found: list[bool] = []
    left: Iterator[Any] = iter(result["gradingResult"]["componentResults"])
    for each in left:
        found.append(each["pass"])
        for _ in each.get("componentResults") or ():
            next(left)
    return found
