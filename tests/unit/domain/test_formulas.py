"""Facts about formulas: what they compute, and what is not a formula."""

import math
import re
import time

import pytest

from evalhaven.domain.formulas import (
    MAX_FORMULA_CHARS,
    MAX_FORMULA_DEPTH,
    FormulaError,
    FormulaValueError,
    parse_formula,
)

SCORES = {"a": 3.0, "b": 0.5, "_c1": -2.0, "größe": 4.0, "min": 7.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", 3.0),
        (" a\n+\tb ", 3.5),
        ("1 - 2 - 3", -4.0),
        ("8 / 4 / 2", 1.0),
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("-a ^ 2", -9.0),
        ("(-a) ^ 2", 9.0),
        ("2 ^ -1", 0.5),
        ("- - a", 3.0),
        ("+a - +b", 2.5),
        ("2 * -a", -6.0),
        (".5 + 5. + 1e-1 + 2E+1", 25.6),
        ("min(a, b, 1)", 0.5),
        ("max(a)", 3.0),
        ("min + 1", 8.0),
        ("abs(_c1) + floor(2.7) + ceil(2.1) + sqrt(größe)", 9.0),
        ("floor(-b) + ceil(-b)", -1.0),
        ("log(exp(a))", 3.0),
        ("floor(1e300)", 1e300),
        ("0 ^ 0", 1.0),
    ],
)
def test_formulas_are_computed_as_in_mathematics(text: str, value: float) -> None:
    assert parse_formula(text, SCORES).compute(SCORES) == pytest.approx(value, rel=1e-15)


def test_a_formula_names_what_it_uses() -> None:
    assert parse_formula("max(a, 1) * b", SCORES).names == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "the formula ends where a number, a name or '(' is expected"),
        ("a +", 4, "the formula ends"),
        ("a b", 3, "'b' stands where an operator or the end is expected"),
        ("(a", 3, "the formula ends where an operator or ')' is expected"),
        ("a)", 2, "')' stands"),
        ("a + nobody", 5, "'nobody' is not one of the graders ('a', 'b',"),
        ("abs(1, 2)", 6, "'abs' takes one number"),
        ("min()", 5, "')' stands where a number"),
        ("eval(a)", 1, "there is no function 'eval'; there are min, max, abs, floor, ceil, exp, sqrt, log"),
        ("a(1)", 1, "there is no function 'a'"),
        ("__import__('os').system('true')", 1, "there is no function '__import__'"),
        ("a.__class__", 2, "'.' stands"),
        ("[x for x in (1,)]", 1, "'[' stands"),
        ("lambda: 1", 1, "'lambda' is not one of the graders"),
        ("a if a else b", 3, "'if' stands"),
        ("a ** 2", 4, "'*' stands"),
        ("a // 2", 4, "'/' stands"),
        ("a % 2", 3, "'%' stands"),
        ("a == 1", 3, "'=' stands"),
        ("0x10", 2, "'x10' stands"),
        ("1_000", 2, "'_000' stands"),
        ("1e999", 1, "is too large a number"),
        ("inf", 1, "'inf' is not one of the graders"),
        ("nan", 1, "'nan' is not one of the graders"),
        ('"a"', 1, "'\"' stands"),
        ("a\x00", 2, "'\\x00' stands"),
        ("\ud800", 1, "'\\ud800' stands"),
        ("{{ a }}", 1, "'{' stands"),
    ],
)
def test_what_is_no_formula_is_refused_at_its_column(text: str, column: int, said: str) -> None:
    with pytest.raises(FormulaError, match=rf"^column {column}: .*{re.escape(said)}"):
        parse_formula(text, SCORES)


@pytest.mark.parametrize("text", ["(" * 2000, "-" * 2000 + "a", "1^" * 1000 + "1", "abs(" * 500 + "1" + ")" * 500])
def test_a_formula_is_nested_only_so_deep(text: str) -> None:
    with pytest.raises(FormulaError, match=f"{MAX_FORMULA_DEPTH} levels deep"):
        parse_formula(text, SCORES)


def test_a_formula_is_only_so_long_and_any_shorter_one_is_computed() -> None:
    longest = "a" + "+a" * ((MAX_FORMULA_CHARS - 1) // 2)
    assert parse_formula(longest, SCORES).compute(SCORES) == 3.0 * longest.count("a")

    with pytest.raises(FormulaError, match=f"column {MAX_FORMULA_CHARS + 1}"):
        parse_formula("a" * (MAX_FORMULA_CHARS + 1), SCORES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "1 / 0 divides by zero (column 3)"),
        ("a / (b - 0.5)", "3 / 0 divides by zero (column 3)"),
        ("log(0)", "log(0) has no value (column 1)"),
        ("sqrt(-a)", "sqrt(-3) has no value"),
        ("0 ^ -1", "0 ^ -1 has no value"),
        ("(-8) ^ (1/3)", "-8 ^ 0.333333 has no value"),
        ("exp(1000)", "exp(1000) is too large a number"),
        ("10 ^ 309", "10 ^ 309 is too large a number"),
        ("1e308 * 10 - 1e308 * 10", "1e+308 * 10 is too large a number"),
        ("1e308 + 1e308", "1e+308 + 1e+308 is too large a number"),
    ],
)
def test_what_has_no_value_says_which_operation(text: str, said: str) -> None:
    with pytest.raises(FormulaValueError, match=re.escape(said)):
        parse_formula(text, SCORES).compute(SCORES)


def test_a_tower_of_powers_is_an_overflow_and_not_a_long_computation() -> None:
    began = time.process_time()
    with pytest.raises(FormulaValueError, match="too large"):
        parse_formula("9^" * 20 + "9", SCORES).compute(SCORES)
    assert time.process_time() - began < 5

    assert math.isfinite(parse_formula("0.9^0.9^0.9", SCORES).compute(SCORES))


def test_of_many_graders_some_are_named_and_how_many_more_there_are() -> None:
    with pytest.raises(FormulaError, match=r"'g19' and 5 more\); a formula can use"):
        parse_formula("nobody", {f"g{number}": 1.0 for number in range(25)})
    with pytest.raises(FormulaError, match=r"'g19'\); a formula can use"):
        parse_formula("nobody", {f"g{number}": 1.0 for number in range(20)})
