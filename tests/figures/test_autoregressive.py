"""The pictures of chapter 2 show what they claim: targets red, predecessors green, masks as they are."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, FancyArrowPatch

from course_lib.figures import autoregressive as figures
from course_lib.figures.style import LATENT, PREDECESSOR, TARGET


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def circles(figure, colour):
    found = [p for p in figure.axes[0].patches if isinstance(p, Circle)]
    return sum(to_rgb(p.get_edgecolor()) == to_rgb(colour) for p in found)


def test_the_chain_has_one_target_a_row_and_all_its_predecessors():
    figure = figures.chain_written_out(5)
    assert circles(figure, TARGET) == 5
    assert circles(figure, PREDECESSOR) == 0 + 1 + 2 + 3 + 4
    figure.canvas.draw()
    assert "$x_1,x_2,x_3,x_4$" in [t.get_text() for t in figure.axes[0].texts]


def test_predecessors_and_target():
    figure = figures.predecessors_to_target(5)
    assert (circles(figure, TARGET), circles(figure, PREDECESSOR)) == (1, 4)


def test_hidden_bits_point_to_later_ones_and_to_every_pixel():
    figure = figures.hidden_and_visible(3, 4)
    assert (circles(figure, LATENT), circles(figure, TARGET)) == (3, 4)
    arrows = [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    assert len(arrows) == 3 * 4 + 3 * 2 / 2 + 4 * 3 / 2


def test_overview_names_the_three_forms():
    texts = [t.get_text() for t in figures.chain_rule_overview().axes[0].texts]
    assert {"one joint distribution", "a product of conditionals", "a sum of log-probabilities"} <= set(texts)


def test_matrices_are_drawn_as_they_are():
    mask = np.triu(np.ones((3, 5)), 1)
    figure = figures.matrices({"mask": mask, "other": 7 * mask.T})
    shown = [np.asarray(ax.collections[0].get_array()) for ax in figure.axes]
    np.testing.assert_array_equal(shown[0], mask != 0)
    np.testing.assert_array_equal(shown[1], mask.T != 0)
    assert figure.axes[0].yaxis_inverted()


def test_the_network_keeps_the_connections_that_masks_keep():
    inputs, hidden = np.array([1, 2, 3]), np.array([1, 2])
    figure = figures.network_of_degrees([inputs, hidden, inputs], ["in", "hidden", "out"])
    kept = (hidden[None, :] >= inputs[:, None]).sum() + (inputs[None, :] > hidden[:, None]).sum()
    assert len(figure.axes[0].lines) == kept
