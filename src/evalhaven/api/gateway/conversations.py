"""Responses that continue earlier ones: `previous_response_id` replaced by the conversation that it names."""

from evalhaven.api.gateway.requests import parse_object
from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.logged_calls import CallKind, LoggedCall
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.tool_calls import is_call
from evalhaven.logs.finder import CallFinder

# A client may use an id that it read in a stream whose end has not arrived here yet.
_ENDS_WITHIN_S = 0.25


class Conversations:
    """Finds earlier responses, also those that are on their way to the store."""

    def __init__(self, finder: CallFinder) -> None:
        """Find what this finds."""
        self._finder = finder

    async def continued(self, scope: ProjectScope, body: bytes, previous_id: str) -> JsonObject:
        """Return a request with the whole conversation in its `input`; the `previous_response_id` stays in it.

        Args:
            scope: Of the caller.
            body: The request.
            previous_id: The response that it continues.

        Raises:
            InvalidRequestError: There is no such response, or the input is none.
        """
        request = parse_object(body)
        previous = await self._finder.find(scope, (CallKind.RESPONSE,), previous_id, within_s=_ENDS_WITHIN_S)
        if previous is None:
            raise InvalidRequestError(
                f"Previous response with id {previous_id!r} not found: it was never kept here, or is deleted or older "
                "than what is kept. Send the whole conversation in `input`, and let responses be kept that are to be "
                "continued: by no `store: false`, and by EVALHAVEN_LOG_CALLS other than `none`.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        request["input"] = [*_conversation_of(previous.call), *input_items(request.get("input"))]
        return request


def input_items(given: JsonValue) -> list[JsonValue]:
    """Return the `input` of a request as items; a text is a user's message.

    Raises:
        InvalidRequestError: It is neither a text nor an array.
    """
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if given is None:
        return []
    if not isinstance(given, list):
        raise InvalidRequestError("`input` must be a string or an array of items.", param="input", code="invalid_value")
    return given


def without_private_thoughts(items: list[JsonValue]) -> list[JsonValue]:
    """Return items without the reasoning that only the endpoint which made it could look up.

    What a model said after thinking is refused without these thoughts as long as it carries its id.
    """
    kept = [item for item in items if not _is_private_thought(item)]
    return kept if len(kept) == len(items) else [_without_id(item) for item in kept]


def _conversation_of(call: LoggedCall) -> list[JsonValue]:
    """Return everything that was said up to the end of a response."""
    request, reply = jsontext.parse(call.request), jsontext.parse(call.reply)
    said = input_items(request.get("input")) if isinstance(request, dict) else []
    output = reply.get("output") if isinstance(reply, dict) else None
    return without_private_thoughts([*said, *(output if isinstance(output, list) else [])])


def _without_id(item: JsonValue) -> JsonValue:
    if isinstance(item, dict) and (item.get("role") == "assistant" or is_call(item.get("type"))):
        return {key: value for key, value in item.items() if key != "id"}
    return item


def _is_private_thought(item: JsonValue) -> bool:
    return isinstance(item, dict) and item.get("type") == "reasoning" and not item.get("encrypted_content")
