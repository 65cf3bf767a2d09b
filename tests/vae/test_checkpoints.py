"""Trained models on disk: found where they fit, refused where not; and every fault, provoked."""

import json
import os
import pickle
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

import vaelib
from vaelib import plots
from vaelib._machine import files
from vaelib.vae import Checkpoint, CheckpointError, Config, TrainingError, checkpoints, training

TINY = Config("tiny", latent_size=3, hidden_size=8, epochs=3, keep=(1,))


@pytest.fixture(scope="module")
def checkpoint(small):
    model, found = TINY.build(), Checkpoint(TINY)
    images = small.train.images, small.validation.images
    for record in training.train_epochs(model, *images, TINY):
        found.history.append(record)
        if record.epoch != 2:
            found.weights[record.epoch] = {k: v.clone() for k, v in model.state_dict().items()}
    return found


@pytest.fixture
def saved(small, checkpoint):
    return checkpoints.save(checkpoint, small)


def same(first, second):
    """Whether two checkpoints agree in every curve and every weight."""
    return first.history == second.history and all(
        torch.equal(value, second.weights[epoch][name])
        for epoch, weights in first.weights.items()
        for name, value in weights.items()
    )


# --- saved, found --------------------------------------------------------------------------------


def test_what_is_trained_is_saved_found_again_and_the_same_every_time(
    small, checkpoint, monkeypatch, capsys
):
    trained = vaelib.pretrained(TINY, small)
    told = capsys.readouterr().out
    assert told.startswith("There is no trained VAE for MNIST yet. Training it now.\n")
    assert f"3/3 epochs: ELBO {trained.history[2].elbo:.2f}" in told
    path = checkpoints.checkpoint_path(TINY, small)
    assert list(path.parent.iterdir()) == [path]
    assert path.name == "tiny-mnist.safetensors"
    monkeypatch.setattr(checkpoints, "train", lambda *_: pytest.fail("trained again"))
    found = vaelib.pretrained(TINY, small)
    assert list(found.weights) == [1, 3]
    assert same(found, trained)
    assert same(found, checkpoint)
    for model, epoch in [(found.model(), 3), (found.model(epoch=1), 1)]:
        assert torch.equal(model.decoder.output.bias, trained.weights[epoch]["decoder.output.bias"])
        assert not model.training


def test_what_is_not_there_is_an_error(small, checkpoint):
    with pytest.raises(CheckpointError, match=r"epoch 2 were not kept; kept were: 1, 3\.$"):
        checkpoint.model(epoch=2)
    with pytest.raises(CheckpointError, match=r"kept were: none\. .*interrupted"):
        Checkpoint(TINY).model()
    for wrong in (lambda: checkpoint.model("cuda:99"), lambda: vaelib.train(TINY, small, "tpu")):
        with pytest.raises(ValueError, match="no device"):
            wrong()
    with pytest.raises(ValueError, match="no images"):
        vaelib.train(TINY, replace(small, train=small.train[:0]))


# --- another one, damaged, hostile ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "data", "said"),
    [
        ({"version": 9}, {}, f"version is {TINY.version}, wanted 9"),
        ({"latent_size": 4}, {}, "latent_size is 3, wanted 4"),
        ({"seed": 7, "learning_rate": 0.001}, {}, "rate is 0.003, wanted 0.001; seed is 0, want"),
        ({}, {"checksum": "other"}, "data checksum is small, wanted other"),
    ],
)
def test_a_model_of_another_config_or_data_is_said_and_trained_again(
    small, saved, capsys, config, data, said
):
    config, data = replace(TINY, **config), replace(small, **data, train=small.train[:500])
    found = vaelib.pretrained(config, data)
    assert said in capsys.readouterr().out
    assert found.config == config
    assert same(found, vaelib.train(config, data))


def test_a_network_whose_code_has_changed_is_told_by_its_weights(small, saved, monkeypatch):
    """The config is word for word the same, but its name now stands for another network."""

    class Wider(vaelib.VAE):
        def __init__(self, latent_size, hidden_size):
            super().__init__(latent_size, hidden_size + 1)

    monkeypatch.setitem(training.MODELS, "VAE", Wider)
    with pytest.raises(CheckpointError, match="another network"):
        checkpoints.load(TINY, small)


DAMAGE = {
    "truncated": lambda b: b[:-100],
    "emptied": lambda b: b"",
    "a page of HTML": lambda b: b"<html>Not here</html>",
    "an altered weight": lambda b: b[:-3] + bytes([b[-3] ^ 64]) + b[-2:],
    "an altered curve": lambda b: b.replace(b"[[1, -5", b"[[1, -4"),
    "an altered type": lambda b: b.replace(b'"F32"', b'"I32"'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_model_is_never_loaded_but_said_and_trained_again(
    small, checkpoint, saved, capsys, damage
):
    before = saved.read_bytes()
    saved.write_bytes(damage(before))
    assert saved.read_bytes() != before
    with pytest.raises(CheckpointError, match=r"tiny-mnist\.safetensors (cannot be|was altered)"):
        checkpoints.load(TINY, small)
    again = vaelib.pretrained(TINY, small)
    assert "tiny-mnist.safetensors" in capsys.readouterr().out
    assert same(again, checkpoint)
    assert same(checkpoints.load(TINY, small), checkpoint)


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_change_of_a_saved_file_goes_unnoticed(small, checkpoint, data):
    """Any byte changed, anywhere: the file is refused, or it still says the very same."""
    path = checkpoints.save(checkpoint, small)
    content = bytearray(path.read_bytes())
    (header,) = struct.unpack("<Q", content[:8])
    places = st.one_of(st.integers(0, header + 8), st.integers(0, len(content) - 1))
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        loaded = checkpoints.load(TINY, small)
    except CheckpointError:
        return
    assert same(loaded, checkpoint)


class Trap:
    """Unpickled, it creates a file: proof that a foreign file's code has run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [False, True], ids=["pickle", "torch.save"])
def test_a_hostile_pickle_is_refused_and_not_run(small, saved, tmp_path, zipped):
    sprung, hostile = tmp_path / "sprung", tmp_path / "hostile.pt"
    torch.save({"1/encoder.hidden.weight": Trap(sprung)}, hostile)
    saved.write_bytes(hostile.read_bytes() if zipped else pickle.dumps(Trap(sprung)))
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoints.load(TINY, small)
    vaelib.pretrained(TINY, small)
    assert not sprung.exists()
    torch.load(hostile, weights_only=False)  # the trap does work
    assert sprung.exists()


@pytest.mark.parametrize(
    "text",
    [
        {},
        {"identity": "{}"},
        {"identity": "{", "history": "[]"},
        {"identity": "3", "history": "[]"},
        {"identity": "{}", "history": "3"},
        {"identity": "{}", "history": "[]"},
    ],
)
def test_a_foreign_file_with_a_right_checksum_is_refused(small, saved, text):
    tensors = {"weight": torch.zeros(3)}
    digest = checkpoints._digest(tensors, text)
    saved.write_bytes(save(tensors, metadata={**text, "digest": digest}))
    with pytest.raises(CheckpointError, match=r"is no checkpoint of vaelib's"):
        checkpoints.load(TINY, small)


# --- killed, and two at once; the files' own tests kill at every moment of writing ---------------


def killed_after(seconds, action):
    """Run an action over and over in a copy of this process; kill −9 it after some time."""
    child = os.fork()
    if child == 0:
        try:
            while True:
                action()
        finally:
            os._exit(1)  # not killed: the test notices
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random_moments_the_model_stays_whole_and_the_next_run_works(
    small, saved, checkpoint
):
    """Kill −9, as it comes. Half of the kills meet a process that trains, half one that saves."""
    delays = random.Random(0)
    for number in range(10):
        if number % 2:
            killed_after(delays.uniform(0, 0.3), lambda: vaelib.train(TINY, small))
        else:
            killed_after(delays.uniform(0, 0.05), lambda: checkpoints.save(checkpoint, small))
        assert same(checkpoints.load(TINY, small), checkpoint)
        names = {file.name for file in saved.parent.iterdir()}
        assert all(name == saved.name or name.endswith(".partial") for name in names)
    assert same(vaelib.train(TINY, small), checkpoint)


NOTEBOOK = """
import sys
from dataclasses import replace
import vaelib
from vaelib import notebook
from vaelib.vae import Config

notebook.display = lambda *_, **__: None
mnist = vaelib.load()
small = replace(mnist, train=mnist.train[:300], validation=mnist.validation[:50], checksum="small")
config = Config("twice", latent_size=3, hidden_size=30, epochs=2, batch_size=100)
print("ready", flush=True)
sys.stdin.readline()
print(vaelib.train(config, small).history)
for number in range(20):
    notebook.results(**{f"{sys.argv[1]}_{number}": number})
"""


def test_two_notebooks_that_train_save_and_measure_at_once_both_end_well():
    options = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    options |= {"env": {**os.environ, "OMP_NUM_THREADS": "1"}, "text": True}
    processes = [
        subprocess.Popen([sys.executable, "-c", NOTEBOOK, name], **options) for name in "ab"
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=120) for process in processes]
    assert "EpochRecord(epoch=2" in outputs[0][0]
    assert outputs == [(outputs[0][0], "")] * 2
    [path] = files.checkpoints_folder().iterdir()
    assert path.name == "twice-mnist.safetensors"
    numbers = json.loads((files.figures_folder() / "metrics.json").read_text())
    assert numbers == {f"{name}_{number}": number for name in "ab" for number in range(20)}


# --- interrupted ---------------------------------------------------------------------------------


@pytest.fixture
def heard():
    """Let SIGINT interrupt as in a notebook, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_training_keeps_its_curves_and_harms_nothing(
    small, saved, heard, monkeypatch, capsys
):
    """An early epoch's weights are there on request, and not passed off as the trained model."""

    def stop_soon(done, *_):
        if done == 10:  # what Jupyter's stop button sends
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    monkeypatch.setattr(checkpoints, "show_progress", stop_soon)
    config = replace(TINY, epochs=2000)
    before = saved.read_bytes()
    interrupted = vaelib.train(config, small)
    n_epochs = len(interrupted.history)
    assert 10 <= n_epochs < 2000
    assert f"Interrupted after {n_epochs} of 2000 epochs" in capsys.readouterr().out
    (left, _) = plots.training_curves(interrupted.history, "so far").axes
    assert len(left.lines[0].get_xdata()) == n_epochs
    with pytest.raises(CheckpointError, match=r"2000 were not kept; kept were: 1\..*interrupted"):
        interrupted.model()
    assert interrupted.model(epoch=1)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
    assert vaelib.train(TINY, small).model()


def test_an_interruption_while_saving_leaves_the_model_in_memory(small, heard, monkeypatch, capsys):
    def interrupted(_):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)

    monkeypatch.setattr(files.os, "fsync", interrupted)
    assert vaelib.train(TINY, small).model()
    assert "the model is not saved" in capsys.readouterr().out
    assert list(files.checkpoints_folder().iterdir()) == []


# --- no number, no disk --------------------------------------------------------------------------


def test_a_model_that_is_no_number_is_not_saved(small):
    config = replace(TINY, batch_size=1000, learning_rate=1e30)
    with pytest.raises(TrainingError, match="learning rate"):
        vaelib.train(config, small)
    assert not checkpoints.checkpoint_path(config, small).exists()


def test_where_nothing_can_be_saved_training_ends_and_the_model_stays_in_memory(
    small, checkpoint, monkeypatch, closed_folder
):
    monkeypatch.setenv("VAELIB_CHECKPOINTS", str(closed_folder))
    with pytest.warns(UserWarning, match="could not be saved") as warned:
        in_memory = vaelib.train(TINY, small)
    assert len(warned) == 1
    assert same(in_memory, checkpoint)
    assert vaelib.encode(in_memory.model(), small.test.images).mean.isfinite().all()
    if closed_folder.is_dir():
        assert {path.name for path in closed_folder.iterdir()} <= {"filler"}
