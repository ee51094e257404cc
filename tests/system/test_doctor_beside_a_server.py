"""`evalhaven doctor` beside a running server: it is about that server, whatever the shell says."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from evalhaven.storage.lock import lock_data_directory
from tests.databases import ON_SQLITE_ONLY, PASSWORD
from tests.listening_endpoint import ListeningEndpoint
from tests.server import Server, free_port
from tests.system.commands import call_command

KEY = "sk-of-the-server-alone"


@pytest.fixture
def endpoint() -> Iterator[ListeningEndpoint]:
    with ListeningEndpoint() as opened:
        opened.answers["/v1/models"] = (200, {"data": [{"id": "m"}]})
        yield opened


@pytest.fixture
def served(stopped_server: Server, endpoint: ListeningEndpoint) -> Server:
    """Return a server whose environment no command shares."""
    return Server(
        stopped_server.data_dir.parent,
        stopped_server.database_url,
        EVALHAVEN_UPSTREAM_BASE_URL=f"{endpoint.url}/v1",
        EVALHAVEN_UPSTREAM_API_KEY=KEY,
        EVALHAVEN_LIST_ORDER="asc",
        NLTK_DATA="/nowhere",
    )


def settings_shown(output: str) -> dict[str, str]:
    return dict(re.findall(r"^ *(\w+_\w+) +(.*?) *$", output, re.MULTILINE))


def test_the_settings_are_the_servers_and_its_endpoints_are_asked_with_its_keys(
    served: Server, endpoint: ListeningEndpoint
) -> None:
    with served.running():
        doctor = call_command(
            "doctor",
            "--data-dir",
            str(served.data_dir),
            EVALHAVEN_LIST_ORDER="desc",
            EVALHAVEN_MAX_BODY_MB="7",
            OPENAI_API_KEY="sk-of-the-shell",
        )
        pid = served.process.pid

    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert f"Settings of the running server at {served.url}, whatever this shell's are:" in doctor.stdout
    assert (
        f"Server: running at {served.url} (process {pid}): status ok, database ok, disk ok, executor ok"
        in doctor.stdout
    )
    assert "in use" not in doctor.stdout
    shown = settings_shown(doctor.stdout)
    assert re.fullmatch(r"asc +environment", shown["EVALHAVEN_LIST_ORDER"])
    assert re.fullmatch(r"128 +default", shown["EVALHAVEN_MAX_BODY_MB"])
    assert re.fullmatch(rf"{served.port} +command line", shown["EVALHAVEN_PORT"])
    assert re.fullmatch(r"\*{8} +environment", shown["EVALHAVEN_UPSTREAM_API_KEY"])
    assert re.fullmatch(r"/nowhere +environment", shown["NLTK_DATA"])
    assert "OPENAI_API_KEY" not in shown
    (asked,) = endpoint.requests
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert f"Endpoint upstream: {endpoint.url}/v1 answers in " in doctor.stdout
    kind = "SQLite, " if served.database_url is None else "PostgreSQL, the server's."
    assert f"- Database: {kind}" in doctor.stdout
    assert KEY not in doctor.stdout + doctor.stderr
    assert PASSWORD not in doctor.stdout + doctor.stderr


@ON_SQLITE_ONLY
def test_a_problem_of_the_servers_endpoint_is_one_of_the_doctor(served: Server, endpoint: ListeningEndpoint) -> None:
    endpoint.answers["/v1/models"] = (401, {})
    with served.running():
        doctor = call_command("doctor", EVALHAVEN_URL=f"{served.url}/v1")

    assert doctor.returncode == 1
    assert f"! Endpoint upstream: {endpoint.url}/v1 refuses the key (401)." in doctor.stdout


@ON_SQLITE_ONLY
def test_a_file_of_endpoints_is_looked_at_before_a_server_has_it(
    served: Server, endpoint: ListeningEndpoint, tmp_path: Path
) -> None:
    (tmp_path / "new.toml").write_text("[endpoints.planned]\nscripted = true\n")
    with served.running():
        doctor = call_command("doctor", "--data-dir", str(served.data_dir), "--config", str(tmp_path / "new.toml"))

    assert "The endpoints are asked from this shell, for --config." in doctor.stdout
    assert "Endpoint planned: answers offline" in doctor.stdout
    assert endpoint.requests == []


@ON_SQLITE_ONLY
def test_libraries_of_graders_are_those_that_the_server_looks_for(stopped_server: Server, tmp_path: Path) -> None:
    place = tmp_path / "libraries"
    server = Server(stopped_server.data_dir.parent, EVALHAVEN_GRADER_ENVIRONMENTS=str(place))
    with server.running():
        shown = call_command("graders", "doctor", "--data-dir", str(server.data_dir))

    assert f"Settings of the server at {server.url} (process {server.process.pid})." in shown.stdout
    assert f"Environments: {place}, none is installed." in shown.stdout


def test_a_server_that_does_not_answer_is_a_problem_and_the_shells_settings_are_called_so(tmp_path: Path) -> None:
    lock = lock_data_directory(tmp_path)
    lock.announce(f"http://127.0.0.1:{free_port()}")
    doctor = call_command("doctor", "--data-dir", str(tmp_path))
    lock.release()

    assert doctor.returncode == 1
    assert "Settings of this shell" in doctor.stdout
    assert re.search(r"! The server at http://127\.0\.0\.1:\d+ does not answer: ", doctor.stdout)
    assert "Traceback" not in doctor.stderr


def test_who_holds_the_directory_without_an_address_is_named_and_no_problem(tmp_path: Path) -> None:
    lock = lock_data_directory(tmp_path)
    doctor = call_command("doctor", "--data-dir", str(tmp_path))
    lock.release()

    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "Settings of this shell" in doctor.stdout
    assert re.search(r"- Process \d+ holds the data directory ", doctor.stdout)


@ON_SQLITE_ONLY
def test_of_a_server_elsewhere_nothing_of_this_machine_is_looked_at(
    served: Server, endpoint: ListeningEndpoint
) -> None:
    with served.running():
        told = httpx2.get(f"{served.url}/api/settings").json()
    endpoint.answers["/api/settings"] = (200, {**told, "version": "9.9"})
    endpoint.answers["/readyz"] = (
        503,
        {"status": "unavailable", "executor": "down", "reasons": ["the executor is away"]},
    )
    endpoint.answers["/api/examination"] = (200, {"findings": [{"text": "Endpoints: there.", "is_problem": False}]})
    doctor = call_command("doctor", "--url", endpoint.url)

    assert doctor.returncode == 1
    assert (
        f"! The server at {endpoint.url} is not ready: status unavailable, executor down: the executor is away."
        in doctor.stdout
    )
    assert "Evalhaven 9.9" in doctor.stdout
    assert "Its data directory is on another machine" in doctor.stdout
    assert "- Endpoints: there." in doctor.stdout
    assert "Disk: " not in doctor.stdout


@pytest.mark.parametrize("answer", [(404, {}), (200, b"<html>"), (200, {"settings": 1})])
def test_what_tells_no_settings_is_said_to(endpoint: ListeningEndpoint, answer: tuple[int, object]) -> None:
    endpoint.answers["/api/settings"] = answer
    doctor = call_command("doctor", "--url", endpoint.url)

    assert doctor.returncode == 1
    assert f"! What answers at {endpoint.url} " in doctor.stdout
    assert "Traceback" not in doctor.stderr
