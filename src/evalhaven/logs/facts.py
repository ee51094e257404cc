"""What a store must know of a logged call to find it again, and what a filter asks for, in the same terms.

A fact that a filter compares is a tag: 16 bytes made of the project, what the fact is about, and its value. A call
has the tags of all its facts, and a filter becomes groups of tags; a call is wanted if it has one tag of each group.
What is found here of a call must stay the same from release to release: an index entry is removed by naming it again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import cast

from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue, parse, render
from evalhaven.domain.logged_calls import CallFilter, CallKind, LoggedCall
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.words import spaced_words, words_of

Tag = bytes
_TAG_SIZE = 16
_INSTRUCTING = ("system", "developer")
# Members whose texts are what was said; ids, types and URLs are not searched.
_SAID = frozenset(
    {"content", "text", "refusal", "arguments", "output", "input", "summary", "reasoning_content", "query"}
)


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What filters compare of a call.

    Attributes:
        tags: Its tags, each once.
        instructions: The words of its system and developer messages, with spaces between them, some more than once.
        words: The other words of its request and reply, likewise.
    """

    tags: list[Tag]
    instructions: str
    words: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a filter asks for.

    Attributes:
        groups: A call must have one tag of each group.
        instructions: Words that its instructions must contain.
        words: Words that it must contain anywhere.
    """

    groups: list[list[Tag]]
    instructions: list[str]
    words: list[str]


def facts_of(call: LoggedCall) -> CallFacts:
    """Return the facts of a call."""
    request, reply = _object(call.request), _object(call.reply)
    project = call.scope.project_id
    tags = [_tag(project, "kind", call.kind.value), _tag(project, "model", call.asked_model)]
    tags.append(_tag(project, "model", call.model))
    tags += [_metadata_tag(project, key, value) for key, value in call.metadata.items()]
    tags += [_tag(project, name, _comparable(value)) for name, value in _parameters(request) if value is not None]
    tags += [_tag(project, "tool", name) for name in _tools(request)]
    instructions, said = _texts(request)
    said += _reply_texts(reply)
    return CallFacts(list(dict.fromkeys(tags)), spaced_words(instructions), spaced_words(said))


def wanted_by(scope: ProjectScope, wanted: CallFilter) -> Wanted:
    """Return what a filter asks for; calls of other projects never have all of it."""
    project = scope.project_id
    kinds = list(CallKind) if wanted.kind is None else [wanted.kind]
    groups = [tags_of_kinds(scope, kinds)]
    if wanted.model is not None:
        groups.append([_tag(project, "model", wanted.model)])
    groups += [[_metadata_tag(project, key, value)] for key, value in wanted.metadata.items()]
    numbers = (("effort", wanted.reasoning_effort), ("temperature", wanted.temperature), ("top_p", wanted.top_p))
    groups += [[_tag(project, name, _comparable(value))] for name, value in numbers if value is not None]
    # An empty list, as some programs send it, asks for nothing in particular.
    if wanted.users:
        groups.append([_tag(project, "user", _comparable(user)) for user in dict.fromkeys(wanted.users)])
    if wanted.tools:
        groups.append([_tag(project, "tool", tool) for tool in dict.fromkeys(wanted.tools)])
    return Wanted(groups, words_of([wanted.instructions_search or ""]), words_of([wanted.text or ""]))


def tags_of_kinds(scope: ProjectScope, kinds: Iterable[CallKind] = CallKind) -> list[Tag]:
    """Return the tags of which each call of a project and of these kinds has one."""
    return [_tag(scope.project_id, "kind", kind.value) for kind in kinds]


def name_of(scope: ProjectScope, kind: CallKind, call_id: str) -> bytes:
    """Return what stands for the public id of a call."""
    return _hash_of(scope.project_id, kind.value, call_id)


def origin_of(origin: str) -> bytes:
    """Return what stands for the origin of a call, in whichever project."""
    return _hash_of(origin)


def _hash_of(*parts: object) -> bytes:
    return blake2b("\0".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=_TAG_SIZE).digest()


def _tag(project: int, about: str, value: str) -> Tag:
    return _hash_of(project, about, value)


def _metadata_tag(project: int, key: str, value: JsonValue) -> Tag:
    return _hash_of(project, "metadata", len(key), key, _comparable(value))


def _comparable(value: JsonValue) -> str:
    """Return a text that is equal for equal JSON values: 1 and 1.0 are, and so are objects in another order."""
    return render(value if isinstance(value, str) else _in_one_form(value))


def _in_one_form(value: JsonValue) -> JsonValue:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_in_one_form(each) for each in value]
    if isinstance(value, dict):
        return {key: _in_one_form(value[key]) for key in sorted(value)}
    return value


def _object(text: str) -> JsonObject:
    try:
        value = parse(text)
    except InvalidJsonError:
        return {}
    return value if isinstance(value, dict) else {}


def _parameters(request: JsonObject) -> Iterator[tuple[str, JsonValue]]:
    reasoning = request.get("reasoning")
    effort = request.get("reasoning_effort")
    yield "effort", reasoning.get("effort") if effort is None and isinstance(reasoning, dict) else effort
    yield "temperature", request.get("temperature")
    yield "top_p", request.get("top_p")
    yield "user", request.get("user")
    yield "user", request.get("safety_identifier")  # what `user` is called since


def _tools(request: JsonObject) -> Iterator[str]:
    tools = request.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        if not isinstance(tool, dict):
            continue
        function = tool.get("function")
        kind = tool.get("type")
        name = function.get("name") if isinstance(function, dict) else tool.get("name")
        if isinstance(name, str):
            yield name
        if isinstance(kind, str) and kind != "function":
            yield kind


def _texts(request: JsonObject) -> tuple[list[str], list[str]]:
    """Return the instructions and the other texts of a request."""
    instructing: list[str] = []
    said: list[str] = []
    _collect(request.get("instructions"), instructing)
    for name in ("messages", "input"):
        messages = request.get(name)
        if not isinstance(messages, list):
            _collect(messages, said)
            continue
        for message in messages:
            is_instructing = isinstance(message, dict) and message.get("role") in _INSTRUCTING
            _collect(message, instructing if is_instructing else said)
    return instructing, said


def _reply_texts(reply: JsonObject) -> list[str]:
    said: list[str] = []
    _collect(reply.get("output"), said)
    choices = reply.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            _collect(choice.get("message"), said)
    return said


def _collect(value: JsonValue, found: list[str]) -> None:
    """Append the texts of a message, without recursion: its depth is the sender's choice."""
    waiting: list[JsonValue] = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if not each.startswith("data:"):
                found.append(each)
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, dict):
            for name, member in each.items():
                if name in _SAID or isinstance(member, (list, dict)):
                    waiting.append(cast("JsonValue", member))
