"""The commands, as a user runs them."""

import json
import re
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalhaven import __version__
from evalhaven.settings import Settings
from tests.databases import ON_SQLITE_ONLY
from tests.figures import Say
from tests.importing.moving import an_eval
from tests.server import CommandServer, Server
from tests.system.client import Client, item_rows, wait_until, write_rows
from tests.system.commands import call_command, run_command
from tests.system.inside import executor_of, executors_of, has_ended

# The kernel kills an executor with its server, but one that waits for the disk ends when the disk answers; a new
# server waits this long for the lock.
_GONE_WITHIN_S = 5.0


@pytest.fixture
def command_server(tmp_path: Path) -> Iterator[Server]:
    """Return a server that is the command itself."""
    with CommandServer(tmp_path).running() as server:
        yield server


@pytest.mark.slow
def test_the_demo_shows_the_results_of_its_example_and_ends() -> None:
    demo = run_command("demo", "--exit")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert re.search(r"72/72 .*41 passed, 31 failed, 0 errored", demo.stdout)
    items = re.search(r"All criteria \(items\)\s+41\s+31\s+0\s+56\.9%\s+\d+\.\d% to \d+\.\d%", demo.stdout)
    assert items, demo.stdout
    assert "28 more failed; the report lists every one." in demo.stdout
    assert re.search(r"Report:\s+http://127\.0\.0\.1:\d+/ui/evals/eval_\w+/runs/evalrun_\w+", demo.stdout)
    first, second = re.findall(r"Started run '\w+ prompt' as (evalrun_\w+)", demo.stdout)
    assert re.search(r"72/72 .*57 passed, 15 failed, 0 errored", demo.stdout)
    assert re.search(rf"Report:\s+http://\S+/runs/{first}$", demo.stdout, re.MULTILINE)
    last = demo.stdout.rstrip().rpartition("\n")[2]
    assert re.fullmatch(rf"Compare: http://127\.0\.0\.1:\d+/ui/compare\?runs={first},{second}", last)
    assert demo.stderr == ""


def test_the_doctor_shows_every_setting_with_its_origin_and_is_content(tmp_path: Path) -> None:
    doctor = call_command(
        "doctor", "--data-dir", str(tmp_path / "data"), EVALHAVEN_PORT="9876", EVALHAVEN_EXPOSE_WITHOUT_KEYS="true"
    )
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    shown = dict(re.findall(r"^ *(EVALHAVEN_\w+) +(.*?) *$", doctor.stdout, re.MULTILINE))
    assert shown.keys() == {f"EVALHAVEN_{name.upper()}" for name in Settings.model_fields}
    assert re.fullmatch(r"9876 +environment", shown["EVALHAVEN_PORT"])
    assert re.fullmatch(r"127\.0\.0\.1 +default", shown["EVALHAVEN_HOST"])
    assert re.fullmatch(rf"{re.escape(str(tmp_path / 'data'))} +command line", shown["EVALHAVEN_DATA_DIR"])
    # A name with "keys" in it is not a key.
    assert re.fullmatch(r"True +environment", shown["EVALHAVEN_EXPOSE_WITHOUT_KEYS"])
    assert "********" not in doctor.stdout
    assert "Database: none yet" in doctor.stdout
    assert "Disk: " in doctor.stdout
    assert "All is well." in doctor.stdout


def test_the_doctor_masks_what_is_secret(tmp_path: Path) -> None:
    doctor = call_command("doctor", "--data-dir", str(tmp_path / "data"), EVALHAVEN_API_KEY="sk-made-up")
    assert re.search(r"EVALHAVEN_API_KEY +\*{8} +environment", doctor.stdout)
    assert "made-up" not in doctor.stdout + doctor.stderr


def test_help_is_printed_without_a_word_of_what_is_for_the_server_alone() -> None:
    shown = run_command("-h")
    assert shown.returncode == 0
    assert "Usage: " in shown.stdout
    assert "executor" not in re.findall(r"^[│ ]+(\w+)  ", shown.stdout, re.MULTILINE)
    assert shown.stderr == ""


def test_an_import_is_checked_against_the_server_of_the_data_directory_whatever_its_database(
    server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "eval.json"
    path.write_text(json.dumps({"eval": an_eval(), "runs": []}))
    # The shell does not know about the database.
    checked = call_command("import", "langfuse", str(path), "--check", "--data-dir", str(server.data_dir))

    assert checked.returncode == 0, checked.stderr
    assert f"Checking against the server at {server.url}" in checked.stdout


def test_the_version_is_printed() -> None:
    assert call_command("--version").stdout == f"evalhaven {__version__}\n"


def test_a_misspelt_variable_is_named(tmp_path: Path) -> None:
    doctor = call_command("doctor", "--data-dir", str(tmp_path / "data"), EVALHAVEN_DATADIR="elsewhere")
    assert doctor.returncode == 0
    assert "EVALHAVEN_DATADIR is not a setting of Evalhaven" in doctor.stderr
    assert re.search(r"EVALHAVEN_DATADIR +\? +environment; no such setting, ignored", doctor.stdout)


def test_a_setting_with_a_wrong_value_is_named(tmp_path: Path) -> None:
    doctor = call_command("doctor", "--data-dir", str(tmp_path / "data"), EVALHAVEN_PORT="many")
    assert doctor.returncode == 1
    assert "EVALHAVEN_PORT" in doctor.stderr
    assert "'many'" in doctor.stderr
    assert "Traceback" not in doctor.stderr


@ON_SQLITE_ONLY
def test_a_port_in_use_is_an_error_without_a_traceback(server: Server, tmp_path: Path) -> None:
    second = run_command("serve", "--port", str(server.port), "--data-dir", str(tmp_path / "other"))
    assert second.returncode == 1
    assert "Address already in use" in second.stderr
    assert "Traceback" not in second.stderr
    assert not executors_of(tmp_path / "other")


# Ctrl-C ends with the status that tells a shell that its user interrupted.
@pytest.mark.parametrize(("end", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_server_that_is_told_to_stop_ends_with_its_executor(
    command_server: Server, say: Say, end: signal.Signals, status: int
) -> None:
    executor = executor_of(command_server)
    started = time.monotonic()
    command_server.process.send_signal(end)
    assert command_server.process.wait(60) == status
    say(f"stopped after {time.monotonic() - started:.2f} s")
    assert has_ended(executor)
    assert "Traceback" not in command_server.log


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_busy_executor_ends_with_its_server(
    server: Server, client: Client, say: Say, tmp_path: Path, end: signal.Signals
) -> None:
    file_id = client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(30_000)))
    eval_id = client.create_eval()
    client.wait_for_items(eval_id, client.start_run(eval_id, file_id))
    assert len(executors_of(server.data_dir)) == 1
    server.process.send_signal(end)
    server.process.wait(60)
    took_s = wait_until(lambda: not executors_of(server.data_dir), "the executor is gone", _GONE_WITHIN_S)
    say(f"executor gone {took_s:.2f} s after its server")


def test_a_server_and_its_executor_may_open_more_files_than_the_shell_allowed(tmp_path: Path) -> None:
    usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = CommandServer(tmp_path)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
        server.start(wait_until_ready=False)
        resource.setrlimit(resource.RLIMIT_NOFILE, (usual, most))
        server.wait_until_ready()
        assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[0] == most
        assert resource.prlimit(executor_of(server).pid, resource.RLIMIT_NOFILE)[0] == most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (usual, most))
        server.stop()
