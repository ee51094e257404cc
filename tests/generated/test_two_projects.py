"""Two projects on one server: nothing that either is answered, and nothing in the log, is of the other one."""

from collections.abc import Generator
from typing import Any

import httpx2
import pytest
import requests

from evalhaven.api.access.permissions import PERMISSIONS
from tests.docs.deviations import read_deviations
from tests.figures import Say
from tests.generated.traffic import Traffic, without_unserved
from tests.server import Server
from tests.sizes import SEED, SIZES
from tests.system.access import Keys, client_of, server_with_keys
from tests.system.test_access_matrix import fill

pytestmark = [pytest.mark.proof, pytest.mark.slow, pytest.mark.timeout(14_400)]

MARKS = {"editor": "mark-of-the-first-project", "foreign": "mark-of-the-other-project"}
OTHER_OF = {"editor": "foreign", "foreign": "editor"}
PLAIN = [path for method, path in PERMISSIONS if method == "GET" and "{" not in path and path != "/api/events"]


class Watch:
    """What a project must not see of another one, and every answer that it got."""

    def __init__(self, secrets: list[str]) -> None:
        self._secrets = [each.encode() for each in secrets]
        self.seen = 0

    def look_at(self, answer: requests.Response) -> None:
        """Fail if an answer holds anything of the other project that its request did not name."""
        self.seen += 1
        assert answer.status_code < 500, answer.text
        body = answer.request.body or b""
        sent = f"{answer.request.url}".encode() + (body if isinstance(body, bytes) else str(body).encode())
        for secret in self._secrets:
            assert secret not in answer.content or secret in sent, (answer.request.url, answer.text[:2000])


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Server, Keys, dict[str, dict[str, str]]]]:
    with server_with_keys(tmp_path_factory.mktemp("projects"), EVALHAVEN_MAX_BODY_MB="16") as (server, keys):
        ids: dict[str, dict[str, str]] = {}
        for name, mark in MARKS.items():
            with client_of(server, getattr(keys, name)) as http:
                # The same ids of calls in both, as two projects that import the same account have them.
                ids[name] = fill(http, mark)
        yield server, keys, ids


def test_no_answer_to_a_project_holds_anything_of_another_one(
    keyed: tuple[Server, Keys, dict[str, dict[str, str]]],
    published: dict[str, Any],
    neighbours: dict[str, Any],
    say: Say,
) -> None:
    server, keys, ids = keyed
    document: dict[str, Any] = httpx2.get(f"{server.url}/openapi.json", timeout=60).json()
    served = [without_unserved(each, document) for each in (published, neighbours)]
    refusals = [each for deviation in read_deviations() for each in deviation.refusals]
    for name, other in OTHER_OF.items():
        own = set(ids[name].values())
        watch = Watch([MARKS[other], *(each for each in ids[other].values() if each not in own)])
        traffic = Traffic(served, document, f"{server.url}/v1", refusals, getattr(keys, name))
        traffic.on_answer = watch.look_at
        # Requests name objects of the other project as they name deleted ones.
        traffic.known.gone.extend(each for each in ids[other].values() if each not in own)
        traffic.run(SIZES.project_requests // 2, SEED, SIZES.project_round)
        session = requests.Session()
        session.headers["authorization"] = f"Bearer {getattr(keys, name)}"
        for path in PLAIN:
            watch.look_at(session.get(f"{server.url}{path}", timeout=30))
        say(f"{name}: {watch.seen:,} answers, none with anything of the other project")
        assert watch.seen >= SIZES.project_requests // 2


def test_what_the_projects_hold_is_not_in_the_log_and_still_there(
    keyed: tuple[Server, Keys, dict[str, dict[str, str]]],
) -> None:
    server, keys, ids = keyed
    for name, mark in MARKS.items():
        assert mark not in server.log
        with client_of(server, getattr(keys, name)) as http:
            assert http.get(f"/v1/evals/{ids[name]['eval_id']}").json()["name"] == mark
            assert mark in http.get("/v1/chat/completions/chatcmpl-1/messages").text
