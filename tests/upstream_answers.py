"""What the faulty upstream answers: bodies of both protocols and of embeddings, made from the request alone."""

import base64
import hashlib
import json
import struct
from typing import Any

from tests.embeddings_endpoint import vector_of

MARK = "ANSWER:"
LABELS = ("yes", "no")


def prompt_of(request: dict[str, Any]) -> str:
    """Return the text of the last user message, whatever the protocol; of an embeddings request, all its texts."""
    listed = request.get("messages", request.get("input", ""))
    if isinstance(listed, str):
        return listed
    if all(isinstance(each, str) for each in listed):
        return "\n".join(listed)
    said = [each for each in listed if isinstance(each, dict) and each.get("role", "user") == "user"]
    return _text_of(said[-1].get("content")) if said else ""


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = [part["text"] for part in content or () if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return parts[-1] if parts else ""


def answer_to(prompt: str) -> str:
    """Return the text after the last `ANSWER:` to the end of its line, else a label that only the prompt decides."""
    _, mark, rest = prompt.rpartition(MARK)
    if mark:
        return rest.partition("\n")[0].strip()
    return LABELS[hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()[0] % len(LABELS)]


def tokens_of(text: str) -> int:
    return len(text) // 4 + 1


def body_of(path: str, request: dict[str, Any], number: int) -> Any:
    """Return the answer to a request.

    Args:
        path: Its path, without a prefix such as `/v1`.
        request: Its body.
        number: Of the request, for ids.
    """
    if path == "/embeddings":
        return _embeddings(request)
    prompt = prompt_of(request)
    return (_completion if path == "/chat/completions" else _response)(request, prompt, answer_to(prompt), number)


def _completion(request: dict[str, Any], prompt: str, answer: str, number: int) -> Any:
    used, made = tokens_of(prompt), tokens_of(answer)
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_746_133_283,
        "model": request.get("model"),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": used,
            "completion_tokens": made,
            "total_tokens": used + made,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _response(request: dict[str, Any], prompt: str, answer: str, number: int) -> Any:
    used, made = tokens_of(prompt), tokens_of(answer)
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_746_133_283,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": request.get("model"),
        "output": [
            {
                "type": "message",
                "id": f"msg_{number}",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": answer, "annotations": []}],
            }
        ],
        "usage": {
            "input_tokens": used,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": used + made,
        },
    }


def _embeddings(request: dict[str, Any]) -> Any:
    given = request.get("input", [])
    texts = [given] if isinstance(given, str) else given
    data: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        vector: Any = vector_of(text)
        if request.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    used = sum(map(tokens_of, texts))
    usage = {"prompt_tokens": used, "total_tokens": used}
    return {"object": "list", "model": request.get("model"), "data": data, "usage": usage}


def error_body(message: str, code: str | None, kind: str) -> bytes:
    """Return an error in OpenAI's envelope."""
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()
