"""Formulas against an independent evaluator: Python's own, over trees that are written out in both languages."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhaven.domain.formulas import FUNCTIONS, FormulaError, FormulaValueError, parse_formula

SCORES = {"a": 0.75, "b": -2.0, "c_1": 3.0, "zero": 0.0}
_PYTHON = {
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
    "min": min,
    "max": max,
    "power": math.pow,
}

Texts = tuple[str, str]
"""The same expression as a formula and in Python, each in brackets where it is more than an atom."""

_numbers = st.floats(0, 1e6, allow_nan=False).map(lambda number: (f"{number:.6f}", repr(float(f"{number:.6f}"))))
_names = st.sampled_from(sorted(SCORES)).map(lambda name: (name, name))


def _binary(parts: tuple[Texts, str, Texts]) -> Texts:
    (left, left_python), sign, (right, right_python) = parts
    if sign == "^":
        return f"({left} ^ {right})", f"power({left_python}, {right_python})"
    return f"({left} {sign} {right})", f"({left_python} {sign} {right_python})"


def _call(parts: tuple[str, list[Texts]]) -> Texts:
    name, operands = parts
    operands = operands if name in ("min", "max") else operands[:1]
    python = ", ".join(python for _, python in operands)
    formula = f"{name}({', '.join(text for text, _ in operands)})"
    return formula, f"{name}([{python}])" if name in ("min", "max") else f"float({name}({python}))"


_expressions: st.SearchStrategy[Texts] = st.recursive(
    _numbers | _names,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/^"), inner).map(_binary),
        inner.map(lambda texts: (f"(-{texts[0]})", f"(-{texts[1]})")),
        st.tuples(st.sampled_from(FUNCTIONS), st.lists(inner, min_size=1, max_size=3)).map(_call),
    ),
    max_leaves=12,
)


def _evaluate(python: str) -> float | None:
    """Return what Python makes of an expression; None where it, or a part of it, has no finite value."""
    try:
        value = float(eval(python, {"__builtins__": {}, "float": float, **_PYTHON}, dict(SCORES)))  # noqa: S307 - ours
    except (ArithmeticError, ValueError):
        return None
    return value if math.isfinite(value) else None


@given(_expressions)
def test_formulas_compute_what_python_computes(texts: Texts) -> None:
    text, python = texts
    expected = _evaluate(python)
    formula = parse_formula(text, SCORES)
    try:
        value = formula.compute(SCORES)
    except FormulaValueError:
        # A part may be infinite where the whole is not: 1 / 1e999 is no score, though it is 0 to Python.
        assert expected is None or _overflows(text)
    else:
        assert expected is not None
        assert value == pytest.approx(expected, rel=1e-12, abs=1e-12)


def _overflows(text: str) -> bool:
    try:
        parse_formula(text, SCORES).compute(SCORES)
    except FormulaValueError as error:
        return "too large" in str(error)
    return False


_LINEAR = st.lists(st.tuples(st.sampled_from("+-*/"), st.integers(1, 9)), min_size=1, max_size=20)


@given(st.integers(1, 9), _LINEAR)
def test_operators_without_brackets_bind_as_in_python(first: int, rest: list[tuple[str, int]]) -> None:
    text = str(first) + "".join(f" {sign} {number}" for sign, number in rest)

    assert parse_formula(text, ()).compute({}) == pytest.approx(float(eval(text)), rel=1e-12)  # noqa: S307 - digits


@given(st.text(max_size=60) | st.text(alphabet="ab+-*/^(),. 019e\u00b2\u0660", max_size=60))
def test_any_text_is_a_formula_or_refused_at_a_column_of_it(text: str) -> None:
    try:
        formula = parse_formula(text, SCORES)
    except FormulaError as error:
        column = int(str(error).removeprefix("column ").partition(":")[0])
        assert 1 <= column <= len(text) + 1
    else:
        with contextlib.suppress(FormulaValueError):
            assert math.isfinite(formula.compute(SCORES))
