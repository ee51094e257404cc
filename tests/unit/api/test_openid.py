"""Facts about logging in with OpenID Connect, against a real provider: who comes in, and what is not believed."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from sqlalchemy import select

from evalhaven.access.permissions import Role
from evalhaven.access.sessions import NAMELESS
from evalhaven.api.access.attempts import Attempts
from evalhaven.api.access.door import Door, LoginPolicy
from evalhaven.api.access.logins import Logins
from evalhaven.api.access.openid.login import PATIENCE_S, OpenIdConfig, OpenIdLogin
from evalhaven.api.access.openid.provider import Provider, ProviderConfig
from evalhaven.api.services import Services
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.runs.vault import Vault
from evalhaven.storage.access.members import delete_member, insert_member
from evalhaven.storage.access.people import Person, list_people
from evalhaven.storage.access.tables import audit
from tests.databases import ON_SQLITE_ONLY
from tests.openid_provider import OpenIdProvider, running_provider
from tests.server import free_port
from tests.unit.api.test_sessions import ORGANIZATION, OWN, browsing

BASE = "http://127.0.0.1:8765"
COOKIE, CARRIED = NAMELESS.session, NAMELESS.login


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with running_provider() as running:
        running.set_user("ann", name="Ann", email="Ann@Example.org", email_verified=True)
        running.set_user("bob", email="bob@example.org")
        yield running


@pytest.fixture(autouse=True)
def _right_again(provider: OpenIdProvider) -> Iterator[None]:
    yield
    provider.be_wrong()


def with_provider(services: Services, issuer: str, role: Role | None = None, *admins: str) -> Services:
    """Return services with which people log in at a provider."""
    config = ProviderConfig(issuer, "evalhaven", "the secret", f"{BASE}/api/login/oidc/callback", f"{BASE}/ui/login")
    named = frozenset(admins)
    openid = OpenIdLogin(
        OpenIdConfig("Example", role, named),
        Provider(config),
        Vault(services.spool_dir / "secret.key"),
        services.ids,
        services.clock,
    )
    policy = LoginPolicy(frozenset(OWN.values()), has_provider=True, admins=named)
    return replace(
        services,
        door=Door(services.database, services.clock, policy),
        logins=Logins(Attempts(), openid, is_secure=False),
    )


async def go_to_provider(client: httpx2.AsyncClient, who: str, to: str = "/evals") -> str:
    """Begin a login, and log in at the provider; return the address to which it sends the browser back."""
    begun = await client.get("/api/login/oidc", params={"to": to})
    assert begun.status_code == 303, begun.text
    async with httpx2.AsyncClient(trust_env=False) as browser:
        form = {"action": "deny"} if who == "deny" else {"sub": who}
        answer = await browser.post(begun.headers["location"], data=form)
    assert answer.status_code in (302, 303), answer.text
    return answer.headers["location"]


async def log_in(client: httpx2.AsyncClient, who: str, to: str = "/evals") -> str:
    """Log in; return the page to which that leads."""
    return await come_back(client, await go_to_provider(client, who, to))


async def come_back(client: httpx2.AsyncClient, address: str) -> str:
    answer = await client.get(address)
    assert (answer.status_code, answer.headers["cache-control"]) == (303, "no-store")
    return answer.headers["location"]


def carry(client: httpx2.AsyncClient, sealed: str) -> None:
    client.cookies.set(CARRIED, sealed, domain="127.0.0.1", path="/")


def problem_of(page: str) -> str:
    assert page.startswith("../../../ui/login?"), page
    return parse_qs(urlsplit(page).query)["problem"][0]


async def people_of(services: Services) -> list[Person]:
    async with services.database.read() as tx:
        return list(await list_people(tx, ORGANIZATION, None, 100))


async def test_a_person_appears_at_the_first_login_and_waits_to_be_made_a_member(
    services: Services, provider: OpenIdProvider
) -> None:
    services = with_provider(services, provider.url)
    async with browsing(services) as client:
        told = (await client.get("/api/session")).json()
        assert (told["access"], told["caller"]) == ("keys", None)
        assert told["ways_to_log_in"] == {"key": True, "provider": "Example"}
        assert problem_of(await log_in(client, "ann")) == "no_role"
        assert COOKIE not in client.cookies
        (ann,) = await people_of(services)
        assert (ann.subject, ann.name, ann.email, ann.issuer) == ("ann", "Ann", "Ann@Example.org", provider.url)
        async with services.database.write() as tx:
            await insert_member(tx, DEFAULT_PROJECT, ann.key, Role.EDITOR, 1)

        services.clock.time += 60  # type: ignore[attr-defined]
        assert await log_in(client, "ann", "/evals?type=logs") == "../../../ui/evals?type=logs"
        caller = (await client.get("/api/session")).json()["caller"]
        assert (caller["kind"], caller["id"], caller["name"]) == ("person", ann.id, "Ann")
        assert (caller["email"], caller["role"]) == ("Ann@Example.org", "editor")
        assert (await client.post("/v1/evals", json={}, headers=OWN)).status_code == 400
        (again,) = await people_of(services)
        assert (again.id, again.created_at, again.last_seen_at) == (ann.id, ann.created_at, services.now())
        left = (await client.delete("/api/session", headers=OWN)).json()
        there = urlsplit(left["logout_url"])
        assert f"{there.scheme}://{there.netloc}{there.path}" == f"{provider.url}/oauth2/end_session"
        assert parse_qs(there.query) == {
            "client_id": ["evalhaven"],
            "post_logout_redirect_uri": [f"{BASE}/ui/login"],
        }
        async with services.database.read() as tx:
            deeds = (await tx.execute(select(audit).order_by(audit.c.key))).all()
        assert [(each.action, each.target_id) for each in deeds] == [
            ("person.created", ann.id),
            ("session.refused", "127.0.0.1"),
            ("session.created", ann.id),
            ("session.ended", ann.id),
        ]
        assert {each.caller_id for each in deeds} == {ann.id}


@ON_SQLITE_ONLY
async def test_the_default_role_is_given_at_the_first_login_only(services: Services, provider: OpenIdProvider) -> None:
    services = with_provider(services, provider.url, Role.VIEWER)
    async with browsing(services) as client:
        assert await log_in(client, "bob") == "../../../ui/evals"
        caller = (await client.get("/api/session")).json()["caller"]
        assert (caller["name"], caller["role"]) == ("bob@example.org", "viewer")
        (bob,) = await people_of(services)
        async with services.database.write() as tx:
            await delete_member(tx, DEFAULT_PROJECT, bob.key)
        assert problem_of(await log_in(client, "bob")) == "no_role"


@ON_SQLITE_ONLY
@pytest.mark.parametrize(
    ("who", "claims", "named", "is_admin"),
    [
        ("ann", {}, "ann@example.org", True),
        ("ann", {"email_verified": "true"}, "ann@example.org", True),
        ("ann", {"email_verified": False}, "ann@example.org", False),
        ("bob", {}, "bob@example.org", False),  # the provider does not say that it is verified
        ("bob", {}, "bob", True),  # by subject
        ("eve@example.org", {"email_verified": False}, "eve@example.org", False),  # a subject that is an address
    ],
)
async def test_only_verified_addresses_and_subjects_administer_the_organization(
    services: Services, provider: OpenIdProvider, who: str, claims: dict[str, Any], named: str, is_admin: bool
) -> None:
    services = with_provider(services, provider.url, None, named)
    provider.be_wrong(claims=claims)
    async with browsing(services) as client:
        page = await log_in(client, who)
        if is_admin:
            assert page == "../../../ui/evals"
            assert "operate" in (await client.get("/api/session")).json()["caller"]["permissions"]
        else:
            assert problem_of(page) == "no_role"


@ON_SQLITE_ONLY
@pytest.mark.parametrize(
    ("faults", "problem"),
    [
        ({"claims": {"nonce": "another"}}, "untrusted"),
        ({"without": ["nonce"]}, "untrusted"),
        ({"claims": {"aud": "another-client"}}, "untrusted"),
        ({"claims": {"aud": ["evalhaven", "another"]}}, "untrusted"),  # without saying who asked (azp)
        ({"claims": {"iss": "https://evil.example"}}, "untrusted"),
        ({"claims": {"sub": ""}}, "untrusted"),
        ({"claims": {"at_hash": "wrong"}}, "untrusted"),
        ({"claims": {"sub": "a\0b"}}, "untrusted"),
        ({"claims": {"exp": 1}}, "clock"),
        ({"claims": {"iat": time.time() + 3600}}, "clock"),
        ({"key": "unknown"}, "untrusted"),
        ({"key": "other"}, "untrusted"),
        ({"key": "client_secret"}, "untrusted"),  # an algorithm for which the client's secret would do
    ],
)
async def test_a_token_that_is_wrong_in_one_way_is_not_believed(
    services: Services, provider: OpenIdProvider, faults: dict[str, Any], problem: str
) -> None:
    services = with_provider(services, provider.url, Role.VIEWER)
    async with browsing(services) as client:
        provider.be_wrong(**faults)
        assert problem_of(await log_in(client, "ann")) == problem
        assert COOKIE not in client.cookies
        assert await people_of(services) == []


@ON_SQLITE_ONLY
async def test_a_provider_that_changes_its_keys_is_believed_without_a_restart(
    services: Services, provider: OpenIdProvider
) -> None:
    services = with_provider(services, provider.url, Role.VIEWER)
    async with browsing(services) as client:
        assert await log_in(client, "ann") == "../../../ui/evals"
        assert CARRIED not in client.cookies
        provider.be_wrong(rotated=1)
        assert await log_in(client, "ann") == "../../../ui/evals"


@ON_SQLITE_ONLY
async def test_only_the_browser_that_began_a_login_ends_it_and_once(
    services: Services, provider: OpenIdProvider
) -> None:
    services = with_provider(services, provider.url, Role.VIEWER)
    async with browsing(services) as client, browsing(services) as victim:
        address = await go_to_provider(client, "ann")
        # An attacker's callback in somebody else's browser: with no login of its own, and with one.
        assert problem_of(await come_back(victim, address)) == "stale"
        await victim.get("/api/login/oidc")
        assert problem_of(await come_back(victim, address)) == "stale"
        wrong = address.replace("state=", "state=x")
        carried = client.cookies[CARRIED]
        assert problem_of(await come_back(client, wrong)) == "stale"
        carry(client, carried[:-4] + "AAAA")
        assert problem_of(await come_back(client, address)) == "stale"
        carry(client, carried)
        assert await come_back(client, address) == "../../../ui/evals"
        carry(client, carried)
        assert problem_of(await come_back(client, address)) == "refused"  # the code has been used

        address = await go_to_provider(client, "ann")
        services.clock.time += PATIENCE_S  # type: ignore[attr-defined]
        assert problem_of(await come_back(client, address)) == "stale"


@ON_SQLITE_ONLY
async def test_of_two_tabs_the_one_that_began_last_logs_in(services: Services, provider: OpenIdProvider) -> None:
    services = with_provider(services, provider.url, Role.VIEWER)
    async with browsing(services) as client:
        first = await go_to_provider(client, "ann")
        second = await go_to_provider(client, "ann", "/runs")
        assert problem_of(await come_back(client, first)) == "stale"
        assert await come_back(client, second) == "../../../ui/runs"
        assert CARRIED not in client.cookies


@ON_SQLITE_ONLY
async def test_whoever_is_denied_is_told_so_and_led_back_to_where_they_were(
    services: Services, provider: OpenIdProvider
) -> None:
    services = with_provider(services, provider.url, Role.VIEWER)
    async with browsing(services) as client:
        # The provider's refusal carries no state where it was not told one; a real one sends it back.
        address = await go_to_provider(client, "deny", "/runs?status=failed")
        begun = await client.get("/api/login/oidc", params={"to": "/runs?status=failed"})
        state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        denied = httpx2.URL(address).copy_set_param("state", state)
        page = await come_back(client, str(denied))
        asked = parse_qs(urlsplit(page).query)
        assert asked["problem"] == ["denied"]
        assert asked["to"] == ["/runs?status=failed"]
        assert asked["request"][0].startswith("req_")


@ON_SQLITE_ONLY
async def test_logins_that_fail_are_audited_with_the_reason_and_a_flood_of_them_is_not(
    services: Services, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = with_provider(services, provider.url, Role.VIEWER)

    async def refused() -> list[tuple[str, str, str]]:
        async with services.database.read() as tx:
            deeds = (await tx.execute(select(audit).order_by(audit.c.key))).all()
        assert {each.action for each in deeds} == {"session.refused"}
        return [(each.caller_kind, each.target_id, each.details["reason"]) for each in deeds]

    async with browsing(services) as client:
        address = await go_to_provider(client, "ann")
        assert problem_of(await come_back(client, address.replace("state=", "state=x"))) == "stale"
        address = await go_to_provider(client, "ann")
        error = httpx2.URL(address).copy_set_param("error", "x" * 5_000)
        assert problem_of(await come_back(client, str(error))) == "refused"
        provider.be_wrong(claims={"nonce": "another"})
        assert problem_of(await log_in(client, "ann")) == "untrusted"
        told = await refused()
        assert [each[:2] for each in told] == [("anyone", "127.0.0.1")] * 3
        reasons = [each[2] for each in told]
        assert reasons[0] == "the state that came back is not that of this browser's login"
        assert reasons[1] == f"the provider answered {'x' * 100!r}"
        assert reasons[2].startswith("the ID token was not accepted")

        for _ in range(12):
            assert problem_of(await come_back(client, "/api/login/oidc/callback?state=x")) == "stale"
        assert len(await refused()) == 10
        # Any page can have a browser fail so, which keeps nobody out.
        provider.be_wrong()
        assert await log_in(client, "ann") == "../../../ui/evals"
    attempts = Attempts()
    assert sum(attempts.note_failed(f"2001:db8::{number:x}") for number in range(5_000)) == 100
    monkeypatch.setattr("evalhaven.api.access.attempts._WITHIN_S", 0.0)
    assert attempts.note_failed("2001:db8::1")


@ON_SQLITE_ONLY
async def test_a_provider_that_is_gone_or_another_one_is_told_as_such(
    services: Services, provider: OpenIdProvider
) -> None:
    gone = with_provider(services, f"http://127.0.0.1:{free_port()}")
    # What it says of itself names `localhost`.
    other = with_provider(services, provider.url.replace("localhost", "LOCALHOST"))
    missing = with_provider(services, f"{provider.url}/realms/none")
    for broken, problem in ((gone, "unreachable"), (other, "misconfigured"), (missing, "misconfigured")):
        async with browsing(broken) as client:
            begun = await client.get("/api/login/oidc", params={"to": "/evals"})
            asked = parse_qs(urlsplit(begun.headers["location"]).query)
            assert (asked["problem"], asked["to"]) == ([problem], ["/evals"])
            assert begun.headers["location"].startswith("../../ui/login?")
    # It vanishes while somebody is there.
    services = with_provider(services, provider.url, Role.VIEWER)
    async with browsing(services) as client:
        address = await go_to_provider(client, "ann")
        assert services.logins.openid is not None
        vanished = replace(services.logins.openid.provider._config, issuer=f"http://127.0.0.1:{free_port()}")
        services.logins.openid.provider = Provider(vanished)
        assert problem_of(await come_back(client, address)) == "unreachable"


@ON_SQLITE_ONLY
async def test_without_a_provider_there_is_no_such_login(services: Services) -> None:
    async with browsing(services) as client:
        for path in ("/api/login/oidc", "/api/login/oidc/callback"):
            assert (await client.get(path)).status_code == 404
