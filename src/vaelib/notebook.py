"""What every notebook begins and ends with: set-up, pictures, and what it measured."""

import base64
import io
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from IPython import get_ipython
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

from vaelib import plots
from vaelib._machine.devices import (
    best_device,
    limit_threads,
    return_large_arrays,
    training_dtype,
)
from vaelib._machine.files import figures_folder, file_lock, write_atomically
from vaelib._machine.missing_names import explain_missing_names

METRICS_FILE = "metrics.json"
DOTS_PER_INCH = 192  # twice what a page shows, so that pictures stay sharp


def set_up(seed: int = 0) -> torch.device:
    """Seed what is random, choose the pictures' style, and return the device to compute on.

    From here on, a name that is missing is an error that says which cell makes it.
    """
    torch.manual_seed(seed)
    limit_threads()
    return_large_arrays()
    plots.use_style()
    if shell := get_ipython():
        explain_missing_names(shell)
    device = best_device()
    dtype = str(training_dtype(device)).removeprefix("torch.")
    threads = "1 thread" if torch.get_num_threads() == 1 else f"{torch.get_num_threads()} threads"
    print(f"Computing on {device.type}, {threads}; training in {dtype}.")
    return device


def show(figure: Figure, name: str, alt: str) -> None:
    """Save a figure as `figures/<name>.png` and show that very picture in the notebook.

    `alt` says in words what the picture shows, for those who cannot see it.
    """
    width = int(figure.get_size_inches()[0] * 96)  # a page's points per inch
    _display_picture(save_picture(figure, name), {"width": width, "alt": alt})


def show_animation(gif: bytes, name: str, alt: str) -> None:
    """Save a GIF as `figures/<name>.gif` and show its last frame, which is the finding.

    The notebook keeps the still picture: it is a twentieth of the size, and does not move while
    one reads. `alt` says in words what is seen.
    """
    _keep(figures_folder() / f"{name}.gif", gif)
    with Image.open(io.BytesIO(gif)) as image:
        image.seek(image.n_frames - 1)
        buffer = io.BytesIO()
        image.save(buffer, format="png", optimize=True)
    _display_picture(buffer.getvalue(), {"alt": alt})


def _display_picture(picture: bytes, metadata: dict[str, object]) -> None:
    bundle = {"image/png": base64.b64encode(picture).decode(), "text/plain": metadata["alt"]}
    display(bundle, metadata={"image/png": metadata}, raw=True)


def save_picture(figure: Figure, name: str) -> bytes:
    """Save a figure as `figures/<name>.png` and return the file's content.

    Its colours are reduced to a palette of 256, which makes it a third of the size.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    smaller = io.BytesIO()
    with Image.open(buffer) as image:
        palette = image.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE)
        palette.save(smaller, format="png", optimize=True)
    _keep(figures_folder() / f"{name}.png", smaller.getvalue())
    return smaller.getvalue()


def results(
    curves: Mapping[str, Mapping[int, Sequence[float]]] | None = None, **measured: float
) -> None:
    """Show what a notebook measured as a table, and keep it in `figures/metrics.json`.

    Of learning curves, method → number of labels → accuracies, the file keeps mean, standard
    deviation and worst random label set: `accuracy_10_labels_mean_z`, `…_std`, `…_worst`.
    Raises ValueError for a number that is not finite.
    """
    numbers = {name: float(value) for name, value in measured.items()}
    _display_table(numbers)
    for method, curve in (curves or {}).items():
        slug = method.replace(",", "").replace(" ", "_").lower()
        for n_labels, accuracies in curve.items():
            name = f"accuracy_{n_labels}_labels_{slug}"
            numbers[name] = np.mean(accuracies)
            if len(accuracies) > 1:
                numbers[f"{name}_std"] = np.std(accuracies, ddof=1)
                numbers[f"{name}_worst"] = min(accuracies)
    path = figures_folder() / METRICS_FILE
    with file_lock(path):  # what another notebook adds between reading and writing is lost
        try:
            known = json.loads(path.read_text()) if path.is_file() else {}
        except ValueError as error:
            raise ValueError(
                f"{path} is damaged ({error}). Delete it, then run the notebooks again."
            ) from error
        write_numbers(path, known | numbers)


def _display_table(numbers: Mapping[str, float]) -> None:
    rows = [
        (name.replace("_", " "), f"{value:,.0f}" if value.is_integer() else f"{value:.4g}")
        for name, value in numbers.items()
    ]
    plain = "\n".join(f"{name:<45}{value:>10}" for name, value in rows)
    lines = [f"| {name} | {value} |" for name, value in rows]
    table = "\n".join(["| What this notebook measured | |", "|:--|--:|", *lines])
    display({"text/markdown": table, "text/plain": plain}, raw=True)


def write_numbers(path: Path, numbers: Mapping[str, float]) -> None:
    """Write numbers to a JSON file, by name, rounded to four decimals.

    Raises ValueError for a number that is not finite; the file is then left as it was.
    """
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise ValueError(f"The metric {name} is {value}, which is not a finite number.")
    rounded = {name: round(float(value), 4) for name, value in sorted(numbers.items())}
    _keep(path, (json.dumps(rounded, indent=2) + "\n").encode())


def _keep(path: Path, content: bytes) -> None:
    """Write a file, or warn that it cannot be: the notebook goes on either way."""
    try:
        write_atomically(path, content)
    except OSError as error:
        warnings.warn(
            f"Pictures and numbers cannot be kept in {path.parent} ({error}). "
            "They stand in this notebook only.",
            stacklevel=1,  # the same place each time, so that it is said once
        )
