"""Stored responses on the wire.

Source: the published example of a response, and the published schemas of input items.
"""

from evalhaven.api.rendering.logged_calls import call_extension, first_known, object_or_null, objects_in, time_of
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.logged_calls import LoggedCall
from evalhaven.logs.conversations import input_items_of, reply_of, request_of

_PARAMETERS: JsonObject = {  # shown with these values if neither the reply nor the request has any
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
}


def stored_response(call: LoggedCall, *, is_pending: bool = False) -> JsonObject:
    """Return a stored response: the reply, with parameters of the request where the reply does not repeat them."""
    request, reply = request_of(call), reply_of(call)
    parameters = {key: first_known((reply.get(key), request.get(key), default)) for key, default in _PARAMETERS.items()}
    return {
        **reply,
        "id": call.id,
        "object": "response",
        "created_at": time_of(reply.get("created_at"), call),
        "status": reply.get("status") or "completed",
        "error": object_or_null(reply.get("error")),
        "incomplete_details": object_or_null(reply.get("incomplete_details")),
        "model": call.model,
        "output": objects_in(reply.get("output")),
        **parameters,
        "tools": objects_in(parameters["tools"]),
        "usage": object_or_null(reply.get("usage")),
        "metadata": call.metadata,
        "evalhaven": call_extension(call, is_pending=is_pending),
    }


def input_items(call: LoggedCall) -> list[JsonObject]:
    """Return the input items of a response in their order, each with an id of its own."""
    seen = set[JsonValue]()
    items: list[JsonObject] = []
    for number, given in enumerate(input_items_of(request_of(call))):
        item = _input_item(given)
        own = item.get("id")
        if not isinstance(own, str) or not own or own in seen:
            # The same one on every request, so that it can be a cursor.
            own = f"{_PREFIXES.get(str(item['type']), 'item_')}{call.id.removeprefix('resp_')}_{number}"
        seen.add(own)
        items.append({**item, "id": own})
    return items


def _input_item(given: JsonValue) -> JsonObject:
    item: JsonObject = given if isinstance(given, dict) else {"role": "user", "content": given}
    kind = item.get("type")
    if isinstance(kind, str) and kind != "message":
        return item
    text_type = "output_text" if item.get("role") == "assistant" else "input_text"
    content = item.get("content")
    if isinstance(content, str):
        part: JsonObject = {"type": text_type, "text": content}
        content = list[JsonValue]([{**part, "annotations": []} if text_type == "output_text" else part])
    return {"status": "completed", **item, "type": "message", "content": objects_in(content)}
