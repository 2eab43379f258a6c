"""The families of models of the course, each in one small drawing."""

import io
import re
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon

from course_lib.figures.diagrams import arrow, canvas
from course_lib.figures.style import DECODER, ENCODER, INK, LATENT, PREDECESSOR, TARGET

WIDTH, HEIGHT, MIDDLE = 4.0, 1.3, 0.65
PAGE_COLOURS = {INK: "currentColor"} | {
    colour: f"var(--course-{name}, {colour})"
    for name, colour in {"encoder": ENCODER, "latent": LATENT, "decoder": DECODER}.items()
}


def _name(ax: Axes, x: float, y: float, text: str, colour: str = INK, size: float = 15) -> None:
    ax.text(x, y, text, ha="center", va="center", color=colour, size=size)


def _funnel(ax: Axes, left: float, right: float, tall: float, low: float, colour: str, text: str = "") -> None:
    """A shape of half-height `tall` at its left and `low` at its right edge."""
    corners = [(left, MIDDLE + tall), (right, MIDDLE + low), (right, MIDDLE - low), (left, MIDDLE - tall)]
    ax.add_patch(Polygon(corners, fc=colour + "2E", ec=colour, lw=1.6))
    _name(ax, (left + right) / 2, MIDDLE, text)


def _bell(ax: Axes, middle: float, base: float, width: float, height: float) -> None:
    x = np.linspace(-1, 1, 61)
    y = base + height * np.exp(-0.5 * (3 * x) ** 2)
    ax.fill_between(middle + width * x, y, base, color=LATENT, alpha=0.25, lw=0)
    ax.plot(middle + width * x, y, color=LATENT, lw=1.6)


def latent_variable_model(ax: Axes) -> None:
    _bell(ax, 0.75, 0.3, 0.6, 0.62)
    _name(ax, 0.75, 0.14, r"$z\sim p(z)$", size=11)
    arrow(ax, (1.35, MIDDLE), (1.75, MIDDLE))
    _funnel(ax, 1.8, 3.0, 0.25, 0.5, DECODER, r"$p(x\,|\,z)$")
    arrow(ax, (3.05, MIDDLE), (3.5, MIDDLE))
    _name(ax, 3.72, MIDDLE, "$x$")


def autoregressive_model(ax: Axes) -> None:
    xs, y = [0.5, 1.5, 2.5, 3.5], 0.4
    for i, x in enumerate(xs, start=1):
        colour = TARGET if i == 4 else PREDECESSOR
        ax.add_patch(Circle((x, y), 0.25, fc=colour + "2E", ec=colour, lw=1.6))
        _name(ax, x, y, f"$x_{i}$", size=13)
    for x, bend in zip(xs[:3], (-0.42, -0.5, -0.62), strict=True):
        arrow(ax, (x + 0.08, y + 0.27), (3.5 - 0.05 * (3.5 - x), y + 0.27), bend=bend)


def normalizing_flow(ax: Axes) -> None:
    _funnel(ax, 0.3, 1.1, 0.5, 0.5, LATENT, "$z$")
    ax.add_patch(Polygon([(2.9, 1.15), (3.7, 1.15), (3.7, 0.15), (2.9, 0.15)], fc=INK + "14", ec=INK, lw=1.6))
    _name(ax, 3.3, MIDDLE, "$x$")
    arrow(ax, (1.15, 0.85), (2.85, 0.85), "$x = g(z)$", DECODER, size=13)
    arrow(ax, (2.85, 0.45), (1.15, 0.45), "$z = f(x)$", ENCODER, offset=(0, -0.2), size=13)


def autoencoder(ax: Axes) -> None:
    _ends(ax)
    _funnel(ax, 1.75, 2.25, 0.22, 0.22, LATENT, "$h$")


def variational_autoencoder(ax: Axes) -> None:
    _ends(ax)
    _bell(ax, 2.0, 0.35, 0.25, 0.6)
    _name(ax, 2.0, 0.14, "$q(z\\,|\\,x)$", size=11)


def _ends(ax: Axes) -> None:
    _name(ax, 0.2, MIDDLE, "$x$")
    _name(ax, 3.8, MIDDLE, r"$\hat x$")
    arrow(ax, (0.32, MIDDLE), (0.7, MIDDLE))
    _funnel(ax, 0.75, 1.75, 0.5, 0.22, ENCODER)
    _funnel(ax, 2.25, 3.25, 0.22, 0.5, DECODER)
    arrow(ax, (3.3, MIDDLE), (3.68, MIDDLE))


FAMILIES: dict[str, Callable[[Axes], None]] = {
    "Latent-variable model": latent_variable_model,
    "Autoregressive model": autoregressive_model,
    "Normalizing flow": normalizing_flow,
    "Auto-encoder": autoencoder,
    "Variational auto-encoder": variational_autoencoder,
}


def family(name: str) -> Figure:
    """The drawing of one entry of `FAMILIES`."""
    figure, ax = canvas(WIDTH, HEIGHT)
    figure.set_layout_engine("none")
    ax.set_position((0, 0, 1, 1))
    FAMILIES[name](ax)
    return figure


def inline_svg(figure: Figure, label: str) -> str:
    """The figure as SVG to be set into a web page; ink takes the colour of the page's text, the course's three
    colours take those of the page's style sheet, so that one drawing serves light and dark pages.

    Args: label: its description for those who cannot see it.
    """
    buffer = io.StringIO()
    with plt.rc_context({"svg.hashsalt": label}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    plt.close(figure)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for colour, name in PAGE_COLOURS.items():
        text = text.replace(colour.lower(), name)
    prefix = re.sub(r"\W+", "-", label.lower())[:24]
    text = re.sub(r'(id="|href="#|url\(#)', rf"\1{prefix}-", re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S))
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
