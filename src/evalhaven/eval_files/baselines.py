"""Which run each run of a call is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from evalhaven.eval_files.calling import CALL, PART, RECORDED, ROLE, VARIANT, Call, CalledRun, CallError
from evalhaven.eval_files.format import BASELINE_WORDS
from evalhaven.eval_files.talking import RefusedError, Talker

_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Baselines:
    """The runs that may be baselines.

    Attributes:
        word: What the file or the command line says.
        pinned: The pinned run; None if there is none.
        earlier: By variant, the newest completed run of another call over the same part of the data.
    """

    word: str
    pinned: str | None
    earlier: dict[str, str]

    def run_for(self, run: CalledRun, call: Call) -> str | None:
        """Return the id of the run that a run is compared with; None if there is none, or if it is the baseline."""
        recorded = next((each.id for each in call.runs if each.role == RECORDED), None)
        named = next((each.id for each in call.runs if each.variant == self.word and not each.role), None)
        if recorded is not None or named is not None:
            found = recorded or named
        elif self.word == "auto":
            found = self.pinned or self.earlier.get(run.variant)
        elif self.word == "pinned":
            found = self.pinned
        else:
            found = None if self.word == "none" else self.word
        return None if found == run.id else found


async def find_baselines(
    talker: Talker,
    versions: Sequence[dict[str, Any]],
    word: str,
    call_id: str,
    part: str | None,
    variants: Sequence[str],
) -> Baselines:
    """Return the runs that may be baselines of a call's runs.

    Args:
        talker: Leads to the server.
        versions: The evals of the file, as overviews, the newest first.
        word: What the file or the command line says.
        call_id: The call, which is no baseline of itself.
        part: Which rows it takes; None if all.
        variants: Names of its variants.

    Raises:
        CallError: A baseline is named that is not there.
        RefusedError: The server refused, or did not answer.
    """
    if word not in BASELINE_WORDS and word not in variants:
        await _require_run(talker, word)
    if word not in ("auto", "pinned"):
        return Baselines(word, None, {})
    pinned: str | None = None
    earlier: dict[str, tuple[int, str]] = {}
    for version in versions:
        async for each in talker.overviews("/api/runs", {"eval": version["id"]}):
            metadata = each["metadata"]
            if metadata.get(CALL) == call_id:
                continue
            if each["pinned"] and pinned is None:
                pinned = each["id"]
            is_alike = metadata.get(PART) == part and ROLE not in metadata
            if each["status"] == "completed" and VARIANT in metadata and is_alike:
                made = (each["created_at"], each["id"])
                earlier[metadata[VARIANT]] = max(earlier.get(metadata[VARIANT], made), made)
    if word == "pinned" and pinned is None:
        raise CallError("No run of this eval is pinned: pin one (`evalhaven pin RUN`), or name another baseline.")
    return Baselines(word, pinned, {name: run_id for name, (_, run_id) in earlier.items()})


async def _require_run(talker: Talker, run_id: str) -> None:
    try:
        await talker.ask("GET", f"/api/runs/{quote(run_id, safe='')}", {"rows": "false"})
    except RefusedError as error:
        if error.status != _NOT_FOUND:
            raise
        raise CallError(f"The baseline {run_id!r} is not there: no run on this server has this id.") from error
