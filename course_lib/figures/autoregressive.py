"""Pictures of chapter 2: targets in red, their predecessors in green."""

from collections.abc import Sequence
from itertools import combinations, pairwise, product

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from course_lib.figures.diagrams import arrow, box, brace, canvas
from course_lib.figures.style import GREY, INK, LATENT, LIGHT, PREDECESSOR, TARGET

Matrix = Float[Array | np.ndarray, "_ _"]


def _words(ax: Axes, x: float, y: float, pieces: Sequence[tuple[str, str]], size: float = 14) -> None:
    """One line of text on the baseline y, whose pieces (text, colour) follow each other."""
    text = ax.text(x, y, pieces[0][0], color=pieces[0][1], size=size, va="baseline")
    for word, colour in pieces[1:]:
        text = ax.annotate(word, xy=(1, y), xycoords=(text, "data"), color=colour, size=size, va="baseline")


def _dot(ax: Axes, x: float, y: float, label: str, colour: str, filled: bool = True) -> None:
    ax.add_patch(Circle((x, y), 0.22, fc=colour + "2E" if filled else "white", ec=colour, lw=1.6))
    ax.text(x, y, label, ha="center", va="center", color=INK if filled else GREY, size=11)


def chain_written_out(length: int = 5) -> Figure:
    """One row for each factor p(x_t | x_1, …, x_{t−1}): the target red, its predecessors green.

    Taught in: 02_autoregressive, "The chain rule"
    """
    figure, ax = canvas(7.0, 0.62 * length + 0.1, scale=0.85)
    for t in range(1, length + 1):
        y = 0.62 * (length - t) + 0.35
        for s in range(1, length + 1):
            colour = TARGET if s == t else PREDECESSOR if s < t else "#BBBBBB"
            _dot(ax, 0.35 + 0.62 * (s - 1), y, f"$x_{s}$", colour, filled=s <= t)
        past = [("$|\\,$", INK), (f"${','.join(f'x_{s}' for s in range(1, t))}$", PREDECESSOR)] if t > 1 else []
        sign = "$\\times\\;$" if t > 1 else "$p(x)\\;=\\;$"
        _words(
            ax,
            0.62 * length + (1.19 if t > 1 else 0.35),
            y - 0.08,
            [
                (sign, INK),
                ("$p($", INK),
                (f"$x_{t}\\,$", TARGET),
                *past,
                ("$)$", INK),
            ],
        )
    return figure


def predecessors_to_target(t: int = 5) -> Figure:
    """x_{<t} → x_t: a row of dots, a brace under the predecessors, an arrow to the target.

    Taught in: 02_autoregressive, "The chain rule"
    """
    figure, ax = canvas(1.0 * t + 0.6, 1.35, scale=0.85)
    for s in range(1, t + 1):
        _dot(ax, s - 0.3 + (0.6 if s == t else 0), 1.0, f"$x_{s}$", TARGET if s == t else PREDECESSOR)
    arrow(ax, (t - 0.98, 1.0), (t + 0.03, 1.0))
    brace(ax, 0.45, t - 1.05, 0.65, f"$x_{{<{t}}}$", colour=PREDECESSOR)
    ax.text(t + 0.3, 0.39, f"$x_{t}$", color=TARGET, ha="center", va="top")
    return figure


def chain_rule_overview() -> Figure:
    """The joint becomes a product of conditionals; its logarithm is a sum.

    Taught in: 02_autoregressive, "The chain rule"
    """
    figure, ax = canvas(11.0, 1.9, scale=0.8)
    conditional = [("$x_t$", TARGET), ("$\\,|\\,$", INK), (r"$\{x_{<t}\}$", PREDECESSOR), ("$)$", INK)]
    boxes = [
        (1.3, 2.0, [("$p(x_1,\\ldots,x_T)$", INK)], "one joint distribution"),
        (5.2, 3.0, [(r"$\prod_{t=1}^{T}\;p($", INK), *conditional], "a product of conditionals"),
        (9.3, 3.2, [(r"$\sum_{t=1}^{T}\;\log\,p($", INK), *conditional], "a sum of log-probabilities"),
    ]
    for x, width, formula, below in boxes:
        box(ax, x, 1.1, "", width=width, height=1.0)
        _words(ax, x - width / 2 + 0.22, 1.02, formula, size=13)
        ax.text(x, 0.3, below, ha="center", va="center", color=INK, size=11)
    arrow(ax, (2.34, 1.1), (3.66, 1.1), "chain rule")
    arrow(ax, (6.74, 1.1), (7.66, 1.1), "log")
    return figure


def hidden_and_visible(num_hidden: int = 3, num_visible: int = 4) -> Figure:
    """DARN: hidden bits above visible ones, with the arrows within each layer and between the layers.

    Taught in: 02c_hidden_bits, "Bits that nobody sees"
    """
    width = 1.25 * max(num_hidden, num_visible)
    figure, ax = canvas(width + 2.1, 3.5, scale=0.85)
    layers = []
    for y, name, colour, count, words in (
        (2.5, "h", LATENT, num_hidden, "hidden bits, $p(h)$"),
        (1.3, "x", TARGET, num_visible, "pixels, $p(x\\,|\\,h)$"),
    ):
        layers.append([(width / 2 + 1.25 * (i - (count - 1) / 2), y) for i in range(count)])
        for i, (x, _) in enumerate(layers[-1]):
            _dot(ax, x, y, f"${name}_{i + 1}$", colour)
        ax.text(width + 0.1, y, words, color=colour, va="center")
    for hidden, visible in product(*layers):
        way = np.subtract(visible, hidden) * 0.22 / np.hypot(*np.subtract(visible, hidden))
        arrow(ax, tuple(hidden + 1.15 * way), tuple(visible - 1.15 * way), colour=LATENT + "99")
    for layer, bend, side in ((layers[0], -0.45, 0.2), (layers[1], 0.45, -0.2)):
        for (before, y), (after, _) in combinations(layer, 2):
            arrow(ax, (before + 0.08, y + side), (after - 0.08, y + side), colour=GREY, bend=bend)
    return figure


def matrices(shown: dict[str, Matrix], unit: float = 0.22) -> Figure:
    """Masks or dependencies side by side: green where an input (row) reaches an output (column)."""
    sizes = [np.shape(matrix) for matrix in shown.values()]
    width, height = unit * sum(max(s[1], 6) for s in sizes) + 0.9 * len(sizes), unit * max(s[0] for s in sizes) + 0.9
    ratios = [max(s[1], 6) for s in sizes]
    figure, axes = plt.subplots(1, len(shown), figsize=(width, height), squeeze=False, width_ratios=ratios)
    for ax, (title, matrix) in zip(axes[0], shown.items(), strict=True):
        cells, edge = np.asarray(matrix) != 0, 0.8 if unit > 0.1 else 0.0
        ax.pcolormesh(cells, cmap=ListedColormap([LIGHT, PREDECESSOR]), vmin=0, vmax=1, edgecolors="white", lw=edge)
        ax.set(title=title, xticks=[], yticks=[], xlabel="out", ylabel="in", aspect="equal")
        ax.invert_yaxis()
    return figure


def network_of_degrees(layers: Sequence[Int[np.ndarray, " _"]], names: Sequence[str]) -> Figure:
    """MADE drawn as a network: each unit shows its degree, each line is a connection that the masks keep.

    Args: layers: degrees of inputs, hidden layers and outputs, from the left to the right; names: one a layer.
    Taught in: 02_autoregressive, "MADE"
    """
    figure, ax = canvas(2.3 * len(layers), 0.62 * max(map(len, layers)) + 0.5, scale=0.9)
    middle = (ax.get_ylim()[1] - 0.4) / 2
    place = [middle + 0.62 * ((len(layer) - 1) / 2 - np.arange(len(layer))) for layer in layers]
    for depth, (before, after) in enumerate(pairwise(layers)):
        last = depth == len(layers) - 2
        for i, k in np.argwhere(after[None, :] > before[:, None] if last else after[None, :] >= before[:, None]):
            ends = [2.3 * depth + 1.15, 2.3 * depth + 3.45]
            ax.plot(ends, [place[depth][i], place[depth + 1][k]], color=PREDECESSOR, lw=0.9, alpha=0.7, zorder=0)
    for depth, (layer, name) in enumerate(zip(layers, names, strict=True)):
        x, colour = 2.3 * depth + 1.15, TARGET if depth == len(layers) - 1 else PREDECESSOR if depth == 0 else GREY
        for degree, y in zip(layer, place[depth], strict=True):
            ax.add_patch(Circle((x, y), 0.22, fc="white", ec=colour, lw=1.8))
            ax.text(x, y, str(int(degree)), ha="center", va="center", color=INK, size=10)
        ax.text(x, ax.get_ylim()[1] - 0.02, name, ha="center", va="top", color=colour)
    return figure
