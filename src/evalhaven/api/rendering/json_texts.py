"""JSON texts as responses, and as pages of lists."""

from collections.abc import Sequence

from fastapi import Response
from pydantic import BaseModel

from evalhaven.domain import jsontext

JSON_TYPE = "application/json"


def json_response(text: str, status: int = 200) -> Response:
    """Return a JSON text as a response."""
    return Response(text, status, media_type=JSON_TYPE)


def model_response(model: BaseModel) -> Response:
    """Return a model as a response; its texts may hold lone surrogates, which pydantic itself cannot write."""
    return json_response(jsontext.render(model.model_dump()))


def list_text(objects: Sequence[str], ids: Sequence[str], *, has_more: bool) -> str:
    """Return the JSON text of one page: its objects as texts, and their ids."""
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    tail = jsontext.render({"first_id": first, "last_id": last, "has_more": has_more})[1:]
    return f'{{"object":"list","data":[{",".join(objects)}],{tail}'
