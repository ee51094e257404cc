"""Facts about `evalhaven webhooks` as users see it."""

import json
import re
import time
from collections.abc import Iterator

import httpx2
import openai
import pytest

from tests.contract.conftest import eval_body, inline_source, wait_for_end
from tests.server import Server
from tests.system.commands import call_command
from tests.system.test_object_commands import call
from tests.webhook_receiver import WebhookReceiver


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    allowed = {"EVALHAVEN_WEBHOOK_ALLOW_PRIVATE": "127.0.0.1"}
    with Server(tmp_path_factory.mktemp("webhooks"), **allowed).running() as running:
        yield running


def test_a_webhook_is_made_tried_followed_and_deleted(server: Server) -> None:
    assert "There are no webhooks yet" in call(server, "webhooks").stderr
    with WebhookReceiver() as receiver, httpx2.Client(base_url=server.url, timeout=60) as client:
        made = call(server, "webhooks", "create", receiver.hook, "--name", "CI", "--on", "succeeded", "--on", "failed")
        assert made.returncode == 0, made.stderr
        [webhook_id] = re.findall("whe_[0-9a-f]{32}", made.stdout)
        [secret] = re.findall(r"whsec_\S+", made.stdout)
        assert f"Webhook {webhook_id} is told of succeeded, failed." in made.stdout

        tried = call(server, "webhooks", "test", webhook_id)
        assert (tried.returncode, tried.stdout) == (0, f"Webhook {webhook_id} answered 200.\n")
        openai.OpenAI(api_key="none").webhooks.unwrap(receiver.told[0].body, receiver.told[0].headers, secret=secret)
        receiver.status = 500
        assert call(server, "webhooks", "test", webhook_id, "--on", "failed").returncode == 1

        assert "nothing in the log yet" in call(server, "webhooks", "deliveries", webhook_id).stderr
        receiver.status = 200
        parent = client.post("/v1/evals", json=eval_body()).json()
        run = client.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": inline_source()}).json()
        wait_for_end(client, run)
        deadline = time.monotonic() + 30
        while len(receiver.told) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        while True:
            log = call(server, "webhooks", "deliveries", webhook_id, "--status", "delivered")
            if log.returncode == 0 and log.stdout:
                break
            assert time.monotonic() < deadline
        delivery = receiver.told[2].id
        [_, row] = log.stdout.splitlines()
        assert row.split()[:4] == [delivery, "delivered", "1", "200"]
        assert run["id"] in row

        again = call(server, "webhooks", "resend", webhook_id, delivery)
        assert (again.returncode, again.stdout) == (0, f"Delivery {delivery} is sent again.\n")
        assert call(server, "webhooks", "resend", webhook_id).stdout == "Sent again: 0.\n"
        rotated = call(server, "webhooks", "rotate", webhook_id, "--keep-old")
        assert "The old one signs, too, until" in rotated.stdout
        assert secret not in rotated.stdout
        [_, listed] = call(server, "webhooks").stdout.splitlines()
        assert listed.split()[:3] == [webhook_id, "ok", "standard"]
        assert json.loads(call(server, "webhooks", "list", "--json").stdout)["data"][0]["id"] == webhook_id
        assert secret not in server.log
        assert call(server, "webhooks", "delete", webhook_id).stdout == f"Webhook {webhook_id} is deleted.\n"
    assert call(server, "webhooks", "delete", webhook_id).returncode == 70


def test_what_cannot_be_told_ends_the_command_with_its_cure(server: Server) -> None:
    refused = call(server, "webhooks", "create", "https://10.0.0.1/", "--name", "x")

    assert refused.returncode == 64
    assert "EVALHAVEN_WEBHOOK_ALLOW_PRIVATE" in refused.stderr


def test_webhooks_of_the_project_that_is_named_are_made_and_listed(server: Server) -> None:
    def told(*arguments: str) -> str:
        done = call_command(*arguments, "--data-dir", str(server.data_dir))
        assert done.returncode == 0, done.stderr
        return done.stdout

    project = json.loads(told("projects", "create", "Search", "--json"))["id"]
    there = ("--project", project, "--json")
    with WebhookReceiver() as receiver:
        made = json.loads(told("webhooks", "create", receiver.hook, "--name", "Search", *there))["id"]
        other = call_command("webhooks", "test", made, "--data-dir", str(server.data_dir))

        assert [each["id"] for each in json.loads(told("webhooks", *there))["data"]] == [made]
        assert made not in told("webhooks", "--json")
        assert other.returncode == 70
        assert receiver.told == []
        assert json.loads(told("webhooks", "test", made, *there))["status_code"] == 200
        assert json.loads(told("webhooks", "deliveries", made, *there))["data"] == []
        assert "signing_secret" in told("webhooks", "rotate", made, *there)
        assert json.loads(told("webhooks", "resend", made, *there))["resent"] == 0
        assert json.loads(told("webhooks", "delete", made, *there))["deleted"]
