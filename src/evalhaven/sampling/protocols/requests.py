"""The makers of requests: a run's or a judge's data compiled once, so that an item costs a few microseconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.sampling.catalog import ChatOrResponses, Target
from evalhaven.sampling.messages.contents import parts_lost_in_chat, parts_lost_in_responses
from evalhaven.sampling.messages.gaps import encode_json
from evalhaven.sampling.messages.making import (
    CHAT_PATH,
    ITEM_PATH,
    RESPONSES_PATH,
    FileContents,
    ModelRequest,
    RequestError,
    RequestMaker,
    UnsupportedRequestError,
)
from evalhaven.sampling.messages.prompts import (
    Prompt,
    ReferencePrompt,
    TemplatePrompt,
    instructed,
    template_messages,
)
from evalhaven.sampling.messages.trajectories import Dialect, checked_items
from evalhaven.sampling.protocols.chat import chat_parameters
from evalhaven.sampling.protocols.parameters import (
    Wanted,
    completions_wanted,
    judge_wanted,
    responses_wanted,
    without_what_is_lacking,
)
from evalhaven.sampling.protocols.responses import responses_parameters

# An answer is awaited as a whole.
_NEVER = {
    "stream": "answers are read whole",
    "stream_options": "answers are read whole",
    "background": "answers are awaited",
}


_OF_ITEMS = ("model", "item", "messages", "sampling_params")
_CHAT = Dialect("chat", takes_audio=True, takes_developers=True)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes requests that differ in their messages only."""

    path: str
    adaptations: tuple[str, ...]
    _head: bytes
    _prompt: Prompt

    def make(self, namespaces: Mapping[str, JsonValue], files: FileContents) -> ModelRequest:
        """Return the request for one item."""
        messages, shown, unresolved = self._prompt.render(namespaces, files)
        return ModelRequest(b"".join((self._head, messages, b"}")), shown, unresolved)


@dataclass(frozen=True, slots=True)
class _ItemMaker:
    """Makes the requests to an application: the whole item, with the messages if the run has any."""

    adaptations: tuple[str, ...]
    _head: bytes
    _prompt: Prompt | None
    path: str = ITEM_PATH

    def make(self, namespaces: Mapping[str, JsonValue], files: FileContents) -> ModelRequest:
        """Return the request for one item."""
        item = encode_json(namespaces["item"])
        if self._prompt is None:
            return ModelRequest(b"".join((self._head, b',"item":', item, b"}")), [])
        messages, shown, unresolved = self._prompt.render(namespaces, files)
        body = b"".join((self._head, b',"item":', item, b',"messages":', messages, b"}"))
        return ModelRequest(body, shown, unresolved)


def compile_sampling(data_source: JsonObject, target: Target, extra_body: JsonObject | None) -> RequestMaker:
    """Return what makes the requests of a run.

    Args:
        data_source: Of type `completions` or `responses`, with `input_messages`; it has the contract's form.
        target: The model to ask.
        extra_body: Further keys of each body, sent unchanged.

    Raises:
        UnsupportedRequestError: The request cannot be sent to this endpoint.
    """
    if target.endpoint.is_application:
        return _compile_items(data_source, target, extra_body or {})
    wants_responses = data_source.get("type") == "responses"
    wanted = (
        responses_wanted(data_source.get("sampling_params")) if wants_responses else completions_wanted(data_source)
    )
    return _compile(
        data_source.get("input_messages"),
        wanted,
        "responses" if wants_responses else "chat",
        target,
        extra_body or {},
    )


def compile_judge(
    prompt: JsonValue, params: JsonValue, answer_format: JsonObject | None, target: Target
) -> RequestMaker:
    """Return what makes the requests of a model grader; its templates may name `item` and `sample`.

    A placeholder without a value becomes empty, and the request names it.

    Args:
        prompt: The grader's `input`: messages, or a text, which becomes a user's message.
        params: Its `sampling_params`, or None.
        answer_format: The form that answers must have, as a `response_format`.
        target: The model to ask, by chat completions if its endpoint has them.

    Raises:
        UnsupportedRequestError: The request cannot be sent to this endpoint.
    """
    if target.endpoint.is_application:
        raise UnsupportedRequestError(
            f"{target.model!r} is an application (endpoint {target.endpoint.name!r}), which answers items. Judges ask "
            "models: name one.",
            "model",
        )
    messages: JsonValue = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    protocol: ChatOrResponses = "chat" if "chat" in target.endpoint.protocols else "responses"
    template: JsonObject = {"type": "template", "template": messages}
    return _compile(template, judge_wanted(params, answer_format), protocol, target, {}, is_judge=True)


def _compile_items(data_source: JsonObject, target: Target, extra_body: JsonObject) -> RequestMaker:
    endpoint = target.endpoint
    input_messages = data_source.get("input_messages")
    prompt: Prompt | None = None
    if not (isinstance(input_messages, dict) and input_messages.get("template") == []):
        prompt, _ = _prompt(input_messages, _CHAT, None, endpoint.name, leaves_out=False)
    body: JsonObject = {"model": target.model}
    params = data_source.get("sampling_params")
    given: JsonObject = (
        {key: each for key, each in params.items() if each is not None} if isinstance(params, dict) else {}
    )
    if given:
        body["sampling_params"] = given
    for key in extra_body:
        if key in _OF_ITEMS:
            raise UnsupportedRequestError(
                f"`extra_body` may not set {key!r}, which every application is sent; leave it out.", "extra_body", key
            )
    return _ItemMaker((), encode_json({**body, **extra_body})[:-1], prompt)


def _compile(
    input_messages: JsonValue,
    wanted: Wanted,
    meant_for: ChatOrResponses,
    target: Target,
    extra_body: JsonObject,
    *,
    is_judge: bool = False,
) -> RequestMaker:
    endpoint = target.endpoint
    adaptations: list[str] = []
    protocol = meant_for
    if meant_for not in endpoint.protocols:
        protocol = "responses" if meant_for == "chat" else "chat"
        adaptations.append(_TRANSLATED[protocol].format(endpoint.name))
    is_translated = protocol != meant_for
    wanted, instruction, lacking = without_what_is_lacking(wanted, endpoint.lacks, endpoint.name)
    dialect = Dialect(
        protocol,
        takes_audio=protocol == "chat" or not is_translated,
        takes_developers="developer_role" not in endpoint.lacks,
    )
    prompt, from_prompt = _prompt(input_messages, dialect, instruction, endpoint.name, leaves_out=is_judge)
    if protocol == "chat":
        asked = chat_parameters(wanted, endpoint.lacks, endpoint.name, is_translated=is_translated)
    else:
        asked = responses_parameters(wanted)
    head = _head(protocol, target.model, asked.body, extra_body)
    return _Maker(
        path=CHAT_PATH if protocol == "chat" else RESPONSES_PATH,
        adaptations=(*adaptations, *from_prompt, *lacking, *asked.adaptations),
        _head=head,
        _prompt=prompt,
    )


_TRANSLATED: dict[ChatOrResponses, str] = {
    "chat": "Endpoint {!r} has no Responses protocol: it is asked for chat completions.",
    "responses": "Endpoint {!r} has no chat completions: it is asked by the Responses protocol.",
}


def _prompt(
    input_messages: JsonValue, dialect: Dialect, instruction: str | None, endpoint_name: str, *, leaves_out: bool
) -> tuple[Prompt, list[str]]:
    """Return the compiled messages, and what is different about them."""
    given = input_messages if isinstance(input_messages, dict) else {}
    reference = given.get("item_reference")
    if given.get("type") == "item_reference" and isinstance(reference, str):
        return ReferencePrompt(reference, dialect, instruction), _prompt_adaptations(dialect, endpoint_name, None)
    documents = given.get("template")
    messages = template_messages(documents) if isinstance(documents, list) else []
    if not messages:
        raise UnsupportedRequestError(
            "The input messages are empty: a model has to be asked something. Only an application is sent the item "
            "without them.",
            "messages",
        )
    try:
        prompt = TemplatePrompt(checked_items(list[JsonValue](messages)), dialect, leaves_out=leaves_out)
        if instruction is not None:
            asked = checked_items(list[JsonValue](instructed(messages, instruction)))
            prompt = TemplatePrompt(asked, dialect, leaves_out=leaves_out)
    except RequestError as error:
        raise UnsupportedRequestError(str(error), "messages", *error.at) from error
    return prompt, _prompt_adaptations(dialect, endpoint_name, messages)


def _prompt_adaptations(dialect: Dialect, endpoint_name: str, messages: Sequence[JsonObject] | None) -> list[str]:
    """Return what is different about messages; None if only the items know them."""
    adaptations: list[str] = []
    if not dialect.takes_developers and (messages is None or any(each["role"] == "developer" for each in messages)):
        adaptations.append(
            f"Endpoint {endpoint_name!r} knows no role `developer`: such messages are sent with the role `system`."
        )
    if dialect.protocol == "chat" and messages is not None and any("phase" in each for each in messages):
        adaptations.append("Chat completions have no `phase` of messages: it is not sent.")
    lost = parts_lost_in_chat if dialect.protocol == "chat" else parts_lost_in_responses
    for number, message in enumerate(messages or ()):
        adaptations += [
            f"Input message {number}, part {part}: {sentence}" for part, sentence in lost(message.get("content"))
        ]
    return adaptations


def _head(protocol: ChatOrResponses, model: str, params: JsonObject, extra_body: JsonObject) -> bytes:
    """Return the JSON of a request up to its messages, which come last."""
    messages_key = "messages" if protocol == "chat" else "input"
    body: JsonObject = {"model": model, **params}
    for key in extra_body:
        if key in _NEVER:
            raise UnsupportedRequestError(f"`extra_body` may not set {key!r}: {_NEVER[key]}.", "extra_body", key)
        if key in body or key == messages_key:
            raise UnsupportedRequestError(
                f"`extra_body` may not set {key!r}, which the run itself sets; leave it out of one of them.",
                "extra_body",
                key,
            )
    if protocol == "responses":
        body["store"] = False
    return encode_json({**body, **extra_body})[:-1] + b"," + encode_json(messages_key) + b":"
