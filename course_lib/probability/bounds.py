"""Lower bounds on ln p(x) from samples z₁, …, z_k of q(z|x), and how many of the samples count."""

import math

import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float

from course_lib.validation import on_floats


@on_floats("log_joint", "log_q")
def elbo(log_joint: Float[Array, "..."], log_q: Float[Array, "..."], axis: int = 0) -> Float[Array, "..."]:
    """Evidence lower bound: (1/k) Σᵢ [ln p(x, zᵢ) − ln q(zᵢ|x)] with zᵢ drawn from q, in nats.

    Args: ln p(x, zᵢ) and ln q(zᵢ|x) with the samples on `axis` and the event axes already summed.
    Returns: an unbiased estimate of the ELBO, which is at most ln p(x).
    Source: Kingma & Welling 2019, arXiv:1906.02691, eq. 2.10.
    Taught in: 05_variational_autoencoder, "Why not simply draw from the prior?".
    """
    return (log_joint - log_q).mean(axis=axis)


@on_floats("log_joint", "log_q")
def iwae_bound(log_joint: Float[Array, "..."], log_q: Float[Array, "..."], axis: int = 0) -> Float[Array, "..."]:
    """Importance-weighted bound: ln (1/k) Σᵢ p(x, zᵢ)/q(zᵢ|x) with zᵢ drawn from q, in nats.

    k = 1 is the ELBO; in expectation it rises with k towards ln p(x).
    Source: Burda et al., arXiv:1509.00519, eq. 8.
    Taught in: 05_variational_autoencoder, "Why not simply draw from the prior?";
        03b_flows_for_inference, "Weights repair what is left".
    """
    log_weights = log_joint - log_q
    return logsumexp(log_weights, axis=axis) - math.log(log_weights.shape[axis])


@on_floats("log_weights")
def effective_sample_size(log_weights: Float[Array, "..."], axis: int = 0) -> Float[Array, "..."]:
    """How many of the weighted samples count: (Σᵢ wᵢ)²/Σᵢ wᵢ², from ln wᵢ.

    Returns: from 1 (one weight carries all) to k (all equal); 0 where every weight is 0.
    Numerics: in log space; the common scale of the weights cancels.
    Taught in: 05_variational_autoencoder, "Why not simply draw from the prior?";
        03b_flows_for_inference, "Weights repair what is left".
    """
    any_weight = (log_weights > -jnp.inf).any(axis=axis, keepdims=True)
    safe = jnp.where(any_weight, log_weights, 0.0)
    size = jnp.exp(2 * logsumexp(safe, axis=axis) - logsumexp(2 * safe, axis=axis))
    return jnp.where(any_weight.squeeze(axis), size, 0.0)
