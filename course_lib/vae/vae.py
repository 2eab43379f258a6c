"""The variational auto-encoder: a latent-variable model and its bound on ln p(x)."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Key

from course_lib.initial_weights import linear
from course_lib.probability import (
    bernoulli_log_prob,
    iwae_bound,
    kl_standard_normal,
    normal_log_prob,
    standard_normal_log_prob,
)
from course_lib.vae.encoder import GaussianEncoder, hidden_layers
from course_lib.vae.reparameterization import reparameterize
from course_lib.validation import require_binary, require_event_shape, require_finite, require_positive

Nats = Float[Array, "*batch"]


class Vae(nnx.Module):
    """p(x, z) = p(x|z) N(z; 0, I) with decoder p(x|z), and encoder q(z|x) = N(μ(x), diag σ(x)²).

    L(x) = E_q ln p(x|z) − KL(q(z|x)‖N(0, I)) ≤ ln p(x), in nats, summed over inputs and latents, not over the batch.

    Args:
        num_inputs, num_latents: d and k.
        hidden_sizes: widths of the encoder's hidden layers; the decoder has them in reverse. None: a linear model.
        likelihood: "bernoulli" for x of 0 and 1, "gaussian" for real x.
        sigma: standard deviation of the Gaussian p(x|z); a Bernoulli has none.
    Raises: ValueError: a size or sigma that is not positive, or another likelihood; from the methods: a wrong last
        axis, NaN or infinity, and for a Bernoulli anything but 0 and 1 (grey levels, say).
    Source: Kingma & Welling 2013, arXiv:1312.6114, eq. 10; 2019, arXiv:1906.02691.
    Taught in: 05_variational_autoencoder, "The variational auto-encoder".
    """

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        num_latents: int,
        *,
        likelihood: str = "bernoulli",
        sigma: float | int = 1.0,
        rngs: nnx.Rngs,
    ):
        sizes = {"num_inputs": num_inputs, "num_latents": num_latents, "sigma": sigma}
        for name, value in [*sizes.items(), *(("a hidden size", size) for size in hidden_sizes)]:
            require_positive(value, name)
        if likelihood not in ("bernoulli", "gaussian"):
            raise ValueError(f'likelihood is {likelihood!r}; choose "bernoulli" or "gaussian".')
        self.num_inputs, self.num_latents = num_inputs, num_latents
        self.likelihood, self.sigma = likelihood, float(sigma)
        self.encoder = GaussianEncoder(num_inputs, hidden_sizes, num_latents, rngs=rngs)
        widths = [num_latents, *reversed(hidden_sizes)]
        self.decoder = nnx.Sequential(hidden_layers(widths, rngs), linear(widths[-1], num_inputs, rngs))

    def encode(self, x: ArrayLike) -> tuple[Float[Array, "*batch k"], Float[Array, "*batch k"]]:
        """(μ, ln σ) of q(z|x)."""
        require_event_shape(x, (self.num_inputs,), type(self).__name__)
        (require_binary if self.likelihood == "bernoulli" else require_finite)(x)
        return self.encoder(jnp.asarray(x, dtype=float))

    def decode(self, z: ArrayLike) -> Float[Array, "*batch d"]:
        """The parameter of p(x|z): logits of a Bernoulli, mean of a Gaussian."""
        require_event_shape(z, (self.num_latents,), f"the decoder of {type(self).__name__}")
        require_finite(z, "z")
        return self.decoder(jnp.asarray(z, dtype=float))

    def decode_mean(self, z: ArrayLike) -> Float[Array, "*batch d"]:
        """E[x|z]: the probability of ink, or the mean of the Gaussian."""
        return jax.nn.sigmoid(self.decode(z)) if self.likelihood == "bernoulli" else self.decode(z)

    def reconstruct(self, x: ArrayLike) -> Float[Array, "*batch d"]:
        """E[x|z] at z = μ(x), without noise."""
        return self.decode_mean(self.encode(x)[0])

    def log_likelihood(self, x: ArrayLike, z: Float[Array, "*batch k"]) -> Nats:
        """ln p(x|z), summed over the inputs."""
        parameter, x = self.decode(z), jnp.asarray(x, dtype=float)
        if self.likelihood == "bernoulli":
            return bernoulli_log_prob(x, parameter).sum(axis=-1)
        return normal_log_prob(x, parameter, math.log(self.sigma)).sum(axis=-1)

    def elbo_terms(self, key: Key[Array, ""], x: ArrayLike) -> tuple[Nats, Nats]:
        """(ln p(x|z) at one z ~ q(z|x), KL(q(z|x)‖N(0, I)) in closed form): their difference estimates L(x)."""
        mean, log_sigma = self.encode(x)
        z = reparameterize(key, mean, log_sigma)
        return self.log_likelihood(x, z), kl_standard_normal(mean, log_sigma).sum(axis=-1)

    def elbo(self, key: Key[Array, ""], x: ArrayLike, num_samples: int = 1) -> Nats:
        """Unbiased estimate of L(x) from `num_samples` draws of z for each x."""
        require_positive(num_samples, "num_samples")
        reconstruction, kl = jax.vmap(lambda key: self.elbo_terms(key, x))(jax.random.split(key, num_samples))
        return (reconstruction - kl).mean(axis=0)

    def iwae(self, key: Key[Array, ""], x: ArrayLike, num_samples: int) -> Nats:
        """Importance-weighted bound: L(x) ≤ E iwae ≤ ln p(x), and it reaches ln p(x) as `num_samples` grows.

        Numerics: one sample at a time (`lax.map`), so that memory does not grow with `num_samples` × inputs.
        Source: Burda et al., arXiv:1509.00519, eq. 8. Taught in: 05_variational_autoencoder, "The loss read as bits".
        """
        require_positive(num_samples, "num_samples")
        mean, log_sigma = self.encode(x)

        def log_joint_and_q(i: Array) -> tuple[Array, Array]:
            z = reparameterize(jax.random.fold_in(key, i), mean, log_sigma)
            log_q = normal_log_prob(z, mean, log_sigma).sum(axis=-1)
            return self.log_likelihood(x, z) + standard_normal_log_prob(z), log_q

        return iwae_bound(*jax.lax.map(log_joint_and_q, jnp.arange(num_samples)))

    def sample(self, key: Key[Array, ""], shape: tuple[int, ...] = ()) -> Float[Array, "*shape d"]:
        """Draw z ~ N(0, I), then x ~ p(x|z): shape (*shape, d)."""
        z_key, x_key = jax.random.split(key)
        mean = self.decode_mean(jax.random.normal(z_key, (*shape, self.num_latents)))
        if self.likelihood == "bernoulli":
            return jax.random.bernoulli(x_key, mean).astype(mean.dtype)
        return mean + self.sigma * jax.random.normal(x_key, mean.shape)


def negative_elbo(model: Vae, batch: ArrayLike, key: Key[Array, ""]) -> Float[Array, ""]:
    """−L(x), one draw of z for each x, averaged over the batch, in nats: the loss for `course_lib.training.fit`."""
    return -model.elbo(key, batch).mean()
