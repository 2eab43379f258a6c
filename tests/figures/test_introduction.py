"""The pictures of chapter 1."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.figures import style
from course_lib.figures.introduction import FAMILIES, accuracy_against_labels, family_map


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_map_names_every_family_and_keeps_the_colours():
    ax = family_map().axes[0]
    words = [text.get_text() for text in ax.texts]
    assert all(name in words for name, *_ in FAMILIES)
    edges = {plt.matplotlib.colors.to_hex(patch.get_edgecolor()).upper() for patch in ax.patches}
    assert {style.ENCODER, style.LATENT, style.DECODER} <= edges


def test_every_text_of_the_map_lies_within_it():
    figure = family_map()
    figure.canvas.draw()
    frame = figure.bbox
    for text in figure.axes[0].texts:
        at = text.get_window_extent()
        assert frame.x0 <= at.x0
        assert at.x1 <= frame.x1
        assert frame.y0 <= at.y0
        assert at.y1 <= frame.y1


def test_bars_are_one_standard_error():
    _, ax = plt.subplots()
    accuracy = np.array([[0.1, 0.3], [0.5, 0.5]])
    accuracy_against_labels(ax, [10, 100], {"a model": (accuracy, style.BLUE, "-")})
    line, _, (bars,) = ax.containers[0]
    np.testing.assert_allclose(line.get_ydata(), [0.2, 0.5])
    lengths = [np.ptp(segment[:, 1]) / 2 for segment in bars.get_segments()]
    np.testing.assert_allclose(lengths, [0.1, 0.0], atol=1e-12)
    assert ax.get_legend().get_texts()[0].get_text() == "a model"
