"""Pictures and sounds, as small as they can be."""

import base64
import io
import math
import struct
import wave
import zlib

_SIDE = 56
_SAMPLES_A_SECOND = 16_000
_LOUDNESS = 12_000

RED, BLUE = (255, 0, 0), (0, 0, 255)


def png(colour: tuple[int, int, int]) -> bytes:
    """Return a PNG of one colour, which is given as red, green and blue."""
    rows = (b"\0" + bytes(colour) * _SIDE) * _SIDE
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def data_url(content: bytes) -> str:
    """Return a PNG as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def wav(hertz: float) -> bytes:
    """Return a second of a tone as WAV."""
    turn = 2 * math.pi * hertz / _SAMPLES_A_SECOND
    samples = [int(_LOUDNESS * math.sin(turn * number)) for number in range(_SAMPLES_A_SECOND)]
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, _SAMPLES_A_SECOND, len(samples), "NONE", ""))
        writer.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return file.getvalue()


def base64_of(content: bytes) -> str:
    """Return content as the API carries it in JSON."""
    return base64.b64encode(content).decode()
