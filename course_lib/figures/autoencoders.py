"""Pictures of auto-encoders: what goes through them, and what a latent plane decodes to."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from course_lib.figures.diagrams import arrow, box, canvas
from course_lib.figures.images import tile
from course_lib.figures.style import DECODER, ENCODER, INK, LATENT


def encoder_latent_decoder() -> Figure:
    """The shape that every chapter shares: a blue encoder narrows to a green latent space, a red decoder widens."""
    figure, ax = canvas(7.2, 2.4)
    for left, right, tall, low, colour, name in [
        (1.0, 2.9, 1.0, 0.45, ENCODER, "encoder"),
        (2.9, 4.3, 0.45, 0.45, LATENT, "latent\nspace"),
        (4.3, 6.2, 0.45, 1.0, DECODER, "decoder"),
    ]:
        corners = [(left, 1.2 + tall), (right, 1.2 + low), (right, 1.2 - low), (left, 1.2 - tall)]
        ax.add_patch(Polygon(corners, fc=colour + "2E", ec=colour, lw=1.6))
        ax.text((left + right) / 2, 1.2, name, ha="center", va="center", color=INK, size=13)
    for x, name in [(0.25, "$x$"), (6.95, r"$\hat x$")]:
        ax.text(x, 1.2, name, ha="center", va="center", size=16)
    arrow(ax, (0.45, 1.2), (0.98, 1.2))
    arrow(ax, (6.22, 1.2), (6.75, 1.2))
    return figure


def simple_autoencoder() -> Figure:
    """x → h(·) → sigm(·) → x̂, with what each box computes written under it."""
    figure, ax = canvas(7.4, 1.5)
    for x, name in [(0.25, "$x$"), (7.1, r"$\hat x$")]:
        ax.text(x, 1.0, name, ha="center", va="center", size=16)
    box(ax, 2.0, 1.0, r"$h(\cdot)$", ENCODER, size=15)
    box(ax, 5.3, 1.0, r"$\mathrm{sigm}(\cdot)$", DECODER, size=15)
    ax.text(2.0, 0.35, r"$g(b + w\,\cdot)$", ha="center", va="center", color=ENCODER, size=13)
    ax.text(5.3, 0.35, r"$\sigma(c + v\,\cdot)$", ha="center", va="center", color=DECODER, size=13)
    arrow(ax, (0.5, 1.0), (1.28, 1.0))
    arrow(ax, (2.72, 1.0), (4.58, 1.0), "$h$", LATENT, size=15)
    arrow(ax, (6.02, 1.0), (6.85, 1.0))
    return figure


def decoded_plane(
    ax: Axes, decode: Callable, x_range: tuple[float, float], y_range: tuple[float, float], side: int, number: int = 15
) -> None:
    """What the latent plane decodes to: `number`² points of a grid, the image of each at its place.

    Args: decode: points (n, 2) → images (n, side·side) in [0, 1].
    """
    xs, ys = np.linspace(*x_range, number), np.linspace(*y_range, number)[::-1]
    points = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2).astype(np.float32)
    picture = tile(np.asarray(decode(points)).reshape(-1, side, side), number, pad=0)
    half_x, half_y = (xs[1] - xs[0]) / 2, (ys[0] - ys[1]) / 2
    extent = (xs[0] - half_x, xs[-1] + half_x, ys[-1] - half_y, ys[0] + half_y)
    ax.imshow(picture, vmin=0, vmax=1, extent=extent, aspect="auto")
    ax.set(xlim=extent[:2], ylim=extent[2:])
