"""Pictures of flows: bars of equal area, densities in the plane, grids that a map has bent, the two diagrams."""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import ConnectionPatch

from course_lib.figures.diagrams import arrow, box, canvas
from course_lib.figures.style import DECODER, ENCODER, GREY, INK, LATENT

Areas = Float[Array | np.ndarray, " n"]
Edges = Float[Array | np.ndarray, " n+1"]
Range = tuple[float | int, float | int]
Density = Callable[[Float[np.ndarray, "rows columns 2"]], Float[Array | np.ndarray, "rows columns"]]


def equal_area_bars(areas: Areas, z_edges: Edges, x_edges: Edges, x_range: Range, tallest: float = 0.8) -> Figure:
    """Bars over strips of z, above; the same bars after the map, below: same colour, same area, other width and height.

    Args: areas of the n bars; edges of their strips before and after; x_range shown, for both; tallest bar that fits.
    """
    figure, axes = plt.subplots(2, 1, figsize=(7, 4))
    colours = plt.get_cmap("viridis")(np.linspace(0.05, 0.95, len(areas)))
    for ax, edges, name in zip(axes, (z_edges, x_edges), ("z", "x"), strict=True):
        edges, widths = np.asarray(edges), np.diff(edges)
        ax.bar(edges[:-1], np.asarray(areas) / widths, widths, align="edge", color=colours, ec="white", lw=0.8)
        ax.set(xlim=x_range, ylim=(0, tallest), xlabel=f"${name}$", ylabel="area / width")
    return figure


def evaluate_on_square(log_prob: Density, bounds: Range, cells: int) -> tuple[np.ndarray, float]:
    """The density at the centres of cells × cells squares (first axis: second coordinate), and a square's area."""
    low, high = bounds
    width = (high - low) / cells
    centres = low + width * (np.arange(cells) + 0.5)
    points = np.stack(np.meshgrid(centres, centres), axis=-1).astype(np.float32)
    return np.exp(np.asarray(log_prob(points), np.float64)), width**2


def density_map(
    ax: Axes,
    log_prob: Density,
    bounds: Range,
    title: str = "",
    cells: int = 160,
    top: float | None = None,
    cmap: str = "gray_r",
    floor: float | None = None,
    name: str = "x",
) -> AxesImage:
    """A density in the plane as a heat map; `top` is the density drawn darkest, so that maps can be compared.

    Args: floor: the density drawn lightest; with it the shades are logarithmic. name: of the point on the axes.
    Returns: the image, for a colour bar.
    """
    density, _ = evaluate_on_square(log_prob, bounds, cells)
    norm = Normalize(0, top) if floor is None else LogNorm(floor, top, clip=True)
    shown = density if floor is None else np.maximum(density, floor)
    image = ax.imshow(
        shown, origin="lower", extent=(*bounds, *bounds), norm=norm, cmap=cmap, interpolation="bilinear"
    )  # fmt: skip
    ticks = [bounds[0], (bounds[0] + bounds[1]) / 2, bounds[1]]
    ax.set(title=title, xlabel=f"${name}_1$", ylabel=f"${name}_2$", xticks=ticks, yticks=ticks, aspect="equal")
    return image


def warped_grid(ax: Axes, lines: Float[Array | np.ndarray, "2 lines points 2"], title: str = "") -> None:
    """Where a map has carried a grid: its horizontal lines (first) in green, its vertical lines (second) in grey."""
    for family, colour in zip(np.asarray(lines), (LATENT, GREY), strict=True):
        ax.plot(family[..., 0].T, family[..., 1].T, color=colour, lw=0.6)
    ax.set(title=title, xticks=[], yticks=[], aspect="equal")


def base_and_target(base: Density, target: Density, bounds: Range) -> Figure:
    """The base density and its pushforward side by side, joined by the arrows Y = g(Z) and Z = f(Y)."""
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.7), gridspec_kw={"wspace": 0.54, "bottom": 0.15}, layout="none")
    density_map(axes[0], base, bounds, r"base density $\tilde p(z)$", cmap="Greens", name="z")
    density_map(axes[1], target, bounds, "target density $p(y)$", cmap="Oranges", name="y")
    axes[1].yaxis.tick_right()
    axes[1].yaxis.set_label_position("right")
    for start, end, height, label, colour, above in (
        (0, 1, 0.7, "$Y=g(Z)$\ngenerative", DECODER, 0.05),
        (1, 0, 0.3, "$Z=f(Y)$\nnormalizing", ENCODER, -0.2),
    ):
        tail, head = ((1.04 if side == 0 else -0.04, height) for side in (start, end))
        figure.add_artist(
            ConnectionPatch(
                tail,
                head,
                "axes fraction",
                "axes fraction",
                axesA=axes[start],
                axesB=axes[end],
                arrowstyle="-|>",
                mutation_scale=16,
                color=colour,
                lw=2,
            )
        )
        axes[0].text(1.27, height + above, label, transform=axes[0].transAxes, ha="center", color=colour)
    return figure


def chain_diagram() -> Figure:
    """z = x_0 → g_1 → x_1 → … → g_N → x_N = x above, and back below by f_N first and f_1 last."""
    figure, ax = canvas(9.4, 2.3)
    places: Sequence[tuple[float, str, str]] = (
        (0.8, "$z=x_0$", LATENT),
        (2.75, "$x_1$", GREY),
        (4.7, r"$\cdots$", GREY),
        (6.65, "$x_{N-1}$", GREY),
        (8.6, "$x_N=x$", INK),
    )
    for x, text, colour in places:
        box(ax, x, 1.15, text, colour, width=1.15, height=0.8, size=13)
    for (left, *_), (right, *_), i in zip(places[:-1], places[1:], ("1", "2", "{N-1}", "N"), strict=True):
        there, back = (left + 0.62, right - 0.62), (right - 0.62, left + 0.62)
        arrow(ax, (there[0], 1.35), (there[1], 1.35), f"$g_{i}$", DECODER, bend=-0.3, offset=(0, 0.45), size=14)
        arrow(ax, (back[0], 0.95), (back[1], 0.95), f"$f_{i}$", ENCODER, bend=-0.3, offset=(0, -0.45), size=14)
    return figure


def jacobian_picture(jacobian: Float[Array | np.ndarray, "d d"], names: Sequence[str], title: str = "") -> Figure:
    """A Jacobian matrix as coloured cells with their values; exact zeros stay white and empty."""
    jacobian = np.asarray(jacobian)
    figure, ax = plt.subplots(figsize=(4.6, 4.1))
    most = np.abs(jacobian).max()
    ax.imshow(jacobian, cmap="RdBu_r", vmin=-1.7 * most, vmax=1.7 * most)
    for (i, j), value in np.ndenumerate(jacobian):
        if value != 0:
            ax.text(j, i, f"{value:.2f}", ha="center", va="center", size=9, color=INK)
    ticks = range(len(names))
    ax.set(title=title, xticks=ticks, yticks=ticks, xticklabels=[f"$z_{n}$" for n in names])
    ax.set_yticklabels([f"$x_{n}$" for n in names])
    ax.set(xlabel="derivative with respect to", ylabel="derivative of")
    return figure
