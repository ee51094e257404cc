"""What the gate says of a run of a call."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from evalhaven.eval_files.talking import RefusedError, Talker
from evalhaven.wire.gates import GatePolicy

PASSES, FAILS, INCONCLUSIVE = 0, 1, 2
_OUTCOMES = {PASSES: "pass", FAILS: "fail", INCONCLUSIVE: "inconclusive"}
NO_BASELINE = (
    "There is no baseline yet, so a margin decides nothing: run the file once more after a change, name a variant or "
    "recorded answers as 'baseline', or give the policy a 'threshold'."
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided.

    Attributes:
        outcome: `pass`, `fail` or `inconclusive`.
        sentence: What was decided and why.
        gate: The gate's answer; None if it was not asked.
    """

    outcome: str
    sentence: str
    gate: dict[str, Any] | None = None

    @property
    def exit_status(self) -> int:
        """Return the outcome as an exit status."""
        return next(status for status, outcome in _OUTCOMES.items() if outcome == self.outcome)


async def decide(talker: Talker, run_id: str, baseline: str | None, policy: GatePolicy) -> Decision:
    """Return what the gate decides about a run.

    Args:
        talker: Leads to the server.
        run_id: The run, which has ended.
        baseline: The run that it is compared with; None if there is none.
        policy: What it has to achieve.

    Raises:
        RefusedError: The server refused, or did not answer.
    """
    path = f"/api/runs/{quote(run_id, safe='')}/gate"
    try:
        gate = await talker.ask("POST", path, {"baseline": baseline or "none"}, policy.sent)
    except RefusedError as error:
        if error.code != "no_baseline":
            raise
        return Decision("inconclusive", NO_BASELINE)
    if baseline is None and gate["outcome"] == "pass" and _has_margin(policy):
        # The thresholds are reached, but nobody knows whether it is worse than before.
        return Decision("inconclusive", f"{gate['sentence']} {NO_BASELINE}", gate)
    return Decision(gate["outcome"], gate["sentence"], gate)


async def compare(talker: Talker, run_id: str, baseline: str, policy: GatePolicy | None) -> dict[str, Any]:
    """Return how a run differs from its baseline.

    Raises:
        RefusedError: The server refused, or did not answer.
    """
    cluster = None if policy is None else policy.cluster
    found = await talker.ask("GET", "/api/compare", {"runs": run_id, "base": baseline, "cluster": cluster})
    return {**found, "items": {}}


def _has_margin(policy: GatePolicy) -> bool:
    if policy.criteria is None:
        return policy.margin is not None
    return any(
        each.tier != "advisory" and (each.margin is not None or policy.margin is not None)
        for each in policy.criteria.values()
    )
