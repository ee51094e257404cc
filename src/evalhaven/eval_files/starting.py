"""The files with which a repository's first eval begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from evalhaven.domain import jsontext
from evalhaven.eval_files.json_schema import eval_file_schema

EVAL = Path("evals/tickets.yaml")
CI_FILES: Mapping[str, Path] = {"github": Path(".github/workflows/evals.yml"), "gitlab": Path(".gitlab-ci.yml")}
"""Where each CI system looks for its workflow."""

IGNORED = "/evalhaven-data/"
"""The line of `.gitignore` that keeps runs out of the repository."""

_MODEL_WITH_KEY = "gpt-4.1-mini"


@dataclass(frozen=True, slots=True)
class Started:
    """What was written.

    Attributes:
        written: Files that were not there before.
        kept: Files that were there, and stayed as they were.
        is_ignored: Whether git is told to leave the data directory out.
    """

    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    is_ignored: bool


def write_first_eval(directory: Path, ci: str | None, *, has_key: bool) -> Started:
    """Write a first eval with its data and a workflow; files that exist stay as they are.

    Args:
        directory: The root of the repository; it is made if it is not there.
        ci: The CI system; None writes no workflow.
        has_key: Whether there is a key for a model, so that none has to stand in.

    Raises:
        OSError: A file cannot be written.
    """
    texts: dict[Path, str] = {
        EVAL: _with_model(_text("tickets.yaml")) if has_key else _text("tickets.yaml"),
        Path("evals/tickets.jsonl"): _data(has_key=has_key),
        Path("evals/eval-file.schema.json"): jsontext.render(eval_file_schema()) + "\n",
        Path(".gitignore"): f"{IGNORED}\n",
    }
    if ci is not None:
        texts[CI_FILES[ci]] = _text(f"{ci}.yml")
    written: list[Path] = []
    kept: list[Path] = []
    for path, text in texts.items():
        to = directory / path
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            with to.open("x", encoding="utf-8") as file:
                file.write(text)
            written.append(path)
        except FileExistsError:
            kept.append(path)
    ignored = (directory / ".gitignore").read_text(encoding="utf-8", errors="replace").splitlines()
    return Started(tuple(written), tuple(kept), any("evalhaven-data" in line for line in ignored))


def _text(name: str) -> str:
    return (files("evalhaven.eval_files") / "starter" / name).read_text(encoding="utf-8")


def _with_model(text: str) -> str:
    """Return the eval with a model that is asked, and without what stands in for one."""
    lines = [line for line in text.splitlines() if "ANSWER:" not in line]
    lines = [line for line in lines if not line.startswith("# STAND-IN")]
    return "\n".join(lines).replace("models: [scripted]", f"models: [{_MODEL_WITH_KEY}]") + "\n"


def _data(*, has_key: bool) -> str:
    rows = [jsontext.parse(line) for line in _text("tickets.jsonl").splitlines()]
    shown = [
        {key: value for key, value in row.items() if not (has_key and key == "stand_in")}
        for row in rows
        if isinstance(row, dict)
    ]
    return "".join(f"{jsontext.render(row)}\n" for row in shown)
