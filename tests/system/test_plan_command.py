"""Facts about `evalhaven plan` as a user of the shell sees them."""

import json
from collections.abc import Iterator

import httpx2
import pytest

from tests.contract.conftest import eval_body
from tests.server import Server
from tests.system.commands import call_command


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("plan")).running() as running:
        yield running


@pytest.fixture(scope="module")
def eval_id(server: Server) -> str:
    return httpx2.post(f"{server.url}/v1/evals", json=eval_body()).json()["id"]


def test_a_plan_is_a_sentence_a_table_and_what_it_rests_on(server: Server, eval_id: str) -> None:
    done = call_command("plan", eval_id, "--difference", "0.03", "--margin", "0.02", "--url", server.url)

    assert (done.returncode, done.stderr) == (0, "")
    assert "To see a difference of 3 points takes 870 items." in done.stdout
    assert "1,963" in done.stdout
    assert "it is assumed that 10 %" in done.stdout


def test_the_address_of_a_page_will_do_and_json_is_what_the_api_answers(server: Server, eval_id: str) -> None:
    done = call_command("plan", f"{server.url}/ui/evals/{eval_id}", "--threshold", "0.95", "--json")

    assert done.returncode == 0
    assert json.loads(done.stdout)["plans"][0]["threshold"] == 73


def test_an_unknown_eval_and_a_wrong_address_are_refused(server: Server) -> None:
    unknown = call_command("plan", "eval_00000000000000000000000000000000", "--url", server.url)
    wrong = call_command("plan", f"{server.url}/nothing")

    assert (unknown.returncode, wrong.returncode) == (70, 64)
    assert "not found" in unknown.stderr
    assert "neither the id of an eval" in " ".join(wrong.stderr.split())
