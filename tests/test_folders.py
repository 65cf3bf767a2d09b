import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import vaelib
from vaelib import DataError


@pytest.fixture
def folder(tmp_path, mnist):
    """Twenty 3s and twenty 7s as a reader would keep them: a folder a class."""
    root = tmp_path / "my digits"
    for label, name in ((3, "three"), (7, "seven")):
        (root / name).mkdir(parents=True)
        for number, image in enumerate(mnist.train.images[mnist.train.labels == label][:20]):
            Image.fromarray(image.numpy()).save(root / name / f"{number:02}.png")
    return root


def test_a_folder_a_class_becomes_a_data_set(folder):
    own = vaelib.load_folder(folder)
    assert own.name == "my digits"
    assert own.classes == ("seven", "three")
    assert [len(split) for split in (own.train, own.validation, own.test)] == [28, 6, 6]
    for split in (own.train, own.validation, own.test):
        assert split.images.dtype == torch.uint8
        assert split.images.shape[1:] == (28, 28)
        assert split.labels.bincount().tolist() == [len(split) // 2] * 2


def test_every_image_is_in_one_split_under_its_own_class(folder):
    own = vaelib.load_folder(folder)
    found = {}
    for split in (own.train, own.validation, own.test):
        for image, label in zip(split.images, split.labels, strict=True):
            found.setdefault(own.classes[label], []).append(image.numpy().tobytes())
    for name in own.classes:
        kept = [np.array(Image.open(file)).tobytes() for file in (folder / name).glob("*.png")]
        assert sorted(found[name]) == sorted(kept)


def test_images_alone_count_as_one_class(folder):
    own = vaelib.load_folder(folder / "three")
    assert own.classes == ("three",)
    assert [len(split) for split in (own.train, own.validation, own.test)] == [14, 3, 3]


def test_ink_can_be_turned(folder):
    dark = vaelib.load_folder(folder, invert=True)
    assert torch.equal(dark.train.images, 255 - vaelib.load_folder(folder).train.images)


def test_other_images_and_another_split_have_another_checksum(folder):
    first = vaelib.load_folder(folder).checksum
    assert vaelib.load_folder(folder).checksum == first
    assert vaelib.load_folder(folder, seed=1).checksum != first
    Image.new("L", (28, 28)).save(folder / "three" / "00.png")
    assert vaelib.load_folder(folder).checksum != first


def test_the_series_runs_on_it(folder):
    own = vaelib.load_folder(folder)
    recipe = vaelib.Recipe("tiny", sizes={"hidden_size": 8}, training=vaelib.TrainingSettings(2))
    run = vaelib.train_and_save(recipe, own)
    assert vaelib.find_or_train(recipe, own).history == run.history


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no folder .*nowhere"):
        vaelib.load_folder(tmp_path / "nowhere")


def test_an_image_of_another_size_is_named_with_a_way_out(folder):
    Image.new("L", (32, 30)).save(folder / "three" / "large.png")
    with pytest.raises(DataError, match=r"large.png is 32 × 30 pixels.*resize\(\(28, 28\)\)"):
        vaelib.load_folder(folder)


def test_a_file_that_is_no_image_is_named(folder):
    (folder / "seven" / "broken.png").write_text("not a picture")
    with pytest.raises(DataError, match=r"broken.png is not an image"):
        vaelib.load_folder(folder)


def test_sixteen_bits_are_refused_and_not_cut_off(folder):
    deep = np.full((28, 28), 40_000, dtype=np.uint16)
    Image.fromarray(deep).save(folder / "three" / "deep.png")
    with pytest.raises(DataError, match=r"deep.png has more than 256 grey levels"):
        vaelib.load_folder(folder)


def test_images_beside_class_folders_are_refused(folder):
    shutil.copy(folder / "three" / "00.png", folder / "loose.png")
    with pytest.raises(DataError, match=r"side by side .*loose.png"):
        vaelib.load_folder(folder)


def test_a_class_with_too_few_images_is_named(folder):
    for number in range(11):
        (folder / "seven" / f"{number:02}.png").unlink()
    with pytest.raises(DataError, match="seven holds 9 images, and each class needs 20"):
        vaelib.load_folder(folder)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="holds 0 images"):
        vaelib.load_folder(tmp_path)


def test_a_folder_with_another_data_set_s_name_is_refused(folder):
    renamed = folder.rename(folder.parent / "mnist")
    with pytest.raises(DataError, match="name of another data set"):
        vaelib.load_folder(renamed)
