"""One posterior, fitted twice in the page: by the reverse KL divergence, and by the forward one."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.scipy.special import logsumexp

from course_lib.explorers.controls import Slider
from course_lib.explorers.live import LiveTraining, live_training
from course_lib.explorers.marks import Axis, Image, Panel, Points
from course_lib.probability import standard_normal_log_prob

BATCH, SIDE, EDGE, BLUR = 128, 32, 4.0, 0.3
STEPS = 2000  # of the runs whose losses are the lines


class Twins(nnx.Module):
    """Two models of equal start, one for each direction."""

    def __init__(self, build: Callable[[nnx.Rngs], Any], rngs: nnx.Rngs) -> None:
        self.reverse, self.forward = build(rngs), build(rngs)


def smoothed_log_prob(z: Any, points: Any) -> Any:
    """The target: the mean of Gaussians of width 0.3 around the points."""
    squares = ((z[:, None, :] - points[None, :, :]) ** 2).sum(axis=-1) / BLUR**2
    return logsumexp(-0.5 * squares, axis=1) - math.log(points.shape[0] * 2 * math.pi * BLUR**2)


def two_modes(key: Any) -> Any:
    """Two bells, of 60 and 40 per cent."""
    side, noise = jax.random.split(key)
    sign = jnp.where(jax.random.uniform(side, (BATCH, 1)) < 0.6, 1.0, -1.0)
    return sign * jnp.array([[1.8, 1.2]]) + 0.3 * jax.random.normal(noise, (BATCH, 2))


def banana(key: Any) -> Any:
    """A bent ridge."""
    z = jax.random.normal(key, (BATCH, 2))
    return jnp.stack([1.3 * z[:, 0], 0.9 * z[:, 0] ** 2 - 1.5 + 0.25 * z[:, 1]], axis=-1)


def live_directions_explorer(build: Callable[[nnx.Rngs], nnx.Module]) -> LiveTraining:
    """min KL(q‖π) on the left, min KL(π‖q) on the right, for π = the batch's points, smoothed with σ = 0.3.

    The loss is the sum of E_q[ln q − ln π] and −E_π[ln q]; the two share no parameter.

    Args:
        build: rngs → a flow in the plane with `log_prob` and `bijection`, such as a Gaussian.

    Taught in: 03b_flows_for_inference, "Forward and reverse"
    """
    centres = (-EDGE + 2 * EDGE * (np.arange(SIDE) + 0.5) / SIDE).astype(np.float32)
    pixels = np.stack(np.meshgrid(centres, centres[::-1]), axis=-1).reshape(-1, 2)

    def loss(model: Any, batch: Any, key: Any) -> Any:
        base, blur = jax.random.split(key)
        z = jax.random.normal(base, (BATCH, 2))
        x, log_det = model.reverse.bijection.forward(z)
        reverse = (standard_normal_log_prob(z) - log_det - smoothed_log_prob(x, batch)).mean()
        drawn = batch + BLUR * jax.random.normal(blur, batch.shape)
        return reverse - model.forward.log_prob(drawn).mean()

    def densities(model: Any) -> Mapping[str, Any]:
        x = jnp.asarray(pixels)
        both = {"reverse": model.reverse, "forward": model.forward}
        return {name: jnp.sqrt(jnp.exp(q.log_prob(x))).reshape(SIDE, SIDE) for name, q in both.items()}

    def panel(name: str, title: str) -> Panel:
        marks = [
            Image(name, scale=(0.0, 0.7), map="heat", extent=(-EDGE, EDGE, -EDGE, EDGE)),
            Points("batch", "data", label="the posterior's points", size=1.6, opacity=0.6),
        ]
        return Panel(marks, Axis("z₁", -EDGE, EDGE), Axis("z₂", -EDGE, EDGE), title=title, aspect=1.0)

    return live_training(
        lambda rngs: Twins(build, rngs),
        loss,
        lambda rate: optax.adam(rate),
        {"two modes": two_modes, "banana": banana},
        {"densities": densities},
        [Slider("rate", 1e-4, 3e-1, 2, 1e-2, label="learning rate", log=True)],
        [panel("reverse", "reverse: KL(q‖π)"), panel("forward", "forward: KL(π‖q)")],
        title="Train it here: one posterior, two directions",
        description="The points of a posterior, and the model that each direction of the divergence fits to them: "
        "the reverse one on the left, the forward one on the right. One can draw the posterior on the left picture.",
        reference=STEPS,
        reference_label=f"{STEPS} steps in Python",
        draw_on=0,
        batch_size=BATCH,
        pace=4,
        still_steps=800,
    )
