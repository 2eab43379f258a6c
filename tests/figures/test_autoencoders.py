"""The pictures of chapter 4: colours with meaning, nothing cut off, the decoded plane the right way up."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from course_lib.figures.autoencoders import decoded_plane, encoder_latent_decoder, simple_autoencoder
from course_lib.figures.style import DECODER, ENCODER, LATENT


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("draw", [encoder_latent_decoder, simple_autoencoder])
def test_everything_lies_within_the_picture(draw):
    figure = draw()
    figure.canvas.draw()
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        assert box.y1 <= figure.bbox.y1


def test_encoder_narrows_and_decoder_widens_in_their_colours():
    ax = encoder_latent_decoder().axes[0]
    encoder, latent, decoder = ax.patches[:3]
    assert [to_hex(p.get_edgecolor()).upper() for p in (encoder, latent, decoder)] == [ENCODER, LATENT, DECODER]

    def heights(patch):
        xy = patch.get_xy()
        left, right = xy[:, 0].min(), xy[:, 0].max()
        return np.ptp(xy[xy[:, 0] == left, 1]), np.ptp(xy[xy[:, 0] == right, 1])

    assert heights(encoder)[0] > heights(encoder)[1] == heights(latent)[0]
    assert heights(latent)[1] == heights(decoder)[0] < heights(decoder)[1]
    assert [t.get_text() for t in ax.texts] == ["encoder", "latent\nspace", "decoder", "$x$", r"$\hat x$"]


def test_simple_autoencoder_names_functions_and_values_from_left_to_right():
    ax = simple_autoencoder().axes[0]
    written = sorted((t.get_position()[0], t.get_text()) for t in ax.texts if t.get_position()[1] >= 1)
    assert [name for _, name in written] == ["$x$", r"$h(\cdot)$", "$h$", r"$\mathrm{sigm}(\cdot)$", r"$\hat x$"]
    below = {t.get_text(): t.get_color() for t in ax.texts if t.get_position()[1] < 0.5}
    assert below == {r"$g(b + w\,\cdot)$": ENCODER, r"$\sigma(c + v\,\cdot)$": DECODER}


def test_decoded_plane_shows_each_image_at_its_point():
    """The image of (z1, z2) is constant z1 + 10 z2: the picture must rise to the right and upwards."""
    seen = []

    def decode(points):
        seen.append(points)
        return np.repeat((points[:, 0] + 10 * points[:, 1])[:, None], 4, axis=1)

    _, ax = plt.subplots()
    decoded_plane(ax, decode, (0.0, 3.0), (0.0, 0.9), side=2, number=4)
    assert seen[0].shape == (16, 2)
    picture = np.asarray(ax.images[0].get_array())
    assert picture.shape == (8, 8)
    assert picture[-1, 0] == pytest.approx(0.0)
    assert picture[-1, -1] == pytest.approx(3.0)
    assert picture[0, 0] == pytest.approx(9.0)
    left, right, bottom, top = ax.images[0].get_extent()
    np.testing.assert_allclose([left, right, bottom, top], [-0.5, 3.5, -0.15, 1.05], atol=1e-6)
    assert ax.get_xlim() == pytest.approx((left, right))
    assert ax.get_ylim() == pytest.approx((bottom, top))
