"""Runs that ask, endpoints that are asked, and the published schemas of what is sent."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs

from evalhaven.sampling.catalog import Ability, ChatOrResponses, Endpoint, Target
from evalhaven.sampling.messages.making import ModelRequest, RequestMaker
from evalhaven.sampling.protocols.requests import compile_sampling
from tests.published import read_published

BOTH: tuple[ChatOrResponses, ...] = ("chat", "responses")
PNG = b"\x89PNG\r\n\x1a\n and the rest"
PNG_URL = "data:image/png;base64,iVBORw0KGgogYW5kIHRoZSByZXN0"


@dataclass
class Files:
    """Uploaded files: by id, name and content; and how many times each was asked for."""

    contents: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    asked: list[str] = field(default_factory=list[str])

    def find(self, file_id: str) -> tuple[str, bytes] | None:
        self.asked.append(file_id)
        return self.contents.get(file_id)


def target(*protocols: ChatOrResponses, lacks: tuple[Ability, ...] = ()) -> Target:
    """Return a model at an endpoint that has these protocols, by default both."""
    endpoint = Endpoint("local", "http://models", protocols=frozenset(protocols or BOTH), lacks=frozenset(lacks))
    return Target(endpoint, "m-1")


CHAT, RESPONSES = target("chat"), target("responses")


def template(run_type: str, *messages: Any, **params: Any) -> dict[str, Any]:
    """Return a data source with these messages; a text is a user's message."""
    full = [{"role": "user", "content": each} if isinstance(each, str) else each for each in messages]
    return {
        "type": run_type,
        "source": {"type": "file_id", "id": "file-1"},
        "model": "m",
        "input_messages": {"type": "template", "template": full},
        "sampling_params": params or None,
    }


def reference(run_type: str, path: str = "item.messages", **params: Any) -> dict[str, Any]:
    """Return a data source whose messages are in each item."""
    return {
        **template(run_type, **params),
        "input_messages": {"type": "item_reference", "item_reference": path},
    }


def make(maker: RequestMaker, item: dict[str, Any] | None = None, files: Files | None = None) -> ModelRequest:
    """Return the request for an item."""
    return maker.make({"item": item or {}}, files or Files())


def body_of(
    data_source: dict[str, Any],
    at: Target,
    item: dict[str, Any] | None = None,
    extra_body: dict[str, Any] | None = None,
    files: Files | None = None,
) -> dict[str, Any]:
    """Return the body that is sent for an item."""
    body: dict[str, Any] = json.loads(make(compile_sampling(data_source, at, extra_body), item, files).body)
    return body


def sent_messages(
    data_source: dict[str, Any], at: Target, item: dict[str, Any] | None = None, files: Files | None = None
) -> Any:
    """Return the messages that are sent for an item."""
    body = body_of(data_source, at, item, files=files)
    return body.get("messages", body.get("input"))


def converse(run_type: str, at: Target, *messages: Any, files: Files | None = None) -> Any:
    """Return how a conversation inside an item is sent."""
    return sent_messages(reference(run_type), at, {"messages": list(messages)}, files)


def shown(data_source: dict[str, Any], at: Target, item: dict[str, Any] | None = None) -> Any:
    """Return the messages as output items show them."""
    return make(compile_sampling(data_source, at, None), item).shown


def published_validator(shared_dir: Path, schema: str) -> jsonschema_rs.Draft202012Validator:
    """Return what checks a document against a published schema.

    Its alternatives overlap (a message without a type is several kinds of items), so that one of them is enough.
    """
    document = read_published(shared_dir / "spec" / "openapi" / "neighbours.yaml")
    whole = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(json.loads(json.dumps(whole).replace('"oneOf"', '"anyOf"')))
