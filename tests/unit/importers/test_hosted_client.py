"""Facts about the polite client, on a made-up clock and transport."""

import time
from collections.abc import Callable

import anyio
import httpx2
import pytest

from evalhaven.importers.hosted.account import Account, AccountError, read_account
from evalhaven.importers.hosted.client import HostedClient, HostedError, PageSize
from evalhaven.importers.hosted.filters import Filters, InvalidFilterError, parse_moment, parse_pair

Answer = httpx2.Response | Exception

PAGE = b'{"object":"list","data":[{"id":"a"}],"has_more":false}'
ACCOUNT = Account(base_url="http://hosted/v1", headers={}, query={}, secrets=("sk-secret",), tries=3)


class Standin:
    """Gives prepared answers, the last one again and again, and records when and what it was asked."""

    def __init__(self, *answers: Callable[[], Answer]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[float, httpx2.URL]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append((time.monotonic(), request.url))
        answer = (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, account: Account = ACCOUNT, largest_page_bytes: int = 1_000_000) -> HostedClient:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(self))
        return HostedClient(account, http, first_delay_s=0.01, largest_page_bytes=largest_page_bytes)

    @property
    def limits(self) -> list[str]:
        return [url.params["limit"] for _, url in self.asked]


def good() -> httpx2.Response:
    return httpx2.Response(200, content=PAGE)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: httpx2.Response(500),
        lambda: httpx2.Response(503, text="busy"),
        lambda: httpx2.Response(409),
        lambda: httpx2.Response(520),
        lambda: httpx2.Response(529),
        lambda: httpx2.Response(429, headers={"retry-after": "0"}),
        lambda: httpx2.ReadError("cut"),
        lambda: httpx2.RemoteProtocolError("peer closed connection"),
        lambda: httpx2.ConnectTimeout("slow"),
        lambda: httpx2.Response(200, content=PAGE[:-5]),
    ],
)
async def test_transient_failures_are_tried_again(bad: Callable[[], Answer]) -> None:
    standin = Standin(bad, bad, good)

    body, page = await standin.client().get_page("/evals", {}, PageSize())

    assert (body, page.objects) == (PAGE, [b'{"id":"a"}'])
    assert len(standin.asked) == 3


async def test_tries_are_used_up() -> None:
    standin = Standin(lambda: httpx2.Response(500, json={"error": {"message": "down, sk-secret"}}))

    with pytest.raises(HostedError, match=r"500: down, \*\*\*") as caught:
        await standin.client().get_object("/evals/a")

    assert caught.value.status == 500
    assert len(standin.asked) == 3


@pytest.mark.parametrize("status", [401, 403, 404, 301])
async def test_other_answers_are_final(status: int) -> None:
    standin = Standin(lambda: httpx2.Response(status, text="no"))

    with pytest.raises(HostedError):
        await standin.client().get_page("/evals", {}, PageSize())

    assert len(standin.asked) == 1


async def test_size_that_is_refused_is_not_asked_for_again() -> None:
    more = b'{"object":"list","data":[{"id":"%d"}],"has_more":true}'
    refused = [lambda: httpx2.Response(422, text="too large a limit")]
    standin = Standin(*refused, *[lambda n=n: httpx2.Response(200, content=more % n) for n in range(8)], good)
    client = standin.client()

    assert len([page async for _, page in client.list_pages("/evals", {})]) == 9
    assert len([page async for _, page in client.list_pages("/files", {})]) == 1
    assert standin.limits == ["100"] + ["20"] * 10


async def test_bad_request_is_final_at_a_small_size() -> None:
    standin = Standin(lambda: httpx2.Response(400, text="no"))

    with pytest.raises(HostedError, match="400: no"):
        await standin.client().get_page("/evals", {}, PageSize())

    assert standin.limits == ["100", "20"]


async def test_page_that_fills_the_memory_is_asked_for_in_half_the_size() -> None:
    large = b'{"object":"list","data":[{"id":"a"}],"x":"%s"}' % (b"x" * 400)
    standin = Standin(*[lambda: httpx2.Response(200, content=large)] * 5, good)

    body, _ = await standin.client(largest_page_bytes=200).get_page("/evals", {}, PageSize())

    assert body == PAGE
    assert standin.limits == ["100", "50", "25", "12", "6", "3"]


async def test_only_redirects_within_the_server_are_followed() -> None:
    standin = Standin(lambda: httpx2.Response(307, headers={"location": "http://hosted/v2/evals?limit=1"}), good)
    body, _ = await standin.client().get_page("/evals", {}, PageSize())
    assert body == PAGE
    assert [url.path for _, url in standin.asked] == ["/v1/evals", "/v2/evals"]

    standin = Standin(lambda: httpx2.Response(302, headers={"location": "https://elsewhere/login?token=1"}))
    with pytest.raises(HostedError, match=r"302: it redirects elsewhere, to https://elsewhere/login$"):
        await standin.client().get_object("/evals/a")
    assert len(standin.asked) == 1


@pytest.mark.parametrize("status", [408, 504, 522, 524])
async def test_answers_of_slow_servers_halve_the_page(status: int) -> None:
    standin = Standin(lambda: httpx2.Response(status), good)

    await standin.client().get_page("/evals", {}, PageSize())

    assert standin.limits == ["100", "50"]


async def test_key_is_hidden_before_the_message_is_cut() -> None:
    text = "x" * 495 + "sk-secret"
    standin = Standin(lambda: httpx2.Response(404, text=text))

    with pytest.raises(HostedError) as caught:
        await standin.client().get_object("/evals/a")

    assert caught.value.message == "404: " + "x" * 495 + "***"


@pytest.mark.parametrize("body", [b"[1]", b"null", b'{"object":"eval"}', b'{"id":5}'])
async def test_object_without_an_id_is_an_error(body: bytes) -> None:
    with pytest.raises(HostedError, match="not an object with an id"):
        await Standin(lambda: httpx2.Response(200, content=body)).client().get_object("/evals/a")


@pytest.mark.parametrize("ids", [("a",), ("a", "b")])
async def test_list_that_repeats_itself_is_not_complete(ids: tuple[str, ...]) -> None:
    page = '{"object":"list","data":[{"id":"%s"}],"has_more":true}'
    standin = Standin(*[lambda each=each: httpx2.Response(200, text=page % each) for each in ids * 3])

    with pytest.raises(HostedError, match="repeats its last page though it says there is more"):
        _ = [page async for _, page in standin.client().list_pages("/evals", {})]

    assert len(standin.asked) == len(ids) + 1


async def test_smaller_pages_use_up_no_try() -> None:
    standin = Standin(*[lambda: httpx2.ReadTimeout("slow")] * 6, good)

    await standin.client().get_page("/evals", {}, PageSize())

    assert standin.limits == ["100", "50", "25", "12", "6", "3", "1"]


@pytest.mark.parametrize("failure", [httpx2.ConnectTimeout, httpx2.PoolTimeout])
async def test_no_connection_is_no_slow_page(failure: type[httpx2.TimeoutException]) -> None:
    standin = Standin(lambda: failure("late"))

    with pytest.raises(HostedError):
        await standin.client().get_page("/evals", {}, PageSize())

    # A server that is down would not answer a smaller page either; the last three tries find out whether it is.
    assert standin.limits[:3] == ["100"] * 3
    assert set(standin.limits[3:]) <= {"1"}
    assert len(standin.limits) <= 6


async def test_a_page_of_somebody_else_is_told_in_its_words() -> None:
    page = "<html><script>x()</script><body>sk-secret: Denied &amp; logged</body></html>"
    standin = Standin(lambda: httpx2.Response(403, html=page))

    with pytest.raises(HostedError, match=r"\A403: \*\*\*: Denied & logged\Z"):
        await standin.client().get_object("/evals/a")


def test_page_size_grows_back() -> None:
    size = PageSize()
    while size.shrink():
        pass
    values: list[int] = []
    for _ in range(45):
        size.count_good_page()
        values.append(size.value)

    assert sorted(set(values)) == [1, 2, 4, 8, 16, 32, 64, 100]
    assert values == sorted(values)


@pytest.mark.parametrize("header", [("retry-after", "0.3"), ("retry-after-ms", "300")])
async def test_too_many_requests_quiets_everybody(header: tuple[str, str]) -> None:
    standin = Standin(lambda: httpx2.Response(429, headers=[header]), good)
    client = standin.client()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.get_page, "/evals", {}, PageSize())
        await anyio.sleep(0.05)
        tasks.start_soon(client.get_page, "/files", {}, PageSize())

    first, *others = [moment for moment, _ in standin.asked]
    assert len(others) == 2
    assert min(others) >= first + 0.3


async def test_server_without_cursors_ends_the_list() -> None:
    standin = Standin(lambda: httpx2.Response(200, content=b'{"object":"list","data":[{"id":"a"},{"id":"b"}]}'))

    pages = [page async for _, page in standin.client().list_pages("/files", {})]

    assert [len(page.objects) for page in pages] == [2]
    assert len(standin.asked) == 2


def test_account_comes_from_the_environment() -> None:
    environment = {"OPENAI_API_KEY": "sk-a", "OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj_1"}
    environment |= {"AZURE_OPENAI_API_KEY": "az", "OPENAI_BASE_URL": "http://elsewhere"}

    account = read_account(environment, "https://hosted.example/v1/", None)
    assert account.base_url == "https://hosted.example/v1"
    assert account.headers == {
        "authorization": "Bearer sk-a",
        "openai-organization": "org-1",
        "openai-project": "proj_1",
    }
    azure = read_account(environment, "https://a.openai.azure.com/openai/v1", None)
    assert (azure.headers, azure.query) == ({"api-key": "az"}, {})
    dated = read_account(environment, "https://gateway.example/openai", "2025-04-01-preview")
    assert (dated.headers, dated.query) == ({"api-key": "az"}, {"api-version": "2025-04-01-preview"})


@pytest.mark.parametrize(
    ("base_url", "version", "variable"),
    [
        ("https://api.openai.com/v1", None, "OPENAI_API_KEY"),
        ("https://eu.api.openai.com/v1", None, "OPENAI_API_KEY"),
        ("https://a.openai.azure.com/openai/v1", None, "AZURE_OPENAI_API_KEY"),
        ("https://a.openai.azure.us/openai/v1", None, "AZURE_OPENAI_API_KEY"),
        ("https://a.openai.azure.cn/openai/v1", None, "AZURE_OPENAI_API_KEY"),
        ("https://a.azure-api.net/openai", None, "AZURE_OPENAI_API_KEY"),
        ("https://gateway.example/openai", "2025-04-01-preview", "AZURE_OPENAI_API_KEY"),
    ],
)
def test_a_key_goes_to_its_own_vendor_only(base_url: str, version: str | None, variable: str) -> None:
    other = {"OPENAI_API_KEY": "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_API_KEY": "OPENAI_API_KEY"}[variable]

    assert read_account({variable: "right", other: "wrong"}, base_url, version).secrets == ("right",)
    with pytest.raises(AccountError, match=f"{variable} is not set: .* {other} is set, but goes to .* alone"):
        read_account({other: "wrong"}, base_url, version)


def test_a_version_of_azures_api_sends_no_key_to_openai() -> None:
    with pytest.raises(AccountError, match=r"--api-version is Azure's, and api\.openai\.com is OpenAI's"):
        read_account({"OPENAI_API_KEY": "o", "AZURE_OPENAI_API_KEY": "a"}, "https://api.openai.com/v1", "2025-04-01")


@pytest.mark.parametrize("base_url", ["hosted/v1", "https://user:pw@hosted/v1", "https://hosted/v1?key=1", "file:///x"])
def test_what_is_no_plain_address_is_refused(base_url: str) -> None:
    with pytest.raises(AccountError):
        read_account({"OPENAI_API_KEY": "sk-a"}, base_url, None)


def test_filters_are_read() -> None:
    assert parse_moment("1750000000") == 1_750_000_000
    assert parse_moment("2026-10-31") == parse_moment("2026-10-31T01:00:00+01:00")
    assert parse_pair("team=a=b") == ("team", "a=b")
    for refused in ("yesterday", "", "-5"):
        with pytest.raises(InvalidFilterError):
            parse_moment(refused)
    with pytest.raises(InvalidFilterError):
        parse_pair("team")
    assert Filters().describe() == {}
    assert Filters(since=1.0, metadata=(("a", "b"),)).describe() == {"since": 1.0, "metadata": ["a=b"]}
