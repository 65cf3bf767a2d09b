"""Small changes of code, one at a time: every mutant of a function, and how it takes effect.

Module-level constants in capitals are settings and not laws (how many neighbours, which times):
they are not changed. What follows from them is held by the bands in the notebooks.
"""

import ast
import copy
import functools
import inspect
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

SOURCE = Path(__file__).parents[1] / "src" / "vaelib"
ROOMS = {
    "objective": "vae", "backpropagation": "vae", "graph": "classifier", "logistic": "classifier",
    "sampling": "classifier",
}  # fmt: skip
UNCHANGED = "nothing"
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
NAMES = {
    "sum": "mean", "mean": "sum", "min": "max", "max": "min", "argmax": "argmin",
    "zeros": "ones", "ones": "zeros", "aminmax": "amax",
}  # fmt: skip


class Mutant(NamedTuple):
    """One change: where it is, what it is, and how it is made in the module's tree."""

    module: str
    function: str
    change: str
    line: int
    tree: ast.Module
    make: Callable[[], None]

    def take_effect(self) -> None:
        """Put the changed function in the place of the library's: for a process of its own."""
        self.make()
        name = f"vaelib.{ROOMS[self.module]}.{self.module}"
        changed = {"__name__": name}
        exec(compile(ast.fix_missing_locations(self.tree), name, "exec"), changed)
        old = function_of(import_module(name), self.function)
        new = function_of(SimpleNamespace(**changed), self.function)
        old.__code__ = new.__code__
        old.__defaults__, old.__kwdefaults__ = new.__defaults__, new.__kwdefaults__


def function_of(owner: object, path: str) -> Callable[..., object]:
    """Return a function of a module, or of a class in it, without its decorators."""
    found = functools.reduce(getattr, path.split("."), owner)
    return inspect.unwrap(found.fget if isinstance(found, property) else found)


def mutants_of(module: str, functions: Collection[str] = ()) -> Iterator[Mutant]:
    """Yield every mutant of a module, and before those of each function one that is none.

    `functions` are the names of those to be changed; all, where there is none.
    """
    tree = ast.parse((SOURCE / ROOMS[module] / f"{module}.py").read_text())
    for path, function in _functions(tree):
        if functions and path not in functions:
            continue
        if not any(True for *_, node in _places(function) for _ in _changes(node)):
            continue
        yield Mutant(module, path, UNCHANGED, function.lineno, tree, lambda: None)
        seen: Counter[str] = Counter()
        for parent, field, index, node in _places(function):
            for replacement in _changes(node):
                change = _words(parent, node, replacement)
                seen[change] += 1
                change += f" ({seen[change]})" if seen[change] > 1 else ""
                make = functools.partial(_put, parent, field, index, replacement)
                yield Mutant(module, path, change, node.lineno, tree, make)


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the functions of a module and of its classes; those inside others come with them."""
    for node in tree.body:
        for inner in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(inner, ast.FunctionDef):
                yield inner.name if inner is node else f"{node.name}.{inner.name}", inner


def _put(parent: ast.AST, field: str, index: int | None, replacement: ast.AST) -> None:
    if index is None:
        setattr(parent, field, replacement)
    else:
        getattr(parent, field)[index] = replacement


def _places(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Yield every expression and statement that computes, with its place in its parent."""
    skipped = (ast.JoinedStr, ast.Raise)
    stack: list[ast.AST] = [function]
    while stack:
        parent = stack.pop()
        for field, value in ast.iter_fields(parent):
            if field in ("annotation", "returns", "decorator_list", "op", "ops", "ctx"):
                continue
            for index, node in enumerate(value if isinstance(value, list) else [value]):
                docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                if isinstance(node, ast.AST) and not isinstance(node, skipped) and not docstring:
                    stack.append(node)
                    yield parent, field, index if isinstance(value, list) else None, node


def _words(parent: ast.AST, node: ast.AST, replacement: ast.AST) -> str:
    """Say what is changed, in so much of its surroundings that it can be found again."""
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)} → if not"
    where = f" in {ast.unparse(parent)}" if isinstance(node, ast.Constant) else ""
    where = "" if isinstance(parent, (ast.FunctionDef, ast.arguments)) else where
    return f"{ast.unparse(node)} → {ast.unparse(replacement)}{where}"


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what can stand in a node's place."""
    swap = OPERATORS.get(type(getattr(node, "op", None)))
    if isinstance(node, (ast.BinOp, ast.BoolOp, ast.AugAssign)) and swap:
        yield _with(node, op=swap())
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Compare):
        for number, operator in enumerate(node.ops):
            if type(operator) in OPERATORS:
                ops = [*node.ops]
                ops[number] = OPERATORS[type(operator)]()
                yield _with(node, ops=ops)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield _with(node, value=not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield _with(node, value=node.value + 1)
        if node.value > 1:
            yield _with(node, value=node.value - 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield _with(node, value=1.25 * node.value)
    elif isinstance(node, ast.Call):
        yield from _other_calls(node)
    elif isinstance(node, ast.If):
        yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Expr) or (
        isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)
    ):
        yield ast.Pass()  # the statement left out


def _other_calls(call: ast.Call) -> Iterator[ast.AST]:
    """Leave a call out, taking what it was applied to, or call a sibling."""
    method = isinstance(call.func, ast.Attribute)
    if len(call.args) == 1:
        yield call.args[0]
    elif method and not call.args:
        yield call.func.value
    if method and len(call.args) == 1 and not isinstance(call.func.value, ast.Name):
        yield call.func.value  # x.sum().clamp_min(1) → x.sum()
    if method and call.func.attr in NAMES:
        yield _with(call, func=_with(call.func, attr=NAMES[call.func.attr]))


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed
