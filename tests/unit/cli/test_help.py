"""Facts about the help of each command: how it is asked for, and what it says of each value."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.core import TyperGroup, TyperOption
from typer.main import get_command
from typer.testing import CliRunner

from evalhaven.cli.main import application
from evalhaven.settings import PREFIX, Settings

_GROUP = get_command(application)
# Says nothing but how the value is stored.
_GENERIC = re.compile(r"(?i)<?(text|str|string|integer|int|float|path|filename|directory|list\b.*)( range.*)?>?")


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each command with its words, hidden ones too."""
    yield path, command
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            yield from walk(child, (*path, name))


COMMANDS = list(walk(_GROUP))
OPTIONS = [
    pytest.param(option, id=" ".join([*path, option.opts[0]]))
    for path, command in COMMANDS
    for option in command.params
    if isinstance(option, TyperOption)
]


def help_of(*arguments: str) -> str:
    shown = CliRunner().invoke(application, [*arguments], env={"COLUMNS": "200", "TERM": "dumb"})
    assert shown.exit_code == 0, shown.output
    return shown.output


def test_the_walk_meets_commands_of_each_depth() -> None:
    paths = {" ".join(path) for path, _ in COMMANDS}
    assert {"", "serve", "watch", "db", "db upgrade", "import openai", "graders doctor", "executor"} <= paths
    assert len(OPTIONS) > 50


@pytest.mark.parametrize("path", [path for path, _ in COMMANDS], ids=" ".join)
def test_each_command_explains_itself_by_either_name(path: tuple[str, ...]) -> None:
    shown = help_of(*path, "-h")
    assert shown == help_of(*path, "--help")
    assert " ".join(["Usage: evalhaven", *path]) in shown
    assert re.search(r"--help +-h ", shown)


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_says_what_its_value_is(option: TyperOption) -> None:
    assert option.help, "it is not explained"
    if option.is_flag:
        return
    assert option.metavar, "it has no word for its value"
    assert not _GENERIC.fullmatch(option.metavar)
    is_told = option.required or option.default is not None or option.multiple or "default: " in option.help.lower()
    # A filter that is not given filters nothing, and a version that is not given is not sent.
    assert is_told or option.help.startswith(("Only ", "Azure's ")), "what holds without it is not said"


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_that_is_a_setting_names_its_variable(option: TyperOption) -> None:
    is_setting = option.name in Settings.model_fields and not option.required
    if is_setting and not option.is_flag:
        assert f"({PREFIX}{option.name.upper()}" in (option.help or "")
