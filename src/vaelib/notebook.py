"""What every notebook begins and ends with: set-up, progress, pictures, and numbers kept."""

import base64
import io
import json
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from IPython import get_ipython
from IPython.display import DisplayHandle, display
from matplotlib.figure import Figure
from PIL import Image

from vaelib import plots
from vaelib._machine.devices import best_device, training_precision
from vaelib._machine.files import file_lock, figures_folder, write_atomically
from vaelib._machine.memory import give_back, tune_allocator
from vaelib._machine.missing_names import explain_missing_names
from vaelib._machine.threads import use_allowed_threads

if TYPE_CHECKING:
    from vaelib.vae.checkpoints import Recipe
    from vaelib.vae.training import EpochRecord

METRICS_FILE = "metrics.json"
BAR_WIDTH = 30
DOTS_PER_INCH = 192  # twice what a page shows, so that pictures stay sharp


def set_up(seed: int = 0) -> torch.device:
    """Seed what is random, choose the pictures' style, and return the device to compute on.

    From here on, a name that is missing is an error that says which cell makes it.
    """
    torch.manual_seed(seed)
    use_allowed_threads()
    tune_allocator()
    plots.use_style()
    if shell := get_ipython():
        explain_missing_names(shell)
    device = best_device()
    precision = str(training_precision(device)).removeprefix("torch.")
    threads = "1 thread" if torch.get_num_threads() == 1 else f"{torch.get_num_threads()} threads"
    print(f"Computing on {device.type}, {threads}; training in {precision}.")
    return device


class Progress:
    """A line of plain text that grows with the epochs and stays as their sum when they are done.

    Pass it to training as `on_epoch`. It holds no times, so that a stored notebook comes out
    the same from every run.
    """

    def __init__(self, recipe: "Recipe") -> None:
        self.epochs = recipe.training.epochs
        self.handle: DisplayHandle | None = None

    def __call__(self, record: "EpochRecord") -> None:
        """Show an epoch's record."""
        text = (
            f"{_bar(record.epoch, self.epochs)} epochs\n"
            f"ELBO {record.elbo:8.2f} = reconstruction {record.reconstruction:8.2f} "
            f"− KL {record.kl:5.2f}   validation ELBO {record.validation_elbo:8.2f}   nats"
        )
        self.handle = _show_text(text, self.handle)


class Counter:
    """A line of plain text that counts: call it with the number done and the number in all.

    It is drawn again after `every` so many, and at the end.
    """

    def __init__(self, what: str, every: int = 1) -> None:
        self.what = what
        self.every = every
        self.handle: DisplayHandle | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is."""
        if done % self.every == 0 or done == total:
            self.handle = _show_text(f"{_bar(done, total)} {self.what}", self.handle)


def _bar(done: int, total: int) -> str:
    filled = BAR_WIDTH * done // total
    return "█" * filled + "░" * (BAR_WIDTH - filled) + f" {done}/{total}"


def _show_text(text: str, handle: DisplayHandle | None) -> DisplayHandle:
    """Show plain text, in place of what `handle` shows if there is one."""
    bundle = {"text/plain": text}
    if handle is None:
        return display(bundle, raw=True, display_id=True)
    handle.update(bundle, raw=True)
    return handle


def show(figure: Figure, name: str, alt: str) -> None:
    """Save a figure as `figures/<name>.png` and show that very picture in the notebook.

    `alt` says in words what the picture shows, for those who cannot see it.
    """
    picture = save_picture(figure, name)
    width = int(figure.get_size_inches()[0] * 96)  # a page's points an inch
    display(
        {"image/png": base64.b64encode(picture).decode(), "text/plain": alt},
        metadata={"image/png": {"width": width, "alt": alt}},
        raw=True,
    )


def show_animation(gif: bytes, name: str, alt: str) -> None:
    """Save a GIF as `figures/<name>.gif` and show its last frame, which is the finding.

    The notebook keeps the still picture: it is a twentieth of the size, and does not move while
    one reads. `alt` says in words what is seen.
    """
    keep(figures_folder() / f"{name}.gif", gif)
    with Image.open(io.BytesIO(gif)) as image:
        image.seek(image.n_frames - 1)
        buffer = io.BytesIO()
        image.save(buffer, format="png", optimize=True)
    display(
        {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": alt},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )


def save_picture(figure: Figure, name: str) -> bytes:
    """Save a figure as `figures/<name>.png` and return the file's content."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    picture = _smaller(buffer)
    keep(figures_folder() / f"{name}.png", picture)
    give_back()
    return picture


def record(**metrics: float) -> None:
    """Keep numbers in `figures/metrics.json`, under flat names, rounded to four decimals.

    Raises ValueError for a number that is not finite.
    """
    path = figures_folder() / METRICS_FILE
    with file_lock(path.parent):  # what another notebook adds between reading and writing is lost
        try:
            known = json.loads(path.read_text()) if path.is_file() else {}
        except ValueError as error:
            raise ValueError(
                f"{path} is damaged ({error}). Delete it, then run the notebooks again."
            ) from error
        write_numbers(path, known | metrics)


def write_numbers(path: Path, numbers: Mapping[str, float]) -> None:
    """Write numbers to a JSON file, by name, rounded to four decimals.

    Raises ValueError for a number that is not finite; the file is then left as it was.
    """
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise ValueError(f"The metric {name} is {value}, which is not a finite number.")
    rounded = {name: round(float(value), 4) for name, value in sorted(numbers.items())}
    keep(path, (json.dumps(rounded, indent=2) + "\n").encode())


def _smaller(picture: io.BytesIO) -> bytes:
    """Return a PNG with its colours reduced to a palette of 256: a third of the size."""
    smaller = io.BytesIO()
    with Image.open(picture) as image:
        palette = image.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE)
        palette.save(smaller, format="png", optimize=True)
    return smaller.getvalue()


def keep(path: Path, content: bytes) -> None:
    """Write a file, or warn that it cannot be: the notebook goes on either way."""
    try:
        write_atomically(path, content)
    except OSError as error:
        warnings.warn(
            f"Pictures and numbers cannot be kept in {path.parent} ({error}). "
            "They stand in this notebook only.",
            stacklevel=1,  # the same place each time, so that it is said once
        )
