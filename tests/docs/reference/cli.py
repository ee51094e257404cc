"""docs/reference/cli.md, from what the commands print with `--help`."""

from collections.abc import Iterator
from typing import Any, cast

from typer.main import get_command

from evalhaven.cli.main import application
from tests.docs.reference.markdown import code, link, page, paragraphs, table

_INTRO = (
    "Every command explains itself with `-h` or `--help`. A setting that an option names in brackets is an environment "
    "variable; the option wins over it. [configuration.md](configuration.md) has all of them."
)


def render_cli() -> str:
    """Return the page."""
    found = list(shown_commands())
    parts = [_INTRO, table(("command", "what it does"), [(link(code(path)), _summary(each)) for path, each in found])]
    for path, command in found:
        parts += [f"## {code(path)}", *_command(path, command)]
    return page("Command reference", parts)


def shown_commands() -> Iterator[tuple[str, Any]]:
    """Yield every command and group that `--help` shows, as it is typed."""
    yield from _below("evalhaven", get_command(application))


def _below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        if not each.hidden:
            yield from _below(f"{path} {name}", each)


def _summary(command: Any) -> str:
    return paragraphs(command.help)[0]


def _command(path: str, command: Any) -> Iterator[str]:
    yield from paragraphs(command.help)
    parameters = [each for each in command.params if not each.hidden and each.name != "help"]
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    options = [each for each in parameters if each.param_type_name == "option"]
    pieces = [path, *map(_argument, arguments), *(["[OPTIONS]"] if options else [])]
    if hasattr(command, "commands"):
        pieces.append("COMMAND")
    yield f"```\n{' '.join(pieces)}\n```"
    yield table(("argument", "meaning"), [(code(_argument(each)), each.help) for each in arguments])
    yield table(("option", "meaning"), [(_option(each), _meaning(each)) for each in options])
    yield from paragraphs(command.epilog or "")


def _argument(argument: Any) -> str:
    return cast("str", argument.metavar)


def _option(option: Any) -> str:
    names = [*option.opts, *option.secondary_opts]
    value = "" if option.is_flag else f" {option.metavar}"
    return ", ".join(code(f"{name}{value}") for name in names)


def _meaning(option: Any) -> str:
    text = str(option.help)
    if option.required:
        text += " Required."
    elif option.default is not None and not option.is_flag and not option.multiple:
        text += f" Default: {code(str(option.default))}."
    return text
