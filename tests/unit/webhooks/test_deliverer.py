"""Facts about how webhooks are told: what arrives, when, how many times, and what is shown of it."""

import socket
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import openai
import pytest
from sqlalchemy import URL

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.webhooks import Attempt, Delivery, Webhook
from evalhaven.storage.database import Database
from evalhaven.storage.deliveries import list_attempts, list_deliveries
from evalhaven.storage.events import record_event
from evalhaven.storage.webhooks import get_webhook
from evalhaven.webhooks.addresses import AddressRules, parse_networks
from evalhaven.webhooks.deliverer import MOST_OF_ONE
from evalhaven.wire.webhooks import PublicUpdateEndpointBody
from tests.databases import ON_SQLITE_ONLY
from tests.unit.domain.still_clock import StillClock
from tests.unit.storage.stored import opened
from tests.unit.webhooks.made import Teller, unnoted
from tests.webhook_receiver import WebhookReceiver

TYPES = ("eval.run.succeeded", "eval.run.failed", "eval.run.canceled")
HOUR_S = 3600


async def record(database: Database, count: int, at: float, first: int = 0) -> None:
    """Record the ends of runs, which are not stored."""
    async with database.write() as tx:
        for number in range(first, first + count):
            await record_event(tx, SCOPE, TYPES[number % 3], f"evalrun_{number:032x}", int(at))


async def log_of(database: Database, webhook: Webhook) -> list[tuple[Delivery, list[Attempt]]]:
    """Return the deliveries to a webhook, oldest event first, with their attempts."""
    async with database.read() as tx:
        found = await list_deliveries(tx, SCOPE, webhook.key, 1000)
        attempts = await list_attempts(tx, SCOPE, webhook.key, [each.event.key for each in found])
    return [(each, attempts[each.event.key]) for each in reversed(found)]


async def shown(database: Database, webhook: Webhook) -> Webhook:
    """Return a webhook as it is now."""
    async with database.read() as tx:
        return await get_webhook(tx, SCOPE, webhook.id)


def sdk_at(clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> openai.OpenAI:
    """Return the official client, to which it is as late as the clock says."""
    monkeypatch.setattr("openai.lib._webhooks.time", SimpleNamespace(time=clock.now))
    return openai.OpenAI(api_key="none")


async def test_a_receiver_that_fails_for_an_hour_gets_every_event_across_restarts(
    database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = StillClock()
    began = clock.time
    client = sdk_at(clock, monkeypatch)
    told: list[tuple[str, str]] = []
    with WebhookReceiver(500) as receiver:
        async with opened(database_url) as database:
            teller = Teller(database, tmp_path, clock)
            webhook, secret = await teller.create(receiver.hook)
            webhook = await shown(database, webhook)
            await record(database, 6, clock.time)
        # A server is up for ten minutes, and then another one on the same database.
        for number in range(6):
            async with opened(database_url) as database:
                teller = Teller(database, tmp_path, clock)
                async with teller.serving():
                    await record(database, 4, clock.time, first=6 + 4 * number)
                    for _ in range(2):
                        await _settle(teller, database, webhook)
                        clock.time += 300
                    assert (await shown(database, webhook)).state_at(int(clock.time)) == (
                        "failing" if clock.time - began >= 600 else "ok"
                    )
        assert clock.time - began == HOUR_S
        assert receiver.told
        receiver.told.clear()
        receiver.status = 200
        async with opened(database_url) as database:
            teller = Teller(database, tmp_path, clock)
            async with teller.serving():
                while len(set(receiver.ids())) < 30:
                    assert clock.time - began < 3 * HOUR_S
                    await _settle(teller, database, webhook)
                    for each in receiver.told[len(told) :]:
                        event = client.webhooks.unwrap(each.body, each.headers, secret=secret)
                        told.append((each.id, event.id))
                    clock.time += 600
            log = await log_of(database, webhook)
            after = await shown(database, webhook)

    assert sorted(each.document["data"]["id"] for each in receiver.told) == [f"evalrun_{n:032x}" for n in range(30)]
    assert len({event for _, event in told}) == len(set(told)) == 30
    assert {delivery.id for delivery, _ in log} == {webhook_id for webhook_id, _ in told}
    assert all(delivery.status == "delivered" for delivery, _ in log)
    assert all(attempts[-1].status_code == 200 for _, attempts in log)
    assert max(len(attempts) for _, attempts in log) < 15, "it was not besieged"
    assert (after.state_at(int(clock.time)), after.problem, after.failing_since) == ("ok", "", None)


async def _settle(teller: Teller, database: Database, webhook: Webhook) -> None:
    """Wait until nothing more is due now, and nothing is under way."""

    async def is_settled() -> bool:
        async with database.read() as tx:
            found = await list_deliveries(tx, SCOPE, webhook.key, 1000)
        # What is under way is put off for a while, which is no time of the schedule's.
        due = [each.due_at for each in found if each.due_at is not None]
        return all(at > teller.clock.time for at in due) and not teller.deliverer.under_way

    await teller.wait_until(is_settled)


async def test_an_event_arrives_signed_and_the_log_tells_what_was_answered(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = StillClock()
    teller = Teller(database, tmp_path, clock)
    client = sdk_at(clock, monkeypatch)
    with WebhookReceiver() as receiver:
        receiver.reply = b"x" * 5000
        webhook, secret = await teller.create(receiver.hook)
        webhook = await shown(database, webhook)
        await record(database, 1, clock.time)
        async with teller.serving():
            await teller.wait_until(lambda: bool(receiver.told))
            await _settle(teller, database, webhook)
        [told] = receiver.told
    [(delivery, [attempt])] = await log_of(database, webhook)
    event = client.webhooks.unwrap(told.body, told.headers, secret=secret)

    assert (event.type, event.id, event.created_at) == ("eval.run.succeeded", delivery.event.id, int(clock.time))
    assert told.headers["user-agent"] == "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)"
    assert told.headers["content-type"] == "application/json"
    assert (told.id, told.headers["webhook-timestamp"]) == (delivery.id, str(int(clock.time)))
    assert (delivery.status, delivery.attempts, delivery.due_at) == ("delivered", 1, None)
    assert (attempt.status_code, attempt.reply, attempt.problem) == (200, "x" * 1000, "")
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.unwrap(told.body + b" ", told.headers, secret=secret)


async def test_after_a_rotation_both_secrets_convince_for_a_day_and_then_only_the_new_one(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = StillClock()
    teller = Teller(database, tmp_path, clock)
    client = sdk_at(clock, monkeypatch)

    def convincing(*secrets: str) -> list[bool]:
        told = receiver.told[-1]
        found: list[bool] = []
        for secret in secrets:
            try:
                client.webhooks.unwrap(told.body, told.headers, secret=secret)
                found.append(True)
            except openai.InvalidWebhookSignatureError:
                found.append(False)
        return found

    with WebhookReceiver() as receiver:
        async with teller.sender:
            webhook, first = await teller.create(receiver.hook)
            _, second = await teller.webhooks.rotate_secret(SCOPE, webhook.id, unnoted, keeps_old=True)
            await teller.webhooks.test(SCOPE, webhook.id, "eval.run.failed")
            assert convincing(first, second) == [True, True]
            clock.time += 24 * HOUR_S
            await teller.webhooks.test(SCOPE, webhook.id, "eval.run.failed")
            assert convincing(first, second) == [False, True]
            changed, third = await teller.webhooks.rotate_secret(SCOPE, webhook.id, unnoted, keeps_old=False)
            await teller.webhooks.test(SCOPE, webhook.id, "eval.run.failed")
            assert convincing(second, third) == [False, True]
    assert changed.secret_hint == f"whsec_…{third[-4:]}"
    for secret in (first, second, third):
        assert secret.encode() not in changed.sealed_secret


async def test_a_slow_receiver_does_not_hold_up_the_others(database: Database, tmp_path: Path) -> None:
    clock = StillClock()
    teller = Teller(database, tmp_path, clock)
    with WebhookReceiver() as slow, WebhookReceiver() as quick:
        slow.gate.clear()
        await teller.create(slow.hook)
        await teller.create(quick.hook)
        await record(database, 20, clock.time)
        async with teller.serving():
            await teller.wait_until(lambda: len(set(quick.ids())) == 20)
            assert len(slow.told) == MOST_OF_ONE, "and it is not flooded itself"
            slow.gate.set()
            await teller.wait_until(lambda: len(set(slow.ids())) == 20)
    assert Counter(slow.ids()).most_common(1)[0][1] == 1


async def test_two_servers_tell_each_event_once(database_url: URL, tmp_path: Path) -> None:
    clock = StillClock()
    with WebhookReceiver() as receiver:
        async with opened(database_url) as one, opened(database_url) as other:
            tellers = [Teller(each, tmp_path, clock) for each in (one, other)]
            webhook, _ = await tellers[0].create(receiver.hook)
            webhook = await shown(one, webhook)
            await record(one, 30, clock.time)
            async with tellers[0].serving(), tellers[1].serving():
                await tellers[1].wait_until(lambda: len(set(receiver.ids())) == 30)
                for each in tellers:
                    await _settle(each, one, webhook)
    assert len(receiver.told) == 30


async def test_what_a_server_had_under_way_when_it_died_is_told_again_with_the_same_id(
    database_url: URL, tmp_path: Path
) -> None:
    clock = StillClock()
    with WebhookReceiver() as receiver:
        receiver.gate.clear()
        async with opened(database_url) as database:
            teller = Teller(database, tmp_path, clock)
            await teller.create(receiver.hook)
            await record(database, 1, clock.time)
            async with teller.serving():
                await teller.wait_until(lambda: len(receiver.told) == 1)
        receiver.gate.set()
        async with opened(database_url) as database:
            teller = Teller(database, tmp_path, clock)
            async with teller.serving():
                teller.deliverer.wake()
                await anyio.sleep(0.1)
                assert len(receiver.told) == 1, "another server may still be at it"
                clock.time += 31
                await teller.wait_until(lambda: len(receiver.told) == 2)
    assert len(set(receiver.ids())) == 1


@ON_SQLITE_ONLY
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(database: Database, tmp_path: Path, status: int) -> None:
    teller = Teller(database, tmp_path, StillClock())
    with WebhookReceiver(status) as receiver, WebhookReceiver() as target:
        receiver.headers = {"location": target.hook}
        await teller.create(receiver.hook)
        await record(database, 1, teller.clock.time)
        async with teller.serving():
            await teller.wait_until(lambda: bool(receiver.told))
            webhook = (await teller.create(receiver.hook))[0]
            _, attempt = await teller.webhooks.test(SCOPE, webhook.id, "eval.run.failed")
    assert attempt.problem == f"it answered {status}, and redirects are not followed"
    assert target.told == []


@ON_SQLITE_ONLY
async def test_a_webhook_that_answers_gone_is_off_until_it_is_turned_on(database: Database, tmp_path: Path) -> None:
    clock = StillClock()
    teller = Teller(database, tmp_path, clock)
    with WebhookReceiver(410) as receiver:
        webhook, _ = await teller.create(receiver.hook)
        await record(database, 1, clock.time)
        async with teller.serving():

            async def is_off() -> bool:
                return (await shown(database, webhook)).off_since is not None

            await teller.wait_until(is_off)
            off = await shown(database, webhook)
            await record(database, 1, clock.time, first=1)
            [(gone, _)] = await log_of(database, off)
            with pytest.raises(InvalidRequestError, match="is off"):
                await teller.webhooks.resend(SCOPE, webhook.id, gone.id)
            receiver.status = 200
            body = PublicUpdateEndpointBody.model_validate({"evalhaven": {"enabled": True}})
            await teller.webhooks.update(SCOPE, webhook.id, body, unnoted)
            assert await teller.webhooks.resend_failed(SCOPE, webhook.id) == 1
            await record(database, 1, clock.time, first=2)
            await teller.wait_until(lambda: len(receiver.told) == 3)
    assert (off.state_at(0), off.off_reason, gone.status) == ("off", "gone", "failed")
    assert Counter(receiver.ids())[gone.id] == 2, "asked for again, with the same id"
    # What is due at the same second comes in any order; what happened while the webhook was off does not come.
    assert sorted(each.document["data"]["id"][-1] for each in receiver.told) == ["0", "0", "2"]


@ON_SQLITE_ONLY
async def test_an_address_that_was_replaced_meanwhile_does_not_turn_the_webhook_off(
    database: Database, tmp_path: Path
) -> None:
    clock = StillClock()
    teller = Teller(database, tmp_path, clock)
    with WebhookReceiver(410) as receiver:
        receiver.gate.clear()
        webhook, _ = await teller.create(receiver.hook)
        await record(database, 1, clock.time)
        async with teller.serving():
            await teller.wait_until(lambda: len(receiver.told) == 1)
            body = PublicUpdateEndpointBody.model_validate({"url": f"{receiver.url}/elsewhere"})
            await teller.webhooks.update(SCOPE, webhook.id, body, unnoted)
            receiver.gate.set()
            await teller.wait_until(lambda: teller.deliverer.under_way == 0)
            receiver.status = 200
            clock.time += HOUR_S
            await teller.wait_until(lambda: len(receiver.told) == 2)
        assert (await shown(database, webhook)).off_since is None
    assert [each.path for each in receiver.told] == ["/hook", "/elsewhere"]


@ON_SQLITE_ONLY
async def test_what_was_delivered_can_be_delivered_again_and_its_log_goes_on(
    database: Database, tmp_path: Path
) -> None:
    teller = Teller(database, tmp_path, StillClock())
    with WebhookReceiver() as receiver:
        webhook, _ = await teller.create(receiver.hook)
        webhook = await shown(database, webhook)
        await record(database, 1, teller.clock.time)
        async with teller.serving():
            await teller.wait_until(lambda: len(receiver.told) == 1)
            await _settle(teller, database, webhook)
            [(delivery, _)] = await log_of(database, webhook)
            asked = await teller.webhooks.resend(SCOPE, webhook.id, delivery.id)
            await teller.wait_until(lambda: len(receiver.told) == 2)
            await _settle(teller, database, webhook)
    [(again, attempts)] = await log_of(database, webhook)

    assert (asked.status, again.status, len(attempts)) == ("pending", "delivered", 2)
    assert len(set(receiver.ids())) == 1


@ON_SQLITE_ONLY
async def test_a_webhook_is_told_only_of_what_it_asked_for(database: Database, tmp_path: Path) -> None:
    teller = Teller(database, tmp_path, StillClock())
    with WebhookReceiver() as receiver:
        webhook, _ = await teller.create(receiver.hook, event_types=["eval.run.failed"])
        off, _ = await teller.create(receiver.hook, evalhaven={"enabled": False})
        await record(database, 6, teller.clock.time)
        async with teller.serving():
            await teller.wait_until(lambda: len(receiver.told) == 2)
            await _settle(teller, database, await shown(database, webhook))
    assert {each.document["type"] for each in receiver.told} == {"eval.run.failed"}
    assert await log_of(database, await shown(database, off)) == []


@ON_SQLITE_ONLY
async def test_a_receiver_that_never_answers_or_never_ends_its_answer_takes_seconds_only(
    database: Database, tmp_path: Path
) -> None:
    teller = Teller(database, tmp_path, StillClock(), timeout_s=0.3)
    with WebhookReceiver() as receiver, socket.create_server(("127.0.0.1", 0)) as silent:
        receiver.headers = {"transfer-encoding": "chunked"}
        receiver.reply = b"5\r\nhello\r\n"  # and no end
        async with teller.sender:
            webhook, _ = await teller.create(receiver.hook)
            _, attempt = await teller.webhooks.test(SCOPE, webhook.id, "eval.run.failed")
            mute, _ = await teller.create(f"http://127.0.0.1:{silent.getsockname()[1]}/")
            with pytest.raises(InvalidRequestError, match=r"did not answer: .* did not reply within 0\.3 s"):
                await teller.webhooks.test(SCOPE, mute.id, "eval.run.failed")
    assert (attempt.status_code, attempt.reply, attempt.problem) == (200, "hello", "")


@ON_SQLITE_ONLY
async def test_the_address_that_is_connected_to_is_checked_whatever_the_name_meant_before(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        # Public when it is looked at, and this machine when it is connected to.
        asked.append(host)
        address = "93.184.215.14" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with WebhookReceiver() as receiver:
        port = int(receiver.url.rpartition(":")[2])
        assert socket.getaddrinfo("rebinding.example", port)[0][4][0] == "93.184.215.14"
        # Without TLS it would be refused for that reason alone.
        teller = Teller(database, tmp_path, StillClock(), rules=AddressRules(parse_networks("10.0.0.0/8")))
        async with teller.sender:
            for url in (f"https://rebinding.example:{port}/", f"http://rebinding.example:{port}/"):
                webhook, _ = await teller.create(url)
                with pytest.raises(InvalidRequestError, match="connections to its address are not allowed; see EVALH"):
                    await teller.webhooks.test(SCOPE, webhook.id, "eval.run.failed")
    assert asked == ["rebinding.example"] * 3
    assert receiver.told == []


@ON_SQLITE_ONLY
async def test_proxies_of_the_environment_are_not_used_and_a_configured_one_is(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WebhookReceiver() as receiver, WebhookReceiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        direct = Teller(database, tmp_path, StillClock())
        through = Teller(database, tmp_path, StillClock(), proxy=proxy.url)
        async with direct.sender, through.sender:
            webhook, _ = await direct.create(receiver.hook)
            await direct.webhooks.test(SCOPE, webhook.id, "eval.run.failed")
            assert (len(receiver.told), len(proxy.told)) == (1, 0)
            await through.webhooks.test(SCOPE, webhook.id, "eval.run.failed")
            assert (len(receiver.told), [each.path for each in proxy.told]) == (1, [receiver.hook])


@ON_SQLITE_ONLY
async def test_a_secret_that_cannot_be_opened_is_a_failure_with_its_cure(database: Database, tmp_path: Path) -> None:
    teller = Teller(database, tmp_path, StillClock())
    with WebhookReceiver() as receiver:
        webhook, _ = await teller.create(receiver.hook)
        (tmp_path / "secret.key").unlink()
        teller.vault.seal("with a new key")
        async with teller.sender:
            with pytest.raises(InvalidRequestError, match=r"encrypted with another key.*rotate it"):
                await teller.webhooks.test(SCOPE, webhook.id, "eval.run.failed")
            await teller.webhooks.rotate_secret(SCOPE, webhook.id, unnoted, keeps_old=False)
            await teller.webhooks.test(SCOPE, webhook.id, "eval.run.failed")
    assert len(receiver.told) == 1
