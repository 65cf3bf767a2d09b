"""Every code cell of a notebook, run twice in a row: what the second time changes.

The numbers recorded are compared after a cell's first and second run, and so is what it prints
and shows.
"""

import json
from copy import deepcopy

LIVE = "application/vnd.jupyter.widget-view+json"  # a new address each time, of a new panel


def execute_twice(client, figures, **options):
    """Run each cell twice in a kernel of its own; return what the second time changed.

    `figures` is the folder that the kernel records its numbers in; `options` are for its start.
    Returns a list of sentences. The notebook keeps the outputs of the first time.
    """
    notebook, differences = client.nb, []
    with client.setup_kernel(**options):
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                client.execute_cell(cell, number)
                first, outputs = (numbers(figures), shown(cell)), deepcopy(cell.outputs)
                client.execute_cell(cell, number)
                second, cell.outputs = (numbers(figures), shown(cell)), outputs
                for what, before, after in zip(("numbers", "output"), first, second, strict=True):
                    if None not in (before, after) and before != after:
                        differences.append(f"cell {cell.id}: its {what} changed")
    return differences


def numbers(figures):
    path = figures / "metrics.json"
    return json.loads(path.read_text()) if path.exists() else {}


def shown(cell):
    """What a cell prints and shows; None where it trains, since the second time it finds."""
    text = "".join(output.get("text", "") for output in cell.outputs if output.get("text"))
    data = [
        {kind: value for kind, value in output["data"].items() if kind != LIVE}
        for output in cell.outputs
        if output.get("data")
    ]
    if "Training it now" in text:
        return None
    return text, data
