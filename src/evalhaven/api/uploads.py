"""Receiving a file upload (multipart/form-data): the file goes to disk as it arrives."""

import base64
import binascii
import contextlib
import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

import anyio.to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from evalhaven.api.bodies import body_blocks, refuse_codings, too_large
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.storage.blobs import BlobWriter

_FORM_OVERHEAD_BYTES = 64 * 1024
_MAX_FIELDS = 32
_MAX_HEADER_BYTES = 8 * 1024
_PART_CODINGS = frozenset({"base64", "quoted-printable"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EXTENDED_NAME = re.compile(rb"""; *filename\* *= *"?(utf-8|iso-8859-1)'[^']*'([^"; ]+)""", re.IGNORECASE)
_QUOTED = re.compile(rb"(?<!\*)=\s*\"(?:\\.|[^\"\\])*\"")
_ENCODED_WORD = re.compile(rb"=\?utf-8\?B\?([A-Za-z0-9+/=]+)\?=", re.IGNORECASE)


@dataclass(slots=True)
class ReceivedForm:
    """What a form held: its text fields, and the name of its only file (None: no file).

    The content of the file is in the writer.
    """

    fields: dict[str, str] = field(default_factory=dict[str, str])
    filename: str | None = None


async def receive_form(
    request: Request, writer: BlobWriter, max_file_bytes: int, field_name: str = "file"
) -> ReceivedForm:
    """Receive a multipart form; the part with this name is written to the blob.

    Raises:
        InvalidRequestError: The body is not a well-formed multipart form.
        RequestTooLargeError: The body is over the limit.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidRequestError(
            f"Send multipart/form-data, in which the part '{field_name}' holds the content.", param=field_name
        )
    receiver = _FormReceiver(writer, max_file_bytes, field_name)
    try:
        parser = MultipartParser(boundary, receiver.callbacks())  # pyright: ignore[reportArgumentType]
        async for block in body_blocks(request, max_file_bytes + _FORM_OVERHEAD_BYTES):
            # In a thread: a disk that cannot keep up must not hold up other requests.
            await anyio.to_thread.run_sync(parser.write, block)
        parser.finalize()
    except FormParserError as error:
        raise InvalidRequestError(f"The multipart form is malformed: {error}.") from error
    if not receiver.is_complete:
        raise InvalidRequestError("The multipart form ends too early.")
    return receiver.form


class _FormReceiver:
    """Takes the parser's callbacks."""

    def __init__(self, writer: BlobWriter, max_file_bytes: int, field_name: str) -> None:
        self.form = ReceivedForm()
        self.is_complete = False
        self._writer = writer
        self._max_file_bytes = max_file_bytes
        self._field_name = field_name
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._name: str | None = None
        self._is_file = False
        self._text = bytearray()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_header_name,
            "on_header_value": self._add_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add_block,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._headers = {}
        self._name, self._is_file = None, False
        self._text.clear()

    def _add_header_name(self, block: bytes, start: int, end: int) -> None:
        self._header_name += block[start:end]
        self._bound(self._header_name)

    def _add_header_value(self, block: bytes, start: int, end: int) -> None:
        self._header_value += block[start:end]
        self._bound(self._header_value)

    def _end_header(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._name == self._field_name:
            if self.form.filename is not None:
                raise InvalidRequestError(
                    f"The form holds more than one part named '{self._field_name}'.", param=self._field_name
                )
            coding = self._headers.get(b"content-transfer-encoding", b"").decode("latin-1")
            refuse_codings("Content-Transfer-Encoding", [coding], _PART_CODINGS)
            self._is_file = True
            sent = _sent_name(self._headers.get(b"content-disposition", b""), options.get(b"filename", b""))
            self.form.filename = plain_filename(sent)

    def _add_block(self, block: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._writer.write(block[start:end])
            if self._writer.size_bytes > self._max_file_bytes:
                raise too_large(self._max_file_bytes)
        else:
            self._text += block[start:end]
            self._bound(self._text)

    def _end_part(self) -> None:
        if not self._is_file and self._name:
            self.form.fields[self._name] = self._text.decode("utf-8", "replace")
            if len(self.form.fields) > _MAX_FIELDS:
                raise InvalidRequestError(f"The form has more than {_MAX_FIELDS} fields.")

    def _end(self) -> None:
        self.is_complete = True

    def _bound(self, text: bytearray) -> None:
        if len(text) > _MAX_HEADER_BYTES:
            raise InvalidRequestError("A header or field of the form is larger than 8 kB.")


def _sent_name(disposition: bytes, plain: bytes) -> str:
    """Return the name that a part gives its file: `filename*` (RFC 5987) if present, else `filename`.

    For names beyond ASCII, .NET writes an encoded word (RFC 2047) in `filename`, others write UTF-8.
    """
    # Quoted text is left out, since a name may hold anything.
    if extended := _EXTENDED_NAME.search(_QUOTED.sub(b"=", disposition)):
        return unquote_to_bytes(extended[2]).decode(extended[1].decode(), "replace")
    if word := _ENCODED_WORD.fullmatch(plain):
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            name = base64.b64decode(word[1], validate=True).decode()
            if name.isprintable():
                return name
    return plain.decode("utf-8", "replace")


def plain_filename(sent: str) -> str:
    """Return a name without directories, which some programs send along and which mean nothing here."""
    if _ENCODED_WORD.fullmatch(sent.encode(errors="replace")):
        return sent  # not an encoded word after all, and the slashes of base64 divide nothing
    name = re.split(r"[/\\]", _CONTROL.sub("", sent).rstrip("/\\"))[-1]
    return "upload" if name in ("", ".", "..") else name
