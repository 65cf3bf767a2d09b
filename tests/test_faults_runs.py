"""Faults of saved models and figures: damage, hostility, sudden death, two at once, a full disk."""

import gzip
import json
import os
import pickle
import random
import shutil
import signal
import struct
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from faults import close, fill, mounted, start_python
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

import vaelib
from vaelib import Recipe, RunError, TrainingSettings, notebook
from vaelib._machine import files
from vaelib._machine.files import figures_folder
from vaelib.vae import checkpoints

RECIPE = Recipe(
    "tiny",
    sizes={"latent_size": 3, "hidden_size": 8},
    training=TrainingSettings(epochs=2, snapshots=(1,)),
)


@pytest.fixture(scope="module")
def run(small):
    model = RECIPE.build()
    result = vaelib.train(model, small.train.images, small.validation.images, RECIPE.training)
    return checkpoints.Run(RECIPE, result.history, result.snapshots)


@pytest.fixture
def saved(small, run):
    return checkpoints.save_run(run, small)


def same(first, second):
    """Whether two runs agree in every curve and every weight."""
    return first.history == second.history and all(
        torch.equal(value, second.snapshots[epoch][name])
        for epoch, weights in first.snapshots.items()
        for name, value in weights.items()
    )


def close_to(first, second):
    """Whether two runs agree up to rounding, as they do on different numbers of threads."""
    return len(first.history) == len(second.history) and all(
        torch.allclose(value, second.snapshots[epoch][name], rtol=1e-3, atol=1e-4)
        for epoch, weights in first.snapshots.items()
        for name, value in weights.items()
    )


# --- damaged, foreign, hostile -------------------------------------------------------------------


def with_header(content, change):
    """Return a safetensors file with `change` made to its header's text, and to its length."""
    (length,) = struct.unpack("<Q", content[:8])
    header = change(content[8 : 8 + length])
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


DAMAGE = {
    "truncated": lambda b: b[:-100],
    "emptied": lambda b: b"",
    "a page of HTML": lambda b: b"<html>Not here</html>",
    "an altered weight": lambda b: b[:-3] + bytes([b[-3] ^ 64]) + b[-2:],
    "an altered curve": lambda b: with_header(b, lambda h: h.replace(b"[[1, -", b"[[1, -9", 1)),
    "an altered type": lambda b: with_header(b, lambda h: h.replace(b'"F32"', b'"I32"')),
    "an altered shape": lambda b: with_header(b, lambda h: h.replace(b"[8,784]", b"[784,8]")),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_model_is_never_loaded_but_said_and_trained_again(
    small, run, saved, capsys, damage
):
    before = saved.read_bytes()
    saved.write_bytes(damage(before))
    assert saved.read_bytes() != before
    with pytest.raises(RunError, match=r"tiny-mnist\.safetensors (cannot be read|was altered)"):
        checkpoints.load_run(RECIPE, small)
    again = vaelib.find_or_train(RECIPE, small)
    assert "tiny-mnist.safetensors" in capsys.readouterr().out
    assert same(again, run)
    assert same(checkpoints.load_run(RECIPE, small), run)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": 2}, "version is 1, wanted 2"),
        ({"sizes": {"latent_size": 4, "hidden_size": 8}}, "latent_size is 3, wanted 4"),
        ({"training": TrainingSettings(epochs=2, snapshots=(1,), seed=7)}, "seed is 0, wanted 7"),
    ],
    ids=["version", "network", "settings"],
)
def test_a_model_of_another_recipe_is_said_and_trained_again(small, saved, capsys, changed, said):
    wanted = replace(RECIPE, **changed)
    found = vaelib.find_or_train(wanted, small)
    assert said in capsys.readouterr().out
    assert same(found, vaelib.train_and_save(wanted, small))


def test_a_model_of_another_data_set_is_said_and_trained_again(small, saved, capsys):
    other = replace(small, checksum="other", train=small.train[:500])
    found = vaelib.find_or_train(RECIPE, other)
    assert "data checksum is small, wanted other" in capsys.readouterr().out
    assert same(found, vaelib.train_and_save(RECIPE, other))


def test_a_network_whose_code_has_changed_is_told_by_its_weights(small, saved, monkeypatch):
    """The recipe is word for word the same, but its name now stands for another network."""

    class Wider(vaelib.VAE):
        def __init__(self, latent_size, hidden_size):
            super().__init__(latent_size, hidden_size + 1)

    monkeypatch.setitem(checkpoints.MODELS, "VAE", Wider)
    with pytest.raises(RunError, match="another network"):
        checkpoints.load_run(RECIPE, small)


class Trap:
    """Unpickled, it creates a file: proof that a foreign file's code has run."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("write", [pickle.dumps, None], ids=["pickle", "torch.save"])
def test_a_hostile_pickle_is_refused_and_not_run(small, saved, tmp_path, write):
    sprung = tmp_path / "sprung"
    if write:
        saved.write_bytes(write(Trap(sprung)))
    else:
        torch.save({"1/encoder.hidden.weight": Trap(sprung)}, saved)
    with pytest.raises(RunError, match="cannot be read"):
        checkpoints.load_run(RECIPE, small)
    vaelib.find_or_train(RECIPE, small)
    assert not sprung.exists()
    torch.save(Trap(sprung), tmp_path / "trap.pt")  # the trap does work
    torch.load(tmp_path / "trap.pt", weights_only=False).close()
    assert sprung.exists()


@pytest.mark.parametrize(
    "text",
    [{}, {"identity": "{}"}, {"identity": "{", "history": "[]"}, {"identity": "3", "history": "3"}],
    ids=["nothing", "no history", "no JSON", "no lists"],
)
def test_a_foreign_file_with_a_right_checksum_is_refused(small, saved, text):
    tensors = {"weight": torch.zeros(3)}
    digest = checkpoints._digest(tensors, text)
    saved.write_bytes(save(tensors, metadata={**text, "digest": digest}))
    with pytest.raises(RunError, match="no saved model"):
        checkpoints.load_run(RECIPE, small)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_change_of_a_saved_file_goes_unnoticed(small, run, data):
    """Any byte changed, anywhere: the file is refused, or it still says the very same."""
    path = checkpoints.save_run(run, small)
    content = bytearray(path.read_bytes())
    (header,) = struct.unpack("<Q", content[:8])
    places = st.one_of(st.integers(0, header + 8), st.integers(0, len(content) - 1))
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        loaded = checkpoints.load_run(RECIPE, small)
    except RunError:
        return
    assert same(loaded, run)


# --- killed --------------------------------------------------------------------------------------


def die_in(moment):
    """Make this process kill itself, as kill -9 does, at a moment of `files.write_atomically`."""

    def kill(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    if moment == "half written":
        real = os.fdopen

        def half_open(*arguments):
            file = real(*arguments)
            write = file.write

            class Half:
                def __enter__(self):
                    return self

                def __exit__(self, *_):
                    pass

                def write(self, content):
                    write(content[: len(content) // 2])
                    file.flush()
                    kill()

            return Half()

        files.os.fdopen = half_open
    elif moment == "before the file takes its place":
        files.os.replace = kill
    elif moment == "after it":
        real_replace = os.replace
        files.os.replace = lambda *arguments: (real_replace(*arguments), kill())


def killed(moment, action):
    """Run an action in a copy of this process that is killed at a moment of writing."""
    child = os.fork()
    if child == 0:
        try:
            die_in(moment)
            action()
        finally:
            os._exit(1)  # not killed: the test notices
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


MOMENTS = ["half written", "before the file takes its place", "after it"]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@needs_fork
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_killed_while_saving_leaves_the_old_model_or_the_new_one(
    small, run, saved, moment
):
    newer = replace(run, history=run.history[::-1])
    killed(moment, lambda: checkpoints.save_run(newer, small))
    expected = newer if moment == "after it" else run
    assert same(checkpoints.load_run(RECIPE, small), expected)
    checkpoints.save_run(newer, small)
    assert same(checkpoints.load_run(RECIPE, small), newer)


@needs_fork
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_killed_while_saving_its_first_model_leaves_none_or_a_whole_one(
    small, run, moment
):
    killed(moment, lambda: checkpoints.save_run(run, small))
    if moment == "after it":
        assert same(checkpoints.load_run(RECIPE, small), run)
    else:
        with pytest.raises(RunError, match="no trained"):
            checkpoints.load_run(RECIPE, small)


@needs_fork
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_killed_while_recording_leaves_whole_numbers(moment):
    notebook.record(a=1)
    killed(moment, lambda: notebook.record(b=2))
    kept = json.loads((figures_folder() / "metrics.json").read_text())
    assert kept == ({"a": 1.0, "b": 2.0} if moment == "after it" else {"a": 1.0})


def test_what_a_killed_process_left_is_cleared_away_later_but_not_what_is_at_work(saved):
    old, young = (saved.with_name(f"{saved.name}.{name}.partial") for name in ("old", "young"))
    for partial in (old, young):
        partial.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    files.write_atomically(saved, saved.read_bytes())
    assert not old.exists()
    assert young.exists()


def killed_after(seconds, action):
    """Run an action over and over in a copy of this process; kill −9 it after some time."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            torch.set_num_threads(1)  # the threads of the pool are not copied
            action()
            os.write(send, b"!")
            while True:
                action()
        finally:
            os._exit(1)
    os.close(send)
    assert os.read(receive, 1) == b"!"
    os.close(receive)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


@needs_fork
@pytest.mark.long
def test_twenty_kills_at_random_moments_of_training_and_saving(small):
    """kill −9, as it comes; the file from before is intact each time, and the next run works.

    Half of the kills meet a process that trains and saves, half one that does nothing but write:
    a model is written so fast that the former are seldom caught at it.
    """
    training = TrainingSettings(epochs=2, snapshots=(1,), batch_size=500)
    recipe = Recipe("killed", sizes={"latent_size": 3, "hidden_size": 400}, training=training)
    expected = vaelib.train_and_save(recipe, small)
    path = checkpoints.run_path(recipe, small)
    content = path.read_bytes()
    delays = random.Random(0)
    for number in range(20):
        if number % 2:
            killed_after(delays.uniform(0, 0.3), lambda: vaelib.train_and_save(recipe, small))
        else:
            killed_after(delays.uniform(0, 0.05), lambda: files.write_atomically(path, content))
        assert close_to(checkpoints.load_run(recipe, small), expected)
        names = {file.name for file in files.checkpoints_folder().iterdir()}
        assert all(n == "killed-mnist.safetensors" or n.endswith(".partial") for n in names)
        assert close_to(vaelib.train_and_save(recipe, small), expected)


TRAIN_AND_SAVE = """
from dataclasses import replace
import vaelib
from vaelib import Recipe, TrainingSettings
from vaelib.vae import checkpoints

mnist = vaelib.load()
small = replace(mnist, train=mnist.train[:300], validation=mnist.validation[:50], checksum="small")
training = TrainingSettings(epochs=2, snapshots=(1,), batch_size=100)
recipe = Recipe("twice", sizes={"latent_size": 3, "hidden_size": 30}, training=training)
print(checkpoints._digest(vaelib.train_and_save(recipe, small).snapshots[2], {}))
"""


# --- two at once ---------------------------------------------------------------------------------


def test_two_notebooks_at_once_on_a_fresh_clone_both_end_well(tmp_path):
    """Both extract the archives, train the same model, bit for bit, and save it."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in (files.data_folder() / "MNIST" / "raw").glob("*.gz"):
        shutil.copy(archive, raw)
    processes = [start_python(TRAIN_AND_SAVE, VAELIB_DATA=tmp_path) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert len(outputs[0][0]) == 65
    assert outputs == [(outputs[0][0], "")] * 2
    assert [path.name for path in files.checkpoints_folder().iterdir()] == ["twice-mnist.safetensors"]
    for archive in raw.glob("*.gz"):
        assert archive.with_suffix("").read_bytes() == gzip.decompress(archive.read_bytes())
    assert len(list(raw.iterdir())) == 8


@needs_fork
def test_saving_from_many_processes_at_once_never_shows_half_a_file(small, run, saved):
    end = time.monotonic() + 1.5
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                while time.monotonic() < end:
                    checkpoints.save_run(run, small)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    reads = 0
    while time.monotonic() < end:
        assert same(checkpoints.load_run(RECIPE, small), run)
        reads += 1
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert reads > 10
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


RECORD = """
import sys
from vaelib import notebook

print("ready", flush=True)
sys.stdin.readline()
for number in range(30):
    notebook.record(**{f"{sys.argv[1]}_{number}": number})
"""


def test_notebooks_that_record_at_the_same_moment_keep_one_another_s_numbers():
    processes = [start_python(RECORD, name) for name in "ab"]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60) for process in processes]
    assert outputs == [("", "")] * 2
    expected = {f"{name}_{number}": number for name in "ab" for number in range(30)}
    assert json.loads((figures_folder() / "metrics.json").read_text()) == expected
    assert [path.name for path in figures_folder().iterdir()] == ["metrics.json"]


# --- the disk is full, or closed -----------------------------------------------------------------


@pytest.fixture(params=["full", "read-only"])
def closed_disk(request, tmp_path):
    with mounted(tmp_path / "disk", "size=200k") as disk:
        if request.param == "full":
            fill(disk, leave=8192)
        else:
            close(disk)
        yield disk


def test_training_ends_and_the_model_stays_in_memory(small, run, monkeypatch, closed_disk):
    monkeypatch.setenv("VAELIB_CHECKPOINTS", str(closed_disk))
    with pytest.warns(UserWarning, match="could not be saved") as warned:
        in_memory = vaelib.train_and_save(RECIPE, small)
    assert len(warned) == 1
    assert same(in_memory, run)
    assert in_memory.model().encode(vaelib.to_pixels(small.test.images))[0].isfinite().all()
    assert [path.name for path in closed_disk.iterdir() if path.name != "filler"] == []


def test_a_file_size_limit_is_a_full_disk_too(small, run, monkeypatch, saved):
    import resource

    before, (soft, hard) = saved.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.warns(UserWarning, match="could not be saved"):
            vaelib.train_and_save(RECIPE, small)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_notebook_goes_on_without_its_pictures_and_numbers(monkeypatch, closed_disk):
    from matplotlib.figure import Figure

    monkeypatch.setenv("VAELIB_FIGURES", str(closed_disk / "figures"))
    monkeypatch.setattr(notebook, "display", lambda *_, **__: None)
    noise = Figure()
    noise.figimage(np.random.default_rng(0).random((400, 400)))
    with pytest.warns(UserWarning, match="cannot be kept in .*figures"):
        notebook.show(noise, "noise", alt="noise, which does not compress")
        if not os.access(closed_disk, os.W_OK):
            notebook.record(a=1)
    assert not list(closed_disk.glob("figures/*.partial"))


def test_damaged_numbers_are_named_and_not_overwritten():
    files.write_atomically(figures_folder() / "metrics.json", b'{"a": 1')
    with pytest.raises(ValueError, match=r"metrics\.json is damaged .* Delete it"):
        notebook.record(b=2)
