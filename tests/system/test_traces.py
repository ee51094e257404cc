"""Traces of a real server, as a receiver of OpenTelemetry gets them over HTTP."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.server import Server
from tests.system.client import CRITERIA, Client, item_rows, wait_until
from tests.system.commands import call_command

_ITEMS = 3
_MODEL = "answers"
_PROMPT = "the-text-of-the-prompt"
_TRACE, _PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Receiver:
    """An endpoint that takes spans, and one for a model that notes the headers it is asked with."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.asked_with: list[str | None] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/v1/traces":
                    receiver.take(ExportTraceServiceRequest.FromString(body))
                    answer = b""
                else:
                    receiver.asked_with.append(self.headers["traceparent"])
                    answer = json.dumps(_COMPLETION).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the method it replaces
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Remember spans."""
        for resource in request.resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.services.add(named["service.name"])
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def named(self, beginning: str) -> list[Span]:
        """Return the spans whose name begins like this."""
        return [span for span in self.spans if span.name.startswith(beginning)]

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


_COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "answers-2026",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("traces")
    environment = {
        "EVALHAVEN_TRACES": "on",
        "EVALHAVEN_GATEWAY": "on",
        "EVALHAVEN_SAMPLING_PROCESSES": "2",
        "EVALHAVEN_UPSTREAM_BASE_URL": f"{receiver.url}/v1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with Server(directory, **environment).running() as server:
        yield server


def attributes(span: Span) -> dict[str, Any]:
    """Return the attributes of a span."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in span.attributes}


def test_one_trace_goes_from_the_request_through_the_run_to_the_upstream(server: Server, receiver: Receiver) -> None:
    with Client(server.url) as client:
        rows = b"".join(json.dumps({"item": item}).encode() + b"\n" for item in item_rows(_ITEMS))
        eval_id, file_id = client.create_eval(), client.upload(rows)
        messages = {"type": "template", "template": [{"role": "user", "content": f"{_PROMPT} {{{{ item.answer }}}}"}]}
        source = {"type": "completions", "source": {"type": "file_id", "id": file_id}, "input_messages": messages}
        answer = client.post(
            f"/v1/evals/{eval_id}/runs",
            json={"data_source": {**source, "model": _MODEL}},
            headers={"traceparent": f"00-{_TRACE}-{_PARENT}-01"},
        )
        run = client.wait_for_end(eval_id, answer.json()["id"])
    wait_until(lambda: receiver.named("run"), "the span of the run has come")
    wait_until(lambda: len(receiver.named("item")) == _ITEMS, "those of its items have come")

    (created,) = receiver.named("POST /v1/evals/{eval_id}/runs")
    (of_run,) = receiver.named("run")
    items = receiver.named("item")
    calls = [span for span in receiver.named("chat") if span.trace_id.hex() == _TRACE]
    assert {span.trace_id.hex() for span in (created, of_run, *items)} == {_TRACE}
    assert created.parent_span_id.hex() == _PARENT
    assert of_run.parent_span_id == created.span_id
    assert {span.parent_span_id for span in items} == {of_run.span_id}
    assert {span.parent_span_id for span in calls} == {span.span_id for span in items}
    assert {f"00-{_TRACE}-{span.span_id.hex()}-01" for span in calls} <= set(receiver.asked_with)
    assert receiver.services == {"evalhaven"}

    assert attributes(created)["http.response.status_code"] == 201
    assert attributes(of_run)["evalhaven.run.id"] == run["id"]
    assert attributes(of_run)["evalhaven.run.status"] == "completed"
    for span in calls:
        assert (
            attributes(span).items()
            >= {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": _MODEL,
                "gen_ai.response.model": "answers-2026",
                "gen_ai.usage.input_tokens": 7,
                "gen_ai.usage.output_tokens": 2,
            }.items()
        )
    events = [event for span in items for event in span.events]
    assert {event.name for event in events} == {"gen_ai.evaluation.result"}
    assert len(events) == _ITEMS * len(CRITERIA)
    named = [{each.key: each.value.string_value for each in event.attributes} for event in events]
    assert {each["gen_ai.evaluation.name"] for each in named} == {"answer", "note"}
    assert {each["gen_ai.evaluation.score.label"] for each in named} == {"pass", "fail"}
    assert not any(_PROMPT in str(span) for span in receiver.spans)
    assert f"trace_id={_TRACE}" in server.log


def test_a_call_through_the_gateway_is_traced_to_its_endpoint(server: Server, receiver: Receiver) -> None:
    with Client(server.url) as client:
        body = {"model": "of-the-gateway", "messages": [{"role": "user", "content": "Hi."}]}
        assert client.post("/v1/chat/completions", json=body).status_code == 200
    wait_until(lambda: receiver.named("POST /v1/chat/completions"), "the span of the request has come")

    (request,) = receiver.named("POST /v1/chat/completions")
    (call,) = receiver.named("chat of-the-gateway")
    assert (call.trace_id, call.parent_span_id) == (request.trace_id, request.span_id)
    assert f"00-{call.trace_id.hex()}-{call.span_id.hex()}-01" in receiver.asked_with


def test_traces_without_the_sdk_keep_the_server_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "evalhaven.tracing.tracer", None)
    said = call_command("serve", "--data-dir", str(tmp_path / "data"), "--port", "0", EVALHAVEN_TRACES="on")

    assert said.returncode == 1
    assert "pip install 'evalhaven[otel]'" in said.stderr
