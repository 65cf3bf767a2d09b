"""The baselines of `vaelib.authoring.benchmark`: what people would copy, as its sources write it.

Each class takes one training epoch when it is called. None is slowed down: what it does again in
every epoch is what a reader would copy.
"""

import shutil
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from vaelib._machine.archives import import_datasets
from vaelib.data import to_pixels
from vaelib.vae import VAE, mean_elbo


def loader(root: Path, n_images: int, batch_size: int) -> DataLoader:
    """Return MNIST as the baselines load it: one image at a time, turned into floats each time."""
    datasets = import_datasets()
    from torchvision.transforms import ToTensor

    with tempfile.TemporaryDirectory() as folder:  # torchvision extracts the archives first
        shutil.copytree(root / "MNIST", Path(folder) / "MNIST")
        everything = datasets.MNIST(folder, train=True, download=True, transform=ToTensor())
    return DataLoader(Subset(everything, range(n_images)), batch_size=batch_size, shuffle=True)


class PyTorchExample:
    """784–400–20 and back, a sigmoid, binary cross-entropy, Adam: PyTorch's official VAE example.

    https://github.com/pytorch/examples/tree/main/vae
    """

    def __init__(self, batches: DataLoader) -> None:
        self.batches = batches
        self.hidden = nn.Linear(784, 400)
        self.mean, self.log_variance = nn.Linear(400, 20), nn.Linear(400, 20)
        self.up, self.out = nn.Linear(20, 400), nn.Linear(400, 784)
        layers = nn.ModuleList([self.hidden, self.mean, self.log_variance, self.up, self.out])
        self.optimizer = torch.optim.Adam(layers.parameters(), lr=1e-3)

    def loss(self, pixels: Tensor) -> Tensor:
        """Return the negative ELBO of a batch (B, 784) in nats, summed."""
        hidden = F.relu(self.hidden(pixels))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        deviation = torch.exp(0.5 * log_variance)
        latent = mean + torch.randn_like(deviation) * deviation
        p = torch.sigmoid(self.out(F.relu(self.up(latent))))
        cross_entropy = F.binary_cross_entropy(p, pixels, reduction="sum")
        return cross_entropy - 0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum()

    @torch.inference_mode()
    def elbo(self, images: Tensor) -> float:
        """Return the mean ELBO in nats: uint8 (N, 28, 28)."""
        return -self.loss(to_pixels(images)).item() / len(images)

    def __call__(self) -> None:
        """Take one epoch."""
        for images, _ in self.batches:
            loss = self.loss(images.view(-1, 784))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()


class PyroTutorial:
    """784–400–30 with Pyro's stochastic variational inference, as its VAE tutorial writes it.

    https://pyro.ai/examples/vae.html. Needs pyro-ppl, which the extra `bench` brings.
    """

    def __init__(self, batches: DataLoader) -> None:
        import pyro
        import pyro.distributions as dist
        from pyro.infer import SVI, Trace_ELBO
        from pyro.optim import Adam

        self.batches = batches
        self.network = VAE(latent_size=30, hidden_size=400)

        def model(pixels: Tensor) -> None:
            pyro.module("decoder", self.network.decoder)
            with pyro.plate("images", len(pixels)):
                at_zero, one = pixels.new_zeros(len(pixels), 30), pixels.new_ones(len(pixels), 30)
                latent = pyro.sample("latent", dist.Normal(at_zero, one).to_event(1))
                p = torch.sigmoid(self.network.decoder(latent))
                pixel = dist.Bernoulli(p, validate_args=False).to_event(1)
                pyro.sample("pixels", pixel, obs=pixels)

        def guide(pixels: Tensor) -> None:
            pyro.module("encoder", self.network.encoder)
            with pyro.plate("images", len(pixels)):
                mean, log_variance = self.network.encoder(pixels)
                deviation = torch.exp(0.5 * log_variance)
                pyro.sample("latent", dist.Normal(mean, deviation).to_event(1))

        pyro.clear_param_store()
        self.inference = SVI(model, guide, Adam({"lr": 1e-3}), loss=Trace_ELBO())

    def elbo(self, images: Tensor) -> float:
        """Return the mean ELBO in nats: uint8 (N, 28, 28)."""
        return mean_elbo(self.network, images).elbo.item()

    def __call__(self) -> None:
        """Take one epoch."""
        for images, _ in self.batches:
            self.inference.step(images.view(-1, 784))


class MatrixProducts:
    """Nothing but an epoch's matrix products, forward and backward: the limit of any such code."""

    def __init__(
        self, n_images: int, batch_size: int, latent_size: int, dtype: torch.dtype
    ) -> None:
        shapes = [(784, 400), (400, 2 * latent_size), (latent_size, 400), (400, 784)]
        self.steps = -(-n_images // batch_size)
        self.layers = [
            [
                torch.randn(size, dtype=dtype)
                for size in ((batch_size, inputs), (inputs, outputs), (batch_size, outputs))
            ]
            for inputs, outputs in shapes
        ]

    def __call__(self) -> None:
        """Multiply as often as an epoch does: output, weight's and input's gradient a layer."""
        for _ in range(self.steps):
            for number, (rows, weight, gradient) in enumerate(self.layers):
                torch.mm(rows, weight)
                torch.mm(rows.T, gradient)
                if number:  # nobody asks for the gradient of the images
                    torch.mm(gradient, weight.T)
