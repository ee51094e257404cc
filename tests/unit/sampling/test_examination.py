"""Facts about the examination of endpoints: what it asks, how it reads the answer, and that it is quick."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from evalhaven.sampling import examination
from evalhaven.sampling.catalog import Endpoint
from evalhaven.sampling.configuration.loading import Upstream, load_catalog
from evalhaven.sampling.examination import Finding
from evalhaven.sampling.scripted.endpoint import Rule, Script
from tests.listening_endpoint import ListeningEndpoint

KEY = "sk-made-up-and-secret"


@pytest.fixture
def listening() -> Iterator[ListeningEndpoint]:
    with ListeningEndpoint() as opened:
        yield opened


def endpoint_at(listening: ListeningEndpoint, key: str | None = KEY) -> Endpoint:
    """Return the endpoint that the settings make of an address and a key."""
    return load_catalog(None, Upstream(f"{listening.url}/v1", key), {}).endpoints[0]


def examine_endpoints(*endpoints: Endpoint, timeout_s: float = 5.0) -> list[Finding]:
    return anyio.run(examination.examine_endpoints, endpoints, timeout_s)


def finding_of(endpoint: Endpoint) -> Finding:
    (finding,) = examine_endpoints(endpoint)
    return finding


def test_the_list_of_models_is_asked_for_with_the_key(listening: ListeningEndpoint) -> None:
    listening.answers["/v1/models"] = (200, {"object": "list", "data": [{"id": "a"}, {"id": "b", "object": "model"}]})
    finding = finding_of(replace(endpoint_at(listening), query="api-version=1"))

    (request,) = listening.requests
    assert (request.method, request.path, request.query) == ("GET", "/v1/models", "api-version=1")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["x-evalhaven-hop"] == "1"
    assert finding.text.startswith(f"Endpoint upstream: {listening.url}/v1 answers in ")
    assert finding.text.endswith(" ms and lists 2 models. It serves *.")
    assert not finding.is_problem


def test_names_that_the_endpoint_does_not_list_are_reported(listening: ListeningEndpoint) -> None:
    listening.answers["/v1/models"] = (200, {"data": [{"id": "models/a"}]})
    endpoint = replace(endpoint_at(listening), models=("a", "b", "c*"), aliases={"x": "b", "y": "z"})

    assert "lists 1 model. Not among them: b, z. It serves x, y, a, b, c*." in finding_of(endpoint).text


def test_of_many_names_some_are_given_and_how_many_more_there_are(listening: ListeningEndpoint) -> None:
    listening.answers["/v1/models"] = (200, {"data": [{"id": "other"}]})
    wanted = tuple(f"m{number}" for number in range(7))

    assert (
        "Not among them: m0, m1, m2, m3, m4 and 2 more. "
        in finding_of(replace(endpoint_at(listening), models=wanted)).text
    )


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "refuses the key (401)."),
        (403, "refuses the key (403)."),
        (503, "answers 503."),
        (508, "is Evalhaven itself, not a server of models."),
    ],
)
def test_an_endpoint_that_refuses_is_a_problem_and_its_answer_is_not_shown(
    listening: ListeningEndpoint, status: int, said: str
) -> None:
    listening.answers["/v1/models"] = (status, {"error": {"message": f"Incorrect API key provided: {KEY}"}})

    assert finding_of(endpoint_at(listening)) == Finding(f"Endpoint upstream: {listening.url}/v1 {said}", True)


def test_a_key_that_is_wanted_and_missing_is_told(listening: ListeningEndpoint) -> None:
    listening.answers["/v1/models"] = (401, {})
    finding = finding_of(endpoint_at(listening, None))

    assert finding.text.endswith("wants a key, and none is configured (401).")
    assert finding.is_problem


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/v1", (404, {}), "answers 404 (not found) and lists no models; calls may work all the same."),
        ("", (404, {}), "answers 404 (not found, perhaps its address must end in /v1) and lists no models;"),
        ("/v1", (200, b"<html>"), " ms, but with no list of models."),
        ("/v1", (200, {"models": []}), " ms, but with no list of models."),
        ("/v1", (400, {}), "answers 400 and lists no models; calls may work all the same."),
    ],
)
def test_an_endpoint_without_a_list_is_no_problem(
    listening: ListeningEndpoint, path: str, answer: tuple[int, Any], said: str
) -> None:
    listening.answers[f"{path}/models"] = answer
    finding = finding_of(replace(endpoint_at(listening), base_url=f"{listening.url}{path}"))

    assert said in finding.text
    assert not finding.is_problem


def test_what_is_not_there_is_a_problem() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        finding = finding_of(Endpoint("gone", url))

    assert finding.text.startswith(f"Endpoint gone: {url} cannot be reached: ")
    assert finding.is_problem


def test_endpoints_that_do_not_answer_are_waited_for_together(listening: ListeningEndpoint) -> None:
    listening.gate.clear()
    started = time.perf_counter()
    silent = endpoint_at(listening)
    findings = examine_endpoints(*(replace(silent, name=f"n{number}") for number in range(6)), timeout_s=0.5)
    took_s = time.perf_counter() - started
    listening.gate.set()

    assert took_s < 2.5
    assert [finding.text.partition(":")[0] for finding in findings] == [f"Endpoint n{number}" for number in range(6)]
    assert all(finding.is_problem for finding in findings)


def test_endpoints_that_are_not_asked_say_so(listening: ListeningEndpoint) -> None:
    unasked = replace(endpoint_at(listening), lists_models=False, models=("claude-*",))
    one_rule = Endpoint("fake", "", models=("a",), script=Script((Rule(),)))
    findings = examine_endpoints(unasked, one_rule, Endpoint("scripted", "", script=Script()))

    assert [finding.text for finding in findings] == [
        f'Endpoint upstream: {listening.url}/v1 is not asked (`check = "none"`). It serves claude-*.',
        "Endpoint fake: answers offline, by 1 rule and the default. It serves a.",
        "Endpoint scripted: answers offline, by no rules and the default. It serves *.",
    ]
    assert listening.requests == []


def test_no_finding_shows_a_key(listening: ListeningEndpoint, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    config = tmp_path / "evalhaven.toml"
    config.write_text(
        f'[endpoints.a]\nbase_url = "{listening.url}"\napi_key_file = "key"\nquery = {{ key = {{ file = "key" }} }}\n'
        f'[endpoints.b]\nbase_url = "{listening.url}"\nheaders = {{ x-token = {{ file = "key" }} }}\n'
    )
    for status in (200, 401, 404, 500):
        listening.answers["/models"] = (status, {"key": KEY})
        findings = examine_endpoints(*load_catalog(config, Upstream(), {}).endpoints)
        assert len(findings) == 3
        assert KEY not in "".join(finding.text for finding in findings)
