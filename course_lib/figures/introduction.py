"""Pictures of chapter 1: the families side by side, and accuracy against the number of labels."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.figures.diagrams import arrow, box, canvas
from course_lib.figures.style import DECODER, ENCODER, GREY, INK, LATENT, LIGHT

# name, the labels of encoder, latent, decoder (or of earlier pixels and the next), likelihood, sampling, latent space
FAMILIES = (
    ("Mixture\n(this chapter)", ("$p(z|x)$", "$z$", "$p(x|z)$"), "exact", "$z$, then $x$", "a style number"),
    ("Autoregressive\n(chapter 2)", ("$x_{<t}$", "$p(x_t|x_{<t})$"), "exact", "pixel by pixel", "none"),
    ("Normalizing flow\n(chapter 3)", ("$f(x)$", "$z$", "$g(z)$"), "exact", "$z$, then $x$", "as large as $x$"),
    ("Auto-encoder\n(chapter 4)", ("$h(x)$", "$h$", r"$\hat x(h)$"), "none", "none", "small"),
    (
        "Variational\nauto-encoder\n(chapter 5)",
        ("$q(z|x)$", "$z$", "$p(x|z)$"),
        "lower bound",
        "$z$, then $x$",
        "small, with a prior",
    ),
)


def family_map() -> Figure:
    """One row a family: encoder (blue), latent (green), decoder (red), and what the family gives.

    Taught in: 01_introduction, "Encoder, latent space, decoder"
    """
    height, row = 5.6, 0.98
    figure, ax = canvas(11.0, height, scale=0.88)
    columns = {"likelihood $p(x)$": 7.05, "sampling": 8.55, "latent space": 10.1}
    for title, x in {"family": 0.85, "from image to image": 4.05, **columns}.items():
        ax.text(x, height - 0.25, title, ha="center", va="center", weight="bold", color=INK)
    for i, (name, boxes, *gives) in enumerate(FAMILIES):
        y = height - 1.0 - i * row
        ax.plot([0, 11.0], [y + row / 2, y + row / 2], color=LIGHT, lw=1)
        ax.text(0.85, y, name, ha="center", va="center", color=INK, size=10.5)
        three = len(boxes) == 3
        places = (2.6, 4.05, 5.5) if three else (2.6, 5.5)
        colours = (ENCODER, LATENT, DECODER) if three else (GREY, DECODER)  # earlier pixels are no latent space
        for x, label, colour in zip(places, boxes, colours, strict=True):
            box(ax, x, y, label, colour, width=1.3 if colour == DECODER else 1.0, height=0.56)
        for left, right in pairwise(places):
            arrow(ax, (left + 0.54, y), (right - (0.69 if right == places[-1] else 0.54), y))
        for x, given in zip(columns.values(), gives, strict=True):
            ax.text(x, y, given, ha="center", va="center", color=GREY if given == "none" else INK, size=10.5)
    return figure


def accuracy_against_labels(
    ax: Axes, num_labels: Sequence[int], curves: dict[str, tuple[Float[Array | np.ndarray, "sizes seeds"], str, str]]
) -> None:
    """Mean test accuracy with bars of one standard error over the seeds, against the number of labels.

    Args:
        curves: name → (accuracy of each number of labels and seed, colour, line style).
    """
    for name, (accuracy, colour, line) in curves.items():
        accuracy = np.asarray(accuracy)
        error = accuracy.std(axis=1, ddof=1) / np.sqrt(accuracy.shape[1])
        ax.errorbar(num_labels, accuracy.mean(axis=1), error, color=colour, ls=line, capsize=2.5, label=name)
    ax.set(xscale="log", xlabel="number of labels", ylabel="test accuracy")
    ax.set_xticks(list(num_labels), [f"{n:,}" for n in num_labels], rotation=45 if len(num_labels) > 6 else 0)
    ax.minorticks_off()
    ax.legend(loc="lower right", fontsize=9)
