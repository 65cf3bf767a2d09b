import base64
import io
import json
import re
import time
from html.parser import HTMLParser

import ipywidgets
import numpy as np
import pytest
import torch
from matplotlib.text import Text
from PIL import Image
from sklearn.linear_model import LogisticRegression

import vaelib
from vaelib import notebook, panels
from vaelib._machine.files import figures_folder
from vaelib.data.image_files import centre
from vaelib.panels import digits as digits_panel
from vaelib.panels import showing
from vaelib.panels.drawing_pad import DRAWING_PAD, ink_from_text
from vaelib.vae.out_of_distribution import Detector
from vaelib.vae.training import Config


@pytest.fixture(scope="module")
def model():
    return Config("tiny", latent_size=6, hidden_size=16).build().eval()


@pytest.fixture
def sliders(model, small):
    return panels.LatentPanel(model, small.test.images[0], [4, 1])


@pytest.fixture
def digits(model, small):
    labelled = small.train[small.train.labels < 3]
    features = vaelib.encode(model, labelled.images).mean
    classifier = LogisticRegression(max_iter=1000).fit(features, labelled.labels)
    return panels.DigitPanel(
        model, classifier.predict_proba, labelled, small.test.images[:20].clone(), "012", first=2,
        detect=lambda images: images[:, 0].any(dim=1),  # whose ink begins in the first row
    )  # fmt: skip


def picture(html):
    """The dots of a picture within HTML: (28, 28) of ink, 0 to 255, from a data address."""
    png = base64.b64decode(re.fullmatch(r'<img src="data:image/png;base64,([^"]+)" .*>', html)[1])
    with Image.open(io.BytesIO(png)) as image:
        return 255 - np.asarray(image.convert("L")).astype(int)


def decoded(model, image):
    mean, _ = model.encode(vaelib.to_pixels(image[None]))
    return model.decode(mean).sigmoid().view(28, 28).detach()


def test_sliders_start_where_the_encoder_puts_the_image(model, small, sliders):
    expected = decoded(model, small.test.images[0])
    torch.testing.assert_close(sliders.decoded(sliders.start[[4, 1]].tolist()), expected)


def test_a_slider_turns_its_own_latent_and_the_digit_follows(model, sliders):
    live = sliders.live()
    column, image = live.children
    before = image.value
    column.children[0].value = 2.0
    assert image.value != before
    latent = sliders.start.clone()[None]
    latent[0, 4], latent[0, 1] = 2.0, column.children[1].value
    expected = 255 * model.decode(latent).sigmoid().view(28, 28).detach().numpy()
    np.testing.assert_allclose(picture(image.value), expected, atol=1)


def test_an_image_gets_its_reconstruction_place_and_probabilities(model, small, digits):
    answer = digits.answer(small.test.images[5])
    torch.testing.assert_close(answer.reconstruction, decoded(model, small.test.images[5]))
    assert answer.place.shape == (2,)
    assert answer.probabilities.shape == (3,)
    assert answer.probabilities.sum() == pytest.approx(1, abs=1e-6)


def test_a_labelled_image_lies_where_the_picture_shows_it(small, digits):
    labelled = small.train[small.train.labels < 3]
    np.testing.assert_allclose(digits.answer(labelled.images[7]).place, digits.places[7], atol=1e-4)


def test_the_cross_is_drawn_at_its_place(digits):
    place = digits.places[3].astype(float)
    x, y = digits._to_dots(place).astype(int)
    dots = np.asarray(digits.placed(place)).astype(int)
    assert abs(dots[y, x] - [0xD5, 0x5E, 0x00]).max() < 8  # vermilion


def drawing(top, left):
    ink = torch.zeros(28, 28, dtype=torch.uint8)
    ink[top : top + 6, left : left + 3] = 200
    return ink


def test_picking_and_drawing_change_the_answer(digits):
    live = digits.live()
    (pick, _, drawn, _), (seen, _), place, bars = (
        live.children[0].children, live.children[1].children, *live.children[2:],
    )  # fmt: skip
    assert pick.value == 2
    picked = [seen.value, place.value, bars.value]
    pick.value = 9
    assert not set(picked) & {seen.value, place.value, bars.value}
    drawn.value = bytes(drawing(3, 20).flatten().tolist()).hex()
    np.testing.assert_array_equal(picture(seen.value), centre(drawing(3, 20)).numpy())


def test_what_is_out_of_distribution_is_said_beside_the_pad(digits):
    (pick, _, _, warning), *_ = (box.children for box in digits.live().children[:2])
    words = "This image is unlike those the model was trained on: do not trust what it says."
    assert words not in warning.value
    digits.images[9] = drawing(0, 20)
    pick.value = 9
    assert words in warning.value
    digits.first = 9
    assert words in [text.get_text() for text in digits.still().findobj(Text)]
    digits.detect = None
    assert not digits.answer(digits.images[9]).out_of_distribution


def test_each_answer_comes_within_a_tenth_of_a_second(small, digits):
    model = vaelib.MLP.build().eval()
    detect = Detector(model, small.train.images)
    panel = panels.DigitPanel(
        model, lambda means: np.full((len(means), 10), 0.1), small.train, small.test.images,
        tuple("0123456789"), detect=detect,
    )  # fmt: skip
    pick = panel.live().children[0].children[0]
    seconds = []
    for number in range(1, 6):
        start = time.perf_counter()
        pick.value = number
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.1


@pytest.mark.parametrize("name", ["sliders", "digits"])
def test_every_panel_has_a_still_picture(name, request, monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "display", lambda data, **_: shown.append(data))
    panels.show_panel(request.getfixturevalue(name), name, "in words")
    assert set(shown[0]) == {"image/png", "text/plain"}
    assert (figures_folder() / f"{name}.png").is_file()


@pytest.fixture
def shown_live(monkeypatch):
    """What a cell's outputs are where someone works: the list grows with each."""
    shown = []
    monkeypatch.setattr(notebook, "display", lambda data, **_: shown.append(data))
    monkeypatch.setattr(showing, "display", lambda data, **_: shown.append(data))
    monkeypatch.setattr(showing, "get_ipython", lambda: type("Shell", (), {"kernel": object()}))
    monkeypatch.delenv(panels.STILL, raising=False)
    return shown


def test_where_someone_works_the_widgets_come_with_the_picture(sliders, shown_live, monkeypatch):
    """As two outputs: the picture is what stays of a saved notebook without its kernel."""
    panels.show_panel(sliders, "live", "in words")
    widgets, still = shown_live
    assert set(widgets) == {"application/vnd.jupyter.widget-view+json", "text/plain"}
    assert set(still) == {"image/png", "text/plain"}
    json.dumps(widgets)
    monkeypatch.setenv(panels.STILL, "1")
    panels.show_panel(sliders, "live", "in words")
    assert shown_live[2:] == [still]


def test_widgets_of_every_version_are_shown(sliders, shown_live, monkeypatch):
    """ipywidgets 7, as on Colab, has no _repr_mimebundle_, and 8 no _ipython_display_."""
    for version in ("_repr_mimebundle_", "_ipython_display_"):
        monkeypatch.delattr(ipywidgets.Widget, version, raising=False)
    live = sliders.live()
    monkeypatch.setattr(sliders, "live", lambda: live)
    panels.show_panel(sliders, "live", "in words")
    reference = shown_live[0]["application/vnd.jupyter.widget-view+json"]
    assert reference == {"version_major": 2, "version_minor": 0, "model_id": live.model_id}


@pytest.mark.parametrize("name", ["sliders", "digits"])
def test_pictures_in_widgets_travel_as_text(name, request):
    """Colab does not pass a widget's bytes on to its page, so there must be none."""
    live = request.getfixturevalue(name).live()
    inside, models = [live], []
    while inside:
        models.append(inside.pop())
        inside += getattr(models[-1], "children", ())
    states = [model.get_state(drop_defaults=True) for model in models]
    assert not [v for state in states for v in state.values() if isinstance(v, bytes | memoryview)]
    assert str(states).count("data:image/png;base64,") == (1 if name == "sliders" else 3)


def test_a_class_name_cannot_break_the_bars():
    assert "&lt;script&gt;" in digits_panel._bars(["<script>"], np.ones(1))


def test_a_drawing_is_scaled_and_centred_as_mnist_is():
    ink = torch.zeros(28, 28, dtype=torch.uint8)
    ink[0:8, 24:28] = 255
    digit = centre(ink)
    rows, columns = digit.any(dim=1).nonzero(), digit.any(dim=0).nonzero()
    assert rows.max() - rows.min() + 1 == 20
    assert columns.max() - columns.min() + 1 == 10
    mass = digit.float()
    assert abs((mass.sum(dim=1) @ torch.arange(28.0)) / mass.sum() - 14) <= 0.5
    assert abs((mass.sum(dim=0) @ torch.arange(28.0)) / mass.sum() - 14) <= 0.5


@pytest.mark.parametrize("dot", [(0, 0), (27, 27), (13, 4)])
def test_a_single_dot_is_a_drawing(dot):
    ink = torch.zeros(28, 28, dtype=torch.uint8)
    ink[dot] = 255
    assert centre(ink).shape == (28, 28)
    assert centre(ink).any()


def test_an_empty_drawing_stays_empty():
    assert not centre(torch.zeros(28, 28, dtype=torch.uint8)).any()


def test_ink_comes_back_from_its_text(mnist):
    image = mnist.test.images[0]
    assert torch.equal(ink_from_text(bytes(image.flatten().tolist()).hex()), image)


def test_a_text_that_is_no_drawing_is_refused():
    with pytest.raises(ValueError, match="1568 hexadecimal digits, not 3"):
        ink_from_text("abc")


def test_the_pad_is_one_attribute_after_another():
    """Each handler stands in double quotes, so that none may hold one."""
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
    parser.feed(DRAWING_PAD)
    canvas = dict(tags)["canvas"]
    assert canvas["onpointermove"].endswith("this.at=[x,y];")
    assert canvas["onpointerup"].endswith("}));")


def test_two_classes_have_a_place_in_the_plane_too(model, small):
    two = small.train[small.train.labels < 2]
    panel = panels.DigitPanel(model, lambda means: means[:, :2], two, small.test.images, "01")
    assert panel.answer(two.images[0]).place.shape == (2,)
