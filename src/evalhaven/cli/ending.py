"""How commands are told to end."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


class Ending:
    """Whether a command has been told to end, by `kill` or by closing the terminal.

    The exception that says so is raised wherever the command happens to be. Where that is a callback of the garbage
    collector's, Python prints it and goes on, so a command that waits without end has to ask here, too.
    """

    __slots__ = ("is_asked",)

    def __init__(self) -> None:
        self.is_asked = False

    def heed(self, _signal: int, _frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: Always.
        """
        self.is_asked = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Go on unless the command has been told to end.

        Raises:
            KeyboardInterrupt: It has.
        """
        if self.is_asked:
            raise KeyboardInterrupt


@contextmanager
def end_like_ctrl_c() -> Generator[Ending]:
    """Let `kill` and a closed terminal end a command as Ctrl-C does, so that its server never outlives it."""
    ending = Ending()
    # nohup works by ignoring a signal, which stays ignored.
    heeded = [end for end in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(end) is not signal.SIG_IGN]
    previous = {end: signal.signal(end, ending.heed) for end in heeded}
    try:
        yield ending
    finally:
        for end, handler in previous.items():
            signal.signal(end, handler)
