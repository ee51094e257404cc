"""Facts about `examples/compose`: nothing in it is unknown, and its commands make what the page says."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from evalhaven.settings import Settings
from tests.contract.conftest import wait_for_end
from tests.databases import PostgresServer
from tests.forked import ForkedServer
from tests.server import free_port
from tests.system.client import wait_until

_PLACE = "examples/compose"
_STOPS_WITHIN_S = 60
_OTHERS = {"OPENAI_API_KEY"}
_ADMIN_KEY, _PROJECT_KEY = r"sk-admin-\w{43}", r"sk-\w{43}"
_KEYS = {
    *("image", "build", "command", "environment", "volumes", "ports", "healthcheck", "restart", "depends_on"),
    *("deploy", "stop_grace_period"),
}


@pytest.fixture(scope="module")
def compose(repository: Path) -> dict[str, Any]:
    return yaml.safe_load((repository / _PLACE / "compose.yaml").read_text(encoding="utf-8"))


def test_all_that_the_file_names_is_there(compose: dict[str, Any], repository: Path) -> None:
    services: dict[str, dict[str, Any]] = compose["services"]
    assert services.keys() == {"postgres", "server", "worker", "proxy"}
    used = {volume.partition(":")[0] for each in services.values() for volume in each.get("volumes", [])}
    named = {volume for volume in used if volume[0] not in "./"}
    assert named == compose["volumes"].keys()
    assert all((repository / _PLACE / volume).is_file() for volume in used if volume.startswith("."))
    known = {f"EVALHAVEN_{name.upper()}" for name in Settings.model_fields} | _OTHERS
    for name, service in services.items():
        assert service.keys() <= _KEYS, name
        assert set(service.get("depends_on", {})) <= services.keys()
        if service.get("image") == "evalhaven":
            assert service["environment"].keys() <= known, name
    for name in services["server"]["depends_on"] | services["worker"]["depends_on"] | services["proxy"]["depends_on"]:
        assert "healthcheck" in services[name], f"{name} is waited for"
    build = services["server"]["build"]
    assert (repository / _PLACE / build["context"]).resolve() == repository
    dockerfile = (repository / build["dockerfile"]).read_text(encoding="utf-8")
    assert "RUN make setup" in dockerfile
    # What is made here belongs to the user who needs it.
    assert {"/data", "/shared"} <= set(re.findall(r"/\w+\b", dockerfile.partition("--mode=700")[2]))


def test_the_proxy_leads_to_the_servers(compose: dict[str, Any], repository: Path) -> None:
    proxy = (repository / _PLACE / "nginx.conf").read_text(encoding="utf-8")
    port: int = Settings.model_fields["port"].default
    assert f"http://server:{port};" in proxy
    assert compose["services"]["proxy"]["ports"] == ["127.0.0.1:8080:80"]
    assert compose["services"]["server"]["environment"]["EVALHAVEN_PUBLIC_URL"] == "http://localhost:8080"
    assert compose["services"]["server"].get("ports") is None, "only the proxy reaches it"


@dataclass(frozen=True)
class Machine:
    """Where the services of the file are executed without containers."""

    directory: Path
    place: Path
    database_url: str

    @contextlib.contextmanager
    def running(self, service: dict[str, Any], name: str, port: int = 0) -> Generator[ForkedServer]:
        """Execute the command of a service with its environment, its volumes standing in this directory."""
        environment = {key: self._real(str(value), name) for key, value in service["environment"].items()}
        command = [self._real(word, name) for word in service["command"]]
        inherited = {key: text for key, text in os.environ.items() if not key.startswith(("EVALHAVEN_", "OPENAI_"))}
        environment = {**inherited, **environment, "EVALHAVEN_PORT": str(port), "OPENAI_API_KEY": ""}
        process = ForkedServer(command, self.directory / f"{name}.log", environment)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STOPS_WITHIN_S)
            finally:
                process.send_signal(signal.SIGKILL)

    def log(self, name: str) -> str:
        """Return what a process has logged."""
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def _real(self, text: str, name: str) -> str:
        if text.startswith("postgresql://"):
            return self.database_url
        places = {
            "/data": self.directory / f"data-of-{name}",
            "/shared": self.directory / "shared",
            "/etc/evalhaven.toml": self.place / "evalhaven.toml",
        }
        return str(places.get(text, text))


def _is_healthy(service: dict[str, Any], port: int) -> bool:
    kind, program, *arguments = service["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    real = [argument.replace(":8765/", f":{port}/") for argument in arguments]
    return subprocess.run([sys.executable, *real], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_two_servers_and_two_workers_that_start_at_once_share_files_and_runs(
    compose: dict[str, Any], repository: Path, postgres: PostgresServer, tmp_path: Path
) -> None:
    services = compose["services"]
    server, worker = services["server"], services["worker"]
    ports = [free_port() for _ in range(server["deploy"]["replicas"])]
    with postgres.temporary_database() as url, contextlib.ExitStack() as stack:
        machine = Machine(tmp_path, repository / _PLACE, url)
        for number, port in enumerate(ports):
            stack.enter_context(machine.running(server, f"server-{number}", port))
        wait_until(lambda: all(_is_healthy(server, port) for port in ports), "both servers are healthy")
        workers = [stack.enter_context(machine.running(worker, f"worker-{number}")) for number in range(2)]
        printed = [key for number in range(2) for key in re.findall(_ADMIN_KEY, machine.log(f"server-{number}"))]
        assert len(printed) == 1, "of two servers that start at once, one makes the key, and prints it once"
        first, second = (
            stack.enter_context(
                httpx2.Client(
                    base_url=f"http://127.0.0.1:{port}", timeout=60, headers={"authorization": f"Bearer {printed[0]}"}
                )
            )
            for port in ports
        )
        for each in (first, second):
            assert httpx2.get(f"{each.base_url}/v1/evals", trust_env=False).status_code == 401
            assert len(each.get("/api/admin_keys").json()["data"]) == 1
        wait_until(lambda: _live(first) == 2, "both workers are at work")

        judged = {"type": "string_check", "name": "g", "operation": "eq", "input": "{{ sample.output_text }}"}
        config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
        body = {"data_source_config": config, "testing_criteria": [{**judged, "reference": "Yes."}]}
        eval_id = first.post("/v1/evals", json=body).raise_for_status().json()["id"]
        rows = "".join(f'{{"item": {{"n": {number}}}}}\n' for number in range(1200)).encode()
        upload = first.post("/v1/files", data={"purpose": "evals"}, files={"file": ("rows.jsonl", rows)})
        source = {"type": "file_id", "id": upload.raise_for_status().json()["id"]}
        template = {"type": "template", "template": [{"role": "user", "content": "{{ item.n }}"}]}
        data = {"type": "completions", "model": "scripted", "input_messages": template, "source": source}
        run = second.post(f"/v1/evals/{eval_id}/runs", json={"data_source": data}).raise_for_status().json()
        ended = wait_for_end(first, run)
        assert (ended["status"], ended["result_counts"]["passed"]) == ("completed", 1200)
        assert second.get("/readyz").json()["executor"] == "elsewhere"

        # As `docker compose exec server evalhaven keys create --name ci --data-dir /data` does.
        making = {**server, "command": ["keys", "create", "--name", "ci", "--data-dir", "/data"]}
        with machine.running(making, "server-1") as made:
            assert made.wait(_STOPS_WITHIN_S) == 0
        (key,) = re.findall(_PROJECT_KEY, machine.log("server-1"))
        assert httpx2.get(f"{first.base_url}/v1/evals", headers={"api-key": key}, trust_env=False).status_code == 200

        # As `docker compose run --rm server db upgrade --data-dir /tmp/upgrade` does, beside all of them.
        upgrade = {**server, "command": ["db", "upgrade", "--data-dir", str(tmp_path / "upgrade")]}
        with machine.running(upgrade, "upgrade") as upgrading:
            assert upgrading.wait(_STOPS_WITHIN_S) == 0, machine.log("upgrade")

        # As `docker compose stop worker` does; the page of workers shows that nobody is left.
        for process in workers:
            process.terminate()
        assert [process.wait(_STOPS_WITHIN_S) for process in workers] == [0, 0]
        wait_until(lambda: _live(second) == 0, "both workers have left")
        logs = "".join(machine.log(name) for name in ("server-0", "server-1", "worker-0", "worker-1"))
    assert "Traceback" not in logs


def _live(client: httpx2.Client) -> int:
    return sum(worker["state"] == "live" for worker in client.get("/api/workers").json()["data"])
