import gzip
import shutil
from collections import Counter

import pytest
import torch

import vaelib
from vaelib import DataError
from vaelib._machine.files import data_folder
from vaelib._machine.torchvision import import_datasets


@pytest.fixture
def copied_data(tmp_path):
    """A copy of the archives to damage."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in (data_folder() / "MNIST" / "raw").glob("*.gz"):
        shutil.copy(archive, raw)
    return tmp_path / "data"


@pytest.fixture
def no_network(monkeypatch):
    """Whoever asks for a page is told at once that there is no network."""
    from urllib.error import URLError

    def refuse(*_args, **_kwargs):
        raise URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def test_splits_have_the_documented_shapes_and_types(mnist):
    assert [len(s) for s in (mnist.train, mnist.validation, mnist.test)] == [50_000, 10_000, 10_000]
    for split in (mnist.train, mnist.validation, mnist.test):
        assert split.images.shape == (len(split), 28, 28)
        assert split.images.dtype == torch.uint8
        assert split.labels.dtype == torch.int64
    assert mnist.classes == tuple("0123456789")


def test_first_labels_are_the_published_ones(mnist):
    assert mnist.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_images_are_read_as_the_format_lays_them_out(mnist):
    """Against our own reading of the archive: 16 bytes of header, then row after row."""
    archive = data_folder() / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz"
    content = gzip.decompress(archive.read_bytes())
    expected = torch.frombuffer(bytearray(content[16:]), dtype=torch.uint8).view(-1, 28, 28)
    assert torch.equal(mnist.test.images, expected)


def test_validation_is_the_tail_of_the_official_training_set(mnist):
    archive = data_folder() / "MNIST" / "raw" / "train-labels-idx1-ubyte.gz"
    labels = gzip.decompress(archive.read_bytes())[8:]
    assert mnist.validation.labels.tolist() == list(labels[50_000:])


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="MNIST, FashionMNIST, KMNIST"):
        vaelib.load("CIFAR")


def test_truncated_archive_is_named(copied_data):
    archive = copied_data / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    archive.write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"train-images.*1,000 bytes.*git checkout"):
        vaelib.load("MNIST", root=copied_data)


def test_altered_archive_is_named(copied_data):
    archive = copied_data / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(archive.read_bytes())
    content[100] ^= 1
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"t10k-labels.*MD5"):
        vaelib.load("MNIST", root=copied_data)


def test_missing_archive_without_network_is_named(copied_data, no_network):
    archive = copied_data / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz"
    archive.unlink()
    with pytest.raises(DataError, match=r"t10k-images.*could not be downloaded.*git checkout"):
        vaelib.load("MNIST", root=copied_data)
    assert not archive.exists()


def test_missing_archive_is_not_hidden_by_an_extracted_file(copied_data, no_network):
    vaelib.load("MNIST", root=copied_data)
    (copied_data / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match="t10k-images"):
        vaelib.load("MNIST", root=copied_data)


@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_damaged_extraction_is_noticed_and_mended(copied_data, capsys, damage):
    first = vaelib.load("MNIST", root=copied_data)
    extracted = copied_data / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    extracted.write_bytes(damage(extracted.read_bytes()))
    again = vaelib.load("MNIST", root=copied_data)
    assert "extracting it again" in capsys.readouterr().err
    assert torch.equal(first.test.labels, again.test.labels)


def test_files_of_an_old_torchvision_are_refused(copied_data):
    (copied_data / "MNIST" / "processed").mkdir()
    with pytest.raises(DataError, match="Delete it"):
        vaelib.load("MNIST", root=copied_data)


def test_to_pixels_scales_and_flattens():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).repeat(1, 28 * 28)[:, : 28 * 28]
    pixels = vaelib.to_pixels(images.view(1, 28, 28))
    assert pixels.shape == (1, 784)
    assert pixels[0, :3].tolist() == pytest.approx([0, 0.2, 1])


@pytest.mark.parametrize(
    ("images", "complaint"),
    [
        (torch.rand(3, 28, 28), "uint8"),
        (torch.zeros(3, 32, 32, dtype=torch.uint8), "28, 28"),
        (torch.zeros(28, dtype=torch.uint8), "28, 28"),
    ],
)
def test_to_pixels_refuses_what_is_not_an_image(images, complaint):
    with pytest.raises(ValueError, match=complaint):
        vaelib.to_pixels(images)


@pytest.mark.parametrize("budget", [10, 100, 1000, 10_000])
def test_budget_is_balanced_and_without_repeats(mnist, budget):
    chosen = vaelib.balanced_subset(mnist.train.labels, budget, seed=3)
    counts = Counter(mnist.train.labels[chosen].tolist())
    assert counts == dict.fromkeys(range(10), budget // 10)
    assert len(set(chosen.tolist())) == budget


def test_budget_depends_on_its_seed_alone(mnist):
    labels = mnist.train.labels
    first = vaelib.balanced_subset(labels, 50, seed=0)
    torch.manual_seed(99)
    assert torch.equal(first, vaelib.balanced_subset(labels, 50, seed=0))
    assert not torch.equal(first, vaelib.balanced_subset(labels, 50, seed=1))


def test_budget_of_everything_is_every_image(mnist):
    assert len(vaelib.balanced_subset(mnist.train.labels, 50_000, seed=0).unique()) == 50_000


@pytest.mark.parametrize("budget", [0, -10, 15, 49_990, 50_010])
def test_budget_that_cannot_be_balanced_is_refused(mnist, budget):
    with pytest.raises(ValueError, match="budget"):
        vaelib.balanced_subset(mnist.train.labels, budget, seed=0)


def test_class_names_carry_no_torchvision_spelling():
    classes = import_datasets().FashionMNIST.classes
    assert tuple(name.split(" - ")[0] for name in classes)[:2] == ("T-shirt/top", "Trouser")


def test_binarised_images_are_paper_and_ink_as_often_as_their_grey_says(mnist):
    images = mnist.train.images[:2000]
    drawn = vaelib.binarise(images, seed=0)
    assert drawn.unique().tolist() == [0, 255]
    assert drawn.shape == images.shape
    grey = (images > 100) & (images < 156)
    mean_ink, mean_grey = drawn[grey].float().mean().item(), images[grey].float().mean().item()
    assert mean_ink == pytest.approx(mean_grey, rel=0.02)
    assert torch.equal(drawn[images == 255], images[images == 255])
    assert torch.equal(drawn, vaelib.binarise(images, seed=0))
    assert not torch.equal(drawn, vaelib.binarise(images, seed=1))
