"""Facts about how a command is told to end."""

import signal
import weakref

import pytest

from evalhaven.cli.ending import end_like_ctrl_c


class _Thing:
    """Something that can be collected."""


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_comes_while_something_is_freed_is_not_forgotten(end: signal.Signals) -> None:
    before = signal.signal(end, signal.default_int_handler)  # it may be ignored where tests run without a terminal
    try:
        with end_like_ctrl_c() as ending:
            thing = _Thing()
            kept = weakref.ref(thing, lambda _: signal.raise_signal(end))
            ending.check()
            del thing  # Python prints what its callback raises, and goes on
            assert kept() is None
            with pytest.raises(KeyboardInterrupt):
                ending.check()
        assert signal.getsignal(end) is signal.default_int_handler
    finally:
        signal.signal(end, before)
