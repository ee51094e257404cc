"""Input messages of a run or a judge, compiled once: templates, or a conversation inside each item."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol, cast

from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue, parse_received
from evalhaven.domain.samples import ItemError
from evalhaven.domain.templates import MAX_RENDERED_CHARS, Placeholder, TemplateTooLargeError, parse_template
from evalhaven.sampling.messages.attachments import NO_FILES, FileUrls, KeptUrls
from evalhaven.sampling.messages.contents import TEXT_TYPES, parts_of, without_blank_media
from evalhaven.sampling.messages.gaps import Gap, TemplateTable, Tree, encode_json, fill, json_pieces
from evalhaven.sampling.messages.making import FileContents, RequestError
from evalhaven.sampling.messages.trajectories import Dialect, checked_items, sent_items, shown_items

_NAMED_PLACEHOLDERS = 10
_NAMED_CHARS = 200
_MESSAGE_KEYS = ("role", "content", "phase")

_Shown = JsonObject | tuple[str, Sequence[str | Gap]]  # a finished message, or a role and texts to be joined


Messages = tuple[bytes, list[JsonValue], tuple[str, ...]]
"""A JSON array, the same as output items show it, and the placeholders left out because they have no value."""


class Prompt(Protocol):
    """Messages that are made anew for each item."""

    def render(self, namespaces: Mapping[str, JsonValue], files: FileContents) -> Messages:
        """Return the messages of an item.

        Raises:
            RequestError: A placeholder has no value and may not be left out, or the messages cannot be sent.
        """
        ...


class TemplatePrompt:
    """Messages with placeholders: bytes with gaps for the texts that differ from item to item."""

    def __init__(self, messages: Sequence[JsonObject], dialect: Dialect, *, leaves_out: bool = False) -> None:
        """Compile messages.

        Raises:
            RequestError: The messages cannot be sent, whatever their placeholders stand for.

        Args:
            messages: As `template_messages` returns them.
            dialect: What the endpoint wants.
            leaves_out: Whether a placeholder without a value is left out; otherwise it is an error.
        """
        self._leaves_out = leaves_out
        table = TemplateTable()
        urls = KeptUrls()
        pieces: list[bytes | Gap | _Late] = [b"["]
        self._shown: list[_Shown | _Late] = []
        for number, message in enumerate(messages):
            if number:
                pieces.append(b",")
            if _is_plain(message):
                for sent in sent_items([message], dialect, NO_FILES):
                    pieces.extend(json_pieces(table.tree(sent)))
                self._shown.append(_shown_plain(message, dialect, table))
            else:
                late = _Late(number, message, dialect, table, urls)
                pieces.append(late)
                self._shown.append(late)
        pieces.append(b"]")
        merged = _merged(pieces)
        self._templates = tuple(table.templates)
        self._pieces = [piece if isinstance(piece, bytes) else b"" for piece in merged]
        self._gaps = [(at, piece.number) for at, piece in enumerate(merged) if isinstance(piece, Gap)]
        self._late = [(at, piece) for at, piece in enumerate(merged) if isinstance(piece, _Late)]

    def render(self, namespaces: Mapping[str, JsonValue], files: FileContents) -> Messages:
        """Return the messages of an item."""
        texts, unresolved = self._texts(namespaces)
        try:
            encoded, shown = self._fill(texts, files, has_blanks=bool(unresolved))
        except RequestError as error:
            raise RequestError(error.error, unresolved, error.at) from error
        return encoded, shown, unresolved

    def _fill(self, texts: Sequence[str], files: FileContents, *, has_blanks: bool) -> tuple[bytes, list[JsonValue]]:
        """Return the messages with these texts in their gaps."""
        pieces = self._pieces.copy()
        for at, number in self._gaps:
            pieces[at] = encode_json(texts[number])
        filled: dict[_Late, list[JsonObject]] = {}
        for at, late in self._late:
            filled[late] = late.fill(texts, has_blanks=has_blanks)
            pieces[at] = late.encode(filled[late], files)
        shown: list[JsonValue] = []
        for entry in self._shown:
            if isinstance(entry, tuple):
                role, parts = entry
                said = [part if isinstance(part, str) else texts[part.number] for part in parts]
                shown.append({"role": role, "content": " ".join(said)})
            elif isinstance(entry, _Late):
                shown.extend(entry.show(filled[entry]))
            else:
                shown.append(entry)
        return b"".join(pieces), shown

    def _texts(self, namespaces: Mapping[str, JsonValue]) -> tuple[list[str], tuple[str, ...]]:
        """Return the text of each template, and the placeholders that have no value."""
        texts: list[str] = []
        unresolved: list[str] = []
        length = 0
        try:
            for template in self._templates:
                rendered = template.render(namespaces)
                unresolved += rendered.unresolved
                texts.append(rendered.text)
                length += len(rendered.text)
                if length > MAX_RENDERED_CHARS:
                    raise TemplateTooLargeError  # noqa: TRY301 - one template or all together: one answer
        except TemplateTooLargeError:
            message = f"The input messages are longer than {MAX_RENDERED_CHARS} characters for this item."
            raise RequestError(ItemError("template_too_large", message, "template")) from None
        if unresolved and not self._leaves_out:
            raise _unresolved(unresolved)
        return texts, tuple(dict.fromkeys(unresolved))


class _Late:
    """A message whose form depends on what its placeholders or its files turn out to be."""

    def __init__(
        self, number: int, message: JsonObject, dialect: Dialect, table: TemplateTable, urls: KeptUrls
    ) -> None:
        self._number = number
        self._tree: Tree = table.tree(message)
        self._dialect = dialect
        self._urls = urls
        sent_items([message], dialect, NO_FILES, number)

    def fill(self, texts: Sequence[str], *, has_blanks: bool) -> list[JsonObject]:
        messages = checked_items([fill(self._tree, texts)], self._number)
        if not has_blanks:
            return messages
        # No endpoint takes an image without an address: if the address has no value, the image is not sent.
        return [{**message, "content": without_blank_media(message.get("content"))} for message in messages]

    def encode(self, messages: list[JsonObject], files: FileContents) -> bytes:
        sent = sent_items(messages, self._dialect, FileUrls(files, self._urls), self._number)
        return encode_json(sent)[1:-1]

    def show(self, messages: list[JsonObject]) -> list[JsonValue]:
        return shown_items(messages, self._dialect)


class ReferencePrompt:
    """The conversation at a path inside each item."""

    def __init__(self, path: str, dialect: Dialect, instruction: str | None = None) -> None:
        """Compile a reference.

        Args:
            path: Such as `item.messages`; one outside the grammar of templates never resolves.
            dialect: What the endpoint wants.
            instruction: What the model must also be told.
        """
        parts = parse_template(f"{{{{ {path} }}}}").parts
        whole = parts[0] if len(parts) == 1 else None
        self._path = whole if isinstance(whole, Placeholder) else Placeholder(path, "item", None)
        self._dialect = dialect
        self._instruction = instruction
        self._urls = KeptUrls()

    def render(self, namespaces: Mapping[str, JsonValue], files: FileContents) -> Messages:
        """Return the messages of an item."""
        try:
            value = self._path.get_value(namespaces)
        except LookupError:
            raise _unresolved([self._path.text]) from None
        if isinstance(value, str):
            # Tables keep arrays as text.
            with suppress(InvalidJsonError):
                value = parse_received(value)
        items = checked_items(value)
        if self._instruction is not None:
            items = instructed(items, self._instruction)
        sent = sent_items(items, self._dialect, FileUrls(files, self._urls))
        return encode_json(sent), shown_items(items, self._dialect), ()


def template_messages(documents: Sequence[JsonValue]) -> list[JsonObject]:
    """Return the messages of a template with the keys that count; null is the same as absent."""
    return [
        {key: document[key] for key in _MESSAGE_KEYS if document.get(key) is not None}
        for document in documents
        if isinstance(document, dict)
    ]


def instructed(messages: Sequence[JsonObject], instruction: str) -> list[JsonObject]:
    """Return messages with a further instruction for the model.

    It goes into the first message if that is a system message of one text: many models take only one.
    """
    first, *others = messages
    role, content = first.get("role"), first.get("content")
    if role in ("system", "developer"):
        if isinstance(content, dict) and content.get("type") in TEXT_TYPES:
            content = content.get("text")
        if isinstance(content, str):
            return [{**first, "content": f"{content}\n\n{instruction}"}, *others]
    return [{"role": "system", "content": instruction}, first, *others]


def _unresolved(placeholders: Sequence[str]) -> RequestError:
    names = list(dict.fromkeys(placeholders))
    shown = ", ".join(f"{{{{ {name[:_NAMED_CHARS]} }}}}" for name in names[:_NAMED_PLACEHOLDERS])
    more = f" and {len(names) - _NAMED_PLACEHOLDERS} more" if len(names) > _NAMED_PLACEHOLDERS else ""
    message = f"The input messages name what this item does not have: {shown}{more}. No model was called."
    return RequestError(ItemError("unresolved_template", message, "template"), tuple(names))


def _is_plain(message: JsonObject) -> bool:
    """Tell whether a message has a known role and consists of texts, so that its form is known before its texts are."""
    content = message.get("content")
    if "{{" in cast("str", message["role"]):
        return False
    if isinstance(content, str):
        return True
    parts = content if isinstance(content, list) else [content]
    return bool(parts) and all(
        isinstance(part, str)
        or (isinstance(part, dict) and part.get("type") in TEXT_TYPES and isinstance(part.get("text"), str))
        for part in parts
    )


def _shown_plain(message: JsonObject, dialect: Dialect, table: TemplateTable) -> _Shown:
    role, content = dialect.role(cast("str", message["role"])), message["content"]
    said = [content] if isinstance(content, str) else [cast("str", part["text"]) for part in parts_of(content, "")]
    texts = [table.text(text) for text in said]
    if any(isinstance(text, Gap) for text in texts):
        return role, texts
    return {"role": role, "content": " ".join(said)}


def _merged(pieces: Sequence[bytes | Gap | _Late]) -> list[bytes | Gap | _Late]:
    """Return pieces with neighbouring bytes as one."""
    merged: list[bytes | Gap | _Late] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if isinstance(piece, bytes) and isinstance(last, bytes):
            merged[-1] = last + piece
        else:
            merged.append(piece)
    return merged
