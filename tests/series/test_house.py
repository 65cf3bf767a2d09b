"""The library's rooms: each imports from those below it only, so that one can read upwards."""

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "src" / "vaelib"
# from the ground up; a room's name is its folder's, or its file's
FLOORS = (
    "_machine", "plots", "notebook", "data", "vae", "latent", "classifier", "panels", "exercises",
    "authoring",
)  # fmt: skip
MODULES = sorted(path for path in LIBRARY.rglob("*.py") if path != LIBRARY / "__init__.py")


def room(path):
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imported(tree):
    """The rooms that a module imports, but for its types alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their room in full"
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in modules if name.startswith("vaelib."))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_imports_run_downwards(path):
    own = FLOORS.index(room(path))
    above = {
        other
        for other in imported(ast.parse(path.read_text(encoding="utf-8")))
        if FLOORS.index(other) > own
    }
    assert above == set()


def test_every_room_has_a_floor():
    assert {room(path) for path in MODULES} == set(FLOORS)


def test_an_import_upwards_is_noticed():
    code = "if TYPE_CHECKING:\n    from vaelib.vae import models\nfrom vaelib.panels import STILL"
    assert list(imported(ast.parse(code))) == ["panels"]
