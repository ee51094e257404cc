"""The spans of this process, sent by the SDK of OpenTelemetry as the variables `OTEL_…` say.

A run is executed by several processes, one after another and beside each other, and ends in one of them. So the id of
its span is made from its own id: each process knows the parent of its items, and whichever ends the run sends the span.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from evalhaven import __version__
from evalhaven.tracing.words import TracedGrade, TracedRun

_SERVICE = "evalhaven"
_SERVER_FAULT = 500
_NANOSECONDS = 1_000_000_000
_PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """Makes the spans of one process."""

    def __init__(self, *, has_content: bool = False, exporter: SpanExporter | None = None) -> None:
        """Begin to send.

        Args:
            has_content: Whether spans show what models were asked and answered.
            exporter: Where spans go; None: as the variables `OTEL_…` say.
        """
        self._has_content = has_content
        self._ids = _Ids()
        # The name of the service that OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES give wins.
        given = Resource.create({SERVICE_VERSION: __version__})
        if str(given.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
            given = given.merge(Resource({SERVICE_NAME: _SERVICE}))
        self._provider = TracerProvider(resource=given, id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(_SERVICE, __version__)

    def close(self) -> None:
        """Send what has not been sent."""
        self._provider.shutdown()

    def flush(self, within_s: float) -> None:
        """Send what has not been sent, as far as there is time."""
        self._provider.force_flush(round(within_s * 1000))

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Generator[Span]:
        """Trace a request to this server, which may belong to a trace of its client."""
        parent = _PROPAGATOR.extract(headers)
        with self._tracer.start_as_current_span(
            method, parent, SpanKind.SERVER, {"http.request.method": method}, record_exception=False
        ) as span:
            yield span

    def note_request(self, span: Span, method: str, route: str, status: int) -> None:
        """Add to the span of a request where it was routed to, and how it was answered."""
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.route": route, "http.response.status_code": status})
        if status >= _SERVER_FAULT:
            self.note_failure(span, str(status))

    def end_run(self, run: TracedRun, status: str, counts: Mapping[str, int], error: str | None, ended_at: int) -> None:
        """Send the span of a run that has ended.

        Args:
            run: Which.
            status: Its final status.
            counts: How many items it has, by outcome.
            error: Why it failed; None if it did not.
            ended_at: Unix second.
        """
        parent = None if run.traceparent is None else _PROPAGATOR.extract({"traceparent": run.traceparent})
        with self._ids.given(self._run_context(run)):
            span = self._tracer.start_span(
                "run",
                parent or Context(),
                attributes={
                    "evalhaven.run.id": run.id,
                    "evalhaven.eval.id": run.eval_id,
                    "evalhaven.run.status": status,
                    "gen_ai.request.model": run.model,
                    **{f"evalhaven.items.{name}": count for name, count in counts.items()},
                },
                start_time=run.began_at * _NANOSECONDS,
            )
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(Status(StatusCode.ERROR))
        span.end(max(ended_at, run.began_at) * _NANOSECONDS)

    @contextmanager
    def item(self, run: TracedRun, position: int, repeat: int) -> Generator[Span]:
        """Trace the evaluation of an item, under its run."""
        parent = trace.set_span_in_context(NonRecordingSpan(self._run_context(run)), Context())
        attributes = {"evalhaven.run.id": run.id, "evalhaven.item.position": position, "evalhaven.item.repeat": repeat}
        with self._tracer.start_as_current_span("item", parent, attributes=attributes) as span:
            yield span

    @contextmanager
    def call(self, operation: str, provider: str, model: str, body: bytes) -> Generator[tuple[Span, dict[str, str]]]:
        """Trace an attempt to call a model; yield its span and the headers that tell the endpoint of it.

        Args:
            operation: `chat` or `embeddings`, as the conventions for generative AI name it.
            provider: The endpoint's name.
            model: As it is sent.
            body: The request.
        """
        attributes = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
        }
        with self._tracer.start_as_current_span(
            f"{operation} {model}", kind=SpanKind.CLIENT, attributes=attributes
        ) as span:
            if self._has_content and span.is_recording():
                span.set_attribute("gen_ai.input.messages", body.decode(errors="replace"))
            headers: dict[str, str] = {}
            _PROPAGATOR.inject(headers)
            yield span, headers

    def note_answer(
        self, span: Span, model: str, tokens: tuple[int, int], reasons: Sequence[str], text: object
    ) -> None:
        """Add to the span of a call what was answered.

        Args:
            span: Of the call.
            model: The name that the endpoint gave.
            tokens: Of the prompt and of the completion.
            reasons: Why it ended.
            text: What was answered, shown only if content is asked for.
        """
        span.set_attributes(
            {
                "gen_ai.response.model": model,
                "gen_ai.usage.input_tokens": tokens[0],
                "gen_ai.usage.output_tokens": tokens[1],
                "gen_ai.response.finish_reasons": list(reasons),
            }
        )
        if self._has_content and span.is_recording():
            span.set_attribute("gen_ai.output.messages", json.dumps(text, default=str))

    def note_failure(self, span: Span, kind: str) -> None:
        """Add to a span that it failed, and why."""
        span.set_attribute("error.type", kind)
        span.set_status(Status(StatusCode.ERROR))

    def note_grades(self, span: Span, status: str, grades: Sequence[TracedGrade]) -> None:
        """Add to the span of an item how it ended, and an event for each grade."""
        span.set_attribute("evalhaven.item.status", status)
        for grade in grades:
            attributes: dict[str, str | float] = {
                "gen_ai.evaluation.name": grade.name,
                "gen_ai.evaluation.score.label": grade.label,
            }
            if grade.score is not None:
                attributes["gen_ai.evaluation.score.value"] = grade.score
            if grade.error is not None:
                attributes["error.type"] = grade.error
            span.add_event("gen_ai.evaluation.result", attributes)

    def current_traceparent(self) -> str | None:
        """Return what names the span of what is being done; None if there is none."""
        headers: dict[str, str] = {}
        _PROPAGATOR.inject(headers)
        return headers.get("traceparent")

    def trace_id_of(self, run: TracedRun) -> str:
        """Return the id of a run's trace, as log lines show it."""
        return f"{self._run_context(run).trace_id:032x}"

    def _run_context(self, run: TracedRun) -> SpanContext:
        """Return what names the span of a run; every process finds the same."""
        digest = sha256(run.execution.encode()).digest()
        span_id = int.from_bytes(digest[16:24]) or 1
        if run.traceparent is not None:
            parent = trace.get_current_span(_PROPAGATOR.extract({"traceparent": run.traceparent})).get_span_context()
            if parent.is_valid:
                return SpanContext(parent.trace_id, span_id, is_remote=True, trace_flags=parent.trace_flags)
        trace_id = int.from_bytes(digest[:16]) or 1
        is_sampled = self._provider.sampler.should_sample(None, trace_id, "run").decision.is_sampled()
        flags = TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT)
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)


class _Ids(IdGenerator):
    """Random ids, except for spans whose ids are given."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self._given: SpanContext | None = None

    @contextmanager
    def given(self, context: SpanContext) -> Generator[None]:
        """Use the ids of a context for the span that is started within."""
        self._given = context
        try:
            yield
        finally:
            self._given = None

    def generate_span_id(self) -> int:
        return self._random.generate_span_id() if self._given is None else self._given.span_id

    def generate_trace_id(self) -> int:
        return self._random.generate_trace_id() if self._given is None else self._given.trace_id
