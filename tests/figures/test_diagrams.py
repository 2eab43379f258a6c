"""Boxes, arrows and braces land where they are asked to."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from course_lib.figures.diagrams import arrow, box, brace, canvas
from course_lib.figures.style import GREEN, INK, RED


@pytest.fixture
def drawing():
    figure, ax = canvas(6, 2)
    yield figure, ax
    plt.close(figure)


def test_canvas_units_are_inches_times_the_scale():
    figure, ax = canvas(6, 2, scale=1.5)
    assert figure.get_size_inches().tolist() == [9.0, 3.0]
    assert ax.get_xlim() == (0, 6)
    assert ax.get_ylim() == (0, 2)
    assert ax.get_aspect() == 1
    assert not ax.axison
    plt.close(figure)


def test_box_is_centred_tinted_and_has_dark_words(drawing):
    _, ax = drawing
    box(ax, 2, 1, "encoder", RED, width=2, height=1)
    (patch,), (text,) = ax.patches, ax.texts
    extent = patch.get_path().get_extents(patch.get_patch_transform())
    np.testing.assert_allclose([extent.x0, extent.x1, extent.y0, extent.y1], [1, 3, 0.5, 1.5], atol=1e-6)
    assert to_hex(patch.get_edgecolor()).upper() == RED
    assert 0 < patch.get_facecolor()[3] < 0.3
    assert text.get_position() == (2, 1)
    assert text.get_text() == "encoder"
    assert text.get_color() == INK


def test_arrow_runs_from_start_to_end_with_its_label_at_the_middle(drawing):
    _, ax = drawing
    arrow(ax, (1, 1), (3, 1), "$h$", GREEN, offset=(0, 0.2))
    (patch,), (text,) = ax.patches, ax.texts
    assert patch._posA_posB == [(1, 1), (3, 1)]
    assert to_hex(patch.get_edgecolor()).upper() == GREEN
    assert text.get_position() == pytest.approx((2, 1.2))
    assert text.get_color() == GREEN


def test_arrow_without_a_label_writes_nothing_and_can_bend(drawing):
    _, ax = drawing
    arrow(ax, (1, 1), (3, 1), bend=0.4)
    assert not ax.texts
    assert ax.patches[0].get_connectionstyle().rad == 0.4


def test_brace_spans_and_points_down_at_its_label(drawing):
    _, ax = drawing
    brace(ax, 1, 5, y=1.5, label="predecessors", colour=GREEN, depth=0.2)
    xs, ys = ax.lines[0].get_data()
    assert (min(xs), max(xs)) == (1, 5)
    assert ys[0] == ys[-1] == max(ys) == 1.5
    assert xs[int(np.argmin(ys))] == 3
    (text,) = ax.texts
    assert text.get_position()[0] == 3
    assert text.get_position()[1] < min(ys)
    assert text.get_verticalalignment() == "top"
