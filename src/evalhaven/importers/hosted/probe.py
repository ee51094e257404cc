"""The probe: records how a live API behaves where its documentation is silent. It only reads."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio
import httpx2
import msgspec

from evalhaven.domain import jsontext
from evalhaven.domain.clock import Clock
from evalhaven.domain.jsontext import InvalidJsonError
from evalhaven.importers.hosted.account import Query
from evalhaven.importers.hosted.client import HostedClient, HostedError, path_of
from evalhaven.importers.pages import Head, object_id, read_head

_HIDDEN_HEADERS = frozenset({"authorization", "api-key", "cookie", "set-cookie", "proxy-authorization"})
_LONGEST_BODY = 200_000  # characters of a body that are kept; its full length is recorded
_LIMITS = ("0", "-1", "1", "99", "100", "101", "1000", "abc", "")
_RUN_STATUSES = ("queued", "in_progress", "completed", "canceled", "failed", "nonsense")
_ITEM_STATUSES = ("pass", "fail", "passed", "failed", "error", "errored", "nonsense")
_UNKNOWN_HEX = "6800000000008190" + "0" * 16
_UNKNOWN_IDS = {
    "evals": f"eval_{_UNKNOWN_HEX}",
    "runs": f"evalrun_{_UNKNOWN_HEX}",
    "output-items": f"outputitem_{_UNKNOWN_HEX}",
    "files": "file-" + "0" * 22,
}


@dataclass(frozen=True, slots=True)
class _Samples:
    """Objects that exist, for questions that need one; made-up ids if the account has none."""

    eval_id: str
    run_id: str
    item_id: str
    file_id: str


@dataclass(frozen=True, slots=True)
class _Question:
    name: str
    path: str
    query: Query


async def probe(client: HostedClient, directory: Path, clock: Clock) -> int:
    """Ask every question and keep each answer in a file of its own; return the number of answers.

    Earlier evidence is kept: names begin with the time of the probe.

    Raises:
        HostedError: The account cannot be read.
    """
    await anyio.Path(directory).mkdir(parents=True, exist_ok=True)
    moment = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y%m%dT%H%M%SZ")
    questions = list(_questions(await _find_samples(client)))
    limiter = anyio.CapacityLimiter(client.account.concurrency)

    async def ask(number: int, question: _Question) -> None:
        async with limiter:
            entry = await _ask(client, question)
        text = msgspec.json.format(jsontext.render(entry), indent=1)
        path = directory / f"{moment}-{number:03}-{question.name}.json"
        await anyio.Path(path).write_text(text + "\n", encoding="utf-8")

    async with anyio.create_task_group() as tasks:
        for number, question in enumerate(questions, start=1):
            tasks.start_soon(ask, number, question)
    return len(questions)


async def _find_samples(client: HostedClient) -> _Samples:
    """Return objects to ask about: those of a run with items, if the newest evals have one."""
    eval_id, run_id, item_id, file_id = _UNKNOWN_IDS.values()
    async for _, page in client.list_pages(path_of("evals"), {"order": "desc"}):
        for parent in map(read_head, page.objects):
            try:
                runs = await _first_page(client, path_of("evals", parent.id, "runs"))
                best = max(map(read_head, runs), key=lambda run: run.total, default=Head(run_id))
                eval_id, run_id, file_id = parent.id, best.id, next(iter(best.file_ids), file_id)
                items: list[bytes] = []
                if best.total:
                    items = await _first_page(client, path_of("evals", parent.id, "runs", best.id, "output_items"))
            except HostedError as error:
                # Another eval may work; if the key is not accepted, none will.
                if error.ends_everything:
                    raise
                continue
            if best.total:
                return _Samples(eval_id, run_id, object_id(items[0]) if items else item_id, file_id)
        break
    return _Samples(eval_id, run_id, item_id, file_id)


async def _first_page(client: HostedClient, path: str) -> list[bytes]:
    async for _, page in client.list_pages(path, {"order": "desc"}):
        return page.objects
    return []


def _questions(samples: _Samples) -> Iterator[_Question]:
    runs = path_of("evals", samples.eval_id, "runs")
    items = f"{runs}{path_of(samples.run_id, 'output_items')}"
    lists = {"evals": "/evals", "runs": runs, "output-items": items, "files": "/files"}
    for name, path in lists.items():
        yield from _list_questions(name, path, samples)
    for status in _RUN_STATUSES:
        yield _Question(f"runs-status-{status}", runs, {"status": status, "limit": 2})
    for status in _ITEM_STATUSES:
        yield _Question(f"output-items-status-{status}", items, {"status": status, "limit": 2})
    for order_by in ("created_at", "updated_at", "nonsense"):
        yield _Question(f"evals-order-by-{order_by}", "/evals", {"order_by": order_by, "limit": 5})
    known = dict(zip(lists, (samples.eval_id, samples.run_id, samples.item_id, samples.file_id), strict=True))
    for name, path in lists.items():
        for what, public_id in (("known", known[name]), ("unknown", _UNKNOWN_IDS[name]), ("malformed", "nonsense")):
            yield _Question(f"{name}-get-{what}", f"{path}{path_of(public_id)}", {})
    yield _Question("files-content-unknown", path_of("files", _UNKNOWN_IDS["files"], "content"), {})
    yield _Question("runs-of-unknown-eval", path_of("evals", _UNKNOWN_IDS["evals"], "runs"), {})
    yield _Question("output-items-of-unknown-run", f"{runs}{path_of(_UNKNOWN_IDS['runs'], 'output_items')}", {})
    yield _Question("runs-get-of-another-eval", path_of("evals", _UNKNOWN_IDS["evals"], "runs", samples.run_id), {})
    yield _Question("unknown-path", "/evals_nonsense", {})


def _list_questions(name: str, path: str, samples: _Samples) -> Iterator[_Question]:
    yield _Question(f"{name}-defaults", path, {})
    for order in ("asc", "desc", "nonsense"):
        yield _Question(f"{name}-order-{order}", path, {"order": order, "limit": 5})
    for limit in _LIMITS:
        yield _Question(f"{name}-limit-{limit or 'empty'}", path, {"limit": limit})
    cursors = {
        "malformed": "nonsense",
        "empty": "",
        "unknown": _UNKNOWN_IDS[name],
        "of-another-type": samples.eval_id if name != "evals" else samples.run_id,
    }
    for what, after in cursors.items():
        yield _Question(f"{name}-after-{what}", path, {"after": after, "limit": 2})
    yield _Question(f"{name}-unknown-parameter", path, {"nonsense": "1", "limit": 1})


async def _ask(client: HostedClient, question: _Question) -> dict[str, object]:
    request: dict[str, object] = {"method": "GET", "path": question.path, "query": dict(question.query)}
    entry: dict[str, object] = {"question": question.name, "asked_at": int(time.time()), "request": request}
    try:
        response = await client.observe(question.path, question.query)
    except HostedError as error:
        if error.is_gone:
            raise
        return entry | {"status": error.status, "error": error.message}
    text = client.account.hide_secrets(response.text)
    entry |= {"status": response.status_code, "headers": _visible_headers(client, response)}
    entry |= {"body_bytes": len(response.content), "body": text[:_LONGEST_BODY]}
    if len(text) > _LONGEST_BODY:
        entry["body_is_cut"] = True
    return entry | _summary(response.content)


def _visible_headers(client: HostedClient, response: httpx2.Response) -> list[list[str]]:
    return [
        [name, client.account.hide_secrets(value)]
        for name, value in response.headers.multi_items()
        if name.lower() not in _HIDDEN_HEADERS
    ]


def _summary(body: bytes) -> dict[str, object]:
    """Return what a list says besides its data, and the order of its objects; {} if the body is not a list."""
    try:
        document = jsontext.parse(body)
    except InvalidJsonError:
        return {}
    found = document.get("data") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(found, list):
        return {}
    objects = [each for each in found if isinstance(each, dict)]
    times = [each.get("created_at") for each in objects]
    listed: dict[str, object] = {
        name: document[name] for name in ("first_id", "last_id", "has_more") if name in document
    }
    return {"listed": {"objects": len(objects), "created_at": times, **listed}}
