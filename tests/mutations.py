"""The small mistakes that `tests.mutants` makes in functions."""

import ast
import hashlib
import inspect
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
_KINDS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_ANNOTATIONS = ("annotation", "returns")
PROBE = "__reached__"  # a function among the builtins, so that probes need no import
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Place = tuple[ast.AST, str, int | None]  # a node, one of its fields, and an index where the field is a list


@dataclass(frozen=True)
class Mutant:
    """A function with one mistake.

    Attributes:
        key: Which function, what it says there and what is wrong; not in which file and line.
        path: Source file, below the root.
        line: Where the mistake is.
        first_line: Where the function's code begins.
        name: The function's own name.
        number: Which of the function's mistakes it is.
    """

    key: str
    path: str
    line: int
    first_line: int
    name: str
    number: int


@dataclass(frozen=True)
class Replacement:
    """Code of a function, and what takes its place."""

    original: CodeType
    changed: CodeType

    @property
    def is_possible(self) -> bool:
        """Whether a function object takes the new code: of the same kind, with as many variables from around it."""
        kinds = {code.co_flags & _KINDS for code in (self.original, self.changed)}
        return len(kinds) == 1 and len(self.original.co_freevars) == len(self.changed.co_freevars)


def find_mutants(root: Path, packages: Iterable[str], seed: int) -> list[Mutant]:
    """Return every mutant of some packages' functions, in the order that the seed gives to their keys."""
    found = [
        mutant
        for package in packages
        for path in sorted((root / "src" / "evalhaven" / package).rglob("*.py"))
        for mutant in _mutants_of(path, root)
    ]
    same = defaultdict[str, list[Mutant]](list)
    for mutant in found:
        again = len(same[mutant.key])
        same[mutant.key].append(replace(mutant, key=f"{mutant.key} ({again + 1})") if again else mutant)
    numbered = [mutant for mutants in same.values() for mutant in mutants]
    return sorted(numbered, key=lambda mutant: hashlib.sha256(f"{seed} {mutant.key}".encode()).digest())


def make_mutant(root: Path, mutant: Mutant) -> Replacement:
    """Return the code of a mutant's function without and with the mistake."""
    changed, function = _function_of(root, mutant)
    _mistakes_of(function)[mutant.number].make()
    return _replacement(root, mutant, changed)


def make_probes(root: Path, mutants: Collection[Mutant]) -> Iterator[Replacement]:
    """Return code of the mutants' functions that calls `PROBE` with a mutant's key before its statement."""
    of_functions = defaultdict[tuple[str, int], list[Mutant]](list)
    for mutant in mutants:
        of_functions[mutant.path, mutant.first_line].append(mutant)
    for together in of_functions.values():
        changed, function = _function_of(root, together[0])
        mistakes = _mistakes_of(function)
        _Probes([(mistakes[mutant.number].statement, mutant.key) for mutant in together]).visit(function)
        yield _replacement(root, together[0], changed)


class _Probes(ast.NodeTransformer):
    def __init__(self, keys: list[tuple[ast.stmt, str]]) -> None:
        self._keys = keys

    def visit(self, node: ast.AST) -> ast.AST | list[ast.AST]:
        visited = self.generic_visit(node)
        calls = [ast.parse(f"{PROBE}({key!r})").body[0] for statement, key in self._keys if statement is node]
        return [*(ast.copy_location(call, node) for call in calls), visited] if calls else visited


class _Mistake:
    """Another value in one place of a function."""

    def __init__(self, statement: ast.stmt, place: _Place, new: object, text: str) -> None:
        self.statement, self._place, self._new = statement, place, new
        self.text = f"{ast.unparse(statement).splitlines()[0]} -> {text}"

    def make(self) -> None:
        node, field, index = self._place
        if index is None:
            setattr(node, field, self._new)
        else:
            getattr(node, field)[index] = self._new


def _mutants_of(path: Path, root: Path) -> Iterator[Mutant]:
    for name, function in _functions(ast.parse(path.read_text()), ""):
        for number, mistake in enumerate(_mistakes_of(function)):
            yield Mutant(
                key=f"{name}: {mistake.text}",
                path=str(path.relative_to(root)),
                line=mistake.statement.lineno,
                first_line=_first_line(function),
                name=function.name,
                number=number,
            )


def _functions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, _Function]]:
    """Walk through the functions that are not within another one."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, _Function):
            yield prefix + node.name, node
        else:
            yield from _functions(node, f"{prefix}{node.name}." if isinstance(node, ast.ClassDef) else prefix)


def _first_line(function: _Function) -> int:
    return min([function.lineno, *(each.lineno for each in function.decorator_list)])


def _function_of(root: Path, mutant: Mutant) -> tuple[ast.Module, _Function]:
    tree = ast.parse((root / mutant.path).read_text())
    return tree, next(each for _, each in _functions(tree, "") if _first_line(each) == mutant.first_line)


def _replacement(root: Path, mutant: Mutant, changed: ast.Module) -> Replacement:
    original = ast.parse((root / mutant.path).read_text())
    codes = [_code_of(tree, root / mutant.path, mutant) for tree in (original, ast.fix_missing_locations(changed))]
    return Replacement(*codes)


def _code_of(tree: ast.Module, path: Path, mutant: Mutant) -> CodeType:
    left = [compile(tree, str(path), "exec", dont_inherit=True)]
    while left:
        code = left.pop()
        if (code.co_name, code.co_firstlineno) == (mutant.name, mutant.first_line):
            return code
        left += [each for each in code.co_consts if isinstance(each, CodeType)]
    raise LookupError(f"{path} has no {mutant.name} at line {mutant.first_line}")


def _mistakes_of(function: _Function) -> list[_Mistake]:
    found = list[_Mistake]()
    for holder in ast.walk(function):
        for field, value in ast.iter_fields(holder):
            if field == "decorator_list" or not isinstance(value, list):
                continue
            for index, statement in enumerate(value):
                if isinstance(statement, ast.stmt) and not _is_idle(statement):
                    found += _of_statement(statement, (holder, field, index))
    return found


def _is_idle(statement: ast.stmt) -> bool:
    """Tell whether a statement is a docstring, or the `...` of a protocol's method."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _of_statement(statement: ast.stmt, place: _Place) -> Iterator[_Mistake]:
    if isinstance(statement, ast.Expr | ast.Assign | ast.AugAssign | ast.Raise):
        yield _Mistake(statement, place, ast.copy_location(ast.Pass(), statement), "nothing")
    for node in _nodes_of(statement):
        for field, index, new, text in _of_node(node):
            yield _Mistake(statement, (node, field, index), new, text)


def _nodes_of(statement: ast.stmt) -> Iterator[ast.AST]:
    """Walk through a statement, without the statements in it and without annotations."""
    left: list[ast.AST] = [statement]
    while left:
        node = left.pop(0)
        yield node
        for field, value in ast.iter_fields(node):
            if field not in _ANNOTATIONS:
                parts = value if isinstance(value, list) else [value]
                left += [each for each in parts if isinstance(each, ast.AST) and not isinstance(each, ast.stmt)]


def _of_node(node: ast.AST) -> Iterator[tuple[str, int | None, object, str]]:
    """Return field, index, new value and description of each mistake that a node can have."""
    match node:
        case ast.Compare(ops=[operator, *_]) if type(operator) in _COMPARISONS:
            new = _COMPARISONS[type(operator)]()
            yield "ops", 0, new, f"{ast.unparse(node)} with {type(new).__name__}"
        case ast.BinOp(op=operator) if type(operator) in _OPERATORS and not _is_text(node):
            new = _OPERATORS[type(operator)]()
            yield "op", None, new, f"{ast.unparse(node)} with {type(new).__name__}"
        case ast.BoolOp(op=operator):
            new = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield "op", None, new, f"{ast.unparse(node)} with {type(new).__name__}"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "operand", None, _negated(operand), f"{ast.unparse(node)} without not"
        case ast.Constant(value=bool(value)):
            yield "value", None, not value, f"{not value} for {value}"
        case ast.Constant(value=int(value)) | ast.Constant(value=float(value)):
            yield "value", None, value + 1, f"{value + 1} for {value}"
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield "value", None, ast.copy_location(ast.Constant(None), value), "return None"
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            yield "test", None, _negated(test), f"not {ast.unparse(test)}"
        case _:
            pass


def _negated(node: ast.expr) -> ast.expr:
    return ast.copy_location(ast.UnaryOp(ast.Not(), node), node)


def _is_text(node: ast.BinOp) -> bool:
    """Tell whether an operator is one of texts or lists, where another one only raises."""
    sides = (node.left, node.right)
    return any(
        isinstance(side, ast.JoinedStr | ast.List | ast.Tuple)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in sides
    )
