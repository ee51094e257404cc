"""The migration guide: its commands have the options that it names, and its check runs."""

import re
import shlex
from pathlib import Path
from typing import Any, cast

import openai
import pytest
from typer.main import get_command

from evalhaven.cli.main import application
from tests.importing.hosted_account import Account, export
from tests.importing.hosted_standin import KEY, HostedStandin
from tests.importing.moving import run_import
from tests.server import Server

SHELL = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
HOSTED, HERE = "https://api.openai.com/v1", "http://127.0.0.1:8765/v1"


@pytest.fixture(scope="module")
def guide(repository: Path) -> str:
    return (repository / "docs" / "how-to" / "migrate.md").read_text(encoding="utf-8")


def command_lines(guide: str) -> list[list[str]]:
    lines = [line.strip() for _, block in SHELL.findall(guide) for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("evalhaven ")]


def test_every_command_takes_the_options_that_it_is_shown_with(guide: str) -> None:
    found = command_lines(guide)
    for _, *words in found:
        command = cast("Any", get_command(application))
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, words

    assert len(found) > 8


def test_every_option_named_in_a_table_is_one_of_the_export(guide: str) -> None:
    commands = cast("Any", get_command(application)).commands
    exports, imports = (
        {option for each in command.params for option in [*each.opts, *each.secondary_opts]}
        for command in (commands["export-hosted"], commands["import"].commands["openai"])
    )
    section = guide.partition("| you want |")[2].partition("\n\n")[0]
    named = set(re.findall(r"(--[a-z][a-z-]+)", section))

    assert len(named) > 6
    assert named <= exports
    assert named - {"--probe"} <= imports


def test_the_steps_lead_to_equal_counts_and_the_clients_work(
    guide: str, tmp_path: Path, small_account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    archive = tmp_path / "hosted-archive"
    with HostedStandin(str(small_account.client.base_url)) as hosted, Server(tmp_path).running() as server:
        assert "Complete" in export(hosted.base_url, archive)
        assert run_import("archive", archive, "--check", "--data-dir", server.data_dir).status == 0
        assert run_import("archive", archive, "--data-dir", server.data_dir).status == 0
        addresses = {HOSTED: hosted.base_url, HERE: f"{server.url}/v1", HERE[:-3]: server.url}
        for indent, block in PYTHON.findall(guide):
            snippet = re.sub(f"^{indent}", "", block, flags=re.MULTILINE)
            for address, replacement in addresses.items():
                snippet = snippet.replace(address, replacement)
            names: dict[str, Any] = {}
            exec(compile(snippet, "migrate.md", "exec"), names)  # noqa: S102 - our own page
            clients = [each for each in names.values() if isinstance(each, openai.OpenAI)]
            assert len(list(clients[-1].evals.list(limit=100))) == 3
            for client in clients:
                client.close()
