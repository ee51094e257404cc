"""`evalhaven convert …`: configurations of other tools made into eval files."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from evalhaven.importers.conversion.made import Conversion

EXIT_LEFT_OUT = 2
MOST_INLINE_ITEMS = 100
DEFAULT_MODEL = "gpt-4.1-mini"
_EPILOG = (
    "What has no equal here is said on standard error and in comments of the file, with its place and the reason.\n\n"
    "Exit status: 0 everything was converted, 2 something was left out, 64 the file cannot be used."
)

convert_commands = typer.Typer(
    help="Make an eval file of another tool's configuration.",
    no_args_is_help=True,
)
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where to write the eval file; more than 100 items "
        "are written beside it, as .jsonl. Default: standard output.",
    ),
]
Judge = Annotated[
    str | None,
    typer.Option(metavar="MODEL", help="The model that judges; default: the one that is named, else gpt-4.1."),
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="MODEL", help="A model to ask, in place of those that are named. May be repeated."),
]


@convert_commands.command("promptfoo", epilog=_EPILOG)
def convert_promptfoo_file(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A configuration such as promptfooconfig.yaml.")],
    model: Models = None,
    judge: Judge = None,
    output: Output = None,
) -> None:
    """Make an eval file of a configuration of promptfoo.

    Prompts, providers, tests and assertions become prompts, models, items and criteria that give the same verdicts.
    """
    from evalhaven.importers.conversion.promptfoo_config import convert_promptfoo

    raise typer.Exit(_write(lambda: convert_promptfoo(config, judge, model or ()), output))


@convert_commands.command("openai-evals", epilog=_EPILOG)
def convert_openai_evals_file(
    registry: Annotated[
        Path, typer.Argument(metavar="YAML", help="A file of a registry's evals, such as registry/evals/mine.yaml.")
    ],
    name: Annotated[
        str | None, typer.Option("--eval", metavar="NAME", help="Which of its evals; default: the only one.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Directory of the samples; default: `data` beside the file's directory."),
    ] = None,
    model: Models = None,
    judge: Judge = None,
    output: Output = None,
) -> None:
    """Make an eval file of an eval of the OpenAI Evals framework (oaieval).

    Converted are Match, Includes, FuzzyMatch, JsonMatch and ModelBasedClassify, with their samples. A registry names no
    model: without --model, gpt-4.1-mini is asked.
    """
    from evalhaven.importers.conversion.judges import DEFAULT_JUDGE
    from evalhaven.importers.conversion.oaieval import convert_openai_evals

    models = model or [DEFAULT_MODEL]
    raise typer.Exit(_write(lambda: convert_openai_evals(registry, name, data, models, judge or DEFAULT_JUDGE), output))


def _write(convert: "Callable[[], Conversion]", output: Path | None) -> int:
    """Write what a conversion makes; return the exit status."""
    from evalhaven.cli.shell import EXIT_USAGE, fail, print_note, print_warning
    from evalhaven.eval_files.problems import EvalFileError
    from evalhaven.eval_files.reading import read_eval_file
    from evalhaven.importers.conversion.made import ConversionError

    try:
        made = convert()
    except (ConversionError, EvalFileError) as error:
        fail(str(error), EXIT_USAGE)
    if output is None:
        sys.stdout.write(made.text())
    else:
        beside = output.with_suffix(".jsonl")
        lines = made.move_items(beside.name) if made.item_count > MOST_INLINE_ITEMS else []
        try:
            if lines:
                beside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
                print_note(f"{len(lines):,} items are in {beside}.")
            output.write_text(made.text(), encoding="utf-8")
        except OSError as error:
            fail(f"{output} cannot be written: {error.strerror}.", EXIT_USAGE)
        try:
            read_eval_file(output)
        except EvalFileError as error:
            made.left_out += [f"the file needs a look: {problem}" for problem in error.problems]
    for text in made.left_out:
        print_warning(f"not converted: {text}")
    for text in made.notes:
        print_note(text)
    return EXIT_LEFT_OUT if made.left_out else 0
