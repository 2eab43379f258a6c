"""Kullback–Leibler divergences KL(q‖p) = E_q[ln q − ln p] in nats: never negative, not symmetric, q comes first."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from course_lib.validation import is_concrete, on_floats


@on_floats("mean_q", "log_sigma_q", "mean_p", "log_sigma_p")
def kl_normal(
    mean_q: Float[Array, "..."],
    log_sigma_q: Float[Array, "..."],
    mean_p: Float[Array, "..."],
    log_sigma_p: Float[Array, "..."],
) -> Float[Array, "..."]:
    """KL between two normal distributions, element by element in nats ≥ 0 (sum over the axis of latents).

    KL = ½ [σ_q²/σ_p² − 1 − ln(σ_q²/σ_p²)] + (μ_q − μ_p)²/(2σ_p²)

    Numerics: the bracket is expm1(r) − r, exact near equal widths; rounding below 0 is cut off.
    Taught in: 05_variational_autoencoder, "How different are two distributions?".
    """
    log_ratio = 2 * (log_sigma_q - log_sigma_p)
    shift = (mean_q - mean_p) * jnp.exp(-log_sigma_p)
    return 0.5 * jnp.maximum(jnp.expm1(log_ratio) - log_ratio, 0.0) + 0.5 * shift**2


def kl_standard_normal(mean: ArrayLike, log_sigma: ArrayLike) -> Float[Array, "..."]:
    """KL(N(μ, σ²)‖N(0, 1)) = ½ (μ² + σ² − 1 − ln σ²), element by element, in nats ≥ 0.

    Source: Kingma & Welling, arXiv:1312.6114, appendix B.
    Taught in: 05_variational_autoencoder, "The variational auto-encoder".
    """
    return kl_normal(mean, log_sigma, 0.0, 0.0)


@on_floats("low_q", "high_q", "low_p", "high_p")
def kl_uniform(
    low_q: Float[Array, "..."], high_q: Float[Array, "..."], low_p: Float[Array, "..."], high_p: Float[Array, "..."]
) -> Float[Array, "..."]:
    """KL between two uniform distributions, element by element, in nats ≥ 0.

    KL = ln((high_p − low_p)/(high_q − low_q)) if [low_q, high_q] lies inside [low_p, high_p]; otherwise q puts
    mass where p has none, and the definition gives +inf.

    Raises: ValueError: an interval is empty (low ≥ high).
    Taught in: 05_variational_autoencoder, "How different are two distributions?".
    """
    for name, low, high in (("q", low_q, high_q), ("p", low_p, high_p)):
        if is_concrete(low) and is_concrete(high) and not np.all(np.less(low, high)):
            raise ValueError(f"The interval of {name} runs from {low} to {high}; low must be less than high.")
    inside = jnp.greater_equal(low_q, low_p) & jnp.less_equal(high_q, high_p)
    widths = jnp.subtract(high_p, low_p) / jnp.subtract(high_q, low_q)
    return jnp.where(inside, jnp.log(jnp.where(inside, widths, 1.0)), jnp.inf)


@on_floats("log_q", "log_p")
def kl_monte_carlo(
    log_q: Float[Array, "n *rest"], log_p: Float[Array, "n *rest"]
) -> tuple[Float[Array, "*rest"], Float[Array, "*rest"]]:
    """KL(q‖p) from log-densities at samples of q: the mean of ln q(xᵢ) − ln p(xᵢ), and its standard error.

    Args: log-densities in nats at n ≥ 2 independent samples **of q**, on the first axis.
    Returns: (estimate, standard error) in nats. The estimate alone may be negative; the KL is not.
    Raises: ValueError: fewer than two samples.
    Taught in: 05_variational_autoencoder, "How different are two distributions?".
    """
    difference = log_q - log_p
    n = difference.shape[0]
    if n < 2:
        raise ValueError(f"log_q holds {n} sample; a standard error needs at least 2 on the first axis.")
    return difference.mean(axis=0), difference.std(axis=0, ddof=1) / n**0.5
