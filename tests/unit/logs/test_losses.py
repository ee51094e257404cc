"""Facts about the log line that tells of calls that were not stored."""

from structlog.testing import capture_logs

from evalhaven.logs.handover.losses import LossLog


def test_losses_are_reported_at_once_and_then_at_most_once_a_minute_with_all_there_were() -> None:
    now_s = 100.0
    losses = LossLog(lambda: now_s)
    with capture_logs() as lines:
        losses.note("overflow")
        for _ in range(50):
            losses.note("overflow")
        losses.note("failed", 2)
        losses.note("unreadable", 0)
        now_s = 159.0
        losses.tell()
        assert len(lines) == 1
        now_s = 160.0
        losses.tell()
        losses.tell()

    assert [(line["event"], line.get("overflow"), line.get("failed")) for line in lines] == [
        ("logged_calls_lost", 1, None),
        ("logged_calls_lost", 50, 2),
    ]
    assert all("unreadable" not in line for line in lines)
