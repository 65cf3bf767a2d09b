"""Change the numeric core in one place at a time and see whether the tests notice.

`python tests/mutants.py [function ...]` makes every mutant of `objective.py` and `graph.py`, runs
the tests that concern it in a forked process, and lists those that no test kills. Each of them is
either a hole in the tests or equivalent: it then stands in EQUIVALENT with the reason why no
number changes.

Module-level constants in capitals are settings and not laws (how many neighbours, which times):
they are not changed here. What follows from them is held by the bands in the notebooks.
"""

import ast
import contextlib
import copy
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SECONDS = 90  # for one mutant: one that never ends is noticed, too
WORKERS = 2
UNCHANGED = "nothing"
# module → its own tests, and those of the properties that concern it, for what they let through
TESTS = {
    "objective": "kl or likelihood or sample or elbo or importance",
    "graph": "graph or features or spread or balance or average",
}
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

# module, function, the change → why it changes no number
EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("graph", "_gaussian", "1e-12 → 1.25e-12 in np.maximum(distances[:, -1:], 1e-12)"): (
        "keeps 0 / 0 away where all neighbours are copies: their distances are 0 either way"
    ),
}


class Mutant(NamedTuple):
    """One change: where it is, what it is, and what to put where in the module's tree."""

    module: str
    function: str
    change: str
    line: int
    tree: ast.Module
    parent: ast.AST
    field: str
    index: int | None
    replacement: ast.AST

    def changed_tree(self) -> ast.Module:
        """Return the module's tree, changed in place: for a process that tries this mutant only."""
        if self.index is None:
            setattr(self.parent, self.field, self.replacement)
        else:
            getattr(self.parent, self.field)[self.index] = self.replacement
        return ast.fix_missing_locations(self.tree)


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    source = (ROOT / "src" / "vaelib" / f"{module}.py").read_text()
    tree = ast.parse(source)
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for parent, field, index, node in _places(function):
            for replacement in _changes(node):
                change = _words(parent, node, replacement)
                yield Mutant(
                    module, function.name, change, node.lineno, tree,
                    parent, field, index, replacement,
                )  # fmt: skip


def _places(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Yield every expression and statement that computes, with its place in its parent."""
    skipped = (ast.JoinedStr, ast.Raise, ast.FunctionDef, ast.ClassDef)
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


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import one module of the library from a tree."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, name: str, *_: object) -> object:
        """Answer for the changed module only."""
        if name == f"vaelib.{self.mutant.module}":
            return importlib.util.spec_from_loader(name, self)
        return None

    def exec_module(self, module: object) -> None:
        """Run the changed module."""
        tree = self.mutant.changed_tree()
        exec(compile(tree, f"<{self.mutant.module}>", "exec"), vars(module))


def run_tests(mutant: Mutant) -> int:
    """Return pytest's exit status with this mutant in place of the module."""
    import pytest

    sys.meta_path.insert(0, Changed(mutant))
    options = ["-x", "-q", "-p", "no:cacheprovider"]
    own = pytest.main([*options, f"tests/test_{mutant.module}.py"])
    return own or pytest.main([*options, "tests/test_properties.py", "-k", TESTS[mutant.module]])


def main(functions: list[str]) -> int:
    """Try all mutants, two at a time; print those that survive, and return how many did.

    `functions` are the names of those to be changed; all, where there is none.
    Two more leave the modules as they are: were they killed, the tests would kill anything.
    """
    began = time.monotonic()
    os.chdir(ROOT)
    _import_what_does_not_change()
    unchanged = [unchanged_copy(module) for module in TESTS]
    waiting = [
        mutant
        for module in TESTS
        for mutant in mutants_of(module)
        if not functions or mutant.function in functions
    ] + unchanged
    n_mutants, running, survivors = len(waiting) - len(unchanged), {}, []
    while waiting or running:
        while waiting and len(running) < WORKERS:
            mutant = waiting.pop()
            running[_fork(mutant)] = mutant
        child, status = os.wait()
        mutant = running.pop(child)
        passed = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
        if mutant.change == UNCHANGED and not passed:
            print(f"The tests of {mutant.module}.py fail without any change: {status}.")
            return 1
        if passed and mutant.change != UNCHANGED:
            survivors.append(mutant)
            if mutant[:3] not in EQUIVALENT:
                module, function, change, line = mutant[:4]
                print(f"SURVIVED {module}.py:{line} {function}: {change}", flush=True)
    unknown = [mutant for mutant in survivors if mutant[:3] not in EQUIVALENT]
    stale = EQUIVALENT.keys() - {mutant[:3] for mutant in survivors}
    for key in sorted(stale):
        print(f"LISTED AS EQUIVALENT, BUT KILLED OR GONE {key}")
    print(
        f"{n_mutants} mutants, {len(survivors)} survived, {len(survivors) - len(unknown)} of them "
        f"equivalent, {time.monotonic() - began:.0f} s"
    )
    return len(unknown) + len(stale)


def unchanged_copy(module: str) -> Mutant:
    """Return a mutant that is none."""
    tree = ast.parse((ROOT / "src" / "vaelib" / f"{module}.py").read_text())
    return Mutant(module, "", UNCHANGED, 0, tree, tree, "body", None, tree.body)


def _import_what_does_not_change() -> None:
    """Import the large libraries once, before forking; the tests' library is left out."""
    import nbformat
    import pytest
    import safetensors.torch
    import scipy.sparse.linalg
    import sklearn.linear_model
    import sklearn.neighbors
    import torch
    import torch.distributions

    torch.set_num_threads(1)
    assert nbformat and pytest and safetensors and scipy and sklearn
    sys.path.insert(0, str(ROOT / "tests"))


def _fork(mutant: Mutant) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        signal.alarm(SECONDS)
        with open(os.devnull, "w") as nowhere:
            for stream in (1, 2):
                os.dup2(nowhere.fileno(), stream)
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                status = run_tests(mutant)
    finally:
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
