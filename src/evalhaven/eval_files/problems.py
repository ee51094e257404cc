"""What is wrong with a file, with the place."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a file.

    Attributes:
        path: The file.
        line: The line, from 1 on; None if it is about the file as a whole.
        message: A sentence with what is wrong, and the cure.
    """

    path: Path
    line: int | None
    message: str

    def __str__(self) -> str:
        """Return place and message on one line, as compilers write them."""
        place = str(self.path) if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.message}"


class EvalFileError(Exception):
    """An eval file, or a file that it names, cannot be used.

    Attributes:
        problems: All that is wrong, in the order of files and lines.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Hold the problems, of which there is at least one."""
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)

    @classmethod
    def at(cls, path: Path, line: int | None, message: str) -> "EvalFileError":
        """Return the error with one problem."""
        return cls([Problem(path, line, message)])

    @property
    def path(self) -> Path:
        """Return the file of the first problem."""
        return self.problems[0].path

    @property
    def line(self) -> int | None:
        """Return the line of the first problem."""
        return self.problems[0].line

    @property
    def message(self) -> str:
        """Return the message of the first problem."""
        return self.problems[0].message
