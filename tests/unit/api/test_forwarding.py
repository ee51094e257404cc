"""Facts about what proxies say of a request: whose word counts, and how far."""

import httpx2
import pytest
import structlog
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from evalhaven.api.forwarding import ForwardedHeaders
from evalhaven.api.middleware import HostGuard, RequestRecord
from evalhaven.api.trusted_proxies import TrustedProxies
from evalhaven.cli.shell import read_settings
from evalhaven.settings import Settings

_PROXY, _BALANCER, _CLIENT, _LIE = "10.0.0.7", "10.0.0.8", "203.0.113.9", "198.51.100.1"
Headers = list[tuple[str, str]]


def behind(peer: str = _PROXY, trusted: tuple[str, ...] = ("10.0.0.0/8", "::1")) -> httpx2.AsyncClient:
    """Return a client whose requests come from an address; it is answered with what the routes see of them."""
    application = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @application.get("/")
    async def show(request: Request) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        client = request.client
        claims = [name for name in request.headers if name == "forwarded" or name.startswith("x-forwarded-")]
        seen = {"client": client and client.host, "address": str(request.base_url), "claims": claims}
        return JSONResponse(seen)

    application.add_middleware(HostGuard, allowed_hosts=frozenset({"evals.example.org"}))
    application.add_middleware(RequestRecord, new_request_id=lambda: "req_1")
    application.add_middleware(ForwardedHeaders, trusted=TrustedProxies(trusted))
    transport = httpx2.ASGITransport(application, client=(peer, 1234))
    return httpx2.AsyncClient(transport=transport, base_url="http://evals.example.org")


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ([("X-Forwarded-For", _CLIENT)], _CLIENT),
        ([("X-Forwarded-For", f"{_LIE}, {_CLIENT}")], _CLIENT),
        ([("X-Forwarded-For", f"{_LIE}, 127.0.0.1, {_CLIENT}")], _CLIENT),
        ([("X-Forwarded-For", _LIE), ("X-Forwarded-For", _CLIENT)], _CLIENT),
        ([("X-Forwarded-For", f"{_LIE}, {_CLIENT}, {_BALANCER}")], _CLIENT),
        ([("X-Forwarded-For", f"{_LIE}, {_PROXY}, {_CLIENT}, {_BALANCER}")], _CLIENT),
        ([("X-Forwarded-For", f"{_BALANCER}, ::1")], _BALANCER),
        ([("X-Forwarded-For", f"{_CLIENT}:4711")], _CLIENT),
        ([("X-Forwarded-For", "[2001:db8::9]:4711")], "2001:db8::9"),
        ([("X-Forwarded-For", "2001:DB8:0::9")], "2001:db8::9"),
        ([("X-Forwarded-For", f"::ffff:{_CLIENT}")], _CLIENT),
        ([("X-Forwarded-For", f"{_LIE}, unknown")], _PROXY),
        ([("X-Forwarded-For", f"{_LIE}, <script>, {_BALANCER}")], _BALANCER),
        ([("X-Forwarded-For", f"{_LIE}, 010.0.0.1")], _PROXY),
        ([("X-Forwarded-For", f"{_LIE}, fe80::1%eth0")], _PROXY),
        ([("X-Forwarded-For", " , ")], _PROXY),
        ([("Forwarded", f"for={_LIE}")], _PROXY),
        ([("Forwarded", f"for={_LIE}"), ("X-Forwarded-For", _CLIENT), ("X-Real-IP", _LIE)], _CLIENT),
        ([], _PROXY),
    ],
)
async def test_the_client_is_who_the_last_trusted_proxy_was_asked_by(headers: Headers, client: str) -> None:
    async with behind() as http:
        seen = (await http.get("/", headers=headers)).json()

    assert (seen["client"], seen["claims"]) == (client, [])


@pytest.mark.parametrize("peer", [_CLIENT, "127.0.0.1", "11.0.0.7", "::2", "::ffff:203.0.113.9"])
@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/8", "::1")])
async def test_what_anybody_else_says_of_a_request_is_not_believed(peer: str, trusted: tuple[str, ...]) -> None:
    claims = {"X-Forwarded-For": _PROXY, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example.org"}
    async with behind(peer, trusted) as http:
        seen = (await http.get("/", headers={**claims, "Forwarded": f"for={_PROXY};proto=https"})).json()

    assert seen == {"client": peer, "address": "http://evals.example.org/", "claims": []}


async def test_a_proxy_is_known_by_its_ipv4_address_where_the_listener_sees_it_as_ipv6() -> None:
    async with behind(f"::ffff:{_PROXY}") as http:
        assert (await http.get("/", headers={"X-Forwarded-For": _CLIENT})).json()["client"] == _CLIENT


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ({"X-Forwarded-Proto": "https"}, "https"),
        ({"X-Forwarded-Proto": "HTTPS"}, "https"),
        ({"X-Forwarded-Proto": "https, http"}, "http"),
        # Two proxies are trusted, and each added what it was asked by.
        ({"X-Forwarded-Proto": "gopher, https, http", "X-Forwarded-For": f"{_CLIENT}, {_BALANCER}"}, "https"),
        ({"X-Forwarded-Proto": "https", "X-Forwarded-For": f"{_CLIENT}, {_BALANCER}"}, "https"),
        ({"X-Forwarded-Proto": "wss"}, "http"),
        ({"X-Forwarded-Proto": "javascript"}, "http"),
        ({"X-Forwarded-Proto": ""}, "http"),
    ],
)
async def test_the_scheme_is_the_one_that_the_outermost_trusted_proxy_was_asked_by(
    headers: dict[str, str], scheme: str
) -> None:
    async with behind() as http:
        seen = (await http.get("/", headers=headers)).json()

    assert seen["address"] == f"{scheme}://evals.example.org/"


@pytest.mark.parametrize(
    ("host", "forwarded", "status"),
    [
        ("10.1.2.3:8765", "evals.example.org", 200),
        ("10.1.2.3:8765", "evals.example.org:8443", 200),
        ("evals.example.org", "evil.example.org", 421),
        ("10.1.2.3:8765", "evil.example.org, evals.example.org", 200),
        ("10.1.2.3:8765", "evals.example.org, evil.example.org", 421),
        ("evals.example.org", "evals.example.org/@evil", 421),
        ("10.1.2.3:8765", "", 421),
    ],
)
async def test_the_host_that_a_trusted_proxy_was_asked_for_has_to_be_one_of_the_servers_names(
    host: str, forwarded: str, status: int
) -> None:
    async with behind() as http:
        answer = await http.get("/", headers={"Host": host, "X-Forwarded-Host": forwarded})

    assert answer.status_code == status


async def test_a_repeated_host_is_refused_behind_a_proxy_too() -> None:
    hosts = [("Host", "evals.example.org"), ("Host", "evil.example.org"), ("X-Forwarded-Host", "evals.example.org")]
    async with behind() as http:
        assert (await http.get("/", headers=hosts)).status_code == 400


async def test_the_line_of_a_request_names_the_client_behind_the_proxy() -> None:
    with structlog.testing.capture_logs() as lines:
        async with behind() as http:
            await http.get("/", headers={"X-Forwarded-For": f"{_LIE}, {_CLIENT}"})

    assert [(line["event"], line["client"]) for line in lines] == [("request", _CLIENT)]


async def test_the_log_says_once_that_a_proxy_is_not_named() -> None:
    with structlog.testing.capture_logs() as lines:
        async with behind("127.0.0.1") as http:
            for _ in range(3):
                await http.get("/", headers={"X-Forwarded-For": _CLIENT})

    told = [line for line in lines if line["event"] == "forwarded_headers_ignored"]
    assert [line["sender"] for line in told] == ["127.0.0.1"]
    assert "EVALHAVEN_TRUSTED_PROXIES" in told[0]["cure"]


def test_proxies_are_named_by_addresses_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALHAVEN_TRUSTED_PROXIES", " 127.0.0.1, 10.0.0.0/8,::1 ,2001:DB8::/32,192.0.2.1/32,")
    assert read_settings().trusted_proxies == ("127.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/32", "192.0.2.1")
    monkeypatch.setenv("EVALHAVEN_TRUSTED_PROXIES", " ")
    assert read_settings().trusted_proxies == ()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("*", "must be addresses and networks, such as 127.0.0.1 or 10.0.0.0/8, separated by commas, not '*'"),
        ("127.0.0.1, proxy.example.org", "not 'proxy.example.org'"),
        ("10.0.0.7/8", "not '10.0.0.7/8'; its network is 10.0.0.0/8"),
        ("0.0.0.0/0", "everybody could then claim any address"),
        ("::/0", "everybody could then claim any address"),
    ],
)
def test_whatever_is_no_address_or_is_every_address_names_no_proxy(value: str, says: str) -> None:
    with pytest.raises(ValueError, match="trusted_proxies") as raised:
        Settings(trusted_proxies=value)  # pyright: ignore[reportArgumentType, reportCallIssue] - as the environment says it
    assert says in str(raised.value)
