"""Samples of a class-conditional model p(x|C_k): choose the class and the temperature."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.marks import Image, Panel
from course_lib.explorers.widget import Explorer, explore


def class_sampler_explorer(
    means: Float[Array | np.ndarray, "classes d"],
    factors: Float[Array | np.ndarray, "classes d r"],
    image_shape: tuple[int, int],
    num_samples: int = 18,
) -> Explorer:
    """x = μ_k + T·L_k ε for fixed noise ε: the Gaussian p(x|C_k) = N(μ_k, L_k L_kᵀ), cooled or heated.

    Args:
        means: μ_k of each class.
        factors: L_k with L_k L_kᵀ the covariance of the class.

    Taught in: 01_introduction, "A generative classifier"
    """
    mu, root = jnp.asarray(means), jnp.asarray(factors)
    noise = jax.random.normal(jax.random.key(0), (num_samples, root.shape[-1]))

    def at(digit, temperature):
        x = mu[digit][None] + temperature * noise @ root[digit].T
        return {"samples": x.reshape(num_samples, *image_shape), "mean": mu[digit].reshape(image_shape)}

    return explore(
        at,
        [
            Choice("digit", tuple(str(k) for k in range(len(mu))), 3, label="class"),
            Slider("temperature", 0.0, 2.0, 3, 1.0, label="temperature T"),
        ],
        [
            Panel([Image("mean")], title="mean of the class", aspect=1.0, weight=0.5),
            Panel([Image("samples", columns=6)], title="samples", aspect=2.0, weight=1.4),
        ],
        title="Sample from one class",
        description="Left: the mean image of the chosen class. Right: samples of its Gaussian, with the spread "
        "scaled by the temperature; at 1 they follow the model, at 0 all are the mean.",
    )
