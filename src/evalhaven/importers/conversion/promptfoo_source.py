"""A configuration of promptfoo, and the files that it names."""

from pathlib import Path

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.eval_files.located import Place, parse_document, read_text
from evalhaven.eval_files.problems import EvalFileError
from evalhaven.importers.conversion.made import Conversion, ConversionError

FILE = "file://"
"""Beginning of a text that names a file."""

_PARTS = frozenset({"prompts", "providers", "targets", "tests", "scenarios"})


class Source:
    """A configuration, and what is made of it."""

    def __init__(self, path: Path) -> None:
        """Read a configuration.

        Raises:
            EvalFileError: It cannot be read.
            ConversionError: It is not promptfoo's.
        """
        self.path = path
        self._document = parse_document(path, read_text(path))
        self.config: JsonObject = object_of(self._document.value)
        if not _PARTS & self.config.keys():
            raise ConversionError(
                f"{path} is not a configuration of promptfoo: it has neither 'prompts' nor 'providers' nor 'tests'."
            )
        self.made = Conversion(f"evalhaven convert promptfoo {path.name}")

    def where(self, place: Place) -> str:
        """Return where a place is, for people: the file, the line, and the path of keys."""
        text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")
        return f"{self.path.name}:{self._document.line_of(place)}, {text}"

    def leave_out(self, place: Place, reason: str) -> None:
        """Say that something is not converted."""
        self.made.leave_out(self.where(place), reason)

    def read(self, name: str) -> str:
        """Return the text of a file that the configuration names.

        Raises:
            ConversionError: It cannot be read.
        """
        try:
            return read_text(self.path.parent / name)
        except EvalFileError as error:
            raise ConversionError(str(error)) from error

    def files(self, name: str) -> list[Path]:
        """Return the files that a name or a pattern means.

        Raises:
            ConversionError: There are none.
        """
        pattern = Path(name)
        directory = Path(pattern.anchor) if pattern.is_absolute() else self.path.parent
        found = sorted(directory.glob(str(pattern.relative_to(pattern.anchor) if pattern.is_absolute() else pattern)))
        if not found:
            raise ConversionError(f"there is no file {name!r}")
        return found


def object_of(value: JsonValue) -> JsonObject:
    """Return an object; {} in place of anything else."""
    return value if isinstance(value, dict) else {}


def list_of(value: JsonValue) -> list[JsonValue]:
    """Return a list; a single value as a list of it, and [] for nothing."""
    return value if isinstance(value, list) else [] if value is None or value == "" else [value]
