"""The secrets of a run's tools: found, masked in everything that is shown, and put back only for the call."""

from collections.abc import Iterator

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.masking import MASK, Secrets
from evalhaven.domain.samples import ItemError
from evalhaven.wire.data_sources import CreateEvalJsonlRunDataSource, RunDataSource

_SECRET_KEYS = frozenset({"authorization", "headers", "domain_secrets"})
_TOOLS_PARAM = "data_source.sampling_params.tools"


def masked(document: JsonObject) -> JsonObject:
    """Return a document with the secrets of each tool in it masked, wherever its `tools` are."""
    return {
        key: masked_tools(member) if key == "tools" and isinstance(member, list) else _with_masked_tools(member)
        for key, member in document.items()
    }


def masked_tools(tools: list[JsonValue]) -> list[JsonValue]:
    """Return tools with their secrets masked."""
    return [_masked_tool(tool) for tool in tools]


def tools_with_secrets(data_source: RunDataSource) -> list[JsonValue] | None:
    """Return a run's tools as sent if they hold secrets; None if they hold none.

    Raises:
        InvalidRequestError: A secret is the mask of an earlier answer, sent back.
    """
    params = None if isinstance(data_source, CreateEvalJsonlRunDataSource) else data_source.sampling_params
    if params is None or params.tools is None:
        return None
    tools: list[JsonValue] = [tool.sent for tool in params.tools]
    if any(secret == MASK for secret in secrets_of(tools)):
        raise InvalidRequestError(
            f"'{_TOOLS_PARAM}' has {MASK!r} in place of a secret, as answers show it. Secrets are erased when "
            "their run ends, so send them again.",
            param=_TOOLS_PARAM,
        )
    return None if masked_tools(tools) == tools else tools


def refuse_secrets(extra_body: JsonObject | None) -> None:
    """Refuse an `extra_body` that names a key which answers would have to mask.

    Raises:
        InvalidRequestError: The `extra_body` names tools, or a key that authenticates something.
    """
    for key in _keys(extra_body or {}):
        if key in _SECRET_KEYS or key == "tools":
            raise InvalidRequestError(
                f"'evalhaven.extra_body' may not hold {key!r}: it is shown in answers as it was sent. Send tools "
                f"as '{_TOOLS_PARAM}', where their secrets are kept encrypted.",
                param="evalhaven.extra_body",
            )


def secrets_of(tools: list[JsonValue]) -> list[str]:
    """Return every text in tools that is masked in answers."""
    return [text for tool in tools if _may_hold_secrets(tool) for text in _secret_texts(tool)]


def without_secrets(error: ItemError, secrets: list[str]) -> ItemError:
    """Return an error with these texts removed from its message: endpoints quote the requests they refuse."""
    message = Secrets.of(secrets).hide(error.message)
    return error if message == error.message else ItemError(error.code, message, error.origin, error.retryable)


def _with_masked_tools(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return masked(value)
    return [_with_masked_tools(element) for element in value] if isinstance(value, list) else value


def _may_hold_secrets(tool: JsonValue) -> bool:
    # The parameters of a function are a schema, whose keys the user chose.
    return not (isinstance(tool, dict) and tool.get("type") == "function")


def _masked_tool(tool: JsonValue) -> JsonValue:
    return _masked_members(tool) if _may_hold_secrets(tool) else tool


def _masked_members(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {
            key: _masked_secret(key, member) if key in _SECRET_KEYS else _masked_members(member)
            for key, member in value.items()
        }
    return [_masked_members(element) for element in value] if isinstance(value, list) else value


def _masked_secret(key: str, secret: JsonValue) -> JsonValue:
    if secret is None:
        return None
    if key == "headers" and isinstance(secret, dict):
        return dict.fromkeys(secret, MASK)
    if key == "domain_secrets" and isinstance(secret, list):
        return [{**each, "value": MASK} if isinstance(each, dict) else MASK for each in secret]
    return MASK


def _secret_texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            if key == "domain_secrets" and isinstance(member, list):
                for each in member:
                    yield from _texts(each.get("value") if isinstance(each, dict) else each)
            elif key in _SECRET_KEYS:
                yield from _texts(member)
            else:
                yield from _secret_texts(member)
    elif isinstance(value, list):
        for element in value:
            yield from _secret_texts(element)


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _texts(member)


def _keys(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for member in value.values():
            yield from _keys(member)
    elif isinstance(value, list):
        for element in value:
            yield from _keys(element)
