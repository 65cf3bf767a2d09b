"""How fast, beside the baselines: `python -m vaelib.authoring.benchmark [--small]`.

Everything is measured in one process, in turns (A B A B …), so that what disturbs the machine
disturbs all alike; what is reported are medians and their ratios. What the notebooks took is
read from the last `make run`. Numbers go to `figures/benchmark.json`, bars to a picture beside it.
With `--rivals` only the ways to spread ten labels are compared, with `--controls` only what they
owe to the VAE is measured; the other numbers stay as they are.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping

import torch

from vaelib import data, plots
from vaelib._machine.devices import limit_threads, training_dtype
from vaelib._machine.files import checkpoints_folder, data_folder, figures_folder
from vaelib.authoring import controls, rivals
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
from vaelib.classifier import neighbour_graph
from vaelib.latent import encode
from vaelib.notebook import save_picture, write_numbers
from vaelib.vae import MLP, VAE, Config, pretrained, train_epochs

ORIGINAL_EPOCHS = 150  # of the original's classifier
N_DRAWS = 30  # of ten labels: PoissonMBO takes a quarter of a minute for one
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


def measure_rivals(features: torch.Tensor, labels: torch.Tensor, n_draws: int) -> Numbers:
    """Measure how well and how fast one label a class spreads, by our method and by its rivals.

    `features` (N, Z) make the graph, `labels` (N,) are drawn from, and say how many were right.
    """
    class_sizes = torch.bincount(labels).numpy()
    n_classes = len(class_sizes)
    began = time.perf_counter()
    graph = neighbour_graph(features)
    methods = {"ours": rivals.ours(graph, n_classes)}
    prepared = time.perf_counter() - began
    weights = rivals.weights_of(graph)
    methods["sklearn_label_spreading"] = rivals.label_spreading(weights)
    if rivals.graphlearning_is_installed():
        methods |= rivals.of_graphlearning(weights, class_sizes)
    draws = [data.balanced_subset(labels, n_classes, seed).numpy() for seed in range(n_draws)]
    numbers = rivals.compare(methods, labels.numpy(), draws, _say)
    numbers["seconds_prepare_ours"] = prepared
    if "poisson_mbo" in methods:
        slow, fast = numbers["seconds_draw_poisson_mbo"], numbers["seconds_draw_ours"]
        numbers["spreading_vs_poisson_mbo"] = slow / fast
    return numbers


def rivals_of(dataset: data.Dataset, small: bool) -> Numbers:
    """Compare on the MLP's latents of the training images; if `small`, on some images' pixels."""
    if small:
        few = dataset.train.images[:2000].flatten(1)
        return measure_rivals(few, dataset.train.labels[:2000], n_draws=2)
    latents = encode(pretrained(MLP, dataset).model(), dataset.train.images).mean
    return measure_rivals(latents, dataset.train.labels, N_DRAWS)


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


def controls_of(dataset: data.Dataset, small: bool) -> Numbers:
    """Measure what the notebooks' results with few labels owe to the VAE, and to its seed."""
    return controls.measure(dataset, small, _say)


PARTS = {"rivals": rivals_of, "controls": controls_of}  # measured alone by `--rivals`, …


def main(small: bool, only: Collection[str] = ()) -> None:
    """Measure everything, or `only` some `PARTS`, which leave the other numbers as they are.

    `small` only shows that it works, in seconds and without notebooks.
    """
    parts = [part for part in PARTS if part in only or not only]
    if "rivals" in parts and not small and not rivals.graphlearning_is_installed():
        raise SystemExit(
            "The rivals need graphlearning, and to compile it a C++ compiler: "
            'python -m pip install -c constraints.txt -e ".[bench]"'
        )
    dataset, file = data.load("MNIST"), figures_folder() / "benchmark.json"
    if only:
        numbers = {}
        kept = json.loads(file.read_text()) if file.is_file() else {}
    else:
        numbers, kept = measure_baselines(dataset, small), {}
    for part in parts:
        numbers |= PARTS[part](dataset, small)
    write_numbers(file, kept | numbers)
    if not only:
        draw(numbers)
    print(json.dumps(numbers, indent=2))


def measure_baselines(dataset: data.Dataset, small: bool) -> Numbers:
    """Measure training, the classifier and the import, and read what the notebooks took."""
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
    return numbers


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    limit_threads()  # as the notebooks do, and for all alike
    options = {option.removeprefix("--") for option in sys.argv[1:]}
    main(small="small" in options, only=options & PARTS.keys())
