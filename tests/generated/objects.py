"""The objects that generated requests made, so that later ones can name them."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

KEPT = 200
MODELS = ("scripted", "slow")
_DELETED = ("file_id", "completion_id", "response_id", "run_id", "eval_id")

Json = dict[str, Any]


def _recent() -> "deque[Any]":
    return deque(maxlen=KEPT)


@dataclass
class KnownObjects:
    """The newest objects of each kind, and the newest that were deleted.

    Args:
        evals: Ids of evals.
        runs: Ids of runs, each with its eval's before it.
        items: Ids of output items, each with its eval's and its run's before it.
        files: Ids of files.
        completions: Ids of stored chat completions.
        responses: Ids of stored responses.
        gone: Ids of deleted objects of any kind.
        kept: Ids of objects that are not to be deleted, so that there is always something to ask for.
    """

    evals: "deque[str]" = field(default_factory=_recent)
    runs: "deque[tuple[str, str]]" = field(default_factory=_recent)
    items: "deque[tuple[str, str, str]]" = field(default_factory=_recent)
    files: "deque[str]" = field(default_factory=_recent)
    completions: "deque[str]" = field(default_factory=_recent)
    responses: "deque[str]" = field(default_factory=_recent)
    gone: "deque[str]" = field(default_factory=_recent)
    kept: set[str] = field(default_factory=set[str])

    def path_parameters(self, names: set[str], number: int, *, for_deletion: bool) -> dict[str, str] | None:
        """Return ids for the path of a request, or None while there is no such object.

        Args:
            names: The parameters in the path.
            number: What chooses among the objects.
            for_deletion: Leave out what is kept.
        """
        alone = {
            "file_id": self.files,
            "completion_id": self.completions,
            "response_id": self.responses,
            "model": MODELS,
        }
        keys: tuple[str, ...] = tuple(names & alone.keys()) or ("eval_id", "run_id", "output_item_id")
        if keys[0] in alone:
            known: list[tuple[str, ...]] = [(each,) for each in alone[keys[0]]]
        elif "output_item_id" in names:
            known = list(self.items)
        elif "run_id" in names:
            known = list(self.runs)
        else:
            known = [(each,) for each in self.evals]
        if for_deletion:
            known = [each for each in known if each[-1] not in self.kept]
        if not known:
            return None
        return dict(zip(keys, known[number % len(known)], strict=False))

    def learn(self, operation: str, path: Json, answer: Json) -> None:
        """Take over what an answer with status 2xx says.

        Args:
            operation: The operation's id.
            path: The ids in the request's path.
            answer: The answer.
        """
        if operation == "createEval":
            self.evals.append(answer["id"])
        elif operation == "createEvalRun":
            self.runs.append((answer["eval_id"], answer["id"]))
        elif operation == "createFile":
            self.files.append(answer["id"])
        elif operation == "getEvalRunOutputItems":
            seen = {each[2] for each in self.items}
            self.items.extend(
                (item["eval_id"], item["run_id"], item["id"]) for item in answer["data"] if item["id"] not in seen
            )
        elif operation.startswith("delete"):
            # Generators name the parameters in any order.
            self.forget(path[next(name for name in _DELETED if name in path)])

    def forget(self, gone: str) -> None:
        """Drop a deleted object and what belonged to it."""
        self.gone.append(gone)
        self.evals = deque((each for each in self.evals if each != gone), KEPT)
        self.files = deque((each for each in self.files if each != gone), KEPT)
        self.completions = deque((each for each in self.completions if each != gone), KEPT)
        self.responses = deque((each for each in self.responses if each != gone), KEPT)
        self.runs = deque((each for each in self.runs if gone not in each), KEPT)
        self.items = deque((each for each in self.items if gone not in each), KEPT)
