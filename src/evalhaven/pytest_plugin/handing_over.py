"""A run made of what tests recorded: an eval file of its own, executed by `evalhaven run`.

So the outputs are graded, compared and decided upon as those of `evalhaven run` are, by the same code.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from evalhaven.domain.wording import counted
from evalhaven.eval_files.calling import recorded_answers_of
from evalhaven.eval_files.format import BASELINE_WORDS, EvalFile
from evalhaven.eval_files.variants import variants_of

_PASSES, _FAILS, _INCONCLUSIVE, _WRONG_USE = 0, 1, 2, 64
_SOURCE = "def grade(sample, item):\n    return sample['pytest']['scores'][{name!r}]\n"
_KEPT = ("metadata", "labels", "budget", "cache", "max_concurrency")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the items of a test recorded.

    Attributes:
        test: Name of the test.
        rows: What was recorded, in the order of the items.
        is_partial: Whether only some items were chosen.
        missing: How many of the chosen items were not tested.
        skipped: How many were skipped by the test.
        of: How many items there are.
    """

    test: str
    rows: list[dict[str, Any]]
    is_partial: bool
    missing: int
    skipped: int
    of: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to; the status is that of `evalhaven run`."""

    title: str
    exit_status: int
    lines: list[str] = field(default_factory=list[str])


class ThresholdsDifferError(Exception):
    """Items name different thresholds for one score."""


def hand_over(config: pytest.Config, file: EvalFile, items: Sequence[Any], recorded: Recorded) -> Outcome:
    """Make a run of what was recorded, and return what it came to."""
    title = f"{file.path.name}, {recorded.test}"
    if not recorded.rows:
        return Outcome(title, _PASSES, ["No item was tested, so there is no run."])
    is_part = recorded.is_partial or recorded.missing > 0
    try:
        document = _document(file, recorded, is_part=is_part)
    except ThresholdsDifferError as error:
        return Outcome(title, _WRONG_USE, [str(error)])
    with ExitStack() as stack:
        directory = _directory(config, stack)
        rows = [_row(items[row["position"]], row) for row in recorded.rows]
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (directory / "rows.jsonl").write_text(text, encoding="utf-8")
        path = directory / "eval.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "evalhaven", "run", str(path), "--restart", *_server_options(config)],
            cwd=config.invocation_params.dir,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    return _outcome(title, file, recorded, done, is_part=is_part)


def _outcome(
    title: str, file: EvalFile, recorded: Recorded, done: subprocess.CompletedProcess[str], *, is_part: bool
) -> Outcome:
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    if done.returncode not in (_PASSES, _FAILS, _INCONCLUSIVE):
        return Outcome(title, done.returncode, [*lines, *done.stderr.splitlines()])
    if recorded.skipped:
        lines.append(f"{counted(recorded.skipped, 'item was', 'items were')} skipped.")
    status = done.returncode if file.policy is not None else _PASSES
    if is_part:
        lines.append(
            f"Partial: {len(recorded.rows):,} of {recorded.of:,} items. Nothing is decided, and the run is no baseline."
        )
        status = _INCONCLUSIVE if recorded.missing and file.policy is not None else _PASSES
    if status != _PASSES:
        what = "the eval fails" if status == _FAILS else "it cannot be told whether the eval passes"
        lines.append(f"The session fails: by the policy of {file.path.name}, {what}.")
    return Outcome(title, status, lines)


def _directory(config: pytest.Config, stack: ExitStack) -> Path:
    """Return where the file is written: in pytest's cache, whose repository and place the run names."""
    cache = getattr(config, "cache", None)
    if cache is not None:
        return Path(cache.mkdir("evalhaven"))
    return Path(stack.enter_context(TemporaryDirectory(prefix="evalhaven-")))


def _server_options(config: pytest.Config) -> list[str]:
    options: list[str] = []
    for name in ("url", "data_dir"):
        value = config.getoption(f"evalhaven_{name}")
        options += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    return options


def _document(file: EvalFile, recorded: Recorded, *, is_part: bool) -> dict[str, Any]:
    """Return the eval file of what was recorded.

    Raises:
        ThresholdsDifferError: Items name different thresholds for one score.
    """
    name = f"{file.name} ({recorded.test})"
    criteria = [each.sent for each in file.testing_criteria]
    document: dict[str, Any] = {
        "name": f"{name} (partial)" if is_part else name,
        "type": "jsonl",
        "data": "rows.jsonl",
        "item_schema": file.schema_of_items,
        "testing_criteria": [*criteria, *_own_criteria(criteria, recorded.rows)],
        "baseline": "none" if is_part else _baseline(file),
        **{key: file.sent[key] for key in _KEPT if file.sent.get(key) is not None},
    }
    if file.policy is not None and not is_part:
        document["policy"] = file.policy.sent
    return document


def _baseline(file: EvalFile) -> str:
    """Return the baseline: a variant has a model, of which pytest knows nothing."""
    answers = recorded_answers_of(file)
    if answers is not None:
        return str(answers.resolve())
    word = file.baseline_word
    return "auto" if word not in BASELINE_WORDS and word in {each.name for each in variants_of(file)} else word


def _own_criteria(given: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    taken = {str(each.get("name")) for each in given}
    found = [_check("test" if "test" not in taken else "test (pytest)", "outcome", "passed")]
    found += [_check(name, f'verdicts["{name}"]', "true") for name in _names(rows)]
    thresholds: dict[str, float] = {}
    for row in rows:
        for name, threshold in row["thresholds"].items():
            if thresholds.setdefault(name, threshold) != threshold:
                raise ThresholdsDifferError(
                    f"The score {name!r} has the thresholds {thresholds[name]:g} and {threshold:g}; a criterion has "
                    "one for all items."
                )
    for name, threshold in sorted(thresholds.items()):
        found.append({"type": "python", "name": name, "source": _SOURCE.format(name=name), "pass_threshold": threshold})
    return found


def _check(name: str, path: str, wanted: str) -> dict[str, Any]:
    text = f"{{{{ sample.pytest.{path} }}}}"
    return {"type": "string_check", "name": name, "input": text, "operation": "eq", "reference": wanted}


def _names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the names of the scores that are true or false."""
    return sorted({name for row in rows for name in row["told"]["verdicts"]})


def _row(item: Any, row: dict[str, Any]) -> dict[str, Any]:
    error = {} if row["error"] is None else {"error": row["error"]}
    return {"item": item, "sample": {**(row["sample"] or {}), "pytest": row["told"], **error}}
