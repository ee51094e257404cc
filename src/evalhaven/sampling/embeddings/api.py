"""The embeddings endpoint's requests and answers, as OpenAI documents them."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

from evalhaven.domain.jsontext import InvalidJsonError, parse_reply
from evalhaven.sampling.protocols.reply_errors import UnusableReplyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

EMBEDDINGS_PATH = "/embeddings"
_MOST_TOKENS = 1 << 62


class EmbeddingError(Exception):
    """There is no embedding of a text; the message says why, and names no key.

    Attributes:
        retryable: Whether another attempt with the same text could succeed.
        is_fatal: Whether any other text would fail in the same way.
    """

    def __init__(self, message: str, *, retryable: bool, is_fatal: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.is_fatal = is_fatal


Embedding = str | list[float | None]


class _Embedding(msgspec.Struct):
    index: int
    embedding: Embedding


class _Answer(msgspec.Struct):
    data: list[_Embedding]
    usage: Any = None


_ANSWERS = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class Embedded:
    """What an endpoint answered: an embedding for each text, in the order of the texts, as it was sent.

    Attributes:
        tokens: How many it counted; 0 if it did not say.
    """

    embeddings: Sequence[Embedding]
    tokens: int


def request_body(model: str, texts: Sequence[str]) -> bytes:
    """Return the body of a request; lone surrogates in a text become JSON escapes."""
    return json.dumps({"model": model, "input": list(texts), "encoding_format": "base64"}).encode()


def read_embeddings(body: bytes, count: int) -> Embedded:
    """Return the embeddings of an answer in the order of the texts.

    Args:
        body: The answer's body; vectors may be base64 of little-endian floats, or arrays of numbers.
        count: How many texts were sent.

    Raises:
        UnusableReplyError: The answer does not have one embedding for each text.
    """
    try:
        answer = _read(body)
    except (msgspec.ValidationError, InvalidJsonError) as error:
        raise UnusableReplyError(f"it cannot be read: {error}") from error
    by_index = {each.index: each.embedding for each in answer.data}
    if len(answer.data) != count or by_index.keys() != set(range(count)):
        raise UnusableReplyError(
            f"it was sent {count} texts and answered {len(answer.data)} embeddings, or numbered them otherwise"
        )
    return Embedded([by_index[index] for index in range(count)], _tokens_of(answer.usage))


def vectors_of(embeddings: Sequence[Embedding]) -> "list[Vector | EmbeddingError]":
    """Return embeddings as vectors, each unusable one as an error that says why.

    Raises:
        EmbeddingError: The embeddings have different lengths.
    """
    vectors = [_vector_of(each) for each in embeddings]
    if len({len(vector) for vector in vectors if not isinstance(vector, EmbeddingError)}) > 1:
        raise EmbeddingError("the embeddings endpoint answered embeddings of different lengths.", retryable=False)
    return vectors


def _read(body: bytes) -> _Answer:
    """Return an answer; the parts that nobody reads may hold anything.

    Raises:
        InvalidJsonError: The body is not JSON.
        ValidationError: The JSON is not an answer of embeddings.
    """
    try:
        return _ANSWERS.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return msgspec.convert(parse_reply(body), _Answer, strict=False)


def _tokens_of(usage: Any) -> int:
    counts = cast("dict[str, Any]", usage) if isinstance(usage, dict) else {}
    tokens = counts.get("total_tokens") or counts.get("prompt_tokens")
    return int(tokens) if isinstance(tokens, int | float) and 0 < tokens < _MOST_TOKENS else 0


def _vector_of(embedding: Embedding) -> "Vector | EmbeddingError":
    # Importing numpy takes a fifth of a second, and most servers never need it.
    import numpy as np  # noqa: PLC0415

    try:
        if isinstance(embedding, str):
            vector = np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
        else:
            # A number beyond the range becomes an infinity, which is refused below.
            with np.errstate(over="ignore"):
                vector = np.array(embedding, dtype="<f4")
    except (ValueError, binascii.Error):
        return EmbeddingError("the embeddings endpoint answered an embedding that is not base64.", retryable=False)
    if not np.isfinite(vector).all():
        return EmbeddingError("the embeddings endpoint answered an embedding with infinities.", retryable=False)
    if not vector.any():
        return EmbeddingError("the embeddings endpoint answered an embedding without direction.", retryable=False)
    return vector
