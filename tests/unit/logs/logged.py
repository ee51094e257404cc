"""Logged calls for the tests of stores, and a clock that stands still."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from evalhaven.domain.clock import Clock
from evalhaven.domain.jsontext import JsonObject, JsonValue, render
from evalhaven.domain.logged_calls import CallFilter, CallKind, LoggedCall
from evalhaven.domain.scopes import DEFAULT_PROJECT, ProjectScope
from evalhaven.logs.day_files.limits import DayFileLimits
from evalhaven.logs.day_files.store import DayFileStore
from evalhaven.logs.partitions.store import PartitionStore
from evalhaven.logs.store import LogStore
from evalhaven.storage.database import open_database

DAY_S = 86_400
NOON = 1_764_158_400  # 2025-11-26 12:00:00 UTC
TODAY = "2025-11-26"
OTHER_PROJECT = ProjectScope(project_id=2)
CHAT, RESPONSE = CallKind.CHAT, CallKind.RESPONSE
EVERYTHING = CallFilter()


class StandingClock(Clock):
    """It is always noon of the same day."""

    def now(self) -> float:
        return float(NOON)


@asynccontextmanager
async def opened_store(url: URL, directory: Path, dropped_at_once: int = 200) -> AsyncGenerator[LogStore]:
    """Open a store of the kind that belongs to a database, as another process would.

    Args:
        url: The database.
        directory: Where day files are.
        dropped_at_once: How many calls of a project are dropped in one transaction.
    """
    if url.get_backend_name() == "sqlite":
        files = DayFileStore(directory, StandingClock(), DayFileLimits(dropped_at_once=dropped_at_once))
        yield files
        await files.close()
        return
    database = open_database(url)
    store = PartitionStore(database, StandingClock(), dropped_at_once=dropped_at_once)
    yield store
    await store.close()
    await database.close()


def chat(number: int, created_at: int = NOON, **more: Any) -> LoggedCall:
    """Return a stored chat completion.

    Args:
        number: Makes its id and its origin.
        created_at: Unix second.
        more: Fields of the call. Besides, `question`, `answer` and `instructions` are texts in it, and `parameters`
            more members of its request.
    """
    messages: list[JsonValue] = [{"role": "user", "content": more.pop("question", f"question {number}")}]
    if instructions := more.pop("instructions", None):
        messages.insert(0, {"role": "system", "content": instructions})
    request: JsonObject = {"model": "gpt-4.1", "messages": messages, "store": True, **more.pop("parameters", {})}
    message: JsonObject = {"role": "assistant", "content": more.pop("answer", f"answer {number}")}
    reply: JsonObject = {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}
    return _call(CHAT, f"chatcmpl-{number}", created_at, request, reply, more)


def response(number: int, created_at: int = NOON, **more: Any) -> LoggedCall:
    """Return a stored response; what is given is as for `chat`."""
    request: JsonObject = {"model": "gpt-4.1", "input": more.pop("question", f"question {number}")}
    if instructions := more.pop("instructions", None):
        request["instructions"] = instructions
    content: list[JsonValue] = [{"type": "output_text", "text": more.pop("answer", f"answer {number}")}]
    reply: JsonObject = {"object": "response", "output": [{"type": "message", "content": content}]}
    return _call(RESPONSE, f"resp_{number}", created_at, request | more.pop("parameters", {}), reply, more)


async def ids(store: LogStore, wanted: CallFilter = EVERYTHING, **more: Any) -> list[str]:
    """Return the ids of a page of calls, newest first unless something else is asked for."""
    arguments: dict[str, Any] = {"limit": 100, "order": "desc", **more}
    page = await store.page(arguments.pop("scope", DEFAULT_PROJECT), wanted, **arguments)
    return [call.id for call in page.calls]


async def pinned(store: LogStore, wanted: CallFilter = EVERYTHING, limit: int | None = None) -> list[int]:
    """Return the keys that a run over these calls would have."""
    return [key async for keys in store.pin(DEFAULT_PROJECT, wanted, limit=limit) for key in keys]


def _call(
    kind: CallKind, call_id: str, created_at: int, request: JsonObject, reply: JsonObject, more: dict[str, Any]
) -> LoggedCall:
    fields: dict[str, Any] = {
        "scope": DEFAULT_PROJECT,
        "id": call_id,
        "kind": kind,
        "created_at": created_at,
        "asked_model": "gpt-4.1",
        "model": "gpt-4.1-2025-04-14",
        "request": render(request),
        "reply": render({"id": call_id, **reply}),
        "metadata": {},
        "origin": f"test-{call_id}",
    }
    return LoggedCall(**fields | more)
