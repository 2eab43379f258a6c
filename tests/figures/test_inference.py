"""The pictures of chapter 5: what they state is what was computed."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.figures.inference import (
    bound_and_gap,
    generation_and_inference,
    stacked_lengths,
    vae_structure,
)
from course_lib.figures.style import BLUE, DECODER, ENCODER, GREY, ORANGE, RED


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("draw", [generation_and_inference, vae_structure])
def test_everything_lies_within_the_picture(draw):
    figure = draw()
    figure.canvas.draw()
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_generation_is_red_and_inference_is_blue():
    colours = {t.get_text(): t.get_color() for t in generation_and_inference().axes[0].texts}
    assert colours[r"$p_\theta(x\,|\,z)$  generate"] == DECODER
    assert colours[r"$q_\phi(z\,|\,x)$  infer"] == ENCODER


def test_the_structure_reads_from_left_to_right():
    texts = sorted(
        (t.get_position()[0], t.get_text()) for t in vae_structure().axes[0].texts if t.get_position()[1] > 0.9
    )
    order = [name for _, name in texts]
    assert order[0] == "$x$"
    assert order[-1] == r"$\hat x$"
    assert order.index("$Q$\nencoder") < order.index(r"$\mu(x)$") < order.index(r"$z=\mu+\sigma\varepsilon$")
    assert order.index(r"$z=\mu+\sigma\varepsilon$") < order.index("$P$\ndecoder")


def test_the_gap_lies_between_the_bound_and_the_evidence():
    _, ax = plt.subplots()
    t, bound = np.linspace(0, 1, 5), np.array([-3.0, -2.0, -1.5, -2.0, -3.0])
    bound_and_gap(ax, t, bound, -1.5)
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.min() == -3
    assert heights.max() == -1.5


def test_pieces_follow_one_another_and_bars_end_where_their_sums_say():
    bars = {"a": [("ideal", 100.0, GREY), ("gap", 8.0, ORANGE)], "b": [("rebuild", 80.0, RED), ("z", 28.0, BLUE)]}
    ax = stacked_lengths(bars).axes[0]
    ends = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches]
    assert ends == [(0, 100), (100, 108), (0, 80), (80, 108)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert [t.get_text() for t in ax.texts] == ["ideal  100.0", "gap  8.0", "rebuild  80.0", "z  28.0"]
    assert ax.get_xlabel() == "bits"
