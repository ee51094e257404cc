"""Facts about failures: which code and message an item gets, what is repeated, and whether the run goes on."""

import ssl
from typing import Any

import msgspec
import pytest

from evalhaven.sampling.calls.failures import (
    Failure,
    failure_of_configuration,
    failure_of_reply,
    failure_of_transport,
    failure_of_unusable,
)
from evalhaven.sampling.catalog import Endpoint
from evalhaven.sampling.secrets import secrets_of
from evalhaven.sampling.transport.client import HttpReply, TransportError, TransportOptions

KEY = "sk-made-up-and-secret"
SECRETS = secrets_of(Endpoint("lab", "http://lab.test/v1", {"authorization": f"Bearer {KEY}"}))


def reply(status: int, document: Any = None, **headers: str) -> HttpReply:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return HttpReply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def envelope(message: str = "No.", code: Any = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def of(status: int, document: Any = None, **headers: str) -> Failure:
    return failure_of_reply(reply(status, document, **headers), "lab", SECRETS)


@pytest.mark.parametrize(
    ("status", "code", "kind", "is_fatal", "is_retryable"),
    [
        (400, "invalid_request_error", "final", False, False),
        (401, "authentication_error", "final", True, True),
        (402, "insufficient_quota", "final", True, True),
        (403, "permission_denied", "final", True, True),
        (404, "model_not_found", "final", True, True),
        (408, "request_timeout", "busy", False, True),
        (409, "conflict", "busy", False, True),
        (413, "request_too_large", "final", False, False),
        (418, "invalid_request_error", "final", False, False),
        (422, "invalid_request_error", "final", False, False),
        (425, "too_early", "busy", False, True),
        (429, "rate_limit_exceeded", "rate_limit", False, True),
        (500, "server_error", "server_error", False, True),
        (503, "server_error", "server_error", False, True),
        (529, "server_error", "server_error", False, True),
    ],
)
def test_a_status_alone_decides_where_the_endpoint_names_no_code(
    status: int, code: str, kind: str, is_fatal: bool, is_retryable: bool
) -> None:
    failure = of(status, envelope())

    assert (failure.error.code, failure.kind, failure.is_fatal) == (code, kind, is_fatal)
    assert (failure.error.message, failure.error.origin) == ("No.", "sampling")
    assert failure.error.retryable == is_retryable


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "invalid_image_url"), (401, "invalid_api_key"), (404, "DeploymentNotFound"), (429, "tokens_usage.limit")],
)
def test_the_endpoints_own_code_comes_first(status: int, code: str) -> None:
    assert of(status, envelope(code=code)).error.code == code


@pytest.mark.parametrize("code", ["429", 429, "", "two words", "x" * 65, f"key {KEY}", None, ["a"], 4.5])
def test_what_is_no_name_is_no_code(code: Any) -> None:
    assert of(429, envelope(code=code)).error.code == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"error": "model is loading"}, "model is loading"),
        (
            [{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}],
            "API key not valid.",
        ),
        ({"object": "error", "message": "Too long.", "type": "BadRequestError", "code": 400}, "Too long."),
        ({"type": "error", "error": {"type": "invalid_request_error", "message": "No tokens."}}, "No tokens."),
        ({"detail": "Not authenticated"}, "Not authenticated"),
        ({"detail": [{"loc": ["body"], "msg": "missing"}]}, '[{"loc":["body"],"msg":"missing"}]'),
        ({"statusCode": 400, "message": "Access denied."}, "Access denied."),
        (b"<html><head><title>Bad</title></head><body>\n<h1>Bad gateway</h1>", "lab answered 400: Bad Bad gateway"),
        (b"", "lab answered 400: nothing more"),
        (b"null", "lab answered 400: null"),
        (b"[]", "lab answered 400: []"),
        (b'{"error": ', 'lab answered 400: {"error":'),
        (b"\xff\xfe", "lab answered 400: \ufffd\ufffd"),
    ],
    ids=str,
)
def test_the_words_are_found_in_every_form_of_error(document: Any, message: str) -> None:
    assert of(400, document).error.message == message


def test_an_error_that_is_nested_without_end_is_shown_as_text() -> None:
    assert of(400, b"[" * 100_000).error.message == "lab answered 400: " + "[" * 482


def test_words_are_cut_after_the_key_is_removed() -> None:
    message = of(401, envelope("x" * 490 + KEY + "y" * 100)).error.message

    assert message == "x" * 490 + "***" + "y" * 7


CONFIGURED = Endpoint(
    "lab",
    "http://lab.test/v1",
    {
        "authorization": f"Bearer {KEY}",
        "api-key": "another-secret",
        "x-lab": "told-to-nobody",
        "x-team": "evals",
        "x-title": "Evaluations",
        "x-basic-auth": "Basic dXNlcjpiYXNpYy1wYXNz",
    },
    query="api-version=2024-10-21-preview&key=in%26query&deployment=of-ours",
    transport=TransportOptions(proxy="http://me:proxy%40pass@proxy.test:3128"),
)


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        "another-secret",
        "told-to-nobody",
        "dXNlcjpiYXNpYy1wYXNz",
        "user:basic-pass",
        "basic-pass",
        "in&query",
        "in%26query",
        "in&amp;query",
        "of-ours",
        "proxy@pass",
        "proxy%40pass",
        "bWU6cHJveHlAcGFzcw==",
    ],
)
def test_whatever_is_configured_and_secret_is_hidden_in_every_form(secret: str) -> None:
    assert secrets_of(CONFIGURED).hide(f"You sent <{secret}>.") == "You sent <***>."


@pytest.mark.parametrize("public", ["Bearer", "2024-10-21-preview", "evals", "Evaluations", "lab.test"])
def test_what_is_public_by_its_name_or_only_a_short_word_is_shown(public: str) -> None:
    assert secrets_of(CONFIGURED).hide(f"You sent {public}.") == f"You sent {public}."


def test_the_password_of_the_environments_proxy_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:of-the-environment@proxy.test:3128")
    endpoint = Endpoint("lab", "https://lab.test/v1", transport=TransportOptions(trust_env=True))

    assert secrets_of(endpoint).hide("of-the-environment") == "***"
    assert secrets_of(Endpoint("lab", "https://lab.test/v1")).hide("of-the-environment") == "of-the-environment"


def test_a_code_that_is_a_secret_is_no_code() -> None:
    failure = of(401, envelope(code=KEY))

    assert failure.error.code == "authentication_error"


def test_a_secret_that_begins_where_a_page_is_cut_is_hidden_whole() -> None:
    page = f"<html><style>{'x' * 3980}</style><p>{KEY}</p>".encode()

    assert of(502, page).error.message == "lab answered 502: ***"


@pytest.mark.parametrize("kind", ["connect", "timeout", "broken", "malformed", "too_large"])
def test_what_the_transport_says_is_shown_without_secrets(kind: Any) -> None:
    failure = failure_of_transport(TransportError(kind, f"lab.test sent {KEY}"), "lab", SECRETS)

    assert failure.error.message == "lab: lab.test sent ***"


def test_a_success_that_repeats_a_secret_is_shown_without_it() -> None:
    page = reply(200, f"<html><body>{'x' * 180}{KEY}".encode(), content_type=f"text/html; {KEY}")
    message = failure_of_unusable(page, "it is not JSON", "lab", SECRETS).error.message

    assert "sk-" not in message
    assert "text/html; ***" in message


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "the request exceeds the available context size. try increasing the context size",
    ],
)
def test_a_request_that_is_too_long_for_the_model_is_recognized(message: str) -> None:
    failure = of(400, envelope(message))

    assert (failure.error.code, failure.error.retryable) == ("context_length_exceeded", False)


def test_a_filtered_request_is_recognized() -> None:
    message = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."

    assert of(400, envelope(message)).error.code == "content_filter"


@pytest.mark.parametrize(
    "document",
    [envelope(code="insufficient_quota"), envelope(kind="insufficient_quota"), envelope(code="billing_not_active")],
)
def test_an_exhausted_quota_is_final_and_fatal(document: Any) -> None:
    failure = of(429, document, retry_after="5")

    assert (failure.kind, failure.is_fatal, failure.error.retryable) == ("final", True, True)
    assert failure.error.code in {"insufficient_quota", "billing_not_active"}


def test_a_request_above_what_a_minute_allows_is_not_repeated() -> None:
    message = "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 50000."
    failure = of(429, envelope(message, "rate_limit_exceeded"))

    assert (failure.kind, failure.is_fatal, failure.error.retryable) == ("final", False, False)


@pytest.mark.parametrize(
    ("headers", "asked_s"),
    [
        ({"retry_after": "3"}, 3.0),
        ({"retry_after": "3", "retry_after_ms": "250"}, 0.25),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-1"}, None),
        ({"retry_after": "nan"}, None),
        ({}, None),
    ],
)
def test_a_pause_is_kept_as_the_endpoint_names_it(headers: dict[str, str], asked_s: float | None) -> None:
    assert of(429, envelope(), **headers).asked_s == asked_s


def test_a_pause_that_only_the_body_names_is_kept() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]
    failure = of(429, [{"error": {"code": 429, "message": "Quota exceeded.", "details": details}}])

    assert (failure.asked_s, failure.error.message) == (34.5, "Quota exceeded.")


def test_a_wrong_address_is_told_from_an_unknown_model() -> None:
    failure = of(404, b"<html><body>404 page not found</body></html>")

    assert (failure.error.code, failure.is_fatal) == ("not_found", True)
    assert failure.error.message == "lab answered 404: 404 page not found"


def test_a_redirect_is_not_followed_and_stops_the_run() -> None:
    failure = of(308, b"", location="https://elsewhere.test/")

    assert (failure.error.code, failure.kind, failure.is_fatal) == ("unexpected_redirect", "final", True)


def test_an_endpoint_may_forbid_to_repeat_but_not_ask_for_it() -> None:
    assert of(503, envelope(), x_should_retry="false").kind == "final"
    assert of(400, envelope(), x_should_retry="true").kind == "final"


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://elsewhere.test/v1/chat/completions", "points to https://elsewhere.test/v1/chat/completions;"),
        (f"/login?key={KEY}", "points to /login?key=***;"),
        ("", "does not say where to;"),
    ],
)
def test_a_redirect_says_where_to(location: str, told: str) -> None:
    message = of(302, b"<html>Found", location=location).error.message

    assert told in message
    assert "302" in message


SCRIPTED_PAGE = b"""<!DOCTYPE html><html><head><title>Busy</title><style>body{color:red}</style>
<script type="text/javascript">var tracking = "<b>1</b>";</script><!-- build 7 --></head>
<body><h1>Bad&nbsp;gateway</h1><p>a &lt; b</p><SCRIPT>more()</SCRIPT><svg><path d="M0"/></svg><script>open("""


def test_a_page_shows_its_words_and_no_script() -> None:
    assert of(502, SCRIPTED_PAGE).error.message == "lab answered 502: Busy Bad gateway a < b"


def test_text_with_a_less_than_sign_is_shown_whole() -> None:
    assert of(400, b"a < b and c > d").error.message == "lab answered 400: a < b and c > d"


@pytest.mark.parametrize(
    ("content_type", "body", "told"),
    [
        (
            "text/html; charset=utf-8",
            b"<!doctype html><html><script>x()</script><title>Sign in</title>",
            "(text/html; charset=utf-8) with an HTML page. It begins: <!doctype html><html> <title>Sign in</title>",
        ),
        (None, b"<html><body>502</body></html>", "(no content type) with an HTML page. It begins: <html><body>502"),
        (
            "text/event-stream",
            b'data: {"choices": []}\n\ndata: [DONE]\n\n',
            '(text/event-stream) with an event stream, though none was asked for. It begins: data: {"choices": []}',
        ),
        ("application/json", b": ping\n\nevent: x\n", "(application/json) with an event stream"),
        ("application/json", b"", "lab answered 200 (application/json) with nothing"),
        ("application/json", b'{"a": 1}', 'with an unusable body: it has no choices. It begins: {"a": 1}'),
        ("text/plain", b"x" * 10_000, f"It begins: {'x' * 200}"),
    ],
    ids=["html", "html by its beginning", "events", "events by their beginning", "nothing", "JSON", "long"],
)
def test_a_success_that_is_none_says_what_came(content_type: str | None, body: bytes, told: str) -> None:
    headers = {} if content_type is None else {"content_type": content_type}
    failure = failure_of_unusable(reply(200, body, **headers), "it has no choices", "lab")

    assert told in failure.error.message
    assert "x" * 201 not in failure.error.message
    assert (failure.kind, failure.error.code) == ("invalid_reply", "invalid_reply")


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 503, 529])
def test_what_passes_by_itself_is_no_outage_when_a_success_tells_of_it(status: int) -> None:
    said = reply(200, {"error": {"message": "Provider returned error", "code": status}})

    assert failure_of_unusable(said, "it reports a failure", "lab").kind == "invalid_reply"


def test_the_error_of_a_choice_is_told_whole_and_without_secrets() -> None:
    choice = {"message": {"content": ""}, "error": {"message": f"{'x' * 290} {KEY} refused", "code": 502}}
    failure = failure_of_unusable(reply(200, {"choices": [choice]}), "it reports a failure", "lab", SECRETS)

    assert failure.error.message == f"{'x' * 290} *** refused"
    assert (failure.kind, failure.error.code) == ("invalid_reply", "server_error")


def test_an_error_with_numbers_that_are_none_is_read() -> None:
    assert of(400, b'{"error": {"message": "No.", "took": NaN, "at": "\xff"}}').error.message == "No."


def test_an_error_inside_a_success_counts_as_that_error() -> None:
    said = reply(200, {"error": {"message": "Provider is busy", "code": 429}})
    failure = failure_of_unusable(said, "it has no choices", "lab")

    assert (failure.kind, failure.error.code, failure.error.message) == (
        "rate_limit",
        "rate_limit_exceeded",
        "Provider is busy",
    )


def test_a_failed_response_tells_its_own_code() -> None:
    said = reply(200, {"status": "failed", "error": {"code": "server_error", "message": "Something broke."}})
    failure = failure_of_unusable(said, "it reports a failure", "lab")

    assert (failure.kind, failure.error.code, failure.error.message) == (
        "invalid_reply",
        "server_error",
        "Something broke.",
    )


@pytest.mark.parametrize(
    ("kind", "code", "repeated_as"),
    [
        ("connect", "upstream_unreachable", "connection"),
        ("broken", "upstream_connection_lost", "connection"),
        ("timeout", "upstream_timeout", "timeout"),
        ("malformed", "invalid_reply", "invalid_reply"),
        ("too_large", "reply_too_large", "final"),
    ],
)
def test_no_answer_has_a_code_by_its_kind(kind: Any, code: str, repeated_as: str) -> None:
    failure = failure_of_transport(TransportError(kind, "lab.test did not answer"), "lab")

    assert (failure.error.code, failure.kind, failure.is_fatal) == (code, repeated_as, False)
    assert failure.error.message == "lab: lab.test did not answer"


def test_a_certificate_that_is_not_trusted_is_final_and_fatal() -> None:
    error = TransportError("connect", "no connection to lab.test")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")
    failure = failure_of_transport(error, "lab")

    assert (failure.error.code, failure.kind, failure.is_fatal) == ("upstream_certificate_invalid", "final", True)


def test_an_endpoint_that_cannot_be_asked_stops_the_run() -> None:
    failure = failure_of_configuration(ValueError("a header has a line break"), "lab")

    assert (failure.error.code, failure.kind, failure.is_fatal) == ("upstream_misconfigured", "final", True)
    assert failure.error.message == "lab cannot be asked as it is configured: a header has a line break"
