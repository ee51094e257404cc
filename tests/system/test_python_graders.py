"""Python graders on servers of their own: every tier, refusal, libraries, crashes and kills."""

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from evalhaven.sandbox.environment import Tier
from tests.figures import Say
from tests.python_graders import HUMAN_EVAL, human_eval_rows, python_check, require_tier
from tests.server import Server
from tests.sizes import SIZES
from tests.system.client import Client, wait_until
from tests.system.commands import call_command
from tests.system.inside import executors_of, has_ended

OBJECT = {"type": "object"}
ONE = "def grade(sample, item):\n    return 1.0\n"
CRASH_EVERY = 1000
# A second on an idle machine; the kernel ends them, and it too must get its turn.
_GONE_WITHIN_S = 5.0
_PATIENCE_S = 110.0


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def run_rows(client: Client, source: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a run over rows that has ended."""
    eval_id = client.create_eval([python_check(source)], OBJECT)
    run_id = client.start_run(eval_id, client.upload(jsonl(rows)))
    return client.wait_for_end(eval_id, run_id, _PATIENCE_S)


@dataclass(frozen=True, slots=True)
class TierServer:
    """A server that isolates graders in one tier, and the directories that they read."""

    tier: Tier
    server: Server
    client: Client


# One tier shows the feature; what the walls of the others let through is for the tests of the sandbox.
_OTHER_TIERS = [pytest.param(tier, marks=pytest.mark.slow) for tier in Tier if tier is not Tier.FULL]


@pytest.fixture(scope="module", params=[Tier.FULL, *_OTHER_TIERS])
def isolated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TierServer]:
    """Return a server of each tier in turn, with two environments of libraries and a corpus."""
    tier: Tier = request.param
    require_tier(tier)
    # Unprivileged users can enter it, unlike pytest's own directory.
    with tempfile.TemporaryDirectory(prefix="evalhaven-libraries-") as readable:
        directory = Path(readable)
        directory.chmod(0o755)
        for tag, version in (("2025-05-08", "1"), ("later", "2")):
            packages = directory / tag / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
            packages.mkdir(parents=True)
            (directory / tag / "pyvenv.cfg").touch()
            (packages / "deepdiff.py").write_text(f"VERSION = {version}\n")
        (directory / "corpora").mkdir()
        (directory / "corpora" / "words").write_text("3")
        server = Server(
            tmp_path_factory.mktemp("server"),
            EVALHAVEN_GRADER_SANDBOX=tier,
            EVALHAVEN_GRADER_ENVIRONMENTS=readable,
            NLTK_DATA=str(directory / "corpora"),
        )
        with server.running(), Client(server.url) as client:
            yield TierServer(tier, server, client)


@pytest.mark.slow
def test_human_eval_is_judged_by_executing_it(isolated: TierServer, shared_dir: Path) -> None:
    solved = run_rows(isolated.client, HUMAN_EVAL, human_eval_rows(shared_dir, is_solved=True))
    unsolved = run_rows(isolated.client, HUMAN_EVAL, human_eval_rows(shared_dir, is_solved=False))

    assert solved["evalhaven"]["sandbox"]["tier"] == isolated.tier
    assert solved["result_counts"] == {"total": 164, "passed": 164, "failed": 0, "errored": 0}
    assert unsolved["result_counts"] == {"total": 164, "passed": 0, "failed": 164, "errored": 0}


def test_the_image_tag_picks_an_environment(isolated: TierServer) -> None:
    source = (
        "import os, deepdiff\n"
        "def grade(sample, item):\n"
        "    return deepdiff.VERSION + 10 * int(open(os.environ['NLTK_DATA'] + '/words').read())\n"
    )
    criteria = [python_check(source, "none"), python_check(source, "later", image_tag="later")]
    client = isolated.client
    eval_id = client.create_eval(criteria, OBJECT)
    run = client.wait_for_end(eval_id, client.start_run(eval_id, client.upload(jsonl([{"item": {}}]))))
    [item] = client.get(f"/v1/evals/{eval_id}/runs/{run['id']}/output_items").json()["data"]

    assert [result["score"] for result in item["results"]] == [31.0, 32.0], item["results"]
    assert run["evalhaven"]["sandbox"]["environments"] == ["2025-05-08", "later"]
    assert (run["evalhaven"]["warnings"] == []) == (isolated.tier is not Tier.OFF)


def test_scratch_directories_go_with_their_server(tmp_path: Path) -> None:
    # If root starts hosts, they have users of their own, to whom pytest's directories are closed.
    with tempfile.TemporaryDirectory(prefix="evalhaven-scratch-") as directory:
        Path(directory).chmod(0o755)
        server = Server(tmp_path, TMPDIR=directory)
        writing = "import time\ndef grade(sample, item):\n    open('x', 'w').write('x')\n    time.sleep(60)\n"
        for end in (server.stop, server.kill):
            server.start()
            with Client(server.url) as client:
                eval_id = client.create_eval([python_check(writing)], OBJECT)
                client.start_run(eval_id, client.upload(jsonl([{"item": {}}])))
                wait_until(lambda: list(Path(directory).glob("evalhaven-hosts-*/*/x")), "a host writes")
            end()
            if end == server.stop:
                assert list(Path(directory).iterdir()) == []
        # The next server removes what a killed one left behind.
        server.start()
        server.stop()

        assert list(Path(directory).iterdir()) == []


def test_what_hosts_of_a_killed_executor_wrote_is_removed_though_no_grader_comes_again(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="evalhaven-scratch-") as directory:
        Path(directory).chmod(0o755)
        server = Server(tmp_path, TMPDIR=directory)
        writing = "import time\ndef grade(sample, item):\n    open('x', 'w').write('x')\n    time.sleep(60)\n"
        with server.running(), Client(server.url) as client:
            eval_id = client.create_eval([python_check(writing)], OBJECT)
            run_id = client.start_run(eval_id, client.upload(jsonl([{"item": {}}])))
            wait_until(lambda: list(Path(directory).glob("evalhaven-hosts-*/*/x")), "a host writes")
            for process in executors_of(server.data_dir):
                process.kill()
            client.post(f"/v1/evals/{eval_id}/runs/{run_id}").raise_for_status()
            wait_until(lambda: not list(Path(directory).iterdir()), "what the host wrote is gone", timeout_s=20)


# The last one of each server.
def test_no_host_outlives_a_killed_server(isolated: TierServer, say: Say) -> None:
    client, server = isolated.client, isolated.server
    spinning = "def grade(sample, item):\n    while True:\n        pass\n"
    eval_id = client.create_eval([python_check(spinning), python_check(spinning, "two")], OBJECT)
    client.start_run(eval_id, client.upload(jsonl([{"item": {"n": n}} for n in range(4)])))
    [executor] = executors_of(server.data_dir)
    wait_until(lambda: spinning_hosts(executor) >= 2, "hosts are busy")
    family = (executor, *executor.children(recursive=True))
    server.kill()
    took_s = wait_until(lambda: all(map(has_ended, family)), "no host is left", _GONE_WITHIN_S)

    say(f"{len(family)} processes gone {took_s:.2f} s after their server")


def spinning_hosts(executor: psutil.Process) -> int:
    """Return how many processes below the executor are using a processor."""
    count = 0
    for process in executor.children(recursive=True):
        try:
            times = process.cpu_times()
            count += times.user + times.system > 0.3
        except psutil.NoSuchProcess:
            continue
    return count


def test_without_isolation_python_is_refused_with_reasons_and_all_else_works(tmp_path: Path) -> None:
    # Without bubblewrap there are no namespaces, and no other tier may take their place.
    server = Server(tmp_path, EVALHAVEN_GRADER_SANDBOX=Tier.NAMESPACES, PATH=str(tmp_path))
    with server.running(), Client(server.url) as client:
        config = {"type": "custom", "item_schema": OBJECT}
        body = {"data_source_config": config, "testing_criteria": [python_check(ONE)]}
        made = client.post("/v1/evals", json=body)
        strict = client.post("/v1/evals?strict=true", json=body)
        source = {"type": "jsonl", "source": {"type": "file_content", "content": [{"item": {}}]}}
        refused = client.post(f"/v1/evals/{made.json()['id']}/runs", json={"data_source": source})
        alone = {"type": "multi", "name": "m", "calculate_output": "p", "graders": {**python_check(ONE), "name": "p"}}
        inside = client.post("/v1/evals", json={**body, "testing_criteria": [alone]})
        refused_inside = client.post(f"/v1/evals/{inside.json()['id']}/runs", json={"data_source": source})
        ready = client.get("/readyz")
        other = client.create_eval()
        rows = jsonl([{"item": {"n": 1, "answer": "a", "expected": "a", "note": "seen"}}])
        run = client.wait_for_end(other, client.start_run(other, client.upload(rows)))
        log = server.log

    assert made.status_code == 201
    [warning] = made.json()["evalhaven"]["warnings"]
    assert warning["pointer"] == "/testing_criteria/0"
    [warning_inside] = inside.json()["evalhaven"]["warnings"]
    assert warning_inside == {**warning, "pointer": "/testing_criteria/0/graders"}
    for answer, param in ((strict, "testing_criteria[0]"), (refused, "eval_id"), (refused_inside, "eval_id")):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, "grader_unavailable", param)
        assert "Python graders are disabled on this server" in error["message"]
        assert "namespaces: " in error["message"]
        assert "install bubblewrap" in error["message"]
    assert ready.status_code == 200
    assert ready.json()["python_graders"]["status"] == "refused"
    assert run["result_counts"]["passed"] == 1
    assert "grader_sandbox_refused" in log


def test_a_server_without_isolation_says_so_at_each_start_and_in_each_run(tmp_path: Path) -> None:
    server = Server(tmp_path, EVALHAVEN_GRADER_SANDBOX=Tier.OFF)
    with server.running(), Client(server.url) as client:
        run = run_rows(client, ONE, [{"item": {}}])
        server.restart()
        wait_until(lambda: server.log.count("Python graders are NOT isolated") >= 3, "the log says it again")

    assert run["result_counts"]["passed"] == 1
    assert run["evalhaven"]["sandbox"]["tier"] == Tier.OFF
    [warning] = run["evalhaven"]["warnings"]
    assert "Python graders are NOT isolated" in warning["message"]


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_crashes_cost_exactly_the_items_that_crash(tmp_path: Path, say: Say) -> None:
    count = SIZES.python_items
    crash = f"item['n'] % {CRASH_EVERY} == {CRASH_EVERY - 1} and os._exit(1)"
    source = f"import os\ndef grade(sample, item):\n    {crash}\n    return 1.0\n"
    rows = tmp_path / "rows.jsonl"
    with rows.open("w") as file:
        file.writelines(f'{{"item":{{"n":{n}}}}}\n' for n in range(count))
    server = Server(tmp_path)
    with server.running(), Client(server.url) as client:
        eval_id = client.create_eval([python_check(source)], OBJECT)
        run = client.wait_for_end(eval_id, client.start_run(eval_id, client.upload_path(rows)), 1100)
        path = f"/v1/evals/{eval_id}/runs/{run['id']}/output_items"
        errored = client.get(path, params={"status": "error", "limit": "1000", "order": "asc"}).json()["data"]

    crashes = count // CRASH_EVERY
    say(f"{crashes} crashes in {count:,} items took {run['evalhaven']['ended_at'] - run['evalhaven']['started_at']} s")
    assert run["result_counts"] == {"total": count, "passed": count - crashes, "failed": 0, "errored": crashes}
    assert sorted(item["datasource_item"]["n"] for item in errored) == list(range(CRASH_EVERY - 1, count, CRASH_EVERY))


def test_the_doctor_of_graders_says_what_is_there(tmp_path: Path) -> None:
    shown = call_command("graders", "doctor", "--data-dir", str(tmp_path / "data"), NLTK_DATA="")

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "Python graders: isolated, tier " in shown.stdout
    assert "none is installed" in shown.stdout
    assert "`evalhaven graders install` brings what the hosted image has" in shown.stdout
    assert "NLTK_DATA names no directory" in shown.stdout


def test_the_doctor_of_graders_compares_with_the_image(tmp_path: Path) -> None:
    packages = tmp_path / "2025-05-08" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    for name, version in (("numpy", "2.2.4"), ("sqlparse", "0.4.0")):
        (packages / f"{name}-{version}.dist-info").mkdir(parents=True)
        (packages / f"{name}-{version}.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (tmp_path / "2025-05-08" / "pyvenv.cfg").touch()
    (tmp_path / "old" / "lib" / "python3.1").mkdir(parents=True)
    (tmp_path / "old" / "pyvenv.cfg").touch()
    (tmp_path / "nltk" / "corpora" / "stopwords").mkdir(parents=True)
    shown = call_command(
        "graders",
        "doctor",
        "--data-dir",
        str(tmp_path / "data"),
        EVALHAVEN_GRADER_ENVIRONMENTS=str(tmp_path),
        EVALHAVEN_GRADER_SANDBOX=Tier.OFF,
        NLTK_DATA=str(tmp_path / "nltk"),
    )

    assert "NOT isolated" in shown.stdout
    assert "of which as in the hosted image: numpy 2.2.4." in shown.stdout
    assert "sqlparse is 0.4.0; the hosted image has 0.5.3." in shown.stdout
    assert "scipy is missing; the hosted image has 1.15.2." in shown.stdout
    assert "old: made for a version of Python other than" in shown.stdout
    assert "has corpora/stopwords; missing: tokenizers/punkt" in shown.stdout


def test_the_doctor_names_a_tier_that_is_asked_for_in_vain(tmp_path: Path) -> None:
    general, special = (
        call_command(
            *command,
            "--data-dir",
            str(tmp_path / "data"),
            EVALHAVEN_GRADER_SANDBOX=Tier.NAMESPACES,
            PATH=str(tmp_path),
        )
        for command in (("doctor",), ("graders", "doctor"))
    )

    assert general.returncode == special.returncode == 1
    assert "EVALHAVEN_GRADER_SANDBOX asks for isolation that does not hold here" in general.stdout
    assert "Passed over: namespaces, because" in special.stdout
