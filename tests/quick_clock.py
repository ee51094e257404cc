"""A server of the tests whose webhooks live in a time of their own, which passes faster: hours in seconds.

clock = QuickClock(time.time(), speed=300)
Server(tmp_path, None, **clock.environment)

Only who tells webhooks sees this clock; all else in the server goes by the machine's. Servers that are given the same
environment have the same time, whenever they are started.
"""

import os
import time
from collections.abc import Mapping

from evalhaven.app import server
from evalhaven.cli.main import main
from evalhaven.domain.clock import Clock
from evalhaven.runs.vault import Vault
from evalhaven.storage.database import Database
from evalhaven.webhooks.deliverer import Deliverer
from evalhaven.webhooks.sender import Sender, SenderOptions

# None of the product's names: it does not know of this.
VARIABLE = "TESTS_WEBHOOK_CLOCK"


class QuickClock(Clock):
    """The machine's clock until some moment, and from then on one that is faster."""

    def __init__(self, since: float, speed: float) -> None:
        """Begin.

        Args:
            since: Unix seconds of the moment.
            speed: How many seconds pass in one of the machine's.
        """
        self._since = since
        self._speed = speed

    def now(self) -> float:
        return self._since + (time.time() - self._since) * self._speed

    @property
    def environment(self) -> dict[str, str]:
        """What a server is given to have this clock."""
        return {VARIABLE: f"{self._since!r} {self._speed!r}"}


def use_quick_clock(environment: Mapping[str, str]) -> None:
    """Let whoever tells webhooks in this process go by the clock of an environment, if it names one."""
    if VARIABLE not in environment:
        return
    since, speed = environment[VARIABLE].split()
    clock = QuickClock(float(since), float(speed))

    class QuickSender(Sender):
        def __init__(self, options: SenderOptions, vault: Vault, _: Clock) -> None:
            super().__init__(options, vault, clock)

    class QuickDeliverer(Deliverer):
        def __init__(self, database: Database, sender: Sender, _: Clock, base_url: str) -> None:
            super().__init__(database, sender, clock, base_url)

    setattr(server, "Sender", QuickSender)  # noqa: B010 - types
    setattr(server, "Deliverer", QuickDeliverer)  # noqa: B010 - types


if __name__ == "__main__":
    use_quick_clock(os.environ)
    main()
