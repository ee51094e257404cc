"""Endpoints, files and logged calls as lists show them."""

from collections.abc import Sequence
from typing import Any, Literal, cast

from sqlalchemy import Row

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.logged_calls import CallKind, LoggedCall
from evalhaven.domain.runs import SANDBOX
from evalhaven.domain.sample_forms import completion_of, text_of
from evalhaven.logs.conversations import conversation_of, reply_of
from evalhaven.sampling.catalog import Endpoint
from evalhaven.wire.inventory import (
    EndpointLimits,
    EndpointOverview,
    EndpointPrice,
    EndpointSeen,
    FileOverview,
    FileReader,
)
from evalhaven.wire.server import MASK

_SHOWN_STATES = 5
_SHOWN_CHARS = 300
_OTHERS = frozenset({"judges", "embeddings", SANDBOX})
Role = Literal["target", "judge", "embeddings"]
KINDS: dict[CallKind, Literal["chat", "responses"]] = {CallKind.CHAT: "chat", CallKind.RESPONSE: "responses"}


def endpoint_overview(endpoint: Endpoint, seen: Sequence[EndpointSeen]) -> EndpointOverview:
    """Return an endpoint; nothing that authenticates is shown."""
    return EndpointOverview(
        name=endpoint.name,
        base_url=endpoint.base_url,
        scripted=endpoint.is_scripted,
        program=None if endpoint.command is None else endpoint.command.arguments[0],
        api_key=MASK if endpoint.has_key else None,
        protocols=sorted(endpoint.protocols),
        models=list(endpoint.models),
        aliases=dict(endpoint.aliases),
        limits=EndpointLimits(
            max_concurrency=endpoint.max_concurrency,
            start_concurrency=endpoint.start_concurrency,
            requests_per_minute=endpoint.requests_per_minute,
            tokens_per_minute=endpoint.tokens_per_minute,
            timeout_s=endpoint.timeout_s,
            retry_for_s=endpoint.retry_for_s,
        ),
        prices=[
            EndpointPrice(model=each.model, input=each.input, cached_input=each.cached_input, output=each.output)
            for each in endpoint.prices
        ],
        seen=list(seen[:_SHOWN_STATES]),
    )


def states_by_endpoint(rows: Sequence[Row[Any]], now: int) -> dict[str, list[EndpointSeen]]:
    """Return how the calls of runs went, by the name of the endpoint, in the order of the runs.

    Args:
        rows: Runs as `storage.endpoint_states` lists them.
        now: Unix second.
    """
    found: dict[str, list[EndpointSeen]] = {}
    for row in rows:
        flow = cast("JsonObject", row.flow)
        judges = flow.get("judges")
        parts: list[tuple[Role, JsonValue]] = []
        if row.model:
            parts.append(("target", {name: state for name, state in flow.items() if name not in _OTHERS}))
        for judge in judges if isinstance(judges, list) else ():
            parts.append(("judge", judge))  # noqa: PERF401 - its type would be lost
        parts.append(("embeddings", flow.get("embeddings")))
        for role, state in parts:
            if not isinstance(state, dict) or not isinstance(state.get("endpoint"), str):
                continue
            unreachable, criterion = state.get("unreachable"), state.get("criterion")
            seen = EndpointSeen(
                run_id=row.public_id,
                run_name=row.name,
                eval_id=row.eval_id,
                role=role,
                model=row.model if role == "target" else None,
                criterion=criterion if isinstance(criterion, str) else None,
                at=row.ended_at or now,
                reachable=unreachable is None,
                unreachable=unreachable if isinstance(unreachable, dict) else None,
                limiter=state,
            )
            found.setdefault(str(state["endpoint"]), []).append(seen)
    return found


def file_overview(row: Row[Any], readers: Sequence[Row[Any]]) -> FileOverview:
    """Return a file with the newest runs that read it."""
    return FileOverview(
        id=row.public_id,
        filename=row.filename,
        purpose=row.purpose,
        size_bytes=row.size_bytes,
        created_at=row.created_at,
        expires_at=row.expires_at,
        imported=row.imported_at is not None,
        rows=next((_rows_of(each) for each in readers if each.items_planned is not None), None),
        runs=readers[0].readers if readers else 0,
        used_by=[
            FileReader(
                run_id=each.public_id,
                run_name=each.name,
                eval_id=each.eval_id,
                eval_name=each.eval_name,
                status=each.status,
                created_at=each.created_at,
            )
            for each in readers
        ],
    )


def call_row(call: LoggedCall) -> JsonObject:
    """Return a logged call as a row of a list."""
    reply = reply_of(call)
    completion = completion_of(reply) or {}
    choices = completion.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    usage = completion.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    reason = choice.get("finish_reason")
    return {
        "id": call.id,
        "kind": KINDS[call.kind],
        "created_at": call.created_at,
        "asked_model": call.asked_model,
        "model": call.model,
        "metadata": call.metadata,
        "input": _cut(_asked(conversation_of(call))),
        "output": _cut(text_of(message) if isinstance(message, dict) else None),
        "finish_reason": reason if isinstance(reason, str) and reason else None,
        "prompt_tokens": _count(counts.get("prompt_tokens")),
        "completion_tokens": _count(counts.get("completion_tokens")),
        "latency_ms": call.latency_ms,
        "first_byte_ms": call.first_byte_ms,
    }


def _asked(messages: Sequence[JsonValue]) -> str | None:
    said = [each for each in messages if isinstance(each, dict)]
    asked = next((each for each in reversed(said) if each.get("role") == "user"), said[-1] if said else None)
    return None if asked is None else text_of(asked)


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _count(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _rows_of(run: Row[Any]) -> int:
    repeats = run.options["repeats"] if run.options and run.model else 1
    return run.items_planned // repeats
