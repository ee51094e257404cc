"""Facts about the workflows in `examples/ci`: against a real server, their steps do what the page says."""

import json
import os
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx2
import pytest
import yaml

from tests.contract.conftest import wait_for_end
from tests.server import Server
from tests.system.commands import call_command

_TIMEOUT_S = 300
CRITERION = {"type": "string_check", "name": "right", "input": "{{ sample.output_text }}", "reference": "x",
             "operation": "eq"}  # fmt: skip


def body_of(wrong: int) -> dict[str, Any]:
    """Return the body of a run of which some items fail."""
    rows = [{"item": {"n": n}, "sample": {"output_text": "y" if n < wrong else "x"}} for n in range(100)]
    return {"data_source": {"type": "jsonl", "source": {"type": "file_content", "content": rows}}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("workflows")).running() as running:
        yield running


@pytest.fixture(scope="module")
def eval_id(server: Server) -> str:
    """The id of an eval that has a pinned run."""
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        config = {"type": "custom", "item_schema": {"type": "object"}}
        made = client.post("/v1/evals", json={"data_source_config": config, "testing_criteria": [CRITERION]}).json()
        run = wait_for_end(client, client.post(f"/v1/evals/{made['id']}/runs", json=body_of(0)).json())
        assert client.post(f"/api/runs/{run['id']}/pin").is_success
    return made["id"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory as a job finds it."""
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "policy.json").write_text(json.dumps({"criteria": {"right": {"margin": 0.05}}}))
    return tmp_path


def workflow(repository: Path, name: str) -> dict[str, Any]:
    """Return a workflow."""
    return yaml.safe_load((repository / "examples" / "ci" / name).read_text(encoding="utf-8"))


def execute(script: str, directory: Path, environment: dict[str, str], shell: Sequence[str]) -> int:
    """Execute a step as the runner does, and return its exit status."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EVALHAVEN_")}
    path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    done = subprocess.run(
        [*shell, "-c", script],
        cwd=directory,
        env={**inherited, "EVALHAVEN_API_KEY": "none", **environment, "PATH": path},
        timeout=_TIMEOUT_S,
        check=False,
    )
    return done.returncode


@pytest.mark.parametrize(("wrong", "status", "says"), [(0, 0, "passes"), (30, 1, "fails")])
def test_the_steps_for_github_decide_and_leave_a_summary_and_junit(
    server: Server, eval_id: str, checkout: Path, repository: Path, wrong: int, status: int, says: str
) -> None:
    (checkout / "evals" / "run.json").write_text(json.dumps(body_of(wrong)))
    job = workflow(repository, "github-actions.yml")["jobs"]["gate"]
    assert set(job["env"]) == {"EVALHAVEN_URL", "EVALHAVEN_API_KEY", "EVAL"}
    variables, summary = checkout / "env", checkout / "summary.md"
    environment = {"EVALHAVEN_URL": server.url, "EVAL": eval_id, "GITHUB_ENV": str(variables),
                   "GITHUB_STEP_SUMMARY": str(summary)}  # fmt: skip
    steps = [step for step in job["steps"] if "run" in step and step["name"] != "Install Evalhaven"]
    statuses: list[int] = []
    for step in steps:
        statuses.append(
            execute(step["run"], checkout, environment, ("bash", "--noprofile", "--norc", "-eo", "pipefail"))
        )
        environment |= dict(line.split("=", 1) for line in variables.read_text().splitlines())

    assert statuses == [0, 0, status]
    assert says in summary.read_text()
    assert ET.parse(checkout / "gate.xml").getroot().attrib["failures"] == str(status)  # noqa: S314 - our own file


@pytest.mark.parametrize(("wrong", "status", "says"), [(0, 0, "passes"), (30, 1, "fails")])
def test_the_script_for_gitlab_decides_and_leaves_markdown_and_junit(
    server: Server, eval_id: str, checkout: Path, repository: Path, wrong: int, status: int, says: str
) -> None:
    (checkout / "evals" / "run.json").write_text(json.dumps(body_of(wrong)))
    job = workflow(repository, "gitlab-ci.yml")["evals"]
    environment = {"EVALHAVEN_URL": server.url, "EVALHAVEN_EVAL": eval_id}
    # The runner's shell is bash where there is one, and a failure within a pipe counts.
    script = "\n".join(["set -eo pipefail", *job["script"]])

    assert execute(script, checkout, environment, ("bash",)) == status
    assert says in (checkout / "gate.md").read_text()
    [junit] = [job["artifacts"]["reports"]["junit"]]
    assert ET.parse(checkout / junit).getroot().attrib["failures"] == str(status)  # noqa: S314 - our own file


@pytest.fixture
def first_eval(tmp_path: Path) -> Path:
    """A repository as `evalhaven init` begins it."""
    directory = tmp_path / "origin"
    for ci in ("github", "gitlab"):
        assert call_command("init", str(directory), "--ci", ci).returncode == 0
    git(directory, "init", "--quiet")
    return directory


def git(directory: Path, *arguments: str) -> None:
    """Execute git as somebody."""
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    subprocess.run(["git", "-C", str(directory), *identity, *arguments], check=True, timeout=_TIMEOUT_S)


def clone_of(directory: Path, name: str) -> Path:
    """Commit all of a repository, and return a clean clone of it."""
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--allow-empty", "--message", name)
    clone = directory.with_name(name)
    git(directory.parent, "clone", "--quiet", str(directory), str(clone))
    return clone


@pytest.mark.slow
def test_a_clean_clone_gates_without_a_server(first_eval: Path) -> None:
    """It passes, fails, and is inconclusive where it should; all by the step that `evalhaven init` writes."""
    job = yaml.safe_load((first_eval / ".github" / "workflows" / "evals.yml").read_text())["jobs"]["gate"]
    [step] = [each["run"] for each in job["steps"] if each.get("name") == "Run and decide"]
    [*_, script] = yaml.safe_load((first_eval / ".gitlab-ci.yml").read_text())["evals"]["script"]
    path = first_eval / "evals" / "tickets.yaml"
    text = path.read_text()
    changes = {
        "passes": text,
        "fails": text.replace("{{ item.stand_in }}", "bug"),
    }
    statuses: dict[str, int] = {}
    for name, changed in changes.items():
        path.write_text(changed)
        clone = clone_of(first_eval, name.replace(" ", "-"))
        shell = ("bash", "-eo", "pipefail")
        statuses[name] = execute(step, clone, {"GITHUB_STEP_SUMMARY": str(clone / "summary.md")}, shell)
        assert "Support tickets" in (clone / "summary.md").read_text()
        ET.parse(clone / "evals.xml")  # noqa: S314 - our own file
        assert not subprocess.run(
            ["git", "-C", str(clone), "status", "--short", "evals"], capture_output=True, check=True
        ).stdout

    assert statuses == {"passes": 0, "fails": 1}
    path.write_text(text.replace("threshold: 0.7", "margin: 0.02"))  # there is nothing to compare with
    assert execute(f"set -eo pipefail\n{script}", clone_of(first_eval, "gitlab"), {}, ("bash",)) == 2
    assert "| inconclusive |" in (first_eval.with_name("gitlab") / "evals.md").read_text()
