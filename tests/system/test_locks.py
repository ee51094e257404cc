"""A data directory has only one server; a killed one does not keep the next from starting."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.databases import ON_SQLITE_ONLY
from tests.figures import Say
from tests.server import Server, free_port
from tests.system.client import wait_until
from tests.system.commands import run_command
from tests.system.inside import executor_of, executors_of, has_ended


@ON_SQLITE_ONLY
def test_a_second_server_on_the_same_data_is_refused_by_name_of_the_first(server: Server, say: Say) -> None:
    started = time.monotonic()
    second = run_command("serve", "--port", str(free_port()), "--data-dir", str(server.data_dir))
    say(f"refused after {time.monotonic() - started:.1f} s")
    assert second.returncode == 1
    message = " ".join(second.stderr.split())
    assert f"'{server.data_dir}' is in use by another Evalhaven server (process {server.process.pid})" in message
    assert "choose another --data-dir" in message
    assert "Traceback" not in second.stderr
    server.wait_until_ready()


def test_a_server_starts_right_after_another_one_on_the_same_data_was_killed(server: Server) -> None:
    killed = executor_of(server)
    server.kill()
    server.restart()
    assert "in use" not in server.log
    assert executor_of(server).pid != killed.pid
    assert has_ended(killed)


@ON_SQLITE_ONLY
def test_a_server_killed_while_its_executor_starts_leaves_none_behind(stopped_server: Server) -> None:
    # The executor has just been forked: it does not know its parent yet, but already holds the lock.
    stopped_server.start(wait_until_ready=False)
    wait_until(lambda: executors_of(stopped_server.data_dir), "the executor starts", pause_s=0.001)
    stopped_server.kill()
    stopped_server.restart()
    assert "in use" not in stopped_server.log
    assert len(executors_of(stopped_server.data_dir)) == 1


@ON_SQLITE_ONLY
def test_a_server_waits_for_one_that_is_just_going_down(server: Server) -> None:
    executor = executor_of(server)
    # A stopped process cannot end; it stands for a server that is slow to end.
    executor.suspend()
    server.process.terminate()
    next_server = Server(server.log_path.parent)
    next_server.start(wait_until_ready=False)
    time.sleep(0.5)
    executor.resume()
    try:
        next_server.wait_until_ready()
    finally:
        next_server.stop()
    assert "in use" not in server.log


def test_the_database_is_not_upgraded_under_a_running_server(server: Server) -> None:
    refused = run_command("db", "upgrade", "--data-dir", str(server.data_dir))
    assert refused.returncode == 1
    assert "in use by another Evalhaven server" in " ".join(refused.stderr.split())
    server.stop()
    upgraded = run_command("db", "upgrade", "--data-dir", str(server.data_dir))
    assert upgraded.returncode == 0
    assert "at revision 0021" in upgraded.stdout


def test_the_database_of_a_new_directory_is_made_by_the_upgrade(tmp_path: Path) -> None:
    made = run_command("db", "upgrade", "--data-dir", str(tmp_path / "new"))
    assert made.returncode == 0
    assert (tmp_path / "new" / "evalhaven.db").is_file()


@ON_SQLITE_ONLY
def test_an_executor_without_its_server_ends_by_itself(stopped_server: Server) -> None:
    stopped_server.data_dir.mkdir()
    command = [sys.executable, "-m", "evalhaven", "executor", "--data-dir", str(stopped_server.data_dir)]
    # Process 1 is alive and not the parent, as for an executor whose server died while it started.
    orphan = subprocess.run([*command, "--parent", "1"], stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert orphan.returncode == 1
    wait_until(lambda: not executors_of(stopped_server.data_dir), "the orphan is gone")


@ON_SQLITE_ONLY
def test_an_executor_that_outlives_its_server_leaves_the_log_of_the_database(server: Server) -> None:
    # The socket of a killed server ends before the kernel kills its executor; here the kernel never does.
    server.stop()
    ours, executors = socket.socketpair()
    command = [sys.executable, "-m", "evalhaven", "executor", "--data-dir", str(server.data_dir)]
    with executors:
        executors.setblocking(False)
        process = subprocess.Popen([*command, "--parent", str(os.getpid())], stdin=executors.fileno())
    with process:
        with ours:
            executor_of(server)
            wait_until((server.data_dir / "evalhaven.db-wal").exists, "the executor has opened the database")
        process.wait(60)
    kept = {path.name for path in server.data_dir.glob("evalhaven.db*")}
    assert kept == {"evalhaven.db", "evalhaven.db-shm", "evalhaven.db-wal"}
