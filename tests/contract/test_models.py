"""Models: what `/v1/models` lists of the configuration, and that a server without a usable one does not start."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, refusal_of
from tests.contract.document import AnswerChecker
from tests.listening_endpoint import ListeningEndpoint
from tests.server import Server, show_server_logs
from tests.system.commands import call_command, run_command

pytest_runtest_makereport = show_server_logs

KEY = "sk-made-up-and-secret"
CONFIG = """
[endpoints.openai]
base_url = "https://api.openai.com/v1"
api_key_env = "MY_KEY"
models = ["gpt-4.1", "gpt-*"]
aliases = { "my-judge" = "gpt-4.1-mini" }

[endpoints.router]
base_url = "https://openrouter.ai/api/v1"
models = ["meta-llama/*", "vendor/model:free"]
"""


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("configured")
    path = directory / "my-endpoints.toml"
    path.write_text(CONFIG)
    with Server(directory, EVALHAVEN_CONFIG=str(path), MY_KEY=KEY).running() as running:
        yield running
        assert KEY not in running.log


@pytest.fixture(scope="module")
def models(configured: Server, checker: AnswerChecker) -> Iterator[openai.OpenAI]:
    transport = httpx2.Client(event_hooks={"response": [checker.check]})
    with openai.OpenAI(
        base_url=f"{configured.url}/v1", api_key="anything", max_retries=0, timeout=30, http_client=transport
    ) as opened:
        yield opened


@ON_ONE_DATABASE
def test_names_and_aliases_are_listed_with_their_endpoint(models: openai.OpenAI) -> None:
    page = models.models.list()

    assert [(model.id, model.owned_by, model.object, model.created) for model in page] == [
        ("my-judge", "openai", "model", 0),
        ("gpt-4.1", "openai", "model", 0),
        ("vendor/model:free", "router", "model", 0),
        ("scripted", "scripted", "model", 0),
    ]
    assert page.model_extra == {
        "evalhaven": {
            "patterns": [
                {"pattern": "gpt-*", "endpoint": "openai"},
                {"pattern": "meta-llama/*", "endpoint": "router"},
                {"pattern": "scripted/*", "endpoint": "scripted"},
            ]
        }
    }


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("model", "endpoint"),
    [
        ("my-judge", "openai"),
        ("gpt-4.1", "openai"),
        ("gpt-anything", "openai"),
        ("meta-llama/llama-3", "router"),
        ("vendor/model:free", "router"),
        ("router/vendor/model:free", "router"),
        ("scripted/judge", "scripted"),
    ],
)
def test_a_model_is_found_by_name_alias_and_pattern(models: openai.OpenAI, model: str, endpoint: str) -> None:
    found = models.models.retrieve(model)

    assert (found.id, found.owned_by) == (model, endpoint)


@ON_ONE_DATABASE
@pytest.mark.parametrize("model", ["claude-9", "vendor/other", "ü", "x" * 3000])
def test_a_model_that_nobody_serves_is_not_found_and_the_patterns_are_named(models: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as refusal:
        models.models.retrieve(model)

    assert (refusal.value.param, refusal.value.code) == ("model", "model_not_found")
    assert "openai serves my-judge, gpt-4.1, gpt-*; router serves meta-llama/*, vendor/model:free;" in str(
        refusal.value
    )
    assert "my-endpoints.toml" in str(refusal.value)


def test_without_a_configuration_there_is_the_scripted_model(tmp_path: Path) -> None:
    with Server(tmp_path, EVALHAVEN_CONFIG="").running() as server, httpx2.Client(base_url=server.url) as http:
        assert [model["id"] for model in http.get("/v1/models").json()["data"]] == ["scripted"]
        assert "OPENAI_API_KEY" in refusal_of(http.get("/v1/models/gpt-4.1"), 404)["message"]
        assert refusal_of(http.get("/v1/models/"), 404)["param"] == "model"


def test_the_start_says_where_the_endpoints_come_from(configured: Server) -> None:
    line = next(line for line in configured.log.splitlines() if "endpoints" in line)

    assert "my-endpoints.toml" in line
    assert "openai, router, scripted" in line


def test_a_server_with_a_broken_configuration_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "evalhaven.toml").write_text(CONFIG)
    data = ("--data-dir", str(tmp_path / "data"))
    unset = run_command("serve", *data, directory=tmp_path)
    missing = run_command("serve", "--config", "none.toml", *data, directory=tmp_path)

    assert (unset.returncode, missing.returncode) == (1, 1)
    assert "evalhaven.toml: [endpoints.openai] api_key_env: the environment variable MY_KEY is not set." in unset.stderr
    assert "none.toml cannot be read: No such file or directory." in missing.stderr
    assert not (tmp_path / "data").exists()


@ON_ONE_DATABASE
def test_a_request_that_comes_from_evalhaven_is_a_loop(server: Server) -> None:
    headers = {"x-evalhaven-hop": "1", **server.headers}
    answer = httpx2.post(f"{server.url}/v1/chat/completions", headers=headers, content=b"{}")

    assert answer.status_code == 508
    assert answer.json()["error"]["code"] == "loop_detected"


@ON_ONE_DATABASE
def test_the_doctor_examines_each_endpoint_and_shows_no_key(tmp_path: Path, server: Server) -> None:
    with ListeningEndpoint() as listening:
        listening.answers["/v1/models"] = (200, {"data": [{"id": "a"}]})
        table = f'api_key_env = "MY_KEY"\nbase_url = "{listening.url}'
        config = tmp_path / "evalhaven.toml"
        config.write_text(f'[endpoints.good]\n{table}/v1"\n')
        command = ("doctor", "--data-dir", str(tmp_path / "data"))
        good = call_command(*command, directory=tmp_path, MY_KEY=KEY)
        config.write_text(f'[endpoints.bad]\n{table}/v2"\n[endpoints.loop]\nbase_url = "{server.url}/v1"\n')
        listening.answers["/v2/models"] = (401, {"error": {"message": KEY}})
        bad = call_command(*command, "--config", str(config), MY_KEY=KEY)
        broken = call_command(*command, "--config", str(config))

    assert good.returncode == 0, good.stdout
    assert "- Endpoints: evalhaven.toml." in good.stdout
    assert "lists 1 model. It serves *." in good.stdout
    assert "- Endpoint scripted: answers offline" in good.stdout
    assert bad.returncode == 1
    assert f"! Endpoint bad: {listening.url}/v2 refuses the key (401)." in bad.stdout
    assert f"! Endpoint loop: {server.url}/v1 is Evalhaven itself" in bad.stdout
    assert broken.returncode == 1
    assert "the environment variable MY_KEY is not set" in broken.stdout
    assert KEY not in json.dumps([each.stdout + each.stderr for each in (good, bad, broken)])


def test_the_doctor_takes_the_variables_in_the_place_of_a_file(tmp_path: Path) -> None:
    command = ("doctor", "--data-dir", str(tmp_path / "data"))
    with ListeningEndpoint() as listening:
        listening.answers["/v1/models"] = (200, {"data": []})
        upstream = call_command(
            *command,
            directory=tmp_path,
            EVALHAVEN_UPSTREAM_BASE_URL=f"{listening.url}/v1",
            EVALHAVEN_UPSTREAM_API_KEY=KEY,
        )
        assert listening.requests[0].headers["authorization"] == f"Bearer {KEY}"
    nothing = call_command(*command, directory=tmp_path)
    nobodys = call_command(*command, directory=tmp_path, EVALHAVEN_UPSTREAM_API_KEY=KEY)
    wrong = call_command(*command, directory=tmp_path, EVALHAVEN_UPSTREAM_BASE_URL="no address")

    assert "- Endpoints: EVALHAVEN_UPSTREAM_BASE_URL." in upstream.stdout
    assert upstream.returncode == 0, upstream.stdout
    assert KEY not in upstream.stdout
    assert "- Endpoints: none is configured" in nothing.stdout
    assert nothing.returncode == 0
    assert "! EVALHAVEN_UPSTREAM_API_KEY is set, but not whom it is for" in nobodys.stdout
    assert wrong.returncode == 1
    assert "EVALHAVEN_UPSTREAM_BASE_URL: must be an address such as" in wrong.stderr
