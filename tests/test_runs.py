from dataclasses import replace

import pytest
import torch

import vaelib
from vaelib import Recipe, RunError, TrainingSettings
from vaelib._machine import files
from vaelib.vae import checkpoints

RECIPE = Recipe(
    "tiny",
    sizes={"latent_size": 3, "hidden_size": 8},
    training=TrainingSettings(epochs=2, snapshots=(1,)),
)


@pytest.fixture
def run(small):
    return vaelib.train_and_save(RECIPE, small)


def test_round_trip(small, run):
    loaded = checkpoints.load_run(RECIPE, small)
    assert loaded.history == run.history
    for epoch, weights in run.snapshots.items():
        for name, value in weights.items():
            assert torch.equal(loaded.snapshots[epoch][name], value)
    pixels = vaelib.to_pixels(small.test.images)
    assert torch.equal(loaded.model().encode(pixels)[0], run.model().encode(pixels)[0])


def test_a_run_that_fits_is_found_and_not_trained(small, run, monkeypatch):
    monkeypatch.setattr(checkpoints, "train", lambda *_: pytest.fail("trained again"))
    assert vaelib.find_or_train(RECIPE, small).history == run.history


def test_without_a_run_it_says_so_and_trains(small, capsys):
    epochs = []
    vaelib.find_or_train(RECIPE, small, on_epoch=lambda record: epochs.append(record.epoch))
    assert epochs == [1, 2]
    assert "no trained VAE for MNIST yet. Training it now." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"training": TrainingSettings(epochs=2, snapshots=(1,), seed=7)}, "seed is 0, wanted 7"),
        ({"sizes": {"latent_size": 4, "hidden_size": 8}}, "latent_size is 3, wanted 4"),
        ({"version": 2}, "version is 1, wanted 2"),
    ],
)
def test_a_run_of_another_recipe_is_refused_and_the_difference_named(
    small, run, changed, difference
):
    with pytest.raises(RunError, match=difference):
        checkpoints.load_run(replace(RECIPE, **changed), small)


def test_a_run_of_other_data_is_refused(small, run):
    with pytest.raises(RunError, match="data checksum is small, wanted other"):
        checkpoints.load_run(RECIPE, replace(small, checksum="other"))


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_truncated_file_is_refused(small, run, keep):
    path = checkpoints.run_path(RECIPE, small)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RunError, match="cannot be read"):
        checkpoints.load_run(RECIPE, small)


def test_an_altered_weight_is_noticed(small, run):
    path = checkpoints.run_path(RECIPE, small)
    content = bytearray(path.read_bytes())
    content[-3] ^= 64
    path.write_bytes(content)
    with pytest.raises(RunError, match="altered"):
        checkpoints.load_run(RECIPE, small)


def test_an_epoch_that_was_not_kept_is_an_error(run):
    with pytest.raises(RunError, match="epoch 7 were not kept; kept were: 1, 2"):
        run.model(epoch=7)


def test_a_folder_that_cannot_be_written_leaves_the_run_in_memory(small, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("VAELIB_CHECKPOINTS", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="could not be saved"):
        run = vaelib.train_and_save(RECIPE, small)
    assert len(run.history) == 2


def test_no_partial_file_stays_when_saving_fails(small, run, monkeypatch):
    before = checkpoints.run_path(RECIPE, small).read_bytes()
    monkeypatch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        checkpoints.save_run(run, small)
    folder = checkpoints.run_path(RECIPE, small).parent
    assert [path.name for path in folder.iterdir()] == ["tiny-mnist.safetensors"]
    assert checkpoints.run_path(RECIPE, small).read_bytes() == before


def test_building_leaves_the_reader_s_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    RECIPE.build()
    assert torch.equal(torch.rand(3), expected)
