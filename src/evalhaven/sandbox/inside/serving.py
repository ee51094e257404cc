"""The host's loop: calls come in on one pipe, and a reply to each leaves on the other before the next one begins."""

import json
import os
import sys
import time

from evalhaven.sandbox.inside.grading import LoadedGrader, describe_invalid, read_score
from evalhaven.sandbox.inside.printing import BoundedOutput, open_text

_READ_BYTES = 1 << 20
_HEAD_BYTES = 4


class Replies:
    """Writes replies, one frame each: a JSON array behind its length."""

    def __init__(self, descriptor: int, reply_bytes: int) -> None:
        """Number replies from 0.

        Args:
            descriptor: The pipe.
            reply_bytes: Longest reply; one that would be longer loses the end of its output.
        """
        self._descriptor = descriptor
        self._reply_bytes = reply_bytes
        # Bound here, so that a grader that replaces functions of modules does not stop its own replies.
        self._write, self._dumps, self._exit = os.write, json.JSONEncoder(ensure_ascii=False).encode, os._exit
        self.count = 0

    def send_score(self, score: float, seconds: float) -> None:
        """Reply with a score where nothing was printed: the case that has to be fast."""
        self._send(b'[%d,%s,null,"","",%.6f]' % (self.count, repr(score).encode(), seconds))

    def send(self, score: float | None, failure: tuple[str, str] | None, output: str, seconds: float) -> None:
        """Reply with everything there is."""
        kind, message = failure or (None, "")
        while True:
            reply = [self.count, score, kind, message, output, round(seconds, 6)]
            text = self._dumps(reply).encode("utf-8", "replace")
            if len(text) <= self._reply_bytes:
                return self._send(text)
            # Escapes make texts longer by up to six times.
            output, message = output[: len(output) // 2], message[: max(1000, len(message) // 2)]

    def _send(self, text: bytes) -> None:
        frame = len(text).to_bytes(_HEAD_BYTES, "little") + text
        self.count += 1
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
        if self._text.closed:
            self._output = BoundedOutput(self._output.limit_bytes)
            self._text = open_text(self._output)
        sys.stdout = sys.stderr = self._text

    def answer(self, sample: object, item: object) -> None:
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
        seconds = clock() - started
        if failure is None and score is not None and not self._output.has_text():
            replies.send_score(score, seconds)
        else:
            replies.send(score, failure, self._output.take(), seconds)
