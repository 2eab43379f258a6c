"""The course at a glance."""

from matplotlib.figure import Figure

from course_lib.figures.diagrams import arrow, box, canvas
from course_lib.figures.style import GREY, SKY

CHAPTERS = {
    "0 · Start here\nmachine, course, JAX": (1.3, 1.9),
    "1 · Introduction\nwhat is generated?": (3.9, 1.9),
    "2 · Autoregressive\none piece after another": (6.7, 3.1),
    "3 · Normalizing flow\na map with an inverse": (6.7, 1.9),
    "4 · Auto-encoder\na short code": (6.7, 0.7),
    "5 · Variational AE\na code with a density": (9.5, 0.7),
}
WAYS = [(0, 1), (1, 2), (1, 3), (1, 4), (4, 5)]


def course_map() -> Figure:
    """The chapters as boxes; an arrow says which chapter another one builds on.

    Taught in: 00_start_here, "How the course works"
    """
    figure, ax = canvas(10.8, 3.8, scale=0.85)
    places, half = list(CHAPTERS.values()), 1.1
    for start, end in WAYS:
        (x0, y0), (x1, y1) = places[start], places[end]
        arrow(ax, (x0 + half, y0), (x1 - half, y1))
    for number, (name, (x, y)) in enumerate(CHAPTERS.items()):
        box(ax, x, y, name, SKY if number else GREY, width=2 * half, height=0.85, size=9.5)
    return figure
