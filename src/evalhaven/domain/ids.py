"""All random names, such as public identifiers in the hosted API's form, which increase within a process.

An id of 32 hex digits holds: 1-8 the Unix second of creation, 9-12 a fraction of it, 13-16 `8190` or `8191`,
17-32 random. So ids of one process sort by creation, and an id decodes to its `created_at`.
"""

import base64
import os
import re
from collections.abc import Callable
from typing import NewType
from uuid import UUID

from evalhaven.domain.clock import Clock

EvalId = NewType("EvalId", str)
RunId = NewType("RunId", str)
OutputItemId = NewType("OutputItemId", str)
FileId = NewType("FileId", str)
UploadId = NewType("UploadId", str)
PartId = NewType("PartId", str)
WebhookId = NewType("WebhookId", str)

EVAL_PREFIXES = ("eval_", "egroup_")
RUN_PREFIXES = ("evalrun_", "erun_")
OUTPUT_ITEM_PREFIX = "outputitem_"
FILE_PREFIXES = ("file-",)

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TICK_BITS = 16
_TICKS_A_SECOND = 1 << _TICK_BITS
_FILE_ID_LENGTH = 22
_GRADER_NAME_LENGTH = 12
_GRADER_NAME_BITS = 128  # far more than 12 letters hold, so that all are equally likely
_RANDOM_BYTES = 4096
_SECRET_BITS = 256
_SECRET_LENGTH = 43  # letters and digits that hold so many bits
_PACKED_SIZE = 16  # bytes of a stored output item id in our own form
_SAFE = re.compile(r"[!-~]{1,128}")
_IMPORTABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~@:+=-]{2,127}")


class _SystemRandomness:
    """Bits of the system's generator, fetched many at a time: a system call costs more than everything else here."""

    def __init__(self) -> None:
        self._bytes = b""
        self._used = 0

    def __call__(self, count: int) -> int:
        size = (count + 7) // 8
        if self._used + size > len(self._bytes):
            self._bytes, self._used = os.urandom(_RANDOM_BYTES), 0
        start, self._used = self._used, self._used + size
        return int.from_bytes(self._bytes[start : self._used]) >> (8 * size - count)


class IdFactory:
    """Makes ids that increase, whatever the clock does; a process that forks must not share one."""

    def __init__(self, clock: Clock, random_bits: Callable[[int], int] | None = None) -> None:
        self._clock = clock
        self._random_bits = random_bits or _SystemRandomness()
        self._last = 0

    def new_eval_id(self) -> EvalId:
        """Return `eval_` and 32 hex digits."""
        return EvalId(f"eval_{self._next_hex()}")

    def new_run_id(self) -> RunId:
        """Return `evalrun_` and 32 hex digits."""
        return RunId(f"evalrun_{self._next_hex()}")

    def new_output_item(self) -> tuple[OutputItemId, int]:
        """Return `outputitem_` and 32 hex digits, and the Unix second that they hold."""
        tick = self._next_tick()
        return OutputItemId(f"{OUTPUT_ITEM_PREFIX}{self._hex_of(tick)}"), tick >> _TICK_BITS

    def new_file_id(self) -> FileId:
        """Return `file-` and 22 base-62 digits, which sort by creation too."""
        number = (self._next_tick() << 80) | self._random_bits(80)
        digits: list[str] = []
        for _ in range(_FILE_ID_LENGTH):
            number, rest = divmod(number, 62)
            digits.append(_BASE62[rest])
        return FileId("file-" + "".join(reversed(digits)))

    def new_response_id(self) -> str:
        """Return `resp_` and 32 hex digits, for a response that is made here of a chat completion."""
        return f"resp_{self._next_hex()}"

    def new_upload_id(self) -> UploadId:
        """Return `upload_` and 32 hex digits."""
        return UploadId(f"upload_{self._next_hex()}")

    def new_part_id(self) -> PartId:
        """Return `part_` and 32 hex digits."""
        return PartId(f"part_{self._next_hex()}")

    def new_webhook_id(self) -> WebhookId:
        """Return `whe_` and 32 hex digits."""
        return WebhookId(f"whe_{self._next_hex()}")

    def new_signing_secret(self) -> str:
        """Return `whsec_` and 32 random bytes in base64, as Standard Webhooks has them."""
        return f"whsec_{base64.b64encode(self._random_bits(256).to_bytes(32)).decode()}"

    def new_request_id(self) -> str:
        """Return `req_` and 32 hex digits, by which a user and the log name a request."""
        return f"req_{self._random_bits(128):032x}"

    def new_uuid(self) -> str:
        """Return a random UUID (RFC 9562, version 4), the end of a testing criterion's id."""
        return str(UUID(int=self._random_bits(128), version=4))

    def new_grader_name(self) -> str:
        """Return `grader-` and 12 letters and digits, as the hosted API named graders sent without a name."""
        number = self._random_bits(_GRADER_NAME_BITS)
        letters: list[str] = []
        for _ in range(_GRADER_NAME_LENGTH):
            number, rest = divmod(number, 62)
            letters.append(_BASE62[rest])
        return f"grader-{''.join(letters)}"

    def new_project_id(self) -> str:
        """Return `proj_` and 32 hex digits."""
        return f"proj_{self._next_hex()}"

    def new_key_id(self) -> str:
        """Return `key_` and 32 hex digits, by which an API key is named once it was shown."""
        return f"key_{self._next_hex()}"

    def new_service_account_id(self) -> str:
        """Return `svc_acct_` and 32 hex digits."""
        return f"svc_acct_{self._next_hex()}"

    def new_person_id(self) -> str:
        """Return `user-` and 32 hex digits."""
        return f"user-{self._next_hex()}"

    def new_secret(self, prefix: str) -> str:
        """Return a prefix and 256 random bits in letters and digits: a key, or the token of a session."""
        number = self._random_bits(_SECRET_BITS)
        letters: list[str] = []
        for _ in range(_SECRET_LENGTH):
            number, rest = divmod(number, len(_BASE62))
            letters.append(_BASE62[rest])
        return f"{prefix}{''.join(letters)}"

    def new_seat_name(self) -> str:
        """Return 16 hex digits that name the seat of a worker."""
        return f"{self._random_bits(64):016x}"

    def new_sender_name(self) -> str:
        """Return 16 hex digits that name a server for as long as it runs: with a number, they name a call it logs."""
        return f"{self._random_bits(64):016x}"

    def _next_hex(self) -> str:
        return self._hex_of(self._next_tick())

    def _hex_of(self, tick: int) -> str:
        # One number of 128 bits: two formats more would cost as much as everything else here.
        return f"{tick << 80 | 0x8190 << 64 | self._random_bits(65):032x}"

    def _next_tick(self) -> int:
        """Return a 48-bit count of 1/65536 s since 1970, larger than any before it."""
        self._last = max(int(self._clock.now() * _TICKS_A_SECOND), self._last + 1)
        return self._last


def created_at_of(public_id: str) -> int:
    """Return the Unix second that an id of the hexadecimal or the file form holds."""
    if public_id.startswith("file-"):
        number = 0
        for digit in public_id.removeprefix("file-"):
            number = number * 62 + _BASE62.index(digit)
        return number >> 96
    return int(public_id.rpartition("_")[2][:8], 16)


def is_id_text(text: str) -> bool:
    """Tell whether a text can be an id at all: 1 to 128 visible ASCII characters."""
    return _SAFE.fullmatch(text) is not None


def is_importable_id(text: str) -> bool:
    """Tell whether another server's id can be kept: it must be safe in addresses and as a file name."""
    return _IMPORTABLE.fullmatch(text) is not None


def pack_output_item_id(public_id: str) -> bytes:
    """Return the stored form: 16 bytes or, for an imported id in another form, its text, which is longer."""
    digits = public_id.removeprefix(OUTPUT_ITEM_PREFIX)
    if len(digits) == 2 * _PACKED_SIZE and public_id.startswith(OUTPUT_ITEM_PREFIX):
        try:
            packed = bytes.fromhex(digits)
        except ValueError:
            packed = b""
        if packed.hex() == digits:
            return packed
    return public_id.encode().ljust(_PACKED_SIZE + 1, b"\0")


def unpack_output_item_id(packed: bytes) -> OutputItemId:
    """Return the public id of a stored form."""
    if len(packed) == _PACKED_SIZE:
        return OutputItemId(OUTPUT_ITEM_PREFIX + packed.hex())
    return OutputItemId(packed.rstrip(b"\0").decode())
