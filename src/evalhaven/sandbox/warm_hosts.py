"""Hosts: kept warm until they are needed, and ended afterwards."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Coroutine

from anyio.abc import TaskGroup

from evalhaven.sandbox.environment import Environment
from evalhaven.sandbox.hosts import Host, HostStarter, HostStartError
from evalhaven.sandbox.limits import Limits
from evalhaven.sandbox.links import HostLink, end_host, open_host
from evalhaven.sandbox.replies import ErrorKind
from evalhaven.sandbox.sessions import Session
from evalhaven.sandbox.watchdog import Watchdog

WARM = 2


class WarmHosts:
    """Starts hosts before they are needed, for the environment that was requested last, and ends all hosts.

    Attributes:
        killed: How many were ended because of what they did, by the error.
    """

    def __init__(self, starter: HostStarter, limits: Limits, tasks: TaskGroup) -> None:
        """Start nothing yet.

        Args:
            starter: Starts hosts.
            limits: What hosts, calls and graders may use.
            tasks: Group for work in the background.
        """
        self.limits = limits
        self.killed = Counter[ErrorKind]()
        self._starter = starter
        self._tasks = tasks
        self._watchdog = Watchdog(limits)
        self._tasks.start_soon(self._watchdog.watch)
        self._warm: defaultdict[Environment, deque[HostLink]] = defaultdict(deque)
        self._warming: defaultdict[Environment, int] = defaultdict(int)
        self._latest: Environment | None = None

    def close(self) -> None:
        """Give up the hosts that nobody took."""
        while self._warm:
            for link in self._warm.popitem()[1]:
                link.close()

    async def take(self, environment: Environment) -> HostLink:
        """Return a host that is ready for a source.

        Raises:
            HostStartError: No host can be started.
        """
        warm = self._warm[environment]
        while warm:
            link = warm.popleft()
            self.keep_warm(environment)
            if link.is_open:
                return link
            await end_host(self._starter, link)
        return await open_host(self._starter, environment, self.limits.start_s)

    def keep_warm(self, environment: Environment) -> None:
        """Keep hosts ready for the environment that was requested last, and for no other."""
        self._latest = environment
        for other in [each for each in self._warm if each != environment]:
            for link in self._warm.pop(other):
                self._tasks.start_soon(end_host, self._starter, link)
        missing = WARM - len(self._warm[environment]) - self._warming[environment]
        for _ in range(missing):
            self._warming[environment] += 1
            self._tasks.start_soon(self._warm_up, environment)

    async def _warm_up(self, environment: Environment) -> None:
        try:
            link = await open_host(self._starter, environment, self.limits.start_s)
        except HostStartError:
            return  # whoever needs a host will try again and get the error
        finally:
            self._warming[environment] -= 1
        if environment == self._latest:
            self._warm[environment].append(link)
        else:
            await end_host(self._starter, link)

    def list_hosts(self) -> list[Host]:
        """Return all hosts, including warm ones."""
        return self._starter.list_living()

    def start_task(self, function: Callable[..., Coroutine[object, object, object]], *arguments: object) -> None:
        """Run something in the background."""
        self._tasks.start_soon(function, *arguments)

    def watch(self, session: Session) -> None:
        """Have the watchdog check a session's use of time and memory until `bury`."""
        self._watchdog.add(session)

    async def bury(self, session: Session) -> str:
        """End a session's host and return how it ended."""
        self._watchdog.remove(session)
        await end_host(self._starter, session.link)
        return session.link.host.describe_end()
