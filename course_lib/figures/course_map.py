"""The course at a glance."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from course_lib.figures.diagrams import arrow, box, canvas
from course_lib.figures.style import GREY, INK, SKY

COLUMNS = [1.3, 4.05, 6.8, 9.55, 12.3]
TOP, MAIN, SIDE = 4.65, 3.2, (2.1, 1.3, 0.5)  # heights of the rows
CHAPTERS = {
    "0 · Start here\nmachine, course, JAX": (COLUMNS[0], TOP),
    "1 · Introduction\nwhat is generated?": (COLUMNS[1], TOP),
    "2 · Autoregressive\none piece after another": (COLUMNS[0], MAIN),
    "3 · Normalizing flow\na map with an inverse": (COLUMNS[1], MAIN),
    "4 · Auto-encoder\na short code": (COLUMNS[2], MAIN),
    "5 · Variational AE\na code with a density": (COLUMNS[3], MAIN),
    "6 · One yardstick\nafter 2b, 3a and 5": (COLUMNS[4], MAIN),
    "2a · Time series": (COLUMNS[0], SIDE[0]),
    "2b · PixelCNN": (COLUMNS[0], SIDE[1]),
    "2c · Hidden bits": (COLUMNS[0], SIDE[2]),
    "3a · Masks, splines": (COLUMNS[1], SIDE[0]),
    "3b · For inference": (COLUMNS[1], SIDE[1]),
    "4a · Deep AEs": (COLUMNS[2], SIDE[0]),
    "5a · Bits are real": (COLUMNS[3], SIDE[0]),
    "5b · Better bounds": (COLUMNS[3], SIDE[1]),
    "5c · Fewer labels": (COLUMNS[3], SIDE[2]),
}
WAYS = [(0, 1), (1, 2), (1, 3), (1, 4), (4, 5), (5, 6)]  # main chapters, by their place in CHAPTERS
WAYS += [(2, 7), (2, 8), (2, 9), (3, 10), (3, 11), (4, 12), (5, 13), (5, 14), (5, 15)]  # the rooms beside them
HALF, SHIFT = 1.15, 0.24  # half the width of a box; how far a side chapter stands to the right of its main one


def course_map() -> Figure:
    """The chapters as boxes; an arrow says which chapter another one builds on.

    Taught in: 00_start_here, "How the course works"
    """
    figure, ax = canvas(13.7, 5.3, scale=0.72)
    places = list(CHAPTERS.values())
    for start, end in WAYS:
        join(ax, places[start], places[end])
    for number, (name, (x, y)) in enumerate(CHAPTERS.items()):
        if y in SIDE:
            box(ax, x + SHIFT, y, name, SKY, width=2 * (HALF - SHIFT), height=0.58, size=8.5)
        else:
            box(ax, x, y, name, SKY if number else GREY, width=2 * HALF, height=0.85, size=8.5)
    return figure


def join(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Straight to the right in a row, from foot to head between rows, round the corner to a side chapter."""
    (x0, y0), (x1, y1) = start, end
    if y0 == y1:
        arrow(ax, (x0 + HALF, y0), (x1 - HALF, y1))
    elif y1 not in SIDE:
        arrow(ax, (x0, y0 - 0.43), (x1, y1 + 0.43))
    else:
        corner = FancyArrowPatch(
            (x0 - HALF + 0.2, y0 - 0.43),
            (x1 - HALF + 2 * SHIFT, y1),
            arrowstyle="-|>",
            mutation_scale=11,
            color=INK,
            lw=1.2,
            connectionstyle="angle,angleA=-90,angleB=180,rad=0",
            shrinkA=0,
        )
        ax.add_patch(corner)
