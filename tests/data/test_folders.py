"""A folder of one's own images: what is read, how it is split, and what is said about it."""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder  # matplotlib brings it along
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from PIL import Image

import vaelib
from vaelib import notebook, plots
from vaelib._machine.archives import DataError
from vaelib._machine.files import figures_folder
from vaelib.plots import style


@pytest.fixture
def folder(tmp_path, mnist):
    """Twenty 3s and twenty 7s as a reader would keep them: a folder per class."""
    root = tmp_path / "my digits"
    for label, name in ((3, "three"), (7, "seven")):
        (root / name).mkdir(parents=True)
        for number, image in enumerate(mnist.train.images[mnist.train.labels == label][:20]):
            Image.fromarray(image.numpy()).save(root / name / f"{number:02}.png")
    return root


def redrawn(folder, draw, suffix="png"):
    """Return a copy of the folder in which `draw` has made another image of each."""
    copy = folder.parent / "redrawn" / folder.name
    for file in sorted(folder.rglob("*.png")):
        name = copy / file.parent.name / f"{file.stem}.{suffix}"
        name.parent.mkdir(parents=True, exist_ok=True)
        draw(np.array(Image.open(file))).save(name)
    return copy


def ink_on_nothing(digit, ink=0):
    """A digit as a drawing app exports it, on a transparent background."""
    return Image.fromarray(np.dstack([np.full_like(digit, ink)] * 3 + [digit]))


def on_grey_paper(digit):
    """A digit ten times as large, dark on grey paper."""
    return Image.fromarray(190 - digit // 2).resize((280, 280), Image.Resampling.BICUBIC)


@pytest.fixture
def kernel(monkeypatch):
    """Make believe that a notebook runs, and return what it shows."""
    shown = []
    monkeypatch.setattr("IPython.get_ipython", lambda: type("Shell", (), {"kernel": object()}))
    monkeypatch.setattr(notebook, "display", lambda data, **options: shown.append((data, options)))
    return shown


def test_a_folder_per_class_becomes_a_data_set(folder):
    own = vaelib.load_folder(folder)
    assert own.name == "my digits"
    assert own.classes == ("seven", "three")
    found = {name: [] for name in own.classes}
    for split, size in zip((own.train, own.validation, own.test), (28, 6, 6), strict=True):
        assert split.images.dtype == torch.uint8
        assert split.images.shape == (size, 28, 28)
        assert split.labels.dtype == torch.int64
        assert split.labels.bincount().tolist() == [size // 2] * 2
        for image, label in zip(split.images, split.labels, strict=True):
            found[own.classes[label]].append(image.numpy().tobytes())
    for name, images in found.items():  # each image once, under its own class
        kept = [np.array(Image.open(file)).tobytes() for file in (folder / name).glob("*.png")]
        assert sorted(images) == sorted(kept)


def test_each_split_has_its_share_of_every_class(folder):
    for number in range(40):
        shutil.copy(folder / "three" / "00.png", folder / "three" / f"more {number}.png")
    own = vaelib.load_folder(folder)
    counts = [s.labels.bincount().tolist() for s in (own.train, own.validation, own.test)]
    assert counts == [[14, 42], [3, 9], [3, 9]]


def test_the_split_depends_on_the_names_and_the_seed_alone(folder, monkeypatch):
    first = vaelib.load_folder(folder)
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: sorted(iterdir(path), reverse=True))
    torch.manual_seed(99)
    np.random.seed(99)
    again, other = vaelib.load_folder(folder), vaelib.load_folder(folder, seed=1)
    for name in ("train", "validation", "test"):
        assert torch.equal(getattr(again, name).images, getattr(first, name).images)
        assert torch.equal(getattr(again, name).labels, getattr(first, name).labels)
    assert not torch.equal(other.test.images, first.test.images)


def test_images_alone_count_as_one_class(folder, monkeypatch):
    monkeypatch.chdir(folder / "three")
    own = vaelib.load_folder(".")
    assert own.classes == ("three",)
    assert [len(split) for split in (own.train, own.validation, own.test)] == [14, 3, 3]


@pytest.mark.parametrize(
    "draw",
    [lambda digit: Image.fromarray(255 - digit), ink_on_nothing],
    ids=["on white", "on nothing"],
)
def test_dark_ink_can_be_turned(folder, draw):
    own = vaelib.load_folder(redrawn(folder, draw), invert=True)
    assert torch.equal(own.train.images, vaelib.load_folder(folder).train.images)


def test_other_images_names_and_splits_have_another_checksum(folder):
    found = [vaelib.load_folder(folder).checksum, vaelib.load_folder(folder, seed=1).checksum]
    shutil.copy(folder / "three" / "01.png", folder / "three" / "00.png")
    found.append(vaelib.load_folder(folder).checksum)
    (folder / "three").rename(folder / "tres")
    found.append(vaelib.load_folder(folder).checksum)
    assert len(set(found)) == 4
    assert vaelib.load_folder(folder).checksum == found[-1]


def test_a_missing_folder_is_named_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=re.escape(f"no folder {tmp_path / 'nowhere'}")):
        vaelib.load_folder("nowhere")


def test_a_tilde_is_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    own = vaelib.load_folder(f"~/{folder.name}")
    assert own.checksum == vaelib.load_folder(folder).checksum
    with pytest.raises(DataError, match=re.escape(f"no folder {folder.parent / 'nowhere'}")):
        vaelib.load_folder("~/nowhere")


def rename(folder):
    folder.rename(folder.parent / "mnist")
    return folder.parent / "mnist"


def empty(folder):
    (folder / "three" / "nothing").mkdir()
    return folder / "three" / "nothing"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: (f / "seven" / "broken.png").write_text("text"), r"broken.png is not an image"),
        (
            lambda f: shutil.copy(f / "three" / "00.png", f / "loose.png"),
            "side by side .*loose.png",
        ),
        (
            lambda f: [(f / "seven" / f"{number:02}.png").unlink() for number in range(11)],
            "seven holds 9 images, and each class needs 20",
        ),
        (
            lambda f: [file.rename(file.with_suffix(".heic")) for file in (f / "seven").iterdir()],
            r"seven holds 0 images.*20 of the files.*00.heic, for one",
        ),
        (empty, "holds 0 images"),
        (rename, "name of another data set"),
    ],
)
def test_a_folder_that_cannot_be_used_is_named_with_the_reason(folder, change, said):
    changed = change(folder)
    with pytest.raises(DataError, match=said):
        vaelib.load_folder(changed if isinstance(changed, Path) and changed.is_dir() else folder)


@pytest.mark.parametrize(
    ("draw", "invert", "way_out"),
    [
        (ink_on_nothing, False, "taken for black paper.*dark on light paper, pass invert=True"),
        (
            lambda digit: ink_on_nothing(digit, 255),
            True,
            "taken for white paper.*light on dark paper, leave invert=True out",
        ),
        (lambda digit: Image.new("L", (50, 40), 255), False, r"Look at the files\.$"),
    ],
)
def test_nothing_but_blank_images_is_an_error_with_a_way_out(folder, draw, invert, way_out):
    with pytest.raises(DataError, match=f"All 40 images are blank.*00.png, for one.*{way_out}"):
        vaelib.load_folder(redrawn(folder, draw), invert)


@pytest.mark.parametrize("ink", [0, 25])
def test_some_blank_images_are_counted_and_one_is_named(folder, ink):
    """Ink that is nearly black is lost on black paper as well."""
    for name in ("03", "07"):
        digit = np.array(Image.open(folder / "three" / f"{name}.png"))
        ink_on_nothing(digit, ink).save(folder / "three" / f"{name}.png")
    with pytest.warns(UserWarning) as caught:
        vaelib.load_folder(folder)
    [said] = map(str, (warning.message for warning in caught))
    assert said.startswith("2 of the 40 images are blank")
    assert "03.png, for one" in said
    assert "pass invert=True" in said


def test_blank_images_that_were_never_transparent_say_nothing_of_paper(folder):
    Image.new("L", (28, 28)).save(folder / "three" / "03.png")
    with pytest.warns(UserWarning, match=r"1 of the 40 .*03.png, for one.*take them out\.$"):
        vaelib.load_folder(folder)


@pytest.mark.parametrize(
    "draw", [lambda digit: Image.fromarray(255 - digit), on_grey_paper], ids=["28 × 28", "photos"]
)
def test_dark_ink_on_light_paper_is_said_once_to_the_one_who_loads(folder, draw):
    dark = redrawn(folder, draw)
    with pytest.warns(UserWarning) as caught:
        vaelib.load_folder(dark)
    [warning] = caught
    assert "a model would learn the paper" in str(warning.message)
    assert "pass invert=True" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize("times", [1, 10])
def test_light_ink_that_was_turned_is_said(folder, times):
    light = redrawn(folder, lambda digit: Image.fromarray(digit).resize((28 * times, 28 * times)))
    with pytest.warns(UserWarning, match="a model would learn the paper.*leave invert=True out"):
        vaelib.load_folder(light, invert=True)


def test_what_systems_leave_behind_is_passed_over(folder):
    clean = vaelib.load_folder(folder)
    for name in ("._00.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (folder / "three" / name).write_bytes(b"\x00\x05\x16\x07")
    for name in ("__MACOSX", ".ipynb_checkpoints"):
        shutil.copytree(folder / "seven", folder / name)
        shutil.copytree(folder / "seven", folder / "three" / name)
    own = vaelib.load_folder(folder)
    assert own.classes == clean.classes
    assert own.checksum == clean.checksum


def test_files_of_another_kind_are_counted_and_one_is_named(folder):
    (folder / "seven" / "IMG_1.heic").touch()
    (folder / "three" / "notes.txt").touch()
    (folder / "three" / "more").mkdir()
    with pytest.warns(UserWarning) as caught:
        vaelib.load_folder(folder)
    [warning] = caught
    assert ": 3 of the files and folders" in str(warning.message)
    assert "IMG_1.heic, for one" in str(warning.message)
    assert warning.filename == __file__


def test_images_of_any_size_are_scaled_and_counted(folder, capsys):
    large = redrawn(folder, on_grey_paper, "jpg")
    for name in ("00", "01"):
        (large / "three" / f"{name}.jpg").unlink()
        digit = np.array(Image.open(folder / "three" / f"{name}.png"))
        Image.fromarray(255 - digit).save(large / "three" / f"{name}.png")
    own = vaelib.load_folder(large, invert=True)
    said = capsys.readouterr().out
    assert said.startswith("38 of the 40 images are not 28 × 28 pixels: ")
    assert said.count("\n") == 1
    digits = vaelib.load_folder(folder)
    first, second = own.train.images.double(), digits.train.images.double()
    alike = [
        torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]
        for a, b in zip(first, second, strict=True)
    ]
    assert torch.stack(alike).mean() > 0.9
    assert vaelib.load_folder(large, invert=True).checksum == own.checksum


def test_images_of_the_model_s_size_are_not_talked_of(folder, capsys, kernel):
    vaelib.load_folder(folder)
    assert capsys.readouterr().out == ""
    assert kernel == []


@pytest.mark.parametrize("n_scaled", [3, 40])
def test_a_notebook_shows_some_before_and_after(folder, kernel, n_scaled):
    large = redrawn(folder, on_grey_paper)
    for file in sorted(large.rglob("*.png"))[n_scaled:]:
        small = np.array(Image.open(folder / file.relative_to(large)))
        Image.fromarray(255 - small).save(file)
    vaelib.load_folder(large, invert=True)
    [(data, options)] = kernel
    count = min(n_scaled, 10)
    assert f"{count} images" in data["text/plain"]
    assert options["metadata"]["image/png"]["alt"] == data["text/plain"]
    with Image.open(figures_folder() / "own_images.png") as picture:
        assert picture.width > picture.height * count / 10


def test_a_script_is_spared_the_picture(folder, monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    vaelib.load_folder(redrawn(folder, on_grey_paper), invert=True)
    assert not figures_folder().exists()


def test_a_folder_is_loaded_without_what_is_heavy(folder):
    code = (
        f"import sys, vaelib; vaelib.load_folder({str(folder)!r}); "
        "sys.exit(len({'matplotlib', 'IPython'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.fixture
def fonts(tmp_path, monkeypatch):
    """A function that makes a font with the given characters, where no fonts are installed."""
    manager = font_manager.fontManager
    bundled = [entry for entry in manager.ttflist if "mpl-data" in entry.fname]
    monkeypatch.setattr(manager, "ttflist", bundled)
    monkeypatch.setattr(style, "FONTS", style.FONTS[:1])
    installed = []
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [*installed])

    def install(characters, known=False, family=None):
        family = family or f"Test {''.join(f'{ord(character):x}' for character in characters)}"
        file = tmp_path / f"{family}.ttf"
        make_font(file, family, characters)
        installed.append(str(file))
        if known:
            manager.addfont(file)
        return family

    yield install
    monkeypatch.undo()
    plots.use_style()


def make_font(file, family, characters):
    """Save a font in which every character is a filled square."""
    names = {ord(character): f"u{ord(character):x}" for character in characters}
    pen = TTGlyphPen(None)
    for move, point in ((pen.moveTo, (0, 0)), (pen.lineTo, (0, 700)), (pen.lineTo, (700, 700))):
        move(point)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    builder.setupGlyf(dict.fromkeys([".notdef", *names.values()], pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names.values()], (800, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(file)


def named(folder, three, seven):
    (folder / "three").rename(folder / three)
    (folder / "seven").rename(folder / seven)
    return folder


def draw(classes):
    """Draw a picture with the classes' names: a character without a glyph is a warning."""
    figure = plots.class_counts({"a": [1, 2], "b": [2, 1]}, classes, "Names")
    figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize("known", [True, False], ids=["in matplotlib's list", "installed since"])
@pytest.mark.parametrize("together", [True, False], ids=["one font", "a font each"])
def test_names_of_any_script_are_written_with_the_fonts_there_are(folder, fonts, known, together):
    expected = [fonts(characters, known) for characters in (["三七"] if together else "三七")]
    plots.use_style()
    own = vaelib.load_folder(named(folder, "三", "七"))
    assert set(own.classes) == {"三", "七"}
    draw(own.classes)
    plots.use_style()
    draw(own.classes)
    assert sorted(style.FONTS[1:]) == sorted(expected)
    vaelib.load_folder(folder)  # what was found is not looked for again
    assert sorted(style.FONTS[1:]) == sorted(expected)


def test_names_that_no_font_can_write_become_numbers_and_are_said_once(folder, fonts):
    fonts("中")
    with pytest.warns(UserWarning) as caught:
        own = vaelib.load_folder(named(folder, "तीन", "seven"))
    [warning] = caught
    assert own.classes == ("0", "1")
    assert "0 is seven, 1 is तीन." in str(warning.message)
    assert "No installed font has" in str(warning.message)
    assert warning.filename == __file__
    draw(own.classes)
    assert len(style.FONTS) == 1
    (folder / "तीन").rename(folder / "चार")
    with pytest.warns(UserWarning, match="1 is चार"):
        assert vaelib.load_folder(folder).checksum != own.checksum


def test_no_font_is_opened_for_names_that_dejavu_sans_can_write(folder, fonts, monkeypatch):
    opened = []
    get_font = font_manager.get_font
    monkeypatch.setattr(font_manager, "get_font", lambda f: (opened.append(f), get_font(f))[1])
    own = vaelib.load_folder(named(folder, "drei – größer", "Семь"))
    assert [Path(file).name for file in opened] == ["DejaVuSans.ttf"]
    assert own.classes == ("drei – größer", "Семь")
    draw(own.classes)


def test_a_font_that_cannot_be_read_is_passed_over(folder, fonts, tmp_path):
    damaged = tmp_path / f"{fonts('三', known=True)}.ttf"
    damaged.write_text("no font")
    unreadable = tmp_path / f"{fonts('七')}.ttf"
    unreadable.write_text("no font")
    family = fonts("三七六")
    own = vaelib.load_folder(named(folder, "三", "七"))
    draw(own.classes)
    assert style.FONTS[1:] == [family]


def test_a_font_of_boxes_is_no_font(folder, fonts):
    """Systems have one with a glyph for every character: a box."""
    fonts("三七", known=True, family="Last Resort")
    with pytest.warns(UserWarning, match="No installed font has"):
        assert vaelib.load_folder(named(folder, "三", "七")).classes == ("0", "1")
