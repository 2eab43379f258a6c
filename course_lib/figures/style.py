"""One look for the whole course: colours that carry meaning, and matplotlib settings.

Encoder blue, latent green, decoder red; targets red, predecessors green. The three shades are from the
palette of Okabe and Ito, which remains distinct under the common forms of colour blindness.
"""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.rcsetup import cycler

BLUE, GREEN, RED = "#0072B2", "#009E73", "#D55E00"
ORANGE, PURPLE, SKY, YELLOW = "#E69F00", "#CC79A7", "#56B4E9", "#F0E442"
INK, GREY, LIGHT = "#222222", "#767676", "#E6E6E6"

ENCODER, LATENT, DECODER = BLUE, GREEN, RED
TARGET, PREDECESSOR = RED, GREEN
DATA, MODEL = INK, BLUE

SETTINGS: dict[str, Any] = {
    "figure.figsize": (7.0, 3.2),
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.prop_cycle": cycler(color=[BLUE, RED, GREEN, ORANGE, PURPLE, SKY]),
    "legend.frameon": False,
    "image.cmap": "gray_r",
    "lines.linewidth": 1.8,
}


def use() -> None:
    """Switch matplotlib to the course's style. Called by `course_lib.notebook.start`."""
    plt.rcParams.update(SETTINGS)  # pyright: ignore[reportArgumentType, reportCallIssue]
