"""`/v1/traces`: OpenTelemetry over HTTP, of which the calls to models are stored."""

from collections import Counter
from functools import partial

import anyio.to_thread
from fastapi import APIRouter, Request, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import read_gzipped
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.errors import UnreadableEncodingError
from evalhaven.logs.ingest import conventions, otlp_json
from evalhaven.logs.ingest.spans import Span
from evalhaven.storage.access.retention import find_kept_days

router = APIRouter(route_class=GuardedRoute)

_MOST_BYTES = 32 * 1024 * 1024
_JSON = "application/json"
_PROTOBUF = "application/x-protobuf"


@router.post("/v1/traces", include_in_schema=False)
async def export_traces(request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Store the calls to models among the spans of an export; other spans are taken and left."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (_JSON, _PROTOBUF):
        raise UnreadableEncodingError(
            f"Spans are taken as {_PROTOBUF} or {_JSON}, not as {kind!r}.",
            param="Content-Type",
            code="unsupported_encoding",
        )
    raw = await read_gzipped(request, min(_MOST_BYTES, services.config.max_body_bytes))
    if kind == _JSON:
        read_spans, answer = otlp_json.read_spans, otlp_json.answer
    else:
        from evalhaven.logs.ingest import otlp_protobuf  # noqa: PLC0415 - takes memory, and few servers need it

        read_spans, answer = otlp_protobuf.read_spans, otlp_protobuf.answer

    def read() -> list[Span]:
        return [span for span in read_spans(raw) if conventions.is_call(span)]

    calls = list(enumerate(await anyio.to_thread.run_sync(read)))
    readings = [(number, partial(conventions.read_call, span)) for number, span in calls]
    own_days = await services.database.fetch(lambda tx: find_kept_days(tx, scope))
    outcome = await services.log_intake.take(scope, readings, own_days=own_days)
    reasons = Counter(each.reason for each in outcome.refused)
    message = "; ".join(f"{count} of {len(calls)} calls: {reason}" for reason, count in reasons.most_common(5))
    return Response(answer(len(outcome.refused), message), media_type=kind)
