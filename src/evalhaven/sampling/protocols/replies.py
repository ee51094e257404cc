"""Replies of models: the bytes of either protocol as a sample."""

from evalhaven.domain.jsontext import InvalidJsonError, parse_reply
from evalhaven.domain.samples import Sample
from evalhaven.sampling.messages.making import CHAT_PATH, ITEM_PATH
from evalhaven.sampling.protocols.chat_replies import completion_sample
from evalhaven.sampling.protocols.item_replies import item_sample
from evalhaven.sampling.protocols.plain_chat import find_plain_sample
from evalhaven.sampling.protocols.reply_errors import UnusableReplyError, shortened
from evalhaven.sampling.protocols.response_replies import response_sample

__all__ = ["UnusableReplyError", "read_reply"]


def read_reply(path: str, body: bytes) -> Sample:
    """Return the sample that a reply is; refusals, truncation and filters are part of it.

    Args:
        path: The path that was asked, `/chat/completions` or `/responses`; "" for an application.
        body: The reply's body.

    Raises:
        UnusableReplyError: The body is not a reply of that protocol, or reports a failure.
    """
    if path == CHAT_PATH and (plain := find_plain_sample(body)) is not None:
        return plain
    if path == ITEM_PATH:
        return item_sample(body)
    try:
        reply = parse_reply(body)
    except InvalidJsonError as error:
        raise UnusableReplyError(f"it is not JSON: {shortened(str(error))}") from error
    if not isinstance(reply, dict):
        raise UnusableReplyError("it is not a JSON object")
    return completion_sample(reply) if path == CHAT_PATH else response_sample(reply)
