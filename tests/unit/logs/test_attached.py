"""Facts about images and other files that calls hold as data, on both stores."""

import base64
import random

import pytest

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.logged_calls import CallFilter
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.logs.packing import files_named_by, pack, unpack
from evalhaven.logs.store import LogStore
from tests.unit.logs.logged import CHAT, DAY_S, NOON, chat, ids

SIZE = 300_000


def image(number: int, size: int = SIZE) -> str:
    """Return an image as data; it cannot be compressed."""
    return f"data:image/png;base64,{base64.b64encode(random.Random(number).randbytes(size)).decode()}"


def asking(*urls: str) -> list[JsonValue]:
    """Return the content of a question about images."""
    images: list[JsonValue] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [{"type": "text", "text": "What is on it?"}, *images]


async def test_an_image_is_kept_once_a_day_and_put_back(store: LogStore) -> None:
    calls = [chat(number, question=asking(image(1), image(1)), answer=image(1)) for number in range(20)]
    await store.add(calls[:10])
    size = (await store.measure()).size_bytes
    await store.add(calls[10:])

    assert await store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-7") == calls[7]
    page = await store.page(DEFAULT_PROJECT, CallFilter(text="what is on it"), limit=5, order="desc")
    assert list(page.calls) == calls[:14:-1]
    assert (await store.measure()).size_bytes - size < SIZE

    # It stays as long as one of them does.
    for number in range(19):
        assert await store.delete(DEFAULT_PROJECT, CHAT, f"chatcmpl-{number}")
    assert await store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-19") == calls[19]
    changed = await store.set_metadata(DEFAULT_PROJECT, CHAT, "chatcmpl-19", {"a": "b"})
    assert changed is not None
    assert changed.request == calls[19].request
    assert await store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-19") == changed
    assert await store.delete(DEFAULT_PROJECT, CHAT, "chatcmpl-19")
    # It is new again.
    await store.add([chat(30, question=asking(image(1)))])
    found = await store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-30")
    assert found is not None
    assert image(1) in found.request


async def test_days_do_not_share_images(store: LogStore) -> None:
    calls = [chat(number, NOON - number * DAY_S, question=asking(image(1), image(2))) for number in range(3)]
    await store.add(calls)
    await store.drop(before_day="2025-11-26", most_bytes=None)

    assert await store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-0") == calls[0]
    assert await ids(store) == ["chatcmpl-0"]


@pytest.mark.parametrize(
    "written",
    [
        f'{{"url":"{image(3, 1_000)}"}}',
        f'{{"url":"{image(3, 1_000)}","again":"{image(3, 1_001)}","other":"{image(4, 1_002)}"}}',
        '{"url":"' + image(5, 2_000).replace("/", "\\/") + '"}',
        '{"url":"data:application/pdf;base64,' + "QUJD" * 200 + '"}',
        '{"url":"data:image/png;base64,' + "QUJ" * 201 + '"}',
        '{"url":"data:image/png;base64,' + "QUJD" * 100 + '=QUJDRA==", "b": ";base64,"}',
        '{"url":"data:image/png;base64,QUJD"}',
        '{"text":"\x01' + "0" * 32 + '\x01"}',
        '{"text":"\x01' + "0" * 32 + "\x01 " + image(6, 1_000) + '"}',
    ],
)
def test_every_text_comes_back_to_the_letter(written: str) -> None:
    call = chat(1, request=written, reply=written, metadata={"long": "x" * 200})
    packed, files = pack(call)

    assert unpack(DEFAULT_PROJECT, packed, files.get) == call
    assert files_named_by(packed) == set(files)


def test_a_lost_image_leaves_json() -> None:
    packed, files = pack(chat(1, request=f'{{"url":"{image(1)}"}}'))

    assert len(files) == 1
    assert len(packed) < 1_000
    assert unpack(DEFAULT_PROJECT, packed, lambda _: None).request == '{"url":"data:image/png;base64,"}'
