"""Pictures of chapter 2b: what a prediction may look at, in an image read row by row."""

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Shaped
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from course_lib.figures.style import LIGHT, PREDECESSOR, PURPLE, TARGET


def receptive_fields(
    seen: dict[str, Shaped[Array | np.ndarray, "h w"]], target: tuple[int, int], cell: float = 0.19
) -> Figure:
    """The target red, the earlier pixels that its prediction depends on green, those that it cannot see purple.

    Args: seen: title → True (not 0) where the prediction depends on the pixel; target: its row and column.
    Taught in: 02b_pixelcnn, "The receptive field, from gradients"
    """
    h, w = next(iter(seen.values())).shape
    earlier = np.arange(h * w).reshape(h, w) < target[0] * w + target[1]
    size = (max(cell * w * len(seen) + 0.3 * len(seen), 4.0), cell * h + 0.75)
    figure, axes = plt.subplots(1, len(seen), figsize=size, squeeze=False)
    for ax, (title, field) in zip(axes[0], seen.items(), strict=True):
        cells = np.where(np.asarray(field) != 0, 1, np.where(earlier, 2, 0))
        cells[target] = 3
        colours = ListedColormap([LIGHT, PREDECESSOR, PURPLE, TARGET])
        ax.pcolormesh(cells, cmap=colours, vmin=0, vmax=3, edgecolors="white", lw=0.8)
        ax.set(title=title, xticks=[], yticks=[], aspect="equal")
        ax.invert_yaxis()
    names = {"predicted": TARGET, "seen": PREDECESSOR, "earlier, not seen": PURPLE, "later": LIGHT}
    handles = [Patch(color=colour, label=name) for name, colour in names.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9)
    return figure
