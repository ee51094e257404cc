"""Facts about dates in HTTP headers, whatever the machine's time zone."""

import time
from collections.abc import Iterator

import httpx2
import pytest

from evalhaven.domain.http_dates import find_http_time
from evalhaven.importers.hosted.answers import asked_delay
from evalhaven.sampling.calls.backoff import find_asked_s

AT = 784_111_777.0


@pytest.fixture(params=["UTC0", "XXX-11", "XXX+9"], autouse=True)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 -0000",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 09:49:37 +0100",
    ],
)
def test_a_date_is_utc_unless_it_says_otherwise(text: str) -> None:
    assert find_http_time(text) == AT


@pytest.mark.parametrize("text", ["", "soon", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 99999 08:49:37 GMT"])
def test_what_is_no_date_is_none(text: str) -> None:
    assert find_http_time(text) is None


@pytest.mark.parametrize("end", ["GMT", "", "-0000"])
def test_a_pause_until_a_date_is_the_same_in_every_zone(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: AT - 30)
    headers = {"retry-after": f"Sun, 06 Nov 1994 08:49:37 {end}".strip()}

    assert find_asked_s(headers) == 30
    assert asked_delay(httpx2.Headers(headers)) == 30
