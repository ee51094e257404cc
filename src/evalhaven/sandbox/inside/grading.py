"""A grader's source, loaded and called; whatever it does, short of ending the process, becomes an outcome."""

import errno
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

FILE_NAME = "grader.py"
_MODULE_NAME = "grader"
_FRAMES_MAX = 5
_TEXT_MAX = 2000
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LoadedGrader:
    """The function `grade` of one source, or what went wrong when it was loaded."""

    def __init__(self, source: str) -> None:
        """Compile and execute the source."""
        self._lines = source.splitlines()
        self.failure: tuple[str, str] | None = None
        module = type(sys)(_MODULE_NAME)
        module.__loader__ = self  # linecache uses it to find the lines of a traceback
        module.__file__ = FILE_NAME
        # Data classes and pickle look up their module by name.
        sys.modules[_MODULE_NAME] = module
        self._source = source
        self.grade: Callable[[Any, Any], Any] = _no_grade
        try:
            code = compile(source, FILE_NAME, "exec", dont_inherit=True)
            exec(code, module.__dict__)  # noqa: S102 - this is what the sandbox is for
        except BaseException as error:
            self.failure = self.describe(error)
        else:
            self.grade = module.__dict__.get("grade", _no_grade)
            if self.grade is _no_grade:
                self.failure = ("exception", "The source defines no function grade(sample, item).")

    def get_source(self, _name: str) -> str:
        """Return the source, for code that shows lines of it."""
        return self._source

    def describe(self, error: BaseException) -> tuple[str, str]:
        """Return the kind of an exception, and its text with the lines of the source that led to it."""
        try:
            kind = _kind_of(error)
            frames = self._frames(error.__traceback__)
            if isinstance(error, SyntaxError) and error.filename == FILE_NAME:
                frames = [self._frame(error.lineno or 0, "<module>")]
            heading = "Traceback (most recent call last):\n" + "".join(frames) if frames else ""
            name, text = type(error).__name__, _text_of(error)
        except BaseException:
            return "exception", "an exception that cannot be shown"
        return kind, f"{heading}{name}: {text}" if text else f"{heading}{name}"

    def _frames(self, trace: "TracebackType | None") -> list[str]:
        frames: list[str] = []
        while trace is not None:
            code = trace.tb_frame.f_code
            if code.co_filename == FILE_NAME:
                frames.append(self._frame(trace.tb_lineno, code.co_name))
                del frames[:-_FRAMES_MAX]
            trace = trace.tb_next
        return frames

    def _frame(self, line: int, name: str) -> str:
        text = self._lines[line - 1].strip()[:200] if 0 < line <= len(self._lines) else ""
        return f'  File "{FILE_NAME}", line {line}, in {name}\n' + (f"    {text}\n" if text else "")


def read_score(value: "Any") -> float | None:
    """Return what `grade` returned as a finite number; None if it is not one."""
    if value is None or isinstance(value, (str, bytes, bytearray)):
        return None
    try:
        score = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return score if score - score == 0.0 else None


def describe_invalid(value: object) -> str:
    """Say what `grade` returned instead of a number."""
    try:
        text = repr(value)
    except BaseException:
        text = f"a {type(value).__name__}"
    return f"grade() returned {text[:200]}, which is not a finite number"


def _no_grade(_sample: object, _item: object) -> None:
    """Stand in for a function that was never defined; it is not called, since `failure` answers every call."""


def _kind_of(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return "import"
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, OSError) and error.errno in _FULL:
        return "disk"
    if isinstance(error, RuntimeError) and error.args == ("can't start new thread",):
        return "threads"
    return "exception"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)[:_TEXT_MAX]
    except BaseException:
        return "<its text cannot be made>"
