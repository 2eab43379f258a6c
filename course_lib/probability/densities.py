"""Log-densities and log-probabilities in nats, written so that they stay finite."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from course_lib.validation import on_floats, require_broadcastable, require_classes


@on_floats("x", "mean", "log_sigma")
def normal_log_prob(
    x: Float[Array, "..."], mean: Float[Array, "..."], log_sigma: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Log-density of a normal distribution, element by element: −½ ((x − μ)/σ)² − ln σ − ½ ln 2π.

    Args: x, mean and log_sigma (ln σ, any real number) broadcast together.
    Returns: nats for each element; sum over the event axis for a vector.
    Numerics: in float32 value and gradient stay finite while |x − μ|/σ < 10¹⁹ and |ln σ| < 80.
    Taught in: 05_variational_autoencoder, "How different are two distributions?".
    """
    z = (x - mean) * jnp.exp(-log_sigma)
    return -0.5 * z**2 - log_sigma - 0.5 * math.log(2 * math.pi)


def standard_normal_log_prob(x: Float[ArrayLike, "*batch d"]) -> Float[Array, "*batch"]:
    """Log-density of N(0, I), summed over the last axis, in nats: −½ ‖x‖² − ½ d ln 2π.

    Taught in: 05_variational_autoencoder, "The loss read as bits".
    """
    return normal_log_prob(x, 0.0, 0.0).sum(axis=-1)


@on_floats("x", "logits")
def bernoulli_log_prob(x: Float[Array, "..."], logits: Float[Array, "..."]) -> Float[Array, "..."]:
    """Log-probability of binary values, element by element: x ln σ(a) + (1 − x) ln σ(−a), with logit a.

    Args:
        x: 0 or 1. A grey level between them gives the negative cross-entropy, which is no log-probability.
        logits: a, any finite number.
    Numerics: nats; ln σ(a) is −softplus(−a), so no probability is ever rounded to 0 or 1.
    Taught in: 05_variational_autoencoder, "The variational auto-encoder".
    """
    return x * jax.nn.log_sigmoid(logits) + (1 - x) * jax.nn.log_sigmoid(-logits)


@on_floats("logits")
def categorical_log_prob(x: ArrayLike, logits: Float[Array, "*batch k"]) -> Float[Array, "..."]:
    """Log-probability of class x: ln p(x) = a_x − ln Σ_k exp a_k.

    Args:
        x: classes 0, …, k − 1 (integers); the batch axes of `logits` broadcast to its shape.
        logits: unnormalised log-probabilities a, classes on the last axis; −inf forbids a class.
    Returns: nats, shape of x.
    Raises: ValueError: x is not an integer array, or names a class that does not exist; batch axes that do not fit.
    """
    x, num_classes = jnp.asarray(x), logits.shape[-1]
    require_classes(x, num_classes, "x")
    require_broadcastable({"x": x, "logits without their last axis": logits[..., 0]})
    log_p = jnp.broadcast_to(jax.nn.log_softmax(logits, axis=-1), (*x.shape, num_classes))
    return jnp.take_along_axis(log_p, x[..., None], axis=-1)[..., 0]
