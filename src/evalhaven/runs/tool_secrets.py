"""The secrets of a run's tools: kept apart from what is shown, and put back only for the call."""

from collections.abc import Iterator

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.masking import MASK, Secrets
from evalhaven.domain.samples import ItemError
from evalhaven.domain.tool_secrets import SECRET_KEYS, masked_tools, secrets_of
from evalhaven.wire.data_sources import CreateEvalJsonlRunDataSource, RunDataSource

_TOOLS_PARAM = "data_source.sampling_params.tools"


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
        if key in SECRET_KEYS or key == "tools":
            raise InvalidRequestError(
                f"'evalhaven.extra_body' may not hold {key!r}: it is shown in answers as it was sent. Send tools "
                f"as '{_TOOLS_PARAM}', where their secrets are kept encrypted.",
                param="evalhaven.extra_body",
            )


def without_secrets(error: ItemError, secrets: list[str]) -> ItemError:
    """Return an error with these texts removed from its message: endpoints quote the requests they refuse."""
    message = Secrets.of(secrets).hide(error.message)
    return error if message == error.message else ItemError(error.code, message, error.origin, error.retryable)


def _keys(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for member in value.values():
            yield from _keys(member)
    elif isinstance(value, list):
        for element in value:
            yield from _keys(element)
