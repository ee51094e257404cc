"""Webhooks are told of every end of a run once, whatever is killed and however long they fail.

Servers are killed while runs end and while deliveries are under way; the receiver fails meanwhile, for an hour of the
deliverer's time (tests/quick_clock.py).
"""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest

from tests.databases import PostgresServer
from tests.figures import Say
from tests.quick_clock import QuickClock
from tests.replicas import Replicas
from tests.server import Server
from tests.sizes import IS_SOAK, SEED, SIZES
from tests.system.client import ITEM_SCHEMA, Client, item_rows, wait_until
from tests.webhook_receiver import Told, WebhookReceiver

_SPEED = 300
_TYPE_OF = {"completed": "eval.run.succeeded", "failed": "eval.run.failed", "canceled": "eval.run.canceled"}
_TYPES = [*_TYPE_OF.values()]
_FAILURES = (500, 503, 429, 302)
_ITEMS = 40

pytestmark = [pytest.mark.proof, pytest.mark.slow, pytest.mark.timeout(3600)]


@dataclass(frozen=True)
class Hook:
    """A webhook that was made."""

    id: str
    path: str
    secret: str
    types: list[str]


@dataclass
class Siege:
    """Servers that are killed, and who is told by them.

    Attributes:
        servers: One, or two of one database.
        receiver: Fails until it is told not to.
        clock: The deliverer's.
        hooks: One that wants every event, and one that wants the bad ones.
        asked_for: Runs that were accepted.
    """

    servers: list[Server]
    receiver: WebhookReceiver
    clock: QuickClock
    chance: random.Random
    hooks: list[Hook] = field(default_factory=list[Hook])
    asked_for: set[str] = field(default_factory=set[str])
    _eval_id: str = ""
    _files: dict[str, str] = field(default_factory=dict[str, str])

    def begin(self) -> None:
        """Make the eval, its data and the webhooks."""
        with self.client() as client:
            self._eval_id = client.create_eval(schema=ITEM_SCHEMA)
            rows = [json.dumps({"item": each}) for each in item_rows(_ITEMS)]
            self._files = {
                "good": client.upload("\n".join(rows).encode()),
                "bad": client.upload(b'{"item": {"n": "none"}}\n'),
            }
            for path, types in (("/hook", _TYPES), ("/bad", _TYPES[1:])):
                body = {"name": path, "url": self.receiver.url + path, "event_types": types}
                made = client.post("/v1/webhook_endpoints", json=body).json()
                self.hooks.append(Hook(made["id"], path, made["signing_secret"], types))

    def client(self) -> Client:
        """Return a client of some server."""
        return Client(self.chance.choice(self.servers).url)

    def start_runs(self) -> None:
        """Start a run of each end, in any order."""
        with self.client() as client:
            for end in self.chance.sample(["good", "bad", "canceled"], 3):
                if end != "canceled":
                    self.asked_for.add(client.start_run(self._eval_id, self._files[end]))
                    continue
                run_id = client.start_slow_run(self._eval_id, self._files["good"])
                self.asked_for.add(run_id)
                assert client.post(f"/v1/evals/{self._eval_id}/runs/{run_id}").is_success

    def kill_one(self) -> None:
        """Kill a server while it waits for an answer of the receiver, at any moment after."""
        before = len(self.receiver.told)
        self.receiver.gate.clear()
        wait_until(lambda: len(self.receiver.told) > before, "a delivery is under way")
        time.sleep(self.chance.uniform(0.0, 0.2))
        victim = self.chance.choice(self.servers)
        victim.kill()
        self.receiver.gate.set()
        victim.restart()

    def is_over(self) -> bool:
        """Tell whether all runs have ended, and nothing is left to deliver."""
        with self.client() as client:
            statuses = {run["status"] for run in self.runs(client).values()}
            if not statuses <= _TYPE_OF.keys():
                return False
            listed = (
                client.get(f"/api/webhook_endpoints/{hook.id}/deliveries?status={status}").json()["data"]
                for hook in self.hooks
                for status in ("pending", "retrying")
            )
            return not any(listed)

    def runs(self, client: Client) -> dict[str, Any]:
        """Return every run that the server knows, by id."""
        return {run["id"]: run for run in _all_of(client, f"/v1/evals/{self._eval_id}/runs?")}

    def delivered(self, client: Client, hook: Hook) -> set[str]:
        """Return the ids of what the server knows to have arrived."""
        path = f"/api/webhook_endpoints/{hook.id}/deliveries?status=delivered&"
        return {each["id"] for each in _all_of(client, path)}


def _all_of(client: Client, path: str) -> Iterator[dict[str, Any]]:
    after = ""
    while True:
        page = client.get(f"{path}limit=100{after}").json()
        yield from page["data"]
        if not page["has_more"]:
            return
        after = f"&after={page['last_id']}"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    chance = random.Random(SEED)
    with WebhookReceiver(lambda: chance.choice(_FAILURES)) as running:
        yield running


@pytest.fixture
def clock() -> QuickClock:
    return QuickClock(time.time(), _SPEED)


@pytest.fixture
def settings(clock: QuickClock) -> dict[str, str]:
    return {"EVALHAVEN_WEBHOOK_ALLOW_PRIVATE": "127.0.0.0/8", **clock.environment}


def test_webhooks_of_a_server_that_is_killed_again_and_again_are_told_of_each_run_once(
    tmp_path: Path,
    settings: dict[str, str],
    receiver: WebhookReceiver,
    clock: QuickClock,
    monkeypatch: pytest.MonkeyPatch,
    say: Say,
) -> None:
    with Server(tmp_path, None, **settings).running() as server:
        _besiege(Siege([server], receiver, clock, random.Random(SEED)), monkeypatch, say)


@pytest.mark.soak
def test_webhooks_of_two_servers_that_are_killed_in_turn_are_told_of_each_run_once(
    tmp_path: Path,
    postgres: PostgresServer,
    settings: dict[str, str],
    receiver: WebhookReceiver,
    clock: QuickClock,
    monkeypatch: pytest.MonkeyPatch,
    say: Say,
) -> None:
    with postgres.temporary_database() as url, Replicas(tmp_path, url, **settings).running() as replicas:
        _besiege(Siege(replicas.servers, receiver, clock, random.Random(SEED)), monkeypatch, say)


def _besiege(siege: Siege, monkeypatch: pytest.MonkeyPatch, say: Say) -> None:
    receiver, clock = siege.receiver, siege.clock
    siege.begin()
    began = clock.now()
    for _ in range(SIZES.webhook_kills):
        siege.start_runs()
        siege.kill_one()
    if IS_SOAK:
        wait_until(lambda: clock.now() - began > 3600, "it has failed for an hour")
    failed_s, failed = clock.now() - began, len(receiver.told)
    receiver.status = 200
    for _ in range(SIZES.webhook_kills // 2):
        # The receiver has what it will never have told the server.
        siege.start_runs()
        siege.kill_one()
    wait_until(siege.is_over, "all events have arrived", 300, pause_s=0.3)
    with siege.client() as client:
        runs = siege.runs(client)
        delivered = {hook.id: siege.delivered(client, hook) for hook in siege.hooks}

    assert runs.keys() >= siege.asked_for
    assert {run["status"] for run in runs.values()} == _TYPE_OF.keys()
    for hook in siege.hooks:
        told = [each for each in receiver.told if each.path == hook.path]
        once = {each.id: _unwrapped(each, hook, monkeypatch) for each in told}
        wanted = {run_id: _TYPE_OF[run["status"]] for run_id, run in runs.items()}
        wanted = {run_id: kind for run_id, kind in wanted.items() if kind in hook.types}
        assert Counter((each["data"]["id"], each["type"]) for each in once.values()) == Counter(wanted.items())
        arrived = {each.id for each in receiver.told[failed:] if each.path == hook.path}
        assert arrived == delivered[hook.id] == once.keys(), "what had failed has arrived, and no more"
        assert all(began - 60 < int(each.headers["webhook-timestamp"]) < clock.now() + 1 for each in told)
    say(
        f"seed {SEED}: {len(runs)} runs, {SIZES.webhook_kills * 3 // 2} kills, a receiver that failed for "
        f"{failed_s / 60:.0f} simulated minutes; {len(receiver.told)} attempts"
    )


def _unwrapped(told: Told, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return an event that the official client has verified when it was sent."""
    sent_at = int(told.headers["webhook-timestamp"])
    monkeypatch.setattr("openai.lib._webhooks.time", SimpleNamespace(time=lambda: sent_at))
    event = openai.OpenAI(api_key="none").webhooks.unwrap(told.body, told.headers, secret=hook.secret)
    return event.to_dict()
