"""Grids of small images."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def tile(images: Shaped[Array | np.ndarray, "n h w"], columns: int, pad: int = 1, fill: float = 0.5) -> np.ndarray:
    """Lay images out in one picture, row by row, with a border of `pad` pixels of grey level `fill`."""
    images = np.asarray(images, dtype=float)
    n, h, w = images.shape
    rows = -(-n // columns)
    picture = np.full((rows * (h + pad) + pad, columns * (w + pad) + pad), fill)
    for i, image in enumerate(images):
        top, left = pad + (i // columns) * (h + pad), pad + (i % columns) * (w + pad)
        picture[top : top + h, left : left + w] = image
    return picture


def image_rows(
    rows: dict[str, Shaped[Array | np.ndarray, "n h w"]],
    cell: float = 0.62,
    vmin: float = 0.0,
    vmax: float = 1.0,
    cmap: str | None = None,
) -> Figure:
    """One labelled row of images for each entry of `rows`: originals above reconstructions, model above model.

    Args:
        rows: label of the row → its images; ink is 1 and paper is 0.
        cell: width of one image in inches.
        cmap: a diverging colour map such as "PuOr_r" for signed images.
    """
    most = max(len(images) for images in rows.values())
    figure, axes = plt.subplots(len(rows), 1, figsize=(cell * most + 1.4, cell * len(rows) + 0.15), squeeze=False)
    for ax, (label, images) in zip(axes[:, 0], rows.items(), strict=True):
        ax.imshow(tile(images, most, fill=0.15 * vmax), vmin=vmin, vmax=vmax, cmap=cmap)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


def image_grid(
    images: Shaped[Array | np.ndarray, "n h w"],
    columns: int = 10,
    title: str = "",
    cell: float = 0.55,
    vmin: float = 0.0,
    vmax: float = 1.0,
    cmap: str | None = None,
) -> Figure:
    """Many images in one grid, ink 1 and paper 0; a diverging `cmap` such as "PuOr_r" for signed weights."""
    rows = -(-len(images) // columns)
    figure, ax = plt.subplots(figsize=(cell * columns, cell * rows + (0.3 if title else 0)))
    ax.imshow(tile(images, columns, fill=0.15 * vmax), vmin=vmin, vmax=vmax, cmap=cmap)
    ax.set(xticks=[], yticks=[], title=title)
    ax.spines[:].set_visible(False)
    return figure


def scatter_by_class(
    ax: Axes,
    points: Float[Array | np.ndarray, "n 2"],
    labels: Int[Array | np.ndarray, " n"],
    names: Sequence[str] | None = None,
) -> None:
    """Points of a two-dimensional code, one colour a class, the class written at its median."""
    points, labels = np.asarray(points), np.asarray(labels)
    palette = plt.get_cmap("tab10")
    for c in np.unique(labels):
        chosen = points[labels == c]
        ax.scatter(*chosen.T, s=6, color=palette(int(c) % 10), alpha=0.6, linewidths=0)
        name = str(c) if names is None else names[int(c)]
        ax.annotate(
            name,
            tuple(np.median(chosen, axis=0)),
            ha="center",
            va="center",
            weight="bold",
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": palette(int(c) % 10), "alpha": 0.85},
        )
