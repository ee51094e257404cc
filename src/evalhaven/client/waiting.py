"""How long a call waits for what will be there in a moment, and what a stream of events says."""

import time
from dataclasses import dataclass, field

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 2.0


class Patience:
    """Says how long to pause before the next attempt, until nothing has come for too long."""

    def __init__(self, for_s: float) -> None:
        """Begin to wait, for so many seconds at most."""
        self._for_s = for_s
        self.renew()

    def renew(self) -> None:
        """Begin anew, because something has come."""
        self._until = time.monotonic() + self._for_s
        self._pause_s = _FIRST_PAUSE_S

    def next_pause_s(self) -> float | None:
        """Return the seconds until the next attempt; None if it is time to give up."""
        pause_s = self._pause_s
        if time.monotonic() + pause_s > self._until:
            return None
        self._pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return pause_s


@dataclass(slots=True)
class EventReader:
    """Reads the lines of server-sent events."""

    _name: str = ""
    _data: list[str] = field(default_factory=list[str])

    def take(self, line: str) -> tuple[str, str] | None:
        """Return the name and the data of an event that ends with this line, else None."""
        if not line:
            found = (self._name, "\n".join(self._data)) if self._data else None
            self._name, self._data = "", []
            return found
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "event":
            self._name = value
        elif key == "data":
            self._data.append(value)
        return None
