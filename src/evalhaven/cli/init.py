"""`evalhaven init`: writes a first eval that runs, and the workflow that runs it in CI."""

from pathlib import Path
from typing import Annotated, Literal

import typer

EPILOG = "Exit status: 0 the files are there, 64 the command line is wrong, 70 a file cannot be written."


def init(
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Root of the repository; default: the working directory.", file_okay=False),
    ] = Path(),
    ci: Annotated[
        Literal["github", "gitlab", "none"],
        typer.Option(metavar="github|gitlab|none", help="The CI system whose workflow is written."),
    ] = "github",
) -> None:
    """Write a first eval that runs at once, its data, and the workflow that gates with it. No file is overwritten.

    Without OPENAI_API_KEY in the environment the model `scripted` stands in, which needs no key and no network.
    """
    import os

    from evalhaven.cli.figure_texts import make_printable
    from evalhaven.cli.shell import EXIT_TOOL, fail, print_warning, reader_may_leave
    from evalhaven.eval_files.starting import EVAL, IGNORED, write_first_eval

    has_key = bool(os.environ.get("OPENAI_API_KEY"))
    try:
        started = write_first_eval(directory, None if ci == "none" else ci, has_key=has_key)
    except OSError as error:
        fail(f"{make_printable(str(error.filename))!r} cannot be written: {error.strerror}.", EXIT_TOOL)
    with reader_may_leave():
        for path in started.written:
            print(f"wrote {make_printable(str(directory / path))}")
        for path in started.kept:
            print(f"kept  {make_printable(str(directory / path))}, which was there before")
        print("\nNext:")
        if directory.resolve() != Path.cwd():
            print(f"  cd {make_printable(str(directory))}")
        print(f"  evalhaven run {EVAL}")
        model = "the model" if has_key else "the model `scripted`, which stands in until you have a key"
        print(f"\nThen change {EVAL}: {model}, the prompt, the data and the policy are all there.")
    if not started.is_ignored:
        print_warning(f"Add {IGNORED} to .gitignore: runs are kept there, and do not belong in the repository.")
