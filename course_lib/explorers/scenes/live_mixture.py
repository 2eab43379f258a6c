"""A mixture of Gaussians that learns in the page, by EM or by Adam, from a density or from points drawn by hand."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.scipy.special import logsumexp

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.live import LiveTraining, live_training
from course_lib.explorers.marks import Axis, Bars, Image, Mesh, Panel, Points

BATCH, SIDE, AROUND = 256, 36, 41
LEAST_WEIGHT, LEAST_SIGMA = 1e-4, 0.03  # below, a component would vanish, or shrink onto one point


class PlaneMixture(nnx.Module):
    """p(x) = Σ_z p(z) N(x; μ_z, diag σ_z²) in the plane, with K components; their means start at random."""

    def __init__(self, num_components: int, *, rngs: nnx.Rngs) -> None:
        self.means = nnx.Param(jax.random.normal(rngs.params(), (num_components, 2)))
        self.log_sigmas = nnx.Param(jnp.zeros((num_components, 2)))
        self.logits = nnx.Param(jnp.zeros(num_components))

    def log_joint(self, x: Any) -> Any:
        """ln p(x, z) for every z: (n, K), in nats."""
        log_sigma = self.log_sigmas[...]
        scaled = (x[:, None, :] - self.means[...][None]) * jnp.exp(-log_sigma)[None]
        log_weights = jax.nn.log_softmax(self.logits[...])
        return (log_weights - log_sigma.sum(axis=-1) - math.log(2 * math.pi))[None] - 0.5 * (scaled**2).sum(axis=-1)


def em(rate: Any) -> optax.GradientTransformation:
    """A round of EM on the batch, made of the gradient of the loss −ℓ; with rate < 1, a part of the way.

    With the responsibilities h_k = p(z=k|x), means over the batch, and weights w:
    ∂ℓ/∂logit_k = ⟨h_k⟩ − w_k, ∂ℓ/∂μ_k = ⟨h_k (x−μ_k)⟩/σ_k², ∂ℓ/∂ln σ_k = ⟨h_k (x−μ_k)²⟩/σ_k² − ⟨h_k⟩.
    So the gradient holds all averages that EM asks for: w_k ← ⟨h_k⟩, and μ_k, σ_k² ← mean and variance under h_k.

    Source: Xu & Jordan 1996, "On convergence properties of the EM algorithm for Gaussian mixtures".
    """

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        weights = jnp.maximum(jax.nn.softmax(params["logits"]) - updates["logits"], LEAST_WEIGHT)
        variance = jnp.exp(2 * params["log_sigmas"])
        shift = -variance * updates["means"] / weights[:, None]
        around_old_mean = variance * (1 - updates["log_sigmas"] / weights[:, None])
        log_sigmas = 0.5 * jnp.log(jnp.maximum(around_old_mean - shift**2, LEAST_SIGMA**2))
        whole = [
            log_sigmas - params["log_sigmas"],
            jnp.log(weights) - params["logits"],
            shift,
        ]  # in order of their names
        return jax.tree.unflatten(jax.tree.structure(updates), [rate * change for change in whole]), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def either(method: Any, rate: Any) -> optax.GradientTransformation:
    """EM where `method` is 0, Adam where it is 1."""
    both = em(rate), optax.adam(rate)

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        changes, states = zip(*(t.update(updates, s, params) for t, s in zip(both, state, strict=True)), strict=True)
        return jax.tree.map(lambda a, b: jnp.where(method == 0, a, b), *changes), states

    return optax.GradientTransformation(lambda params: tuple(t.init(params) for t in both), update)


def live_mixture_explorer(densities: Sequence[Any], num_components: int = 8) -> LiveTraining:
    """−(1/n) Σ ln Σ_z p(x, z) in the page, by EM or Adam: which component takes which points.

    Args:
        densities: of `course_lib.data.toy_density`; their entropies are the lines that no mixture can pass.

    Taught in: 01_introduction, "Latent variables"
    """
    low, high = densities[0].bounds
    centres = (low + (high - low) * (np.arange(SIDE) + 0.5) / SIDE).astype(np.float32)
    pixels = np.stack(np.meshgrid(centres, centres[::-1]), axis=-1).reshape(-1, 2)
    angle = np.linspace(0, 2 * np.pi, AROUND, dtype=np.float32)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    def loss(model: Any, batch: Any, key: Any) -> Any:
        return -logsumexp(model.log_joint(batch), axis=-1).mean()

    def picture(model: Any) -> Mapping[str, Any]:
        log_p = logsumexp(model.log_joint(jnp.asarray(pixels)), axis=-1)
        rings = model.means[...][:, None] + jnp.exp(model.log_sigmas[...])[:, None] * jnp.asarray(circle)[None]
        return {
            "density": jnp.sqrt(jnp.exp(log_p)).reshape(SIDE, SIDE),
            "ring": rings,
            "weights": jax.nn.softmax(model.logits[...]),
        } | {f"ring {k}": rings[k : k + 1] for k in range(num_components)}

    def drawn_from(density: Any) -> Callable[..., Any]:
        return lambda key: density.draw(key, BATCH)

    axes = Axis("x₁", low, high), Axis("x₂", low, high)
    marks = [
        Image("density", scale=(0.0, 0.7), map="heat", extent=(low, high, low, high)),
        Points("batch", "data", label="data", size=1.4, opacity=0.5),
        *(Mesh(f"ring {k}", "decoder") for k in range(num_components)),
    ]
    return live_training(
        lambda rngs: PlaneMixture(num_components, rngs=rngs),
        loss,
        either,
        {d.name.replace("_", " "): drawn_from(d) for d in densities},
        {"picture": picture},
        [
            Choice("method", ("EM", "Adam"), label="method"),
            Slider("rate", 1e-3, 1.0, 2, 0.1, label="learning rate", log=True),
        ],
        [
            Panel(marks, *axes, title="density, and one σ around each mean", aspect=1.0),
            Panel(
                [Bars("weights", [str(k + 1) for k in range(num_components)], ("latent",), digits=-1)],
                Axis("component z", -0.5, num_components - 0.5),
                Axis("p(z)", 0, 0.5),
                title="weights",
                aspect=0.9,
                weight=0.8,
            ),
        ],
        title="Train it here: a mixture of Gaussians",
        description="Left: the density of the mixture, an ellipse of one standard deviation around each mean, and the "
        "data; then the weight of each component, and the loss of every step. One can draw data on the left picture.",
        reference={d.name.replace("_", " "): d.entropy() for d in densities},
        reference_label="entropy of the data",
        draw_on=0,
        batch_size=BATCH,
        pace=2,
        still_steps=300,
    )
