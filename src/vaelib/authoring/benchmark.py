"""How fast, beside the baselines: `python -m vaelib.authoring.benchmark [--small]`.

Everything is measured in one process, in turns (A B A B …), so that what disturbs the machine
disturbs all alike; what is reported are medians and their ratios. What the notebooks took is
read from the last `make run`. Numbers go to `figures/benchmark.json`, bars to a picture beside it.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

import torch

from vaelib import data, plots
from vaelib._machine.devices import limit_threads, training_dtype
from vaelib._machine.files import checkpoints_folder, data_folder, figures_folder
from vaelib.authoring.baselines import (
    LinearClassifier,
    MatrixProducts,
    PyroTutorial,
    PyTorchExample,
    encoded_each_epoch,
    encoded_once,
    loader,
)
from vaelib.authoring.execute import TIMINGS_FILE, Timing
from vaelib.notebook import save_picture, write_numbers
from vaelib.vae import VAE, Config, train_epochs

ORIGINAL_EPOCHS = 150  # of the original's classifier
GAINS = ("recipe_float32", "recipe_best", "pyro_float32", "pyro_best")

Numbers = dict[str, float]
Code = Callable[[], object]


def seconds_of(codes: Mapping[str, Code], rounds: int) -> Numbers:
    """Run all codes in turns, a first time to warm up, and return each one's median."""
    times: dict[str, list[float]] = {name: [] for name in codes}
    for turn in range(rounds + 1):
        for name, run in codes.items():
            began = time.perf_counter()
            run()
            if turn > 0:
                times[name].append(time.perf_counter() - began)
            _say(f"round {turn} of {rounds}: {name:40} {time.perf_counter() - began:7.2f} s")
    return {name: statistics.median(values) for name, values in times.items()}


def epoch_of(images: torch.Tensor, latent_size: int, batch_size: int, dtype: torch.dtype) -> Code:
    """Return a function that trains vaelib's network for one epoch on `images`."""
    config = Config("benchmark", latent_size=latent_size, batch_size=batch_size, epochs=1)
    model = config.build()
    return lambda: list(train_epochs(model, images, images[:1], config, dtype))


def measure_epochs(images: torch.Tensor, rounds: int) -> Numbers:
    """Measure an epoch against both baselines and against the matrix products alone."""
    n, root = len(images), data_folder()
    dtypes = {"float32": torch.float32}
    if training_dtype("cpu") == torch.bfloat16:
        dtypes["bfloat16"] = torch.bfloat16
    codes: dict[str, Code] = {
        "recipe": PyTorchExample(loader(root, n, 128)),
        "pyro": PyroTutorial(loader(root, n, 256)),
    }
    for name, dtype in dtypes.items():
        codes[f"vaelib_z20_batch128_{name}"] = epoch_of(images, 20, 128, dtype)
        codes[f"vaelib_z30_batch256_{name}"] = epoch_of(images, 30, 256, dtype)
        codes[f"matmul_z30_batch256_{name}"] = MatrixProducts(n, 256, 30, dtype)
    took = seconds_of(codes, rounds)
    best = list(dtypes)[-1]
    numbers = {f"seconds_epoch_{name}": value for name, value in took.items()}
    for name, label in [("float32", "float32"), (best, "best")]:
        small, large = took[f"vaelib_z20_batch128_{name}"], took[f"vaelib_z30_batch256_{name}"]
        numbers[f"epoch_vs_recipe_{label}"] = took["recipe"] / small
        numbers[f"epoch_vs_pyro_{label}"] = took["pyro"] / large
        numbers[f"epoch_vs_matmul_{label}"] = large / took[f"matmul_z30_batch256_{name}"]
    return numbers


def measure_growth(images: torch.Tensor, rounds: int) -> Numbers:
    """Measure an epoch on a quarter, a half and all of the images: it should be a straight line."""
    sizes = {"quarter": len(images) // 4, "half": len(images) // 2, "all": len(images)}
    dtype = training_dtype("cpu")
    codes = {name: epoch_of(images[:size], 30, 256, dtype) for name, size in sizes.items()}
    took = seconds_of(codes, rounds)
    return {f"seconds_epoch_{name}_images": seconds for name, seconds in took.items()}


def measure_classifier(split: data.Split, rounds: int) -> Numbers:
    """Measure 150 epochs of the linear classifier: encoding in each epoch, and encoding once.

    The former takes minutes, so one epoch of it is measured, and multiplied.
    """
    model, batches = VAE(), loader(data_folder(), len(split), 256)
    each = LinearClassifier(30, lambda: encoded_each_epoch(model, batches))
    once = LinearClassifier(30, lambda: encoded_once(model, split, 256, ORIGINAL_EPOCHS))
    took = seconds_of({"encoding each epoch": each, "encoding once": once}, rounds)
    original = ORIGINAL_EPOCHS * took["encoding each epoch"]
    return {
        "seconds_classifier_original_one_epoch_times_150": original,
        "seconds_classifier": took["encoding once"],
        "classifier_vs_original": original / took["encoding once"],
    }


def measure_import() -> Numbers:
    """Measure what importing vaelib takes beyond importing torch."""
    code = (
        "import time, torch; began = time.perf_counter(); import vaelib; "
        "print(time.perf_counter() - began)"
    )
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    return {"seconds_import": statistics.median(runs)}


def of_the_notebooks(timings: Mapping[str, Timing]) -> Numbers:
    """Return time and memory of each notebook, and of cells over 5 s, as `make run` kept them."""
    numbers: Numbers = {}
    for notebook, took in timings.items():
        numbers[f"seconds_{notebook}"] = took["seconds"]
        if took["peak_gb"] is not None:
            numbers[f"peak_gb_{notebook}"] = took["peak_gb"]
        for cell, seconds in took["cells"].items():
            if seconds > 5:
                numbers[f"seconds_cell_{cell.replace('-', '_')}"] = seconds
    numbers["seconds_make_run"] = sum(took["seconds"] for took in timings.values())
    if peaks := [took["peak_gb"] for took in timings.values() if took["peak_gb"] is not None]:
        numbers["peak_gb_max"] = max(peaks)
    return numbers


def draw(numbers: Numbers) -> None:
    """Draw an epoch's seconds as bars, and save them as `figures/benchmark.png`."""
    plots.use_style()
    names = {
        "recipe": "PyTorch's example, batch 128",
        "vaelib_z20_batch128_float32": "vaelib, batch 128, float32",
        "vaelib_z20_batch128_bfloat16": "vaelib, batch 128, bfloat16",
        "pyro": "Pyro's tutorial, batch 256",
        "vaelib_z30_batch256_float32": "vaelib, batch 256, float32",
        "vaelib_z30_batch256_bfloat16": "vaelib, batch 256, bfloat16",
        "matmul_z30_batch256_float32": "its matrix products alone, float32",
        "matmul_z30_batch256_bfloat16": "its matrix products alone, bfloat16",
    }
    seconds = {
        label: numbers[f"seconds_epoch_{name}"]
        for name, label in names.items()
        if f"seconds_epoch_{name}" in numbers
    }
    gains = [numbers[f"epoch_vs_{baseline}"] for baseline in GAINS]
    figure = plots.bars(
        seconds,
        f"An epoch is {min(gains):.1f} to {max(gains):.1f} times as fast as the baselines",
        "seconds per epoch of 60,000 images, median",
        "{:.2f}",
        highlight=[label for label in seconds if label.startswith("vaelib")],
        caption=f"Measured in turns in one process on {torch.get_num_threads()} threads of a CPU.",
    )
    save_picture(figure, "benchmark")


def main(small: bool) -> None:
    """Measure everything; `small` only shows that it works, in seconds and without notebooks."""
    dataset = data.load("MNIST")
    images = torch.cat([dataset.train.images, dataset.validation.images])
    labels = torch.cat([dataset.train.labels, dataset.validation.labels])
    n, rounds = (2000, 1) if small else (len(images), 5)
    split = data.Split(images[:n], labels[:n])
    numbers = measure_epochs(split.images, rounds)
    numbers |= measure_growth(split.images, rounds)
    numbers |= measure_classifier(split, rounds)
    numbers |= measure_import()
    if not small:  # make bench has run the notebooks before
        numbers |= of_the_notebooks(json.loads((checkpoints_folder() / TIMINGS_FILE).read_text()))
    write_numbers(figures_folder() / "benchmark.json", numbers)
    draw(numbers)
    print(json.dumps(numbers, indent=2))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    limit_threads()  # as the notebooks do, and for all alike
    main(small="--small" in sys.argv[1:])
