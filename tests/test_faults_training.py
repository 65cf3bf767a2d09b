"""Faults of training and measuring: interruption, numbers that are none, threads, batch sizes."""

import math
import os
import signal
import threading
import time
from dataclasses import replace

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

import vaelib
from vaelib import Recipe, RunError, TrainingError, TrainingSettings, latent, plots
from vaelib.vae import checkpoints, training

LONG = Recipe(
    "long",
    sizes={"latent_size": 3, "hidden_size": 8},
    training=TrainingSettings(epochs=20_000, snapshots=(1,)),
)


# --- the reader interrupts -----------------------------------------------------------------------


def interrupt_soon(record):
    """After the third epoch, send this process what Jupyter's stop button sends."""
    if record.epoch == 3:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()


def interrupt_now(record):
    if record.epoch == 3:
        os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_training_keeps_its_curves_and_can_be_run_again(small, capsys):
    run = vaelib.train_and_save(LONG, small, on_epoch=interrupt_soon)
    assert 3 <= len(run.history) < 20_000
    assert f"Interrupted after {len(run.history)} of 20000 epochs" in capsys.readouterr().out
    (left, _) = plots.training_curves(run.history, "so far").axes
    assert len(left.lines[0].get_xdata()) == len(run.history)
    assert not checkpoints.run_path(LONG, small).exists()

    shorter = replace(LONG, training=replace(LONG.training, epochs=4))
    once = vaelib.train_and_save(shorter, small, on_epoch=interrupt_now)
    assert len(once.history) == 3
    again = vaelib.train_and_save(shorter, small)
    assert len(again.history) == 4
    assert again.history[: len(once.history)] == once.history


def test_an_early_snapshot_is_not_passed_off_as_the_trained_model(small):
    """Epoch 1 was kept before the interruption: it is there on request, and only then."""
    run = vaelib.train_and_save(LONG, small, on_epoch=interrupt_soon)
    with pytest.raises(RunError, match=r"epoch 20000 were not kept; kept were: 1\..* interrupted"):
        run.model()
    assert run.model(epoch=1)


def test_an_interruption_does_not_harm_the_model_saved_before(small):
    shorter = replace(LONG, training=TrainingSettings(epochs=4))
    saved = vaelib.train_and_save(shorter, small)
    assert len(vaelib.train_and_save(shorter, small, on_epoch=interrupt_now).history) == 3
    assert checkpoints.load_run(shorter, small).history == saved.history


def test_an_interruption_while_saving_leaves_the_model_in_memory(small, monkeypatch, capsys):
    monkeypatch.setattr(
        "vaelib._machine.files.os.fsync",
        lambda _: os.kill(os.getpid(), signal.SIGINT) or time.sleep(1),
    )
    recipe = replace(LONG, training=TrainingSettings(epochs=2))
    run = vaelib.train_and_save(recipe, small)
    assert run.model()
    assert "Interrupted while saving" in capsys.readouterr().out
    assert list(checkpoints.run_path(recipe, small).parent.iterdir()) == []


def test_curves_of_no_epoch_are_an_error():
    with pytest.raises(ValueError, match="run the training cell again"):
        plots.training_curves([], "nothing")


TRAINING_CELL = """
from dataclasses import replace
import vaelib
from vaelib import Recipe, TrainingSettings, plots
mnist = vaelib.load()
small = replace(mnist, train=mnist.train[:2000], validation=mnist.validation[:50])
recipe = Recipe("stopped", sizes={"latent_size": 3, "hidden_size": 20},
                training=TrainingSettings(epochs=epochs))
def say(record):
    print("epoch", record.epoch, flush=True)
run = vaelib.train_and_save(recipe, small, on_epoch=say)
"""


@pytest.mark.long
def test_jupyter_s_stop_button_keeps_the_history_and_the_kernel():
    """A kernel of its own, a real interrupt, then the figure, then the cell from the start."""
    sources = [
        f"epochs = 10_000\n{TRAINING_CELL}",
        "plots.training_curves(run.history, 'so far'); print(len(run.history), 'epochs plotted')",
        f"epochs = 2\n{TRAINING_CELL}",
        "print(run.history[-1].epoch, len(run.snapshots))",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    client = NotebookClient(notebook, timeout=120)

    def stop_when_training(message):
        if "epoch 5\n" in message["content"].get("text", "") and not stopped:
            stopped.append(True)
            os.kill(client.km.provisioner.pid, signal.SIGINT)

    stopped = []
    with client.setup_kernel():
        process = client.process_message
        client.process_message = lambda message, *rest: (
            stop_when_training(message),
            process(message, *rest),
        )[1]
        for number, cell in enumerate(notebook.cells):
            client.execute_cell(cell, number)
    texts = ["".join(o.get("text", "") for o in cell.outputs) for cell in notebook.cells]
    assert "Interrupted after" in texts[0]
    assert int(texts[1].split()[0]) >= 5
    assert texts[3] == "2 1\n"


# --- the loss is no number -----------------------------------------------------------------------


@pytest.mark.parametrize("network", [vaelib.VAE, vaelib.ConvVAE])
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_at_the_very_step(small, monkeypatch, network, broken):
    """The weights break before step 3 of epoch 2: its loss is no number any more."""
    model = network()
    steps = []
    take_step = training._Step.__call__

    def break_weights(step, pixels, where):
        steps.append(where)
        if len(steps) == 7:  # 4 steps an epoch
            with torch.no_grad():
                model.encoder.output.bias[0] = broken
        return take_step(step, pixels, where)

    monkeypatch.setattr(training._Step, "__call__", break_weights)
    settings = TrainingSettings(epochs=3, peak_learning_rate=1e-3)
    with pytest.raises(
        TrainingError, match=r"became (-inf|nan) at step 3 of epoch 2.*its peak is 0\.001"
    ):
        vaelib.train(model, small.train.images, small.validation.images, settings)
    assert len(steps) == 7
    weights = torch.cat([parameter.flatten() for parameter in model.parameters()])
    assert (~weights.isfinite()).sum() == 1  # the step that found it has not moved the others


def test_weights_that_break_in_the_last_step_are_noticed_and_not_saved(small):
    """One step in all: its loss was finite, but what it left behind is not."""
    settings = TrainingSettings(epochs=1, batch_size=1000, peak_learning_rate=1e30)
    recipe = Recipe("broken", training=settings)
    with pytest.raises(TrainingError, match=r"validation ELBO became .* after epoch 1.*rate"):
        vaelib.train_and_save(recipe, small)
    assert not checkpoints.run_path(recipe, small).exists()


def test_images_that_are_none_are_refused_before_the_first_epoch(small):
    for train, validation in [
        (small.train.images[:0], small.validation.images),
        (small.train.images, small.validation.images[:0]),
        (small.train.images.float() / 255, small.validation.images),
        (small.train.images, small.validation.images.float()),
        (small.train.images[:, :20], small.validation.images),
    ]:
        seen = []
        with pytest.raises(ValueError, match=r"no images|uint8|\(B, 28, 28\)"):
            vaelib.train(LONG.build(), train, validation, LONG.training, seen.append)
        assert seen == []


# --- threads and batch sizes ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(small):
    model = vaelib.MLP.build()
    vaelib.train(model, small.train.images, small.validation.images, TrainingSettings(epochs=3))
    return model


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def measured(model, small, batch_size=1000):
    terms = training.mean_elbo_terms(model, small.test.images, batch_size=batch_size)
    posterior = latent.encode(model, small.test.images, batch_size)
    kl = posterior.kl_per_latent()
    return np.array([terms.elbo, *terms, *kl, *posterior.mean[:9].ravel()])


@pytest.mark.parametrize("batch_size", [1, 7, 100, 499, 500])
def test_the_batch_size_of_a_measurement_does_not_matter(model, small, batch_size):
    np.testing.assert_allclose(
        measured(model, small, batch_size), measured(model, small), rtol=1e-4, atol=1e-6
    )


def test_the_number_of_threads_does_not_matter(model, small, threads):
    results = []
    for number in (1, 2, 3):
        threads(number)
        results.append(measured(model, small))
        settings = TrainingSettings(epochs=2)
        trained = vaelib.train(
            vaelib.MLP.build(), small.train.images, small.validation.images, settings
        )
        results[-1] = np.append(results[-1], trained.history[-1][1:])
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=1e-4, atol=1e-6)


def test_on_the_same_threads_it_is_the_same_bit_for_bit(model, small):
    assert np.array_equal(measured(model, small), measured(model, small))
    torch.manual_seed(7)  # the reader's own random numbers do not matter
    first, second = (
        vaelib.train_and_save(replace(LONG, training=s), small)
        for s in [TrainingSettings(epochs=3)] * 2
    )
    assert first.history == second.history
    for name, value in first.snapshots[3].items():
        assert torch.equal(value, second.snapshots[3][name])
