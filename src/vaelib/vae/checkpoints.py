"""Trained models on disk: the recipes, saving, finding, and trusting only what fits.

A run is one file in safetensors' format, which holds numbers and text and cannot hold code. Its
text says from which recipe and which data the weights come, so that no other is taken for it.
"""

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from vaelib._machine.devices import check_device
from vaelib._machine.files import checkpoints_folder, write_atomically
from vaelib.data.splits import Dataset
from vaelib.vae.models import VAE, ConvVAE
from vaelib.vae.training import EpochRecord, TrainingResult, TrainingSettings, train

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

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(
                f"There is no model named {self.model!r}. Choose one of {', '.join(MODELS)}."
            )
        if not self.name or Path(self.name).name != self.name:
            raise ValueError(f"A recipe's name becomes a file's, which {self.name!r} cannot be.")

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
    sizes={"latent_size": 50, "channels": 16, "hidden_size": 256},
    training=TrainingSettings(epochs=9, batch_size=128, peak_learning_rate=8e-3, binarise_from=4),
    version=3,
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
        """Return the network as it was after `epoch`, the recipe's last one unless given.

        Raises RunError where the weights of that epoch were not kept, and ValueError where there
        is no such device.
        """
        epochs = self.recipe.training.epochs
        epoch = epoch if epoch is not None else epochs
        if epoch not in self.snapshots:
            kept = ", ".join(str(kept) for kept in self.snapshots) or "none"
            reason = f"The weights after epoch {epoch} were not kept; kept were: {kept}."
            if epochs not in self.snapshots:
                reason += " The training was interrupted: run its cell again, to the end."
            raise RunError(reason)
        device = check_device(device)
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
    model = recipe.build().to(check_device(device))
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
            f"The trained model could not be saved in {checkpoints_folder()} ({error}). This notebook "
            "goes on with it; the others will have to train it again.",
            stacklevel=2,
        )
    except KeyboardInterrupt:
        print("Interrupted while saving: the model is not saved. This notebook goes on with it.")
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
    return checkpoints_folder() / f"{recipe.name}-{dataset.name.lower()}.safetensors"


def save_run(run: Run, dataset: Dataset) -> Path:
    """Write a run as one file, whole or not at all, and return its path.

    A reader, or another notebook that saves at the same time, never sees half of it. Raises
    OSError where the folder cannot be written.
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
    }
    write_atomically(path, save(tensors, metadata={**text, "digest": _digest(tensors, text)}))
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
        # its bytes, since a file that is mapped into memory could not be replaced on Windows
        content = path.read_bytes()
        tensors, text = load(content), _metadata(content)
    except (SafetensorError, OSError) as error:
        raise RunError(f"The saved model {path.name} cannot be read ({error}).") from error
    if text.pop("digest", None) != _digest(tensors, text):
        raise RunError(
            f"The saved model {path.name} was altered, or is of another version of vaelib: its "
            "content does not have the checksum that it names."
        )
    wanted = _identity(recipe, dataset)
    try:
        saved = json.loads(text["identity"])
        history = [EpochRecord(*record) for record in json.loads(text["history"])]
        snapshots: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            epoch, name = key.split("/", 1)
            snapshots.setdefault(int(epoch), {})[name] = value
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path.name} is no saved model of this library's ({error!r}).") from error
    if saved != wanted:
        raise RunError(f"The saved model {path.name} is another one: {_difference(saved, wanted)}.")
    network = _form(recipe.build().state_dict())
    if not snapshots or any(_form(weights) != network for weights in snapshots.values()):
        raise RunError(f"The saved model {path.name} holds the weights of another network.")
    return Run(recipe, history, dict(sorted(snapshots.items())))


def _metadata(content: bytes) -> dict[str, str]:
    """Return the text within a safetensors file: eight bytes give the length of its header."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]).get("__metadata__", {})


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


def _form(weights: dict[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (value.shape, value.dtype) for name, value in weights.items()}


def _digest(tensors: dict[str, Tensor], text: dict[str, str]) -> str:
    """Return the checksum of everything in a file but itself: names, types, shapes and values."""
    digest = hashlib.sha256(json.dumps(text, sort_keys=True).encode())
    for key, value in sorted(tensors.items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _say_interrupted(result: TrainingResult, recipe: Recipe) -> None:
    print(
        f"Interrupted after {len(result.history)} of {recipe.training.epochs} epochs. "
        "The curves so far are kept, the model is not saved. Run the cell again to start over."
    )
