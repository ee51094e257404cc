"""The embeddings endpoint's requests and answers, as OpenAI documents them."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from evalhaven.domain.foreign import words_of
from evalhaven.domain.jsontext import InvalidJsonError, parse_reply
from evalhaven.domain.masking import Secrets
from evalhaven.sampling.calls.said import read_error, what_came
from evalhaven.sampling.transport.client import HttpReply

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
    embedding: str | list[float | None]


class _Answer(msgspec.Struct):
    data: list[_Embedding]


_ANSWERS = msgspec.json.Decoder(_Answer)


def request_body(model: str, texts: Sequence[str]) -> bytes:
    """Return the body of a request; lone surrogates in a text stand in it as JSON escapes."""
    return json.dumps({"model": model, "input": list(texts), "encoding_format": "base64"}).encode()


def vectors_of(answer: HttpReply, count: int, secrets: Secrets) -> "list[Vector | EmbeddingError]":
    """Return the vectors of an answer in the order of the texts; in the place of one that is unusable, why.

    Args:
        answer: Vectors may be base64 of little-endian floats, or arrays of numbers.
        count: How many texts were sent.
        secrets: What must not be repeated.

    Raises:
        EmbeddingError: The answer as a whole is unusable.
    """
    try:
        embeddings = _read(answer.body).data
    except (msgspec.ValidationError, InvalidJsonError) as error:
        came = what_came(answer, str(error), secrets)
        raise EmbeddingError(f"the embeddings endpoint's answer cannot be read: it {came}", retryable=False) from error
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


def _read(body: bytes) -> _Answer:
    """Return an answer; what nobody reads of it may hold anything.

    Raises:
        InvalidJsonError: It is no JSON.
        ValidationError: It is another one.
    """
    try:
        return _ANSWERS.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return msgspec.convert(parse_reply(body), _Answer, strict=False)


def _vector_of(embedding: str | list[float | None]) -> "Vector | EmbeddingError":
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


def refusal_text(answer: HttpReply, secrets: Secrets) -> str:
    """Return what an endpoint said with an error, short, and without secrets, which some servers repeat."""
    text = read_error(answer.body).message or _where_to(answer) or words_of(answer.body)
    return " ".join(secrets.hide(text).split())[:_SHOWN_CHARS]


def _where_to(answer: HttpReply) -> str:
    location = answer.headers.get("location", "").strip()
    return f"it points to {location}; configure that address" if location else ""
