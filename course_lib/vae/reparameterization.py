"""The reparametrization trick: randomness enters as an input, so that a gradient passes through the sample."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def reparameterize(
    key: Key[Array, ""], mean: Float[Array, "*shape"], log_sigma: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Draw z ~ N(μ, σ²) as z = μ + σ ε with ε ~ N(0, 1), so that ∂z/∂μ = 1 and ∂z/∂ln σ = σ ε.

    Args:
        mean, log_sigma: μ and ln σ, any real numbers.
    Source: Kingma & Welling, arXiv:1312.6114, section 2.4.
    Taught in: 05_variational_autoencoder, "The reparametrization trick".
    """
    noise = jax.random.normal(key, mean.shape)
    return mean + jnp.exp(log_sigma) * noise
