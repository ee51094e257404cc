r"""Regular expressions of JavaScript as those of Python that match the same texts.

Where both differ: `$` is the end of the text alone, `.` leaves out all line ends, `\s` is any white space though `\d`
and `\w` are ASCII, and groups are named in another way. A pattern whose meaning would change is refused.
"""

import re
import warnings

from evalhaven.importers.conversion.made import ConversionError

FLAGS = "re.ASCII"
"""With which flags, as Python source, a converted pattern has to be compiled."""

_SPACE = r"\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_LINE_ENDS = r"\n\r\u2028\u2029"
_SAME = frozenset("dDwWbBnrtfv0xu123456789")


def to_python(pattern: str) -> str:
    """Return a pattern for `re.compile(…, re.ASCII)`.

    Raises:
        ConversionError: Python has no such pattern.
    """
    made: list[str] = []
    position, is_class = 0, False
    while position < len(pattern):
        char = pattern[position]
        if char == "\\":
            text, position = _escape(pattern, position, is_class=is_class)
            made.append(text)
            continue
        if is_class:
            is_class = char != "]"
            made.append("\\[" if char == "[" else f"\\{char}" if char in "&~|" else char)
        elif char == "[":
            text, position, is_class = _opened(pattern, position)
            made.append(text)
            continue
        elif pattern.startswith("(?<", position) and pattern[position + 3 : position + 4] not in ("=", "!", ""):
            made.append("(?P<")
            position += 2
        else:
            made.append({"$": r"\Z", ".": f"[^{_LINE_ENDS}]"}.get(char, char))
        position += 1
    converted = "".join(made)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(converted, re.ASCII)
    except (re.error, RecursionError, Warning) as error:
        raise ConversionError(f"the pattern {pattern!r} has no equal in Python ({error})") from error
    return converted


def _opened(pattern: str, position: int) -> tuple[str, int, bool]:
    """Return what a `[` begins, what follows it, and whether that is within a class."""
    if pattern.startswith("[^]", position):
        return r"[\s\S]", position + 3, False
    if pattern.startswith("[]", position):
        return "(?!)", position + 2, False
    return "[", position + 1, True


def _escape(pattern: str, position: int, *, is_class: bool) -> tuple[str, int]:
    char = pattern[position + 1 : position + 2]
    after = position + 2
    if char == "s":
        return _SPACE if is_class else f"[{_SPACE}]", after
    if char == "S" and not is_class:
        return f"[^{_SPACE}]", after
    if char == "k" and (named := re.match(r"\\k<(\w+)>", pattern[position:])):
        return f"(?P={named[1]})", position + named.end()
    if char in _SAME and not (is_class and char == "b"):
        return f"\\{char}", after
    if char == "b":
        return r"\x08", after
    if not char or char.isalpha():
        raise ConversionError(f"the pattern {pattern!r} has \\{char}, which has no equal in Python")
    return re.escape(char), after
