"""Samples of a class-conditional mixture p(x|C_k): choose the class and the temperature."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.marks import Image, Panel
from course_lib.explorers.widget import Explorer, explore


def class_sampler_explorer(
    log_weights: Float[Array | np.ndarray, "classes styles"],
    ink: Float[Array | np.ndarray, "classes styles d"],
    class_names: Sequence[str],
    image_shape: tuple[int, int],
    num_samples: int = 9,
) -> Explorer:
    """Ancestral samples of p(x|C_k) = Σ_z p(z|C_k) ∏_i Bernoulli(x_i; p_zi), with every log-odds divided by T.

    The same uniform noise serves every class and temperature. At T = 1 the samples follow the model; towards 0 each
    pixel takes its more probable value; above 1 noise takes over.

    Args:
        log_weights: ln p(z|C_k), up to a constant of the class.
        ink: p_zi, strictly between 0 and 1.

    Taught in: 01_introduction, "Latent variables"
    """
    weights, logits = jnp.asarray(log_weights), jax.scipy.special.logit(jnp.asarray(ink))
    style_key, pixel_key = jax.random.split(jax.random.key(0))
    gumbel = jax.random.gumbel(style_key, (num_samples, weights.shape[1]))
    noise = jax.random.logistic(pixel_key, (num_samples, logits.shape[-1]))

    def at(digit, temperature):
        style = jnp.argmax(weights[digit][None, :] / temperature + gumbel, axis=1)
        log_odds = logits[digit][style] / temperature
        return {
            "samples": (log_odds + noise > 0).astype(float).reshape(num_samples, *image_shape),
            "chance": jax.nn.sigmoid(log_odds).reshape(num_samples, *image_shape),
            "T": jnp.asarray(temperature, float),
        }

    return explore(
        at,
        [
            Choice("digit", tuple(class_names), 0, label="class"),
            Slider("temperature", 0.25, 2.0, 8, 1.0, label="temperature T", step=0.25, smooth=False),
        ],
        [
            Panel([Image("chance", columns=3)], title="probability of ink in each style", aspect=1.0),
            Panel([Image("samples", columns=3)], title="samples", aspect=1.0),
        ],
        title="Sample from one class",
        description="Left: for nine draws of the style, the probability of ink in every pixel. Right: the images drawn "
        "from these, for the chosen class and temperature.",
        readouts=("temperature T = {T:.2f}",),
    )
