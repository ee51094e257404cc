"""The embeddings endpoint's requests and answers, as OpenAI documents them."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import httpx
import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

_SHOWN_CHARS = 300


class EmbeddingError(Exception):
    """There is no embedding of a text; the message says why, and names no key.

    Attributes:
        retryable: Whether the same text could have one another time.
    """

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class _Embedding(msgspec.Struct):
    index: int
    embedding: str | list[float]


class _Answer(msgspec.Struct):
    data: list[_Embedding]


class _Fault(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Fault | str = ""


_ANSWERS = msgspec.json.Decoder(_Answer)
_REFUSALS = msgspec.json.Decoder(_Refusal)


def request_body(model: str, texts: Sequence[str]) -> bytes:
    """Return the body of a request; lone surrogates in a text stand in it as JSON escapes."""
    return json.dumps({"model": model, "input": list(texts), "encoding_format": "base64"}).encode()


def vectors_of(body: bytes, count: int) -> "list[Vector | EmbeddingError]":
    """Return the vectors of an answer in the order of the texts; in the place of one that is unusable, why.

    Args:
        body: The answer's body; vectors may be base64 of little-endian floats, or arrays of numbers.
        count: How many texts were sent.

    Raises:
        EmbeddingError: The answer as a whole is unusable.
    """
    try:
        embeddings = _ANSWERS.decode(body).data
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise EmbeddingError(f"the embeddings endpoint's answer cannot be read: {error}.", retryable=False) from error
    by_index = {each.index: each for each in embeddings}
    if len(embeddings) != count or by_index.keys() != set(range(count)):
        raise EmbeddingError(
            f"the embeddings endpoint was sent {count} texts and answered {len(embeddings)} embeddings, or numbered "
            "them otherwise.",
            retryable=False,
        )
    vectors = [_vector_of(by_index[index].embedding) for index in range(count)]
    if len({len(vector) for vector in vectors if not isinstance(vector, EmbeddingError)}) > 1:
        raise EmbeddingError("the embeddings endpoint answered embeddings of different lengths.", retryable=False)
    return vectors


def _vector_of(embedding: str | list[float]) -> "Vector | EmbeddingError":
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
        return EmbeddingError("the embeddings endpoint answered an embedding that is no base64.", retryable=False)
    if not np.isfinite(vector).all():
        return EmbeddingError("the embeddings endpoint answered an embedding with infinities.", retryable=False)
    if not vector.any():
        return EmbeddingError("the embeddings endpoint answered an embedding without direction.", retryable=False)
    return vector


def refusal_text(answer: httpx.Response, key: str | None) -> str:
    """Return what an endpoint said with an error, short, and with the key blotted out.

    Args:
        answer: The answer, read whole.
        key: The key that was sent, which some servers repeat.
    """
    try:
        fault = _REFUSALS.decode(answer.content).error
        text = fault if isinstance(fault, str) else fault.message
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        text = ""
    text = text or answer.text
    if key:
        text = text.replace(key, "***")
    return " ".join(text.split())[:_SHOWN_CHARS]
