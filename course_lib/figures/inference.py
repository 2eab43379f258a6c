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


def gradient_paths() -> Figure:
    """Two ways from φ to h(z): a draw blocks the gradient on its way back; z = μ + σε lets it through."""
    figure, ax = canvas(9.2, 3.5)
    ways = [
        (2.75, "a draw", r"$q_\phi(z)$", r"draw $z$"),
        (0.75, "arithmetic", r"$\mu,\ \sigma$", r"$z=\mu+\sigma\varepsilon$"),
    ]
    for y, name, middle, sample in ways:
        ax.text(0.1, y, name, va="center", size=12)
        box(ax, 2.0, y, r"$\phi$", ENCODER, width=0.8, size=14)
        box(ax, 4.0, y, middle, ENCODER, width=1.3, size=13)
        box(ax, 6.2, y, sample, LATENT, width=1.6, size=13)
        box(ax, 8.4, y, r"$h(z)$", INK, width=1.2, size=13)
        for start, end in [(2.45, 3.3), (4.7, 5.35), (7.05, 7.75)]:
            arrow(ax, (start, y), (end, y))
    for start, end, y in [(8.4, 6.45, 2.75), (8.4, 6.2, 0.75), (6.2, 4.0, 0.75), (4.0, 2.0, 0.75)]:
        arrow(ax, (start, y - 0.4), (end, y - 0.4), "", ENCODER, bend=-0.12)
    ax.text(5.6, 2.12, "✕", ha="center", va="center", color=ENCODER, size=18, weight="bold")
    ax.text(4.2, 2.12, "no gradient for $\\phi$", ha="center", va="center", color=ENCODER, size=12)
    ax.text(6.2, 1.75, r"$\varepsilon\sim\mathcal{N}(0,I)$", ha="center", va="center", size=12)
    arrow(ax, (6.2, 1.58), (6.2, 1.13))
    return figure


def vae_structure() -> Figure:
    """x → Q → (μ, Σ) → z → P → x̂, with the noise ε entering from outside; the loss's two terms, joined by dashes."""
    figure, ax = canvas(9.8, 2.9)
    for x, name in [(0.3, "$x$"), (9.5, r"$\hat x$")]:
        ax.text(x, 1.7, name, ha="center", va="center", size=16)
    box(ax, 1.6, 1.7, "$Q$\nencoder", ENCODER, width=1.3, height=0.95)
    box(ax, 3.7, 2.15, r"$\mu(x)$", LATENT, width=1.85, height=0.6)
    box(ax, 3.7, 1.25, r"$\Sigma(x)=\mathrm{diag}\,\sigma^2(x)$", LATENT, width=1.85, height=0.6, size=10)
    box(ax, 5.95, 1.7, r"$z=\mu+\sigma\varepsilon$", LATENT, width=1.55, height=0.7)
    box(ax, 8.0, 1.7, "$P$\ndecoder", DECODER, width=1.3, height=0.95)
    ax.text(5.95, 2.7, r"$\varepsilon\sim\mathcal{N}(0,I)$", ha="center", va="center", size=12)
    for start, end in [
        ((0.5, 1.7), (0.93, 1.7)),
        ((2.27, 1.85), (2.75, 2.1)),
        ((2.27, 1.55), (2.75, 1.3)),
        ((4.65, 2.1), (5.15, 1.85)),
        ((4.65, 1.3), (5.15, 1.55)),
        ((5.95, 2.53), (5.95, 2.08)),
        ((6.75, 1.7), (7.33, 1.7)),
        ((8.67, 1.7), (9.25, 1.7)),
    ]:
        arrow(ax, start, end)
    dashed = {"ls": (0, (3, 2)), "lw": 1.2, "clip_on": False}
    for top, bottom in [(1.83, 1.57), (0.93, 0.5)]:
        ax.plot([3.7, 3.7], [top, bottom], color=ENCODER, **dashed)
    ax.plot([9.5, 9.5, 9.1], [1.45, 0.28, 0.28], color=DECODER, **dashed)
    ax.text(3.7, 0.28, r"$\mathrm{KL}(q(z|x)\,\|\,p(z))$", ha="center", va="center", color=ENCODER, size=12)
    ax.text(8.3, 0.28, r"$-\ln p(x|z)$", ha="center", va="center", color=DECODER, size=12)
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
