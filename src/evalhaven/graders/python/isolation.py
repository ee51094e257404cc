"""How python graders are isolated on this machine: determined once, by starting a canary host in each tier."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import structlog

from evalhaven.domain.jsontext import JsonObject
from evalhaven.graders.python.environments import Environments
from evalhaven.sandbox.environment import Isolation, Tier
from evalhaven.sandbox.tiers import choose_isolation

SETTING = "EVALHAVEN_GRADER_SANDBOX"
UNSAFE_NOTE = (
    f"Python graders are NOT isolated ({SETTING}={Tier.OFF}): whoever creates an eval can read, change and delete "
    "everything that this server's user can."
)


class IsolationChoice:
    """The tier of this process, chosen when it is first asked for."""

    def __init__(self, wanted: Tier | None, environments: Environments, canaries: Sequence[Path]) -> None:
        """Choose nothing yet.

        Args:
            wanted: The only tier that will do; None for the first that works.
            environments: What graders can import; the canary imports from it too.
            canaries: Files that graders must not be able to open.
        """
        self.wanted = wanted
        self.canaries = tuple(canaries)
        self._environments = environments
        self._choosing = anyio.Lock()
        self._chosen: Isolation | None = None

    @property
    def chosen(self) -> Isolation | None:
        """Return what was chosen; None if nobody has asked, or it is being tried."""
        return self._chosen

    async def choose(self) -> Isolation:
        """Return how graders are isolated; its tier is None if none works."""
        async with self._choosing:
            if self._chosen is None:
                self._chosen = await self._try()
                self._log(self._chosen)
            return self._chosen

    async def _try(self) -> Isolation:
        try:
            return await choose_isolation(self.wanted, self._environments.select().sandboxed, self.canaries)
        except Exception as error:
            # Whatever is wrong with the sandbox, everything but python graders keeps working.
            structlog.get_logger("evalhaven").exception("grader_sandbox_failed")
            reason = f"trying it failed with {type(error).__name__}: {error}"
            return Isolation(None, {self.wanted or Tier.FULL: reason})

    def _log(self, isolation: Isolation) -> None:
        log = structlog.get_logger("evalhaven")
        rejected = {str(tier): reason for tier, reason in isolation.rejected.items()}
        if isolation.tier is None:
            log.warning("grader_sandbox_refused", **rejected)
        elif isolation.tier is Tier.OFF:
            log.warning("grader_sandbox_off", note=UNSAFE_NOTE)
        else:
            log.info("grader_sandbox", tier=str(isolation.tier), rejected=rejected)


def refusal(isolation: Isolation) -> str:
    """Return why python graders are not executed here, and the cure."""
    reasons = "; ".join(f"{tier}: {reason.rstrip('.')}" for tier, reason in isolation.rejected.items())
    return (
        f"Python graders are disabled on this server, because no isolation is available ({reasons}). Whoever runs it "
        "can install bubblewrap, or use a Linux kernel with Landlock (5.13 or newer): see "
        "docs/how-to/grade-with-python.md. All other graders work."
    )


def told(isolation: Isolation) -> JsonObject:
    """Return the tier and why others were rejected, as a JSON object."""
    return {
        "tier": None if isolation.tier is None else str(isolation.tier),
        "rejected": {str(tier): reason for tier, reason in isolation.rejected.items()},
    }
