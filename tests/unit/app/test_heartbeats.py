"""Facts about what a server knows of its executor."""

from evalhaven.app.heartbeats import Heartbeats


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_an_executor_is_at_work_from_its_first_beat_on() -> None:
    time = Time()
    beats = Heartbeats("executes runs", time)
    assert (beats.state.name, beats.state.is_up) == ("down", False)
    beats.note_start()
    time.now_s += 2
    assert (beats.state.name, beats.state.is_up) == ("starting", True)
    assert "2 s ago" in beats.state.reason
    beats.note_beats(b"\n")
    assert (beats.state.name, beats.state.reason, beats.state.is_up) == ("ok", "", True)


def test_one_that_is_silent_does_not_respond_until_it_beats_again() -> None:
    time = Time()
    beats = Heartbeats("executes runs", time)
    beats.note_start()
    beats.note_beats(b"\n")
    time.now_s += 4.9
    assert beats.state.name == "ok"
    time.now_s += 3
    assert (beats.state.name, beats.state.is_up) == ("not_responding", False)
    assert "silent for 8 s" in beats.state.reason
    beats.note_beats(b"\n")
    assert beats.state.name == "ok"


def test_what_keeps_it_from_work_is_reported_until_it_is_over() -> None:
    beats = Heartbeats("executes runs", Time())
    beats.note_start()
    beats.note_beats(b"\nThe disk")
    assert beats.state.name == "ok"
    beats.note_beats(b" is full.\n")
    assert (beats.state.name, beats.state.reason) == ("paused", "The disk is full.")
    beats.note_beats(b"\n\n")
    assert beats.state.name == "ok"


def test_one_that_dies_again_and_again_is_no_executor_until_it_lives_for_a_while() -> None:
    time = Time()
    beats = Heartbeats("executes runs", time)
    for _ in range(2):
        beats.note_start()
        beats.note_beats(b"\n")
        beats.note_death(-9)
        assert (beats.state.name, "status -9" in beats.state.reason) == ("down", True)
        time.now_s += 1
    beats.note_start()
    beats.note_beats(b"\n")
    assert beats.state.name == "ok"
    beats.note_death(-9)
    assert beats.state.name == "crash_looping"
    beats.note_start()
    for _ in range(30):
        beats.note_beats(b"\n")
        assert beats.state.name == "crash_looping"
        assert "died 3 times in a row, last with status -9" in beats.state.reason
        time.now_s += 1
    time.now_s += 0.1
    assert beats.state.name == "ok"
    # It ran well for so long that this counts as a first death again.
    beats.note_death(1)
    beats.note_start()
    beats.note_beats(b"\n")
    assert beats.state.name == "ok"


def test_beats_of_the_one_before_do_not_count() -> None:
    beats = Heartbeats("executes runs", Time())
    beats.note_start()
    beats.note_beats(b"half a")
    beats.note_death(1)
    beats.note_start()
    assert beats.state.name == "starting"
    beats.note_beats(b"\n")
    assert (beats.state.name, beats.state.reason) == ("ok", "")
