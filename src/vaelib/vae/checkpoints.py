"""Trained models on disk: saved, found, and trusted only where they fit.

A checkpoint is one file in safetensors' format, which holds numbers and text and cannot hold
code. Its text says which hyperparameters and which data the weights come from, so that no other
is taken for it.
"""

import hashlib
import json
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from vaelib._machine.devices import check_device
from vaelib._machine.files import checkpoints_folder, write_atomically
from vaelib._machine.progress import show_progress
from vaelib.data.splits import Dataset
from vaelib.vae.models import VAE
from vaelib.vae.training import Config, EpochRecord, train_epochs

Weights = dict[str, Tensor]  # a state dict


class CheckpointError(RuntimeError):
    """A saved model cannot be used for what is asked; the message says why."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained model: its config, its training curves, its weights after chosen epochs."""

    config: Config
    history: list[EpochRecord] = field(default_factory=list)
    weights: dict[int, Weights] = field(default_factory=dict)

    def model(self, device: torch.device | str = "cpu", epoch: int | None = None) -> VAE:
        """Return the network as it was after `epoch`, the last one unless given.

        Raises CheckpointError where the weights of that epoch were not kept, and ValueError where
        there is no such device.
        """
        last = self.config.epochs
        epoch = last if epoch is None else epoch
        if epoch not in self.weights:
            kept = ", ".join(map(str, self.weights)) or "none"
            reason = f"The weights after epoch {epoch} were not kept; kept were: {kept}."
            if last not in self.weights:
                reason += " The training was interrupted: run its cell again, to the end."
            raise CheckpointError(reason)
        model = self.config.build()
        model.load_state_dict(self.weights[epoch])
        return model.to(check_device(device)).eval()


def train(config: Config, dataset: Dataset, device: torch.device | str = "cpu") -> Checkpoint:
    """Train a network on a data set's training images and save it for the other notebooks.

    An interrupted training is returned, with its curves so far, and not saved. Where the folder
    cannot be written, a warning says so and the checkpoint lives in memory only.
    """
    checkpoint = Checkpoint(config)
    model = config.build().to(check_device(device))
    images, validation_images = dataset.train.images, dataset.validation.images
    try:
        for record in train_epochs(model, images, validation_images, config):
            checkpoint.history.append(record)
            if record.epoch in config.keep or record.epoch == config.epochs:
                checkpoint.weights[record.epoch] = {
                    name: value.detach().cpu().clone() for name, value in model.state_dict().items()
                }
            text = f"epochs: ELBO {record.elbo:.2f}, validation {record.validation_elbo:.2f} nats"
            show_progress(record.epoch, config.epochs, text)
        save(checkpoint, dataset)
    except KeyboardInterrupt:
        print(
            f"\nInterrupted after {len(checkpoint.history)} of {config.epochs} epochs. The curves "
            "so far are kept, the model is not saved. Run the cell again to start over."
        )
    except OSError as error:
        warnings.warn(
            f"The trained model could not be saved in {checkpoints_folder()} ({error}). This "
            "notebook goes on with it; the others will have to train it again.",
            stacklevel=2,
        )
    return checkpoint


def pretrained(config: Config, dataset: Dataset, device: torch.device | str = "cpu") -> Checkpoint:
    """Return the saved checkpoint of a config; where there is none that fits, say so and train."""
    try:
        return load(config, dataset)
    except CheckpointError as error:
        print(f"{error} Training it now.")
        return train(config, dataset, device)


def checkpoint_path(config: Config, dataset: Dataset) -> Path:
    """Return the file of a config's checkpoint on a data set."""
    return checkpoints_folder() / f"{config.name}-{dataset.name.lower()}.safetensors"


def save(checkpoint: Checkpoint, dataset: Dataset) -> Path:
    """Write a checkpoint as one file, whole or not at all, and return its path.

    A reader, or another notebook that saves at the same time, never sees half of it. Raises
    OSError where the folder cannot be written.
    """
    path = checkpoint_path(checkpoint.config, dataset)
    tensors = {
        f"{epoch}/{name}": value.contiguous()
        for epoch, weights in checkpoint.weights.items()
        for name, value in weights.items()
    }
    text = {
        "identity": json.dumps(_identity(checkpoint.config, dataset), sort_keys=True),
        "history": json.dumps(checkpoint.history),
    }
    digest = {"digest": _digest(tensors, text)}
    write_atomically(path, safetensors.torch.save(tensors, metadata=text | digest))
    return path


def load(config: Config, dataset: Dataset) -> Checkpoint:
    """Return the saved checkpoint of exactly this config on exactly this data.

    Raises CheckpointError where there is none, or where the file is damaged or comes from another
    network, other hyperparameters or other data.
    """
    path = checkpoint_path(config, dataset)
    if not path.is_file():
        raise CheckpointError(f"There is no trained {config.model} for {dataset.name} yet.")
    try:
        # its bytes, since a file that is mapped into memory could not be replaced on Windows
        content = path.read_bytes()
        tensors, text = safetensors.torch.load(content), _metadata(content)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"The saved model {path.name} cannot be read ({error}).") from error
    if text.pop("digest", None) != _digest(tensors, text):
        raise CheckpointError(
            f"The saved model {path.name} was altered, or is of another version of vaelib: its "
            "content does not have the checksum that it names."
        )
    try:
        saved = dict(json.loads(text["identity"]))
        history = [EpochRecord(*record) for record in json.loads(text["history"])]
        weights: dict[int, Weights] = {}
        for key, value in tensors.items():
            epoch, name = key.split("/", 1)
            weights.setdefault(int(epoch), {})[name] = value
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path.name} is no checkpoint of vaelib's ({error!r}).") from error
    wanted = _identity(config, dataset)
    if saved != wanted:
        difference = "; ".join(
            f"{key} is {saved.get(key)}, wanted {wanted.get(key)}"
            for key in sorted(saved.keys() | wanted.keys())
            if saved.get(key) != wanted.get(key)
        )
        raise CheckpointError(f"The saved model {path.name} is another one: {difference}.")
    network = _form(config.build().state_dict())
    if not weights or any(_form(each) != network for each in weights.values()):
        raise CheckpointError(f"The saved model {path.name} holds the weights of another network.")
    return Checkpoint(config, history, dict(sorted(weights.items())))


def _metadata(content: bytes) -> dict[str, str]:
    """Return the text within a safetensors file: eight bytes give the length of its header."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]).get("__metadata__", {})


def _identity(config: Config, dataset: Dataset) -> dict[str, object]:
    """Return what must agree between a saved checkpoint and a wanted one, as JSON returns it."""
    identity = asdict(config) | {"data set": dataset.name, "data checksum": dataset.checksum}
    return json.loads(json.dumps(identity))


def _form(weights: Weights) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (value.shape, value.dtype) for name, value in weights.items()}


def _digest(tensors: Weights, text: dict[str, str]) -> str:
    """Return the checksum of everything in a file but itself: names, types, shapes and values."""
    digest = hashlib.sha256(json.dumps(text, sort_keys=True).encode())
    for key, value in sorted(tensors.items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
