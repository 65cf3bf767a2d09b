"""Training: what a config allows, what the loop does, and when it stops."""

import math
from dataclasses import replace

import pytest
import torch

import vaelib
from vaelib import vae
from vaelib.vae import Config, TrainingError, mean_elbo, train_epochs, training

TINY = Config("tiny", latent_size=3, hidden_size=8, epochs=2)


def trained(dataset, config, dtype=None):
    """Return a trained model and its history."""
    model = config.build()
    images = dataset.train.images, dataset.validation.images
    return model, list(train_epochs(model, *images, config, dtype))


@pytest.fixture
def steps(monkeypatch):
    """The pixels of every training step so far."""
    seen = []
    monkeypatch.setattr(training, "elbo", lambda *given: seen.append(given[1]) or vae.elbo(*given))
    return seen


# --- the config ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted",
    [
        *({"name": name} for name in ("", "../elsewhere", "a/b")),
        {"model": "GAN"},
        *({size: 0} for size in ("latent_size", "hidden_size", "epochs", "batch_size")),
        *({"epochs": epochs} for epochs in (-1, 2.0, None)),
        *({"learning_rate": rate} for rate in (0, -1.0, math.nan, math.inf)),
        *({"keep": (epoch,)} for epoch in (0, 32, 1.5)),
        *({"binarise_from": epoch} for epoch in (0, 32, -1)),
        {"model": "ConvVAE", "channels": 0},
    ],
    ids=str,
)
def test_impossible_hyperparameters_are_refused(wanted):
    assert Config("x", keep=(1, 31), binarise_from=31).build()
    with pytest.raises(ValueError, match=r"name|must|choose|epochs"):
        Config(**{"name": "x", **wanted})


@pytest.mark.parametrize("config", [vaelib.MLP, vaelib.CONV], ids=["mlp", "conv"])
def test_a_config_builds_the_same_network_and_leaves_other_random_numbers_alone(config):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = config.build(), config.build(), replace(config, seed=1).build()
    assert torch.equal(torch.rand(3), expected)
    weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert type(first).__name__ == config.model
    assert first.latent_size == config.latent_size


# --- the loop ------------------------------------------------------------------------------------


def test_training_raises_the_elbo_and_another_seed_ends_elsewhere(small):
    config = replace(TINY, hidden_size=100, epochs=3)
    before = mean_elbo(config.build(), small.validation.images).elbo
    model, history = trained(small, config)
    assert history[-1].validation_elbo > before + 100
    again, same = trained(small, config)
    assert same == history
    assert torch.equal(again.decoder.output.weight, model.decoder.output.weight)
    assert trained(small, replace(config, seed=1))[1] != history


def test_history_is_what_is_measured(small):
    model = TINY.build()
    images = small.train.images, small.validation.images
    for epoch, record in enumerate(train_epochs(model, *images, TINY), start=1):
        expected = mean_elbo(model, small.validation.images)
        assert record.epoch == epoch
        assert record.validation_reconstruction == pytest.approx(expected.reconstruction.item())
        assert record.validation_elbo == pytest.approx(expected.elbo.item())
    still = replace(TINY, epochs=1, learning_rate=1e-30)  # the weights stay: 3 batches and a rest
    model, [record] = trained(small, still, torch.float32)
    expected = mean_elbo(model, small.train.images)
    assert record.kl == pytest.approx(expected.kl.item(), rel=1e-5)
    assert record.elbo == pytest.approx(expected.elbo.item(), abs=1)  # other noise


def test_every_epoch_sees_each_image_once_in_an_order_of_its_own(small, steps):
    trained(small, replace(TINY, batch_size=300))
    assert [len(pixels) for pixels in steps] == [300, 300, 300, 100] * 2
    epochs = torch.cat(steps[:4]), torch.cat(steps[4:])
    expected = vaelib.to_pixels(small.train.images)
    for seen in epochs:
        assert torch.equal(seen.sum(dim=1).sort().values, expected.sum(dim=1).sort().values)
    assert not torch.equal(*epochs)
    assert not torch.equal(epochs[0], expected)


def test_steps_follow_the_gradient_at_a_rate_that_rises_and_falls_to_nothing(small, monkeypatch):
    """The first step by hand, with the same order and the same noise."""
    rates, gradients = [], []

    class Spy(torch.optim.Adam):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            gradients.append([weight.grad.clone() for weight in self.param_groups[0]["params"]])
            super().step(closure)

    monkeypatch.setattr(torch.optim, "Adam", Spy)
    config = replace(TINY, epochs=5, learning_rate=0.01, seed=3)
    trained(small, config, torch.float32)
    model, generator = config.build(), torch.Generator().manual_seed(3)
    rows = torch.randperm(1000, generator=generator)[:256]
    loss = -vae.elbo(model, vaelib.to_pixels(small.train.images[rows]), generator).elbo.mean()
    expected = torch.autograd.grad(loss, list(model.parameters()))
    torch.testing.assert_close(gradients[0], list(expected))
    assert len(rates) == 4 * 5
    assert max(rates) == pytest.approx(0.01, rel=0.05)
    assert rates.index(max(rates)) == 5
    assert rates[0] < 0.001
    assert rates[-1] < 1e-6


def test_binarised_training_sees_only_paper_and_ink(small, steps):
    trained(small, replace(TINY, epochs=3, binarise_from=2))
    assert all(len(pixels.unique()) > 2 for pixels in steps[:4])
    assert all(pixels.unique().tolist() == [0, 1] for pixels in steps[4:])
    first, second = (torch.cat(steps[i : i + 4]).mean().item() for i in (4, 8))
    assert first != second  # drawn anew, with the grey levels as probabilities
    assert first == pytest.approx(small.train.images.float().mean().item() / 255, rel=0.01)


@pytest.mark.parametrize("config", [vaelib.MLP, vaelib.CONV], ids=["mlp", "conv"])
def test_bfloat16_ends_where_float32_does(mnist, config):
    """The ELBO of both, measured in float32 on the same images, agrees within 0.3 nats."""
    config = replace(config, epochs=3, keep=(), binarise_from=None, learning_rate=2e-3)
    elbo = {}
    for dtype in (torch.float32, torch.bfloat16):
        model = config.build()
        list(train_epochs(model, mnist.train.images[:4000], mnist.test.images[:9], config, dtype))
        elbo[dtype] = mean_elbo(model, mnist.validation.images[:1000]).elbo.item()
    assert elbo[torch.bfloat16] != elbo[torch.float32]
    assert elbo[torch.bfloat16] == pytest.approx(elbo[torch.float32], abs=0.3)


# --- when it stops -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["VAE", "ConvVAE"])
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_at_the_very_step(small, steps, name, broken):
    """A weight breaks before step 3 of epoch 2, and the loss with it."""
    config = replace(TINY, model=name, epochs=3, learning_rate=1e-3)
    model = config.build()

    def break_a_weight(*_):
        if len(steps) == 7:  # 4 steps an epoch
            model.encoder.output.bias.data[0] = broken

    model.encoder.register_forward_pre_hook(break_a_weight)
    with pytest.raises(
        TrainingError, match=r"became (-inf|nan) at step 3 of epoch 2\..*its peak is 0\.001"
    ):
        list(train_epochs(model, small.train.images, small.validation.images, config))
    weights = torch.cat([parameter.flatten() for parameter in model.parameters()])
    assert (~weights.isfinite()).sum() == 1  # the step that found it has not moved the others


def test_weights_that_break_in_the_last_step_are_noticed(small):
    """One step in all: its loss was finite, but what it left behind is not."""
    config = replace(TINY, epochs=1, batch_size=1000, learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"became .* on validation after epoch 1\..*rate"):
        trained(small, config)


@pytest.mark.parametrize(
    "spoil",
    [lambda x: x[:0], lambda x: x.float() / 255, lambda x: x[:, :20], lambda x: x.long()],
    ids=["none", "floats", "too short", "integers"],
)
@pytest.mark.parametrize("split", [0, 1])
def test_images_that_are_none_are_refused_before_the_first_epoch(small, split, spoil):
    images = [small.train.images, small.validation.images]
    images[split] = spoil(images[split])
    with pytest.raises(ValueError, match=r"no images|uint8|\(B, 28, 28\)"):
        next(train_epochs(TINY.build(), *images, TINY))


# --- threads and batch sizes ---------------------------------------------------------------------


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_threads_and_batch_sizes_do_not_matter_to_four_digits(small, threads):
    """A training, the ELBO and the latents; and all of it again, which is the same to the bit."""

    def measured(batch_size):
        model, history = trained(small, TINY)
        posterior = vaelib.encode(model, small.test.images, batch_size)
        terms = mean_elbo(model, small.test.images)
        return torch.cat([torch.tensor([*history[-1], *terms]), posterior.mean.flatten()])

    expected = measured(1000)
    for number, batch_size in [(2, 7), (3, 499)]:
        threads(number)
        torch.testing.assert_close(measured(batch_size), expected, rtol=1e-4, atol=1e-5)
    threads(1)
    torch.manual_seed(7)  # the reader's own random numbers do not matter
    assert torch.equal(measured(1000), expected)
