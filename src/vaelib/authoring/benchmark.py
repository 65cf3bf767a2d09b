"""How fast, beside the baselines: `python -m vaelib.authoring.benchmark [--small] [--quality …]`.

What is compared is measured in one process, in turns (A B A B …), so that what disturbs the machine
disturbs all alike; what is reported are medians and their ratios. What the notebooks took is
read from the last `make run`. Numbers go to `figures/benchmark.json`, bars to a picture beside it.
With the names of some `PARTS` only those are measured; the other numbers stay as they are.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Collection, Mapping

import torch

from vaelib import data, plots
from vaelib._machine.devices import limit_threads, training_dtype
from vaelib._machine.files import checkpoints_folder, data_folder, figures_folder
from vaelib.authoring import controls, quality, rivals, scale
from vaelib.authoring.baselines import (
    MatrixProducts,
    PyroTutorial,
    PyTorchExample,
    loader,
)
from vaelib.authoring.execute import TIMINGS_FILE, Timing
from vaelib.authoring.timing import Code, Numbers, seconds_of
from vaelib.classifier import neighbour_graph
from vaelib.latent import encode
from vaelib.notebook import save_picture, write_numbers
from vaelib.vae import MLP, VAE, Config, pretrained, train_epochs

N_DRAWS = 30  # of ten labels: PoissonMBO takes a quarter of a minute for one


def epoch_of(images: torch.Tensor, latent_size: int, batch_size: int, dtype: torch.dtype) -> Code:
    """Return a function that trains vaelib's network for one epoch on `images`."""
    config = Config("benchmark", latent_size=latent_size, batch_size=batch_size, epochs=1)
    model = config.build()
    return lambda: list(train_epochs(model, images, images[:1], config, dtype))


def measure_epochs(images: torch.Tensor, rounds: int) -> Numbers:
    """Measure an epoch against both baselines and against the matrix products alone."""
    n, root = len(images), data_folder()
    codes: dict[str, Code] = {
        "recipe": PyTorchExample(loader(root, n, 128)),
        "pyro": PyroTutorial(loader(root, n, 256)),
    }
    for label, dtype in dtypes().items():
        codes[f"vaelib_z20_batch128_{label}"] = epoch_of(images, 20, 128, dtype)
        codes[f"vaelib_z30_batch256_{label}"] = epoch_of(images, 30, 256, dtype)
        codes[f"matmul_z30_batch256_{label}"] = MatrixProducts(n, 256, 30, dtype)
    took = seconds_of(codes, rounds)
    numbers = {f"seconds_epoch_{name}": value for name, value in took.items()}
    for label in dtypes():
        small, large = took[f"vaelib_z20_batch128_{label}"], took[f"vaelib_z30_batch256_{label}"]
        numbers[f"epoch_vs_recipe_{label}"] = took["recipe"] / small
        numbers[f"epoch_vs_pyro_{label}"] = took["pyro"] / large
        numbers[f"epoch_vs_matmul_{label}"] = large / took[f"matmul_z30_batch256_{label}"]
    return numbers


def dtypes() -> dict[str, torch.dtype]:
    """Return what to train in: float32, and what is fastest here, which may be the same."""
    return {"float32": torch.float32, "best": training_dtype("cpu")}


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
    numbers = rivals.compare(methods, labels.numpy(), draws)
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
    """Draw the seconds to the original's quality, and save them as `figures/benchmark.png`."""
    plots.use_style()
    names = {
        "seconds_original_one_epoch_times_31": "the original's way: Pyro, 31 epochs",
        "seconds_to_original_quality_float32": "vaelib, as good: float32",
        "seconds_to_original_quality_best": "vaelib, as good: bfloat16",
        "seconds_recipe_one_epoch_times_10": "PyTorch's example, 10 epochs",
        "seconds_to_recipe_quality_float32": "vaelib, as good: float32 ",
        "seconds_to_recipe_quality_best": "vaelib, as good: bfloat16 ",
    }
    if training_dtype("cpu") == torch.float32:
        names = {name: label for name, label in names.items() if not name.endswith("_best")}
    figure = plots.bars(
        {label: numbers[name] for name, label in names.items()},
        f"As good as the original in 1/{numbers['time_to_original_quality_best']:.0f} of its time",
        "seconds of training until the ELBO on test is the same, median",
        "{:.0f}",
        highlight=[label for label in names.values() if label.startswith("vaelib")],
        caption=f"On {torch.get_num_threads()} threads of a CPU, in turns. vaelib: three seeds; "
        "the others: one epoch, multiplied.",
    )
    save_picture(figure, "benchmark")


def speed_of(dataset: data.Dataset, small: bool) -> Numbers:
    """Measure epochs and the import, and read what the notebooks took."""
    images = torch.cat([dataset.train.images, dataset.validation.images])
    n, rounds = (2000, 1) if small else (len(images), 5)
    numbers = measure_epochs(images[:n], rounds) | measure_import()
    if not small:  # make bench has run the notebooks before
        numbers |= of_the_notebooks(json.loads((checkpoints_folder() / TIMINGS_FILE).read_text()))
    return numbers


def scale_of(dataset: data.Dataset, small: bool) -> Numbers:
    """Measure how each step's time grows with the images."""
    if small:
        return scale.measure(VAE(), dataset.train[:2000], rounds=1)
    return scale.measure(pretrained(MLP, dataset).model(), dataset.train, rounds=3)


PARTS = {
    "speed": speed_of,
    "quality": lambda dataset, small: quality.measure(dataset, dtypes(), small),
    "scale": scale_of,
    "rivals": rivals_of,
    "controls": lambda dataset, small: controls.measure(dataset, small),
}


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
    kept = json.loads(file.read_text()) if only and file.is_file() else {}
    if "quality" in parts:  # a ratio is written only where ours is as good: none may outlive that
        kept = {name: value for name, value in kept.items() if not name.startswith("time_to_")}
    numbers: Numbers = {}
    for part in parts:
        numbers |= PARTS[part](dataset, small)
    write_numbers(file, kept | numbers)
    if "time_to_original_quality_best" in numbers and not small:  # ours was as good
        draw(numbers)
    print(json.dumps(numbers, indent=2))


if __name__ == "__main__":
    limit_threads()  # as the notebooks do, and for all alike
    options = {option.removeprefix("--") for option in sys.argv[1:]}
    main(small="small" in options, only=options & PARTS.keys())
