"""One sampling process that is up, as its executor sees it."""

from evalhaven.runs.executing.spread.channel import Channel
from evalhaven.runs.executing.spread.messages import ToSampler


class Member:
    """A sampling process, from when it is ready until it is gone."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def send(self, message: ToSampler) -> None:
        """Tell it something."""
        self._channel.send(message)
