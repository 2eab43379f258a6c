"""The map names every chapter and joins each to what it builds on."""

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch

from course_lib.figures.course_map import CHAPTERS, WAYS, course_map


def test_every_chapter_is_a_box_and_every_way_an_arrow():
    figure = course_map()
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts] == list(CHAPTERS)
    assert sum(isinstance(patch, FancyArrowPatch) for patch in ax.patches) == len(WAYS)
    assert {end for _, end in WAYS} == set(range(1, len(CHAPTERS)))
    plt.close(figure)
