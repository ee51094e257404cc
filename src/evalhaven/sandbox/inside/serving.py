"""The host's loop: calls arrive on one pipe; the reply to each leaves on the other before the next one begins."""

import contextlib
import json
import os
import sys
import time

from evalhaven.sandbox.inside.grading import LoadedGrader, describe_invalid, read_score
from evalhaven.sandbox.inside.printing import BoundedOutput, is_detached, open_text

_READ_BYTES = 1 << 20
_HEAD_BYTES = 4
_OUTPUTS = ("stdout", "stderr")


class Replies:
    """Writes replies, one frame each: the length, then a JSON array."""

    def __init__(self, descriptor: int, reply_bytes: int) -> None:
        """Send nothing yet.

        Args:
            descriptor: The pipe.
            reply_bytes: Longest reply; a longer one loses the end of its output.
        """
        self._descriptor = descriptor
        self._reply_bytes = reply_bytes
        # Bound here, so that a grader cannot stop its own replies by replacing functions of modules.
        self._write, self._dumps, self._exit = os.write, json.JSONEncoder(ensure_ascii=False).encode, os._exit

    def send_score(self, number: int, score: float, seconds: float) -> None:
        """Reply with the score of a call that printed nothing: the case that has to be fast."""
        self._send(b'[%d,%s,null,"","",%.6f]' % (number, repr(score).encode(), seconds))

    def send(
        self, number: int, score: float | None, failure: tuple[str, str] | None, output: str, seconds: float
    ) -> None:
        """Reply to a call with everything known about it."""
        kind, message = failure or (None, "")
        while True:
            reply = [number, score, kind, message, output, round(seconds, 6)]
            text = self._dumps(reply).encode("utf-8", "replace")
            if len(text) <= self._reply_bytes:
                return self._send(text)
            # Escapes make texts longer by up to six times.
            output, message = output[: len(output) // 2], message[: max(1000, len(message) // 2)]

    def _send(self, text: bytes) -> None:
        frame = len(text).to_bytes(_HEAD_BYTES, "little") + text
        try:
            while frame:
                frame = frame[self._write(self._descriptor, frame) :]
        except BaseException:
            self._exit(1)


def serve(calls: int, replies_to: int, output_bytes: int, reply_bytes: int) -> None:
    """Load the source that comes first, then answer calls until the pipe ends.

    Args:
        calls: The pipe with the source, then the calls.
        replies_to: The pipe for replies.
        output_bytes: How much of what a call prints is kept.
        reply_bytes: Longest reply.
    """
    read, from_bytes, exit_now = os.read, int.from_bytes, os._exit
    decode = json.JSONDecoder().raw_decode
    replies = Replies(replies_to, reply_bytes)
    session: _Session | None = None
    waiting = bytearray()
    while True:
        received = read(calls, _READ_BYTES)
        if not received:
            exit_now(0)
        waiting += received
        start = 0
        while (body := start + _HEAD_BYTES) <= len(waiting):
            end = body + from_bytes(waiting[start:body], "little")
            if end > len(waiting):
                break
            text = waiting[body:end].decode()
            start = end
            if session is None:
                session = _Session(decode(text)[0], replies, output_bytes)
            else:
                session.answer(*decode(text)[0])
        del waiting[:start]


class _Session:
    """One source and the calls to it."""

    def __init__(self, source: str, replies: Replies, output_bytes: int) -> None:
        self._output = BoundedOutput(output_bytes)
        self._text = open_text(self._output)
        self._replies = replies
        self._clock = time.perf_counter
        self._catch_output()
        self._grader = LoadedGrader(source)

    def _catch_output(self) -> None:
        if is_detached(self._text):
            self._text = open_text(self._output)
        sys.stdout = sys.stderr = self._text

    def answer(self, number: int, sample: object, item: object) -> None:
        self._catch_output()
        grader, replies, clock = self._grader, self._replies, self._clock
        score: float | None = None
        failure = grader.failure
        started = clock()
        if failure is None:
            try:
                value = grader.grade(sample, item)
                score = read_score(value)
                if score is None:
                    failure = ("invalid_result", describe_invalid(value))
            except BaseException as error:
                failure = grader.describe(error)
        if any(getattr(sys, name, None) is not self._text for name in _OUTPUTS):
            _flush_replaced()
        seconds = clock() - started
        if failure is None and score is not None and not self._output.has_text():
            replies.send_score(number, score, seconds)
        else:
            replies.send(number, score, failure, self._output.take(), seconds)


def _flush_replaced() -> None:
    """Flush a file that the grader put in place of ours, so that its text belongs to this call."""
    for name in _OUTPUTS:
        with contextlib.suppress(BaseException):
            getattr(sys, name).flush()
