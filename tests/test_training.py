import math

import pytest
import torch

import vaelib
from vaelib import TrainingError, TrainingSettings
from vaelib.vae import training


def trained(small, **settings):
    recipe = vaelib.Recipe("t", training=TrainingSettings(**{"epochs": 2, **settings}))
    model = recipe.build()
    result = vaelib.train(model, small.train.images, small.validation.images, recipe.training)
    return model, result


def test_training_raises_the_elbo(small):
    before = training.mean_elbo_terms(vaelib.MLP.build(), small.validation.images).elbo
    _, result = trained(small, epochs=3)
    assert result.history[-1].validation_elbo > before + 100


def test_same_seed_gives_the_same_weights_and_another_seed_does_not(small):
    first, again, other = (trained(small, seed=seed)[0] for seed in (0, 0, 1))
    torch.manual_seed(123)
    weights = [model.decoder.output.weight for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_history_adds_up(small):
    model, result = trained(small)
    record = result.history[-1]
    assert record.elbo == pytest.approx(record.reconstruction - record.kl)
    terms = training.mean_elbo_terms(model, small.validation.images)
    assert record.validation_elbo == pytest.approx(terms.elbo.item())


def test_snapshots_are_the_weights_of_their_epochs(small):
    _, result = trained(small, epochs=3, snapshots=(1,))
    assert list(result.snapshots) == [1, 3]
    model = vaelib.MLP.build()
    model.load_state_dict(result.snapshots[1])
    terms = training.mean_elbo_terms(model, small.validation.images)
    assert result.history[0].validation_kl == pytest.approx(terms.kl.item())


def test_binarised_training_sees_only_paper_and_ink(small, monkeypatch):
    seen = []
    take_step = training._Step.__call__

    def spy(step, pixels, where):
        seen.append(len(pixels.unique()))
        return take_step(step, pixels, where)

    monkeypatch.setattr(training._Step, "__call__", spy)
    trained(small, epochs=3, binarise_from=2)
    steps = len(seen) // 3
    assert min(seen[:steps]) > 2
    assert set(seen[steps:]) == {2}
    for epoch in (0, 4):
        with pytest.raises(ValueError, match="binarise_from"):
            TrainingSettings(epochs=3, binarise_from=epoch)


def test_objective_that_is_no_number_stops_training_at_once(small):
    with pytest.raises(TrainingError, match=r"step \d+ of epoch \d.*learning rate"):
        trained(small, epochs=5, peak_learning_rate=1e6)


def test_interrupted_training_keeps_its_curves(small):
    def interrupt(record):
        if record.epoch == 2:
            raise KeyboardInterrupt

    settings = TrainingSettings(epochs=5)
    model = vaelib.MLP.build()
    result = vaelib.train(model, small.train.images, small.validation.images, settings, interrupt)
    assert result.interrupted
    assert [record.epoch for record in result.history] == [1, 2]


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"peak_learning_rate": math.nan},
        {"epochs": 3, "snapshots": (4,)},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r"must|needs"):
        TrainingSettings(**settings)


def test_no_images_to_measure_on_is_an_error(small):
    with pytest.raises(ValueError, match="no images"):
        training.mean_elbo_terms(vaelib.MLP.build(), small.test.images[:0])


@pytest.mark.parametrize("recipe", [vaelib.MLP, vaelib.CONV], ids=["mlp", "conv"])
def test_bfloat16_ends_where_float32_does(mnist, recipe):
    """The ELBO of both, measured in float32 on the same images, agrees within 0.2 nats."""
    settings = TrainingSettings(epochs=3, peak_learning_rate=2e-3)
    elbo = {}
    for precision in (torch.float32, torch.bfloat16):
        model = recipe.build()
        images = mnist.train.images[:10_000]
        vaelib.train(model, images, images[:10], settings, precision=precision)
        elbo[precision] = training.mean_elbo_terms(model, mnist.validation.images[:2000]).elbo
    assert elbo[torch.bfloat16].item() == pytest.approx(elbo[torch.float32].item(), abs=0.2)
