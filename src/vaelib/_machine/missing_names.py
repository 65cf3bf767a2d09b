"""A notebook run from the middle: say which cell makes the name that is missing.

After a restart of the kernel nothing is defined. A reader who runs the first cell and then goes
on in the middle meets Python's "name 'run' is not defined"; here it gains the sentence that helps.
"""

import symtable
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell

from vaelib._machine.files import project_root, shipped_folder


def explain_missing_names(shell: InteractiveShell) -> None:
    """From now on, let a missing name's error say which cell makes it."""

    def handler(
        shell: InteractiveShell,
        kind: type[NameError],
        error: NameError,
        traceback: TracebackType,
        tb_offset: int | None = None,
    ) -> None:
        hint = where_made(error.name, shell.user_ns["In"], _notebooks())
        if hint:
            error.args = (f"{error}. {hint}",)
        shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)

    shell.set_custom_exc((NameError,), handler)


def _notebooks() -> Path:
    """Return the folder of the notebooks: the project's, or the copy that pip has installed."""
    own = project_root() / "notebooks"
    shipped = shipped_folder()
    return own if own.is_dir() or not shipped else shipped / "notebooks"


def where_made(name: str | None, history: Sequence[str], folder: Path) -> str:
    """Return a sentence that names the cell that makes `name`, or nothing where none does.

    `history` are the sources of the cells that were run, the failing one last. They tell which
    notebook of the folder it is, and what stands above the failing cell.
    """
    notebooks = {path.name: _code_cells(path) for path in sorted(folder.glob("*.ipynb"))}
    if not notebooks or not history:
        return ""
    seen = {source.strip() for source in history}
    title, cells = max(notebooks.items(), key=lambda item: len(seen & set(item[1])))
    last = history[-1].strip()
    place = cells.index(last) if last in cells else len(cells)
    for number in [*range(place - 1, -1, -1), *range(place + 1, len(cells))]:
        if name in made_names(cells[number]):
            return (
                f"It is made in code cell {number + 1} of {title}, which begins "
                f"'{cells[number].splitlines()[0]}'. Run that cell first, or all cells above "
                "this one (in JupyterLab: Run, Run All Above Selected Cell)."
            )
    return ""


def made_names(source: str) -> set[str]:
    """Return the names that a cell defines, imports or assigns for the cells after it."""
    table = symtable.symtable(TransformerManager().transform_cell(source), "cell", "exec")
    return {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}


def _code_cells(path: Path) -> list[str]:
    import nbformat  # takes two seconds, which only a reader who meets the error should wait

    notebook = nbformat.read(path, as_version=4)
    return [cell.source.strip() for cell in notebook.cells if cell.cell_type == "code"]
