"""Boxes, arrows and braces: the few shapes that the course's diagrams are drawn with."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from course_lib.figures.style import GREY, INK


def canvas(width: float, height: float, scale: float = 1.0) -> tuple[Figure, Axes]:
    """An empty drawing whose units are inches times `scale`, with no axes and equal aspect."""
    figure, ax = plt.subplots(figsize=(width * scale, height * scale))
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.axis("off")
    return figure, ax


def box(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    colour: str = GREY,
    width: float = 1.4,
    height: float = 0.7,
    size: float = 12,
) -> None:
    """A rounded box centred at (x, y): tinted in `colour`, with dark text."""
    patch = FancyBboxPatch(
        (x - width / 2, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.12",
        fc=colour + "2E",
        ec=colour,
        lw=1.6,
    )
    ax.add_patch(patch)
    ax.text(x, y, text, ha="center", va="center", color=INK, size=size)


def arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    label: str = "",
    colour: str = INK,
    bend: float = 0.0,
    offset: tuple[float, float] = (0.0, 0.18),
    size: float = 11,
) -> None:
    """An arrow from `start` to `end`, its label at the middle, shifted by `offset`; `bend` curves it."""
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=13, color=colour, lw=1.5, connectionstyle=f"arc3,rad={bend}"
        )
    )
    if label:
        x, y = (start[0] + end[0]) / 2 + offset[0], (start[1] + end[1]) / 2 + offset[1]
        ax.text(x, y, label, ha="center", va="center", color=colour, size=size)


def brace(ax: Axes, left: float, right: float, y: float, label: str, colour: str = INK, depth: float = 0.18) -> None:
    """A horizontal brace under the span from `left` to `right`, opening upwards, with a label below it."""
    middle, r = (left + right) / 2, depth
    xs = [left, left + r / 2, middle - r / 2, middle, middle + r / 2, right - r / 2, right]
    ys = [y, y - r / 2, y - r / 2, y - r, y - r / 2, y - r / 2, y]
    ax.plot(xs, ys, color=colour, lw=1.4, solid_joinstyle="round")
    ax.text(middle, y - r - 0.08, label, ha="center", va="top", color=colour)
