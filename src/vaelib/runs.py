"""Trained models on disk: the recipes, saving, finding, and trusting only what fits.

A run is one file in safetensors' format, which holds numbers and text and cannot hold code. Its
text says from which recipe and which data the weights come, so that no other is taken for it.
"""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from vaelib.data import Dataset
from vaelib.models import VAE, ConvVAE
from vaelib.paths import runs_folder
from vaelib.training import EpochRecord, TrainingResult, TrainingSettings, train

MODELS: dict[str, type[nn.Module]] = {"VAE": VAE, "ConvVAE": ConvVAE}


class RunError(RuntimeError):
    """A saved model cannot be used for what is asked; the message says why."""


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained: everything that decides the weights but the images.

    `model` is a name in `MODELS`, `sizes` its arguments. `version` is raised when a change in
    the code makes the same recipe end elsewhere.
    """

    name: str
    model: str = "VAE"
    sizes: dict[str, int] = field(default_factory=dict)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    version: int = 1

    def build(self) -> nn.Module:
        """Return the untrained network; the same first weights every time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.training.seed)
            return MODELS[self.model](**self.sizes)


MLP = Recipe(
    name="mlp",
    sizes={"latent_size": 30, "hidden_size": 400},
    # the weights at these epochs are the key frames of notebook 3's animation
    training=TrainingSettings(epochs=31, snapshots=(1, 2, 3, 5, 8, 16, 31)),
)


CONV = Recipe(
    name="conv",
    model="ConvVAE",
    sizes={"latent_size": 50, "channels": 16},
    training=TrainingSettings(epochs=8, batch_size=64, peak_learning_rate=1e-2, binarise_from=7),
)

# the same network, trained for less long: enough for neighbourhoods
MLP_SHORT = replace(MLP, name="mlp-short", training=TrainingSettings(epochs=8))


@dataclass(frozen=True)
class Run:
    """A recipe carried out: its curves and its weights after chosen epochs."""

    recipe: Recipe
    history: list[EpochRecord]
    snapshots: dict[int, dict[str, Tensor]]

    def model(self, epoch: int | None = None, device: torch.device | str = "cpu") -> nn.Module:
        """Return the network as it was after `epoch`, the last one unless given.

        Raises RunError where the weights of that epoch were not kept.
        """
        epoch = epoch if epoch is not None else max(self.snapshots, default=None)
        if epoch not in self.snapshots:
            kept = ", ".join(str(kept) for kept in self.snapshots) or "none"
            raise RunError(f"The weights after epoch {epoch} were not kept; kept were: {kept}.")
        model = self.recipe.build()
        model.load_state_dict(self.snapshots[epoch])
        return model.to(device).eval()


def train_and_save(
    recipe: Recipe,
    dataset: Dataset,
    device: torch.device | str = "cpu",
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> Run:
    """Train a recipe on a data set's training images and save the run for the other notebooks.

    An interrupted training is returned, with its curves so far, and not saved. Where the folder
    cannot be written, a warning says so and the run lives in memory only.
    """
    model = recipe.build().to(device)
    result = train(
        model, dataset.train.images, dataset.validation.images, recipe.training, on_epoch
    )
    run = Run(recipe, result.history, result.snapshots)
    if result.interrupted:
        _say_interrupted(result, recipe)
        return run
    try:
        save_run(run, dataset)
    except OSError as error:
        warnings.warn(
            f"The trained model could not be saved in {runs_folder()} ({error}). This notebook "
            "goes on with it; the others will have to train it again.",
            stacklevel=2,
        )
    return run


def find_or_train(
    recipe: Recipe,
    dataset: Dataset,
    device: torch.device | str = "cpu",
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> Run:
    """Return the saved run of a recipe; where there is none that fits, say so and train it."""
    try:
        return load_run(recipe, dataset)
    except RunError as error:
        print(f"{error} Training it now.")
        return train_and_save(recipe, dataset, device, on_epoch)


def run_path(recipe: Recipe, dataset: Dataset) -> Path:
    """Return the file of a recipe's run on a data set."""
    return runs_folder() / f"{recipe.name}-{dataset.name.lower()}.safetensors"


def save_run(run: Run, dataset: Dataset) -> Path:
    """Write a run as one file, whole or not at all, and return its path.

    The content goes to a file beside it, which then takes its place in one step: a reader, or
    another notebook that saves at the same time, never sees half of it. Raises OSError where
    the folder cannot be written.
    """
    path = run_path(run.recipe, dataset)
    tensors = {
        f"{epoch}/{name}": value.contiguous()
        for epoch, weights in run.snapshots.items()
        for name, value in weights.items()
    }
    text = {
        "identity": json.dumps(_identity(run.recipe, dataset), sort_keys=True),
        "history": json.dumps(run.history),
        "digest": _digest(tensors),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".partial")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(save(tensors, metadata=text))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return path


def load_run(recipe: Recipe, dataset: Dataset) -> Run:
    """Return the saved run of exactly this recipe on exactly this data.

    Raises RunError where there is none, or where the file is damaged or comes from another
    network, other settings or other data.
    """
    path = run_path(recipe, dataset)
    if not path.is_file():
        raise RunError(f"There is no trained {recipe.model} for {dataset.name} yet.")
    try:
        with safe_open(path, framework="pt") as file:
            text = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise RunError(f"The saved model {path.name} cannot be read ({error}).") from error
    if text.get("digest") != _digest(tensors):
        raise RunError(f"The saved model {path.name} is damaged: its weights were altered.")
    if text["identity"] != json.dumps(_identity(recipe, dataset), sort_keys=True):
        difference = _difference(json.loads(text["identity"]), _identity(recipe, dataset))
        raise RunError(f"The saved model {path.name} is another one: {difference}.")
    snapshots: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        epoch, name = key.split("/", 1)
        snapshots.setdefault(int(epoch), {})[name] = value
    history = [EpochRecord(*record) for record in json.loads(text["history"])]
    return Run(recipe, history, dict(sorted(snapshots.items())))


def _identity(recipe: Recipe, dataset: Dataset) -> dict[str, object]:
    """Return what must agree between a saved run and a wanted one, flat, as from JSON."""
    settings = asdict(recipe)
    flat = {**settings.pop("training"), **settings.pop("sizes"), **settings}
    flat |= {"data set": dataset.name, "data checksum": dataset.checksum}
    return json.loads(json.dumps(flat))


def _difference(saved: dict[str, object], wanted: dict[str, object]) -> str:
    return "; ".join(
        f"{key} is {saved.get(key)}, wanted {wanted.get(key)}"
        for key in sorted(saved.keys() | wanted.keys())
        if saved.get(key) != wanted.get(key)
    )


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].contiguous().numpy().tobytes())
    return digest.hexdigest()


def _say_interrupted(result: TrainingResult, recipe: Recipe) -> None:
    print(
        f"Interrupted after {len(result.history)} of {recipe.training.epochs} epochs. "
        "The curves so far are kept, the model is not saved. Run the cell again to start over."
    )
