"""Image files of every kind and size as 28 × 28 grey levels, against digits that are known."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from vaelib._machine.archives import DataError
from vaelib.data import image_files
from vaelib.data.image_files import centre, prepare, read_grey

# a stroke of ink of its own in each direction: 0 is paper, 255 is ink
INK = np.zeros((28, 28), dtype=np.uint8)
INK[4:24, 9:12] = 255
INK[20:23, 9:20] = 255


@pytest.fixture
def file(tmp_path):
    return tmp_path / "image.png"


def rgba(colour, alpha):
    layers = [np.full((28, 28), level, dtype=np.uint8) for level in colour]
    return Image.fromarray(np.dstack([*layers, alpha]))


def palette(grey, colours):
    image = Image.fromarray((grey > 127).astype(np.uint8)).convert("P")
    image.putpalette([level for colour in colours for level in (colour,) * 3])
    return image


def greys(clear, dtype=np.uint8):
    """Black ink, and elsewhere the grey level that stands for nothing."""
    return Image.fromarray(np.where(INK, 0, clear).astype(dtype))


# black ink on nothing, as drawing apps export it, in each of the ways of saying "nothing"
CLEAR = {
    "RGBA": lambda: (rgba((0, 0, 0), INK), {}),
    "LA": lambda: (rgba((0, 0, 0), INK).convert("LA"), {}),
    "P": lambda: (palette(INK, (90, 0)), {"transparency": 0}),
    "P, a byte a colour": lambda: (palette(INK, (90, 0)), {"transparency": b"\x00\xff"}),
    "L, tRNS": lambda: (greys(77), {"transparency": 77}),
    "RGB, tRNS": lambda: (greys(77).convert("RGB"), {"transparency": (77, 77, 77)}),
    "1, tRNS": lambda: (greys(255).convert("1"), {"transparency": 255}),
    "16 bits, tRNS": lambda: (greys(777, np.uint16), {"transparency": 777}),
}


@pytest.mark.parametrize("draw", CLEAR.values(), ids=CLEAR)
def test_dark_ink_on_nothing_is_ink_on_white_paper_and_nothing_on_black(file, draw):
    image, saving = draw()
    try:
        image.save(file, **saving)
    except OSError as error:
        pytest.skip(f"This Pillow is too old to write such a file ({error}).")
    on_white, on_black = prepare(file, invert=True), prepare(file)
    np.testing.assert_array_equal(on_white.picture, INK)
    assert not on_black.picture.any()
    assert on_white.transparent
    assert on_black.transparent
    assert not on_white.scaled


@pytest.mark.parametrize("alpha", [INK, INK // 2], ids=["opaque", "half transparent"])
def test_ink_is_as_dark_as_it_is_opaque(file, alpha):
    rgba((255, 255, 255), alpha).save(file)
    np.testing.assert_array_equal(prepare(file).picture, alpha)
    rgba((0, 0, 0), alpha).save(file)
    np.testing.assert_array_equal(prepare(file, invert=True).picture, alpha)


def test_a_palette_with_an_alpha_channel_is_transparent():
    """A file cannot hold one, but a plug-in of Pillow may return it."""
    image = palette(INK, (90, 0)).convert("PA")
    image.putalpha(Image.fromarray(INK))
    grey, transparent = image_files._grey(image, paper=255)
    np.testing.assert_array_equal(255 - np.array(grey), INK)
    assert transparent


def test_a_channel_of_transparency_that_is_not_used_is_none(file):
    rgba((40, 40, 40), np.full((28, 28), 255, dtype=np.uint8)).save(file)
    grey, transparent = read_grey(file)
    assert (grey == 40).all()
    assert not transparent


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "LA", "RGBA"])
def test_every_mode_of_pillow_is_read_as_its_grey_levels(file, mode):
    Image.fromarray(INK).convert(mode).save(file)
    np.testing.assert_array_equal(prepare(file).picture, INK)


def test_a_printer_s_colours_are_read(tmp_path):
    file = tmp_path / "print.jpg"
    Image.fromarray(INK).convert("RGB").convert("CMYK").save(file, quality=100)
    with Image.open(file) as image:
        assert image.mode == "CMYK"
    assert np.abs(prepare(file).picture.astype(int) - INK).max() < 30


@pytest.mark.parametrize(
    ("level", "grey"), [(0, 0), (128, 0), (129, 1), (40_000, 156), (65_535, 255)]
)
def test_sixteen_bits_are_scaled_to_eight(file, level, grey):
    deep = np.full((28, 28), level, dtype=np.uint16)
    Image.fromarray(deep).save(file)
    assert (prepare(file).picture == grey).all()
    assert (prepare(file, invert=True).picture == 255 - grey).all()


def test_sixteen_bits_in_a_wider_number_are_scaled_to_eight(file):
    Image.fromarray(np.full((28, 28), 40_000, dtype=np.int32)).save(file, format="TIFF")
    with Image.open(file) as opened:
        assert opened.mode == "I"
    assert (prepare(file).picture == 156).all()


@pytest.mark.parametrize(
    ("level", "dtype", "what"),
    [
        (0.5, np.float32, "fractions"),
        (65_536, np.int32, "from 65,536 to 65,536"),
        (-1, np.int32, "from -1 to -1"),
    ],
)
def test_grey_levels_without_a_known_white_are_refused(file, level, dtype, what):
    """Some programs save such a TIFF under the name of another kind."""
    Image.fromarray(np.full((28, 28), level, dtype=dtype)).save(file, format="TIFF")
    with pytest.raises(DataError, match=rf"image.png is not an image .*{what}.*Save it anew"):
        prepare(file)


@pytest.mark.parametrize("size", [(28, 28), (140, 280)])
def test_an_image_is_turned_upright_as_its_camera_says(tmp_path, size):
    upright = Image.fromarray(INK).resize(size)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held a quarter turn to the left
    turned, plain = tmp_path / "turned.png", tmp_path / "plain.png"
    upright.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif)
    upright.save(plain)
    np.testing.assert_array_equal(prepare(turned).picture, prepare(plain).picture)


def test_an_image_of_the_model_s_size_stays_untouched(file, mnist):
    for image in mnist.train.images[:20].numpy():
        Image.fromarray(image).save(file)
        np.testing.assert_array_equal(prepare(file).picture, image)
    grain = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    Image.fromarray(grain).save(file)
    np.testing.assert_array_equal(prepare(file).picture, grain)


def broken_chunk(file, _monkeypatch):
    """A PNG cut short within its pixels by what is no chunk: Pillow raises SyntaxError."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 300), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    content = bytearray(file.read_bytes())
    second = content.index(b"IDAT", content.index(b"IDAT") + 4)
    content[second : second + 4] = b"\x00\x01\x02\x03"
    file.write_bytes(content)


def long_text(file, monkeypatch):
    """A comment that unpacks to more than Pillow allows: ValueError."""
    from PIL import PngImagePlugin

    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", 100)
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "a" * 1000, zip=True)
    Image.fromarray(INK).save(file, pnginfo=text)


def bomb(file, monkeypatch):
    """More pixels than Pillow allows: DecompressionBombError."""
    Image.fromarray(INK).save(file)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)


def cut_short(file, _monkeypatch):
    Image.fromarray(INK).save(file)
    file.write_bytes(file.read_bytes()[:60])


def no_image(file, _monkeypatch):
    file.write_text("not a picture")


def a_folder(file, _monkeypatch):
    file.mkdir()


@pytest.mark.parametrize("damage", [broken_chunk, long_text, bomb, cut_short, no_image, a_folder])
def test_whatever_pillow_says_the_error_names_the_file(file, monkeypatch, damage):
    damage(file, monkeypatch)
    with pytest.raises(DataError, match=r"image.png is not an image that can be read"):
        prepare(file)


def photo(digit, file, paper=190, ink=40, grain=6, lamp=0, times=10, margin=40, **saving):
    """Save a digit as a photo of it: large, dark on grey paper with a grain, not in the middle."""
    side = 28 * times
    large = np.array(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)) / 255
    share = np.zeros((side + 2 * margin, side + margin))
    share[margin : margin + side, :side] = large
    light = paper + lamp * np.linspace(-0.5, 0.5, share.shape[1])
    grey = light * (1 - share) + ink * share
    grey += np.random.default_rng(0).normal(0, grain, share.shape)
    Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(file, **saving)


def likeness(first, second):
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


@pytest.mark.parametrize(
    "how",
    [
        {"quality": 60},
        {"grain": 20},
        {"lamp": 40},
        {"paper": 110, "ink": 20},
        {"paper": 255, "ink": 0, "grain": 0},
        {"times": 40, "margin": 600},
        {"times": 2, "margin": 4},
    ],
    ids=str,
)
def test_a_photo_of_a_digit_becomes_the_digit(tmp_path, mnist, how):
    file = tmp_path / "photo.jpg"
    likenesses, plainly = [], []
    for digit in mnist.train.images[:20].numpy():
        photo(digit, file, **how)
        prepared = prepare(file, invert=True)
        assert prepared.scaled
        assert prepared.light == 0
        assert prepared.picture.max() == 255
        likenesses.append(likeness(prepared.picture, digit))
        with Image.open(file) as image:
            plainly.append(likeness(255 - np.array(image.resize((28, 28))), digit))
    assert np.mean(likenesses) > 0.9  # what is missing to 1 are digits that lie one pixel off
    assert np.mean(likenesses) > np.mean(plainly) + 0.1
    assert min(likenesses) > 0.5


def test_a_digit_that_is_as_mnist_made_it_is_in_its_place_already(mnist):
    for digit in mnist.train.images[:200]:
        assert (centre(digit).float() - digit.float()).abs().mean() < 0.5


def pen_stroke(file, size, paper, points, fill, width):
    """Draw a stroke on a page, and return what becomes of it."""
    page = Image.new("L", size, paper)
    ImageDraw.Draw(page).line(points, fill=fill, width=width)
    page.save(file)
    return prepare(file, invert=True).picture


def test_a_thin_pen_on_a_large_page_is_as_dark_as_mnist_s_ink(file):
    points = [(600, 500), (1500, 1400), (700, 2300)]
    picture = pen_stroke(file, (2400, 3000), 245, points, fill=30, width=5)
    assert picture.max() == 255
    assert np.median(picture[picture > 0]) > 60
    assert np.ptp(picture.any(axis=1).nonzero()[0]) == 19


def test_a_faint_pencil_is_stretched_to_ink(file):
    assert pen_stroke(file, (300, 300), 250, [(60, 60), (240, 240)], 225, 20).max() == 255


def test_ink_that_runs_over_the_border_does_not_tilt_the_paper(file):
    picture = pen_stroke(file, (300, 300), 200, [(0, 0), (0, 300)], fill=20, width=60)
    assert picture.any(axis=1).sum() == 20
    assert picture.any(axis=0).sum() <= 3


def test_a_long_line_keeps_its_aspect(file):
    picture = pen_stroke(file, (2000, 60), 230, [(100, 30), (1900, 30)], fill=20, width=20)
    assert picture.any(axis=1).sum() == 1
    assert picture.any(axis=0).sum() == 20


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2000, 10), (10, 2000), (29, 28)])
def test_no_shape_is_too_odd(file, size, invert):
    image = Image.new("L", size, 255 if invert else 0)
    image.putpixel((size[0] // 2, size[1] // 2), 128)
    image.save(file)
    picture = prepare(file, invert).picture
    assert picture.shape == (28, 28)
    assert picture.dtype == np.uint8
    Image.new("L", size, 90).save(file)
    assert not prepare(file, invert).picture.any()


def test_a_page_with_grain_and_no_ink_is_blank(tmp_path):
    file = tmp_path / "empty.jpg"
    photo(np.zeros((28, 28), dtype=np.uint8), file, lamp=40, grain=8)
    for invert in (False, True):
        prepared = prepare(file, invert)
        assert not prepared.picture.any()
        assert prepared.light == 0


def test_ink_darker_than_its_paper_is_noticed_and_nothing_cut_off(tmp_path, mnist):
    file = tmp_path / "photo.jpg"
    photo(mnist.train.images[0].numpy(), file, paper=110, ink=20)
    prepared = prepare(file)
    assert prepared.light == 1
    assert (prepared.picture[5:23, 6:22] > 0).all()


def test_light_is_a_share_of_the_pixels_where_nothing_is_scaled(file):
    page = np.zeros((28, 28), dtype=np.uint8)
    page[:7] = 128
    Image.fromarray(page).save(file)
    assert prepare(file).light == 0.25
    assert prepare(file, invert=True).light == 0.75


@pytest.mark.parametrize(
    "ink", [torch.zeros(28, 28), torch.zeros(1, 28, 28, dtype=torch.uint8)], ids=["floats", "3-d"]
)
def test_what_is_not_one_image_of_bytes_cannot_be_centred(ink):
    with pytest.raises(ValueError, match="takes one uint8 image, not torch"):
        centre(ink)
