"""Formulas: one number computed from the scores of several graders, such as `0.7 * exact + 0.3 * max(style, 0.5)`.

    sum     = product, { ("+" | "-"), product }
    product = signed, { ("*" | "/"), signed }
    signed  = ("-" | "+"), signed | power
    power   = atom, [ "^", signed ]
    atom    = number | name | function, "(", sum, { ",", sum }, ")" | "(", sum, ")"

`^` binds tighter than a sign before it and groups from the right, as in mathematics. Nothing is evaluated except these
operations: a formula is parsed into steps for a stack, and numbers are always floats, so no formula takes long.
"""

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

MAX_FORMULA_CHARS = 4096
MAX_FORMULA_DEPTH = 50
_SHOWN_NAMES = 20

_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|(?P<sign>[-+*/^(),])|(?P<bad>\S)"
)
_OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda dividend, divisor: dividend / divisor,
    "^": math.pow,
}
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}
_CHOICES: dict[str, Callable[[Collection[float]], float]] = {"min": min, "max": max}
FUNCTIONS = (*_CHOICES, *_FUNCTIONS)
_NEGATE = "negate"


class FormulaError(ValueError):
    """A text is not a formula; the message names the column (1-based) and says what is wrong there."""


class FormulaValueError(ValueError):
    """A formula has no value for these scores; the message says which operation failed."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a computation: push a number or a score, or apply an operation to the last numbers.

    Attributes:
        name: The name of the operation or score; "" for a number.
        column: Its 1-based column in the formula.
        number: The number that is pushed.
        takes: How many numbers the operation takes; 0 if the step pushes.
    """

    name: str
    column: int
    number: float = 0.0
    takes: int = 0


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula.

    Attributes:
        names: The names that it uses.
    """

    names: frozenset[str]
    _steps: tuple[_Step, ...]

    def compute(self, values: Mapping[str, float]) -> float:
        """Return the formula's value, a finite number.

        Args:
            values: A finite number for each name.

        Raises:
            FormulaValueError: A division by zero, an overflow, or a root or logarithm that does not exist.
        """
        stack: list[float] = []
        for step in self._steps:
            if not step.takes:
                stack.append(values[step.name] if step.name else step.number)
                continue
            operands = stack[-step.takes :]
            del stack[-step.takes :]
            stack.append(_apply(step, operands))
        return stack[0]


def parse_formula(text: str, names: Collection[str]) -> Formula:
    """Return the formula of a text.

    Args:
        text: The text.
        names: The names that it may use.

    Raises:
        FormulaError: The text is not a formula, uses other names, is too long or is nested too deeply.
    """
    if len(text) > MAX_FORMULA_CHARS:
        raise FormulaError(f"column {MAX_FORMULA_CHARS + 1}: a formula may have {MAX_FORMULA_CHARS:,} characters")
    return _Parser(text, names).parse()


def _apply(step: _Step, operands: list[float]) -> float:
    try:
        if step.name == _NEGATE:
            value = -operands[0]
        elif step.name in _OPERATIONS:
            value = _OPERATIONS[step.name](*operands)
        elif step.name in _CHOICES:
            value = _CHOICES[step.name](operands)
        else:
            value = float(_FUNCTIONS[step.name](operands[0]))
    except ZeroDivisionError:
        raise FormulaValueError(f"{_shown(step, operands)} divides by zero (column {step.column})") from None
    except OverflowError:
        value = math.inf
    except ValueError:
        raise FormulaValueError(f"{_shown(step, operands)} has no value (column {step.column})") from None
    if not math.isfinite(value):
        raise FormulaValueError(f"{_shown(step, operands)} is too large a number (column {step.column})")
    return value


def _shown(step: _Step, operands: list[float]) -> str:
    if step.name in _OPERATIONS:
        return f"{operands[0]:g} {step.name} {operands[1]:g}"
    return f"{step.name}({', '.join(f'{operand:g}' for operand in operands)})"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str | None
    text: str
    column: int


class _Parser:
    """Parses one text by recursive descent, writing steps as it goes."""

    def __init__(self, text: str, names: Collection[str]) -> None:
        self._tokens = [_Token(match.lastgroup, match.group(), match.start() + 1) for match in _TOKEN.finditer(text)]
        self._tokens.append(_Token(None, "", len(text) + 1))
        self._names = names
        self._next = 0
        self._depth = 0
        self._steps: list[_Step] = []

    def parse(self) -> Formula:
        self._parse_sum()
        if self._token.kind is not None:
            raise self._unexpected("an operator or the end")
        used = frozenset(step.name for step in self._steps if step.name and not step.takes)
        return Formula(used, tuple(self._steps))

    def _parse_sum(self) -> None:
        self._parse_chain("+-", lambda: self._parse_chain("*/", self._parse_signed))

    def _parse_chain(self, operators: str, parse_operand: Callable[[], None]) -> None:
        parse_operand()
        while self._token.kind == "sign" and self._token.text in operators:
            token = self._take()
            parse_operand()
            self._steps.append(_Step(token.text, token.column, takes=2))

    def _parse_signed(self) -> None:
        self._depth += 1
        if self._depth > MAX_FORMULA_DEPTH:
            raise FormulaError(f"column {self._token.column}: a formula may be nested {MAX_FORMULA_DEPTH} levels deep")
        if self._token.text in ("-", "+"):
            token = self._take()
            self._parse_signed()
            if token.text == "-":
                self._steps.append(_Step(_NEGATE, token.column, takes=1))
        else:
            self._parse_power()
        self._depth -= 1

    def _parse_power(self) -> None:
        self._parse_atom()
        if self._token.text == "^":
            token = self._take()
            self._parse_signed()
            self._steps.append(_Step(token.text, token.column, takes=2))

    def _parse_atom(self) -> None:
        token = self._token
        if token.kind == "number":
            self._parse_number(self._take())
        elif token.kind == "name":
            self._take()
            if self._token.text == "(":
                self._parse_call(token)
            elif token.text in self._names:
                self._steps.append(_Step(token.text, token.column))
            else:
                raise self._unknown(token)
        elif token.text == "(":
            self._take()
            self._parse_sum()
            self._expect(")")
        else:
            raise self._unexpected("a number, a name or '('")

    def _parse_number(self, token: _Token) -> None:
        number = float(token.text)
        if not math.isfinite(number):
            raise FormulaError(f"column {token.column}: {token.text[:40]} is too large a number")
        self._steps.append(_Step("", token.column, number))

    def _parse_call(self, token: _Token) -> None:
        if token.text not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            raise FormulaError(f"column {token.column}: there is no function {token.text[:40]!r}; there are {known}")
        self._take()
        self._parse_sum()
        count = 1
        while self._token.text == ",":
            comma = self._take()
            if token.text not in _CHOICES:
                raise FormulaError(f"column {comma.column}: {token.text!r} takes one number")
            self._parse_sum()
            count += 1
        self._expect(")")
        self._steps.append(_Step(token.text, token.column, takes=count))

    def _expect(self, text: str) -> None:
        if self._token.text != text:
            raise self._unexpected(f"an operator or {text!r}")
        self._take()

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next += 1
        return token

    def _unknown(self, token: _Token) -> FormulaError:
        more = len(self._names) - _SHOWN_NAMES
        known = ", ".join(repr(name) for name in list(self._names)[:_SHOWN_NAMES])
        known += f" and {more:,} more" if more > 0 else ""
        return FormulaError(
            f"column {token.column}: {token.text[:40]!r} is not one of the graders ({known}); a formula can use those "
            "whose name is a letter or underscore, then letters, digits and underscores"
        )

    def _unexpected(self, wanted: str) -> FormulaError:
        token = self._token
        found = "the formula ends" if token.kind is None else f"{token.text[:40]!r} stands"
        return FormulaError(f"column {token.column}: {found} where {wanted} is expected")
