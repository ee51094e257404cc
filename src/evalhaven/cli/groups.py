"""Groups of commands: the one of all commands, and those of one noun."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperGroup

from evalhaven.cli.shell import EXIT_USAGE

_LISTING = "list"
_USUAL_STATUS = 2


class AllCommands(TyperGroup):
    """The group of all commands, whose wrong use has one status, since 2 means something else to `gate`."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Parse what stands before the first command."""
        with _status_of_wrong_use():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Parse and execute the command."""
        with _status_of_wrong_use():
            return super().invoke(ctx)


class NounCommands(TyperGroup):
    """The commands about one kind of objects; `list` may be left out: `evals` is `evals list`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the command that is meant."""
        first = next(iter(args), None)
        takes_words = any(each.param_type_name == "argument" for each in self.commands[_LISTING].params)
        is_option = first is not None and first.startswith("-")
        is_help = first in ctx.help_option_names
        # Where a shell asks what may follow, nothing has been left out yet.
        is_nothing = first is None and not ctx.resilient_parsing
        is_listing = is_nothing or is_option or (takes_words and first is not None and first not in self.commands)
        return super().parse_args(ctx, [_LISTING, *args] if is_listing and not is_help else args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return what may follow: the commands, and the options of the one that may be left out."""
        found = super().shell_complete(ctx, incomplete)
        if not incomplete.startswith("-"):
            return found
        listing = self.commands[_LISTING]
        known = {each.value for each in found}
        of_listing = listing.shell_complete(listing.make_context(_LISTING, [], ctx, resilient_parsing=True), incomplete)
        return [*found, *(each for each in of_listing if each.value not in known)]


@contextmanager
def _status_of_wrong_use() -> Generator[None]:
    try:
        yield
    except Exception as error:
        # What else has this status are results of commands, which are no such exceptions.
        if getattr(error, "exit_code", None) == _USUAL_STATUS and hasattr(error, "show"):
            error.exit_code = EXIT_USAGE  # pyright: ignore[reportAttributeAccessIssue] - of errors of usage
        raise
