"""The content of a message: its parts in the form of either protocol, and as one string."""

from collections.abc import Callable, Collection, Iterator

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.sampling.messages.attachments import SHOWN_CHARS, FileLookup, shown_address
from evalhaven.sampling.messages.making import RequestError, unsendable

TEXT_TYPES = ("input_text", "output_text", "text")  # a tuple, since a looked-up type may be unhashable
_MADE_BY_MODELS = frozenset({"annotations", "logprobs", "parsed"})  # keys that answers carry and requests may not
_WITHOUT_DETAIL = (
    "chat completions take an image by its file_id as a file, without `detail`; that is sent only where the file was "
    "uploaded to this server."
)
_IMAGE_KEYS = frozenset({"type", "image_url", "file_id", "detail"})
_FILE_KEYS = frozenset({"type", "file_id", "file_data", "file_url", "filename", "detail", "file"})


def parts_of(content: JsonValue, at: str) -> list[JsonObject]:
    """Return the parts of a content: one part, or an array of strings and parts.

    Args:
        content: Anything but a string or null.
        at: The message, for the error.

    Raises:
        RequestError: The content has another form.
    """
    parts: list[JsonObject] = []
    is_array = isinstance(content, list)
    for number, part in enumerate(content if is_array else [content]):
        if isinstance(part, str):
            parts.append({"type": "text", "text": part})
        elif isinstance(part, dict) and isinstance(part.get("type"), str):
            parts.append(part)
        else:
            raise unsendable(
                f"{at}: the content must be a string, a part (an object with a type) or an array of them.",
                "content",
                *([number] if is_array else []),
            )
    return parts


def chat_content(content: JsonValue, files: FileLookup, at: str) -> JsonValue:
    """Return a content for chat completions; a single text becomes a string, which every endpoint accepts.

    Args:
        content: In the form of the contract or of either protocol; null stays null.
        files: Where file ids are looked up.
        at: The message, for the error.

    Raises:
        RequestError: Chat completions have no such content.
    """
    if content is None or isinstance(content, str):
        return content
    return _plain(_each_part(content, at, lambda part, place: _chat_part(part, files, place)))


def responses_content(content: JsonValue, role: str, files: FileLookup, at: str, *, audio: bool) -> JsonValue:
    """Return a content for the Responses protocol.

    Args:
        content: In the form of the contract or of either protocol; null becomes "".
        role: Whose; an assistant's texts are `output_text`, all others are `input_text`.
        files: Where file ids are looked up.
        at: The message, for the error.
        audio: Whether sound is passed on.

    Raises:
        RequestError: The Responses protocol has no such content.
    """
    if content is None or isinstance(content, str):
        return content or ""
    text_type = "output_text" if role == "assistant" else "input_text"
    return _plain(
        _each_part(content, at, lambda part, place: _responses_part(part, text_type, files, place, audio=audio))
    )


def parts_lost_in_chat(content: JsonValue) -> Iterator[tuple[int, str]]:
    """Yield the parts of a content that chat completions cannot carry, though they take the rest: part and sentence."""
    for number, part in enumerate(content if isinstance(content, list) else [content]):
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(part, dict):
            continue
        if kind == "input_image" and part.get("file_id") is not None:
            if _image_of(part)[0] is not None:
                yield number, "an image has both image_url and file_id; the file_id is not sent."
            elif _detail_of(part) is not None:
                yield number, _WITHOUT_DETAIL
        inner = part.get("file")
        if kind in ("input_file", "file") and (inner if isinstance(inner, dict) else part).get("detail") is not None:
            yield number, "files of chat completions have no `detail`; it is not sent."


def parts_lost_in_responses(content: JsonValue) -> Iterator[tuple[int, str]]:
    """Yield the parts of a content that the Responses protocol cannot carry, though it takes the rest."""
    for number, part in enumerate(content if isinstance(content, list) else [content]):
        if not isinstance(part, dict) or part.get("type") not in ("input_image", "image_url"):
            continue
        address, file_id = _image_of(part)
        if address is not None and file_id is not None:
            yield number, "an image has both image_url and file_id; the file_id is not sent."


def _each_part(content: JsonValue, at: str, convert: Callable[[JsonObject, str], JsonObject]) -> list[JsonObject]:
    """Return the parts of a content, each converted; the error of one names it."""
    parts = parts_of(content, at)
    if not isinstance(content, list):
        try:
            return [convert(part, at) for part in parts]
        except RequestError as error:
            raise error.inside("content") from None
    converted: list[JsonObject] = []
    for number, part in enumerate(parts):
        try:
            converted.append(convert(part, f"{at}, part {number}"))
        except RequestError as error:
            raise error.inside("content", number) from None
    return converted


def without_blank_media(content: JsonValue) -> JsonValue:
    """Return a content without the images, sounds and files that have neither address nor data."""
    if isinstance(content, list):
        kept = [part for part in content if not _is_blank_medium(part)]
        return kept or ("" if content else content)
    return "" if _is_blank_medium(content) else content


def shown_content(content: JsonValue) -> str:
    """Return a content as one string: parts joined by a space, media as their address in a tag."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    parts = content if isinstance(content, list) else [content]
    return " ".join(part if isinstance(part, str) else _shown_part(part) for part in parts)


def shown_object(value: JsonObject) -> str:
    """Return how a part or item without words of its own is shown: as JSON, unless it is long."""
    text = jsontext.render(value)
    return text if len(text) <= SHOWN_CHARS else f"<{value.get('type')}>({len(text)} characters)</{value.get('type')}>"


def _is_blank_medium(part: JsonValue) -> bool:
    if not isinstance(part, dict):
        return False
    kind = part.get("type")
    if kind in ("input_image", "image_url"):
        return not any(_image_of(part))
    if kind == "input_audio":
        clip = part.get("input_audio")
        return isinstance(clip, dict) and clip.get("data") == ""
    inner = part.get("file")
    file = inner if isinstance(inner, dict) else part
    return kind in ("input_file", "file") and not any(file.get(key) for key in ("file_id", "file_data", "file_url"))


def _plain(parts: list[JsonObject]) -> JsonValue:
    """Return the text of a single part that is nothing but text, else the parts."""
    if len(parts) == 1 and len(parts[0]) == 2 and parts[0]["type"] in TEXT_TYPES:  # noqa: PLR2004 - type and text
        return parts[0]["text"]
    return list[JsonValue](parts)


def _chat_part(part: JsonObject, files: FileLookup, at: str) -> JsonObject:
    kind = part["type"]
    if kind in TEXT_TYPES:
        return _text_part(part, "text", at)
    if kind == "input_image":
        return _chat_image(part, files, at)
    if kind in ("input_file", "file"):
        file = _file_of(part, files)
        if "file_url" in file:
            raise unsendable(
                f"{at}: chat completions take no file_url; give the file as file_data or file_id.", "file_url"
            )
        file.pop("detail", None)
        return {"type": "file", "file": file, **_rest(part, _FILE_KEYS)}
    return part


def _chat_image(part: JsonObject, files: FileLookup, at: str) -> JsonObject:
    address, file_id = _image_of(part)
    if address is None:
        inline = files.find(file_id)
        if inline is None:
            if file_id is None:
                raise unsendable(f"{at}: an image has neither image_url nor file_id.", "image_url")
            return {"type": "file", "file": {"file_id": file_id}, **_rest(part, _IMAGE_KEYS)}
        address = inline[1]
    image: JsonObject = {"url": address}
    detail = _detail_of(part)
    if detail is not None:
        image["detail"] = detail
    return {"type": "image_url", "image_url": {**image, **_rest_of_image(part)}, **_rest(part, _IMAGE_KEYS)}


def _responses_part(part: JsonObject, text_type: str, files: FileLookup, at: str, *, audio: bool) -> JsonObject:
    kind = part["type"]
    if kind in TEXT_TYPES:
        return _text_part(part, text_type, at)
    if kind in ("input_image", "image_url"):
        address, file_id = _image_of(part)
        image: JsonObject = {"type": "input_image", "detail": _detail_of(part) or "auto"}
        inline = None if address is not None else files.find(file_id)
        if address is not None or inline is not None:
            image["image_url"] = address if inline is None else inline[1]
        elif file_id is not None:
            image["file_id"] = file_id
        else:
            raise unsendable(f"{at}: an image has neither image_url nor file_id.", "image_url")
        return {**image, **_rest_of_image(part), **_rest(part, _IMAGE_KEYS)}
    if kind in ("input_file", "file"):
        return {"type": "input_file", **_file_of(part, files), **_rest(part, _FILE_KEYS)}
    if kind == "input_audio" and not audio:
        raise unsendable(
            f"{at}: the Responses protocol takes no audio; use an endpoint that has chat completions.", "input_audio"
        )
    return part


def _text_part(part: JsonObject, text_type: str, at: str) -> JsonObject:
    text = part.get("text")
    if not isinstance(text, str):
        raise unsendable(f"{at}: a text part has no text.", "text")
    if len(part) == 2:  # noqa: PLR2004 - type and text, as nearly always
        return {"type": text_type, "text": text}
    return {"type": text_type, "text": text, **_rest(part, ("type", "text", *_MADE_BY_MODELS))}


def _image_of(part: JsonObject) -> tuple[JsonValue, JsonValue]:
    """Return address and file id of an image of either protocol."""
    image = part.get("image_url")
    return (image.get("url") if isinstance(image, dict) else image), part.get("file_id")


def _detail_of(part: JsonObject) -> JsonValue:
    image = part.get("image_url")
    return (image.get("detail") if isinstance(image, dict) else None) or part.get("detail")


def _file_of(part: JsonObject, files: FileLookup) -> JsonObject:
    """Return what a file part of either protocol says about its file; contents found here replace the id."""
    inner = part.get("file")
    given = inner if isinstance(inner, dict) else part
    file = {key: value for key, value in given.items() if value is not None}
    if given is part:
        file = {key: value for key, value in file.items() if key in _FILE_KEYS and key not in ("type", "file")}
    inline = files.find(file.get("file_id")) if "file_data" not in file else None
    if inline is not None:
        del file["file_id"]
        file["filename"], file["file_data"] = file.get("filename", inline[0]), inline[1]
    return dict(sorted(file.items()))


def _rest_of_image(part: JsonObject) -> JsonObject:
    """Return what a chat completions image says besides its address, to be passed on."""
    image = part.get("image_url")
    return _rest(image, ("url", "detail")) if isinstance(image, dict) else {}


def _rest(part: JsonObject, known: Collection[str]) -> JsonObject:
    """Return the keys of a part that no form of it knows; they are passed on."""
    if part.keys() <= set(known):
        return {}
    return {key: value for key, value in part.items() if key not in known and value is not None}


def _shown_part(part: JsonValue) -> str:
    if not isinstance(part, dict):
        return jsontext.render(part)
    kind = part.get("type")
    if kind in TEXT_TYPES or kind == "refusal":
        text = part.get("refusal" if kind == "refusal" else "text")
        return text if isinstance(text, str) else ""
    if kind in ("input_image", "image_url"):
        address, file_id = _image_of(part)
        return _tag("image", address or file_id)
    if kind == "input_audio":
        clip = part.get("input_audio")
        clip = clip if isinstance(clip, dict) else {}
        return _tag("audio", f"data:audio/{clip.get('format')};base64,{clip.get('data')}")
    if kind in ("input_file", "file"):
        inner = part.get("file")
        file = inner if isinstance(inner, dict) else part
        names = ("file_id", "file_url", "filename", "file_data")
        return _tag("file", next((file[name] for name in names if file.get(name) is not None), ""))
    return shown_object(part)


def _tag(name: str, address: JsonValue) -> str:
    return f"<{name}>{shown_address(address) if isinstance(address, str) else ''}</{name}>"
