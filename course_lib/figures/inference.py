"""Pictures of variational inference: diagrams, divergences and code lengths."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.figures.diagrams import arrow, box, canvas
from course_lib.figures.style import DECODER, ENCODER, INK, LATENT, ORANGE

Row = Float[Array | np.ndarray, " n"]


def generation_and_inference() -> Figure:
    """z ⇄ x: the generative model p(x|z) leads down to the data, the variational q(z|x) leads back."""
    figure, ax = canvas(6.4, 1.9)
    box(ax, 1.2, 0.95, "latent $z$", LATENT, width=1.7, size=13)
    box(ax, 5.2, 0.95, "data $x$", INK, width=1.7, size=13)
    arrow(
        ax, (2.1, 1.15), (4.3, 1.15), r"$p_\theta(x\,|\,z)$  generate", DECODER, bend=-0.15, offset=(0, 0.42), size=13
    )
    arrow(ax, (4.3, 0.75), (2.1, 0.75), r"$q_\phi(z\,|\,x)$  infer", ENCODER, bend=-0.15, offset=(0, -0.42), size=13)
    return figure


def vae_structure() -> Figure:
    """x → Q → (μ, Σ) → z → P → x̂, with the noise ε entering from outside and the two terms of the loss below."""
    figure, ax = canvas(9.2, 2.7)
    for x, name in [(0.3, "$x$"), (8.9, r"$\hat x$")]:
        ax.text(x, 1.5, name, ha="center", va="center", size=16)
    box(ax, 1.6, 1.5, "$Q$\nencoder", ENCODER, width=1.3, height=0.95)
    box(ax, 3.45, 1.95, r"$\mu(x)$", LATENT, width=0.95, height=0.6)
    box(ax, 3.45, 1.05, r"$\Sigma(x)$", LATENT, width=0.95, height=0.6)
    box(ax, 5.35, 1.5, r"$z=\mu+\sigma\varepsilon$", LATENT, width=1.55, height=0.7)
    box(ax, 7.4, 1.5, "$P$\ndecoder", DECODER, width=1.3, height=0.95)
    ax.text(5.35, 2.5, r"$\varepsilon\sim\mathcal{N}(0,I)$", ha="center", va="center", size=12)
    for start, end in [
        ((0.5, 1.5), (0.93, 1.5)),
        ((2.27, 1.65), (2.95, 1.9)),
        ((2.27, 1.35), (2.95, 1.1)),
        ((3.95, 1.9), (4.55, 1.65)),
        ((3.95, 1.1), (4.55, 1.35)),
        ((5.35, 2.33), (5.35, 1.88)),
        ((6.15, 1.5), (6.73, 1.5)),
        ((8.07, 1.5), (8.67, 1.5)),
    ]:
        arrow(ax, start, end)
    ax.text(3.45, 0.35, r"$\mathrm{KL}(q(z|x)\,\|\,p(z))$", ha="center", color=ENCODER, size=12)
    ax.text(7.9, 0.35, r"$-\ln p(x|z)$", ha="center", color=DECODER, size=12)
    return figure


def bound_and_gap(ax: Axes, t: Row, bound: Row, evidence: float | ArrayLike) -> None:
    """A lower bound along a path of distributions q, under the level ln p(x); the shaded gap is the KL."""
    ax.plot(t, bound, color=ENCODER, label=r"$\mathcal{L}$")
    ax.axhline(float(np.asarray(evidence)), color=INK, ls="--", label=r"$\ln p(x)$")
    level = np.full(np.shape(t), np.asarray(evidence))
    ax.fill_between(t, bound, level, color=ORANGE, alpha=0.35, label=r"$\mathrm{KL}(q\,\|\,p(z|x))$")
    ax.legend(loc="lower right")


def stacked_lengths(bars: Mapping[str, Sequence[tuple[str, float, str]]], unit: str = "bits") -> Figure:
    """Horizontal bars that must be equally long, each made of labelled pieces: name → (label, length, colour)."""
    figure, ax = plt.subplots(figsize=(7.6, 0.85 * len(bars) + 0.9))
    longest = max(sum(length for _, length, _ in pieces) for pieces in bars.values())
    for row, pieces in enumerate(bars.values()):
        start = 0.0
        for label, length, colour in pieces:
            ax.barh(row, length, left=start, height=0.62, color=colour, alpha=0.45, ec="white")
            wide = length > 0.22 * longest
            ax.annotate(
                f"{label}  {length:.1f}",
                (start + length / 2, row - (0 if wide else 0.36)),
                ha="center",
                va="center" if wide else "bottom",
                color=INK,
                size=10,
            )
            start += length
    ax.set(yticks=range(len(bars)), yticklabels=list(bars), xlabel=unit, ylim=(len(bars) - 0.5, -0.75))
    return figure
