"""The variational auto-encoder: a latent-variable model and its bound on ln p(x)."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Key

from course_lib.compiled import compiled
from course_lib.distributions import Bernoulli, Distribution, require_distribution
from course_lib.networks import dense
from course_lib.probability import iwae_bound, kl_standard_normal, normal_log_prob, standard_normal_log_prob
from course_lib.vae.decoder import Decoder, Scale
from course_lib.vae.encoder import GaussianEncoder
from course_lib.vae.reparameterization import reparameterize
from course_lib.validation import as_floats, events, require_finite, whole_number

Nats = Float[Array, "*batch"]
BITS = Bernoulli()


class Vae(nnx.Module):
    """p(x, z) = p(x|z) N(z; 0, I) with decoder p(x|z), and encoder q(z|x) = N(μ(x), diag σ(x)²).

    L(x) = E_q ln p(x|z) − KL(q(z|x)‖N(0, I)) ≤ ln p(x), in nats, summed over inputs and latents, not over the batch.

    Args:
        num_inputs, num_latents: d and k.
        hidden_sizes: widths of the encoder's hidden layers; the decoder has them in reverse. None: a linear model.
        likelihood: of one x_d given z: `Bernoulli()` for 0 and 1, `Gaussian(sigma)` for real numbers, any other.
        scale: what a learned width of it depends on, see `Decoder`.
        flow: a bijection g of the k latents, with a context of 2k numbers. Then q(z|x) is the law of g(z₀; μ, ln σ)
            with z₀ from the Gaussian, and `elbo_terms` estimates the KL by ln q − ln p at its one draw.
    Raises: ValueError: a size that is not positive, a likelihood that is no distribution; from the methods: a wrong
        last axis, values that the likelihood does not have (for a Bernoulli, grey levels, say).
    Source: Kingma & Welling 2013, arXiv:1312.6114, eq. 10; 2019, arXiv:1906.02691.
    Taught in: 05_variational_autoencoder, "The variational auto-encoder";
        05b_better_bounds, "A posterior that bends".
    """

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        num_latents: int,
        *,
        likelihood: Distribution = BITS,
        scale: Scale = "of z",
        flow: Any = None,
        rngs: nnx.Rngs,
    ):
        sizes = {"num_inputs": num_inputs, "num_latents": num_latents}
        for name, value in [*sizes.items(), *(("a hidden size", size) for size in hidden_sizes)]:
            whole_number(value, name)
        self.num_inputs, self.num_latents, self.flow = num_inputs, num_latents, flow
        self.likelihood = require_distribution(likelihood)
        self.encoder, build = self.networks(hidden_sizes, rngs)
        self.decoder = Decoder(build, num_inputs, likelihood, scale)

    def networks(
        self, hidden_sizes: Sequence[int], rngs: nnx.Rngs
    ) -> tuple[GaussianEncoder, Callable[[int], nnx.Module]]:
        """The encoder, and what builds the decoder's network of so many outputs."""
        encoder = GaussianEncoder(self.num_inputs, hidden_sizes, self.num_latents, rngs=rngs)
        return encoder, lambda outputs: dense([self.num_latents, *reversed(hidden_sizes), outputs], rngs)

    def encode(self, x: ArrayLike) -> tuple[Float[Array, "*batch k"], Float[Array, "*batch k"]]:
        """(μ, ln σ) of q(z|x)."""
        x = events(x, (self.num_inputs,), type(self).__name__)
        self.likelihood.check(x)
        return _encode(self, x)

    def parameters(self, z: ArrayLike) -> Float[Array, "*batch d p"]:
        """The numbers of p(x_d|z) for every d."""
        z = events(z, (self.num_latents,), f"the decoder of {type(self).__name__}", "z")
        require_finite(z, "z")
        return _decode(self, z)

    def decode(self, z: ArrayLike) -> Float[Array, "*batch d"]:
        """The first number of p(x_d|z): the logit of a Bernoulli, the mean of a Gaussian or of a logistic."""
        return self.parameters(z)[..., 0]

    def decode_mean(self, z: ArrayLike) -> Float[Array, "*batch d"]:
        """E[x|z]: the probability of ink, or the mean grey."""
        return self.likelihood.mean(self.parameters(z))

    def reconstruct(self, x: ArrayLike) -> Float[Array, "*batch d"]:
        """E[x|z] at z = μ(x), without noise."""
        return self.decode_mean(self.encode(x)[0])

    def log_likelihood(self, x: ArrayLike, z: Float[Array, "*batch k"]) -> Nats:
        """ln p(x|z), summed over the inputs."""
        return self.likelihood.log_prob(as_floats(x), self.parameters(z)).sum(axis=-1)

    def draw(
        self, key: Key[Array, ""], mean: Float[Array, "*batch k"], log_sigma: Float[Array, "*batch k"]
    ) -> tuple[Float[Array, "*batch k"], Nats]:
        """z ~ q(z|x) and ln q(z|x), from (μ, ln σ) of `encode`; through the flow if there is one.

        ln q(z|x) = ln N(z₀; μ, σ²) − ln|det Dg(z₀)|
        """
        z = reparameterize(key, mean, log_sigma)
        log_q = normal_log_prob(z, mean, log_sigma).sum(axis=-1)
        if self.flow is None:
            return z, log_q
        z, log_det = self.flow.forward(z, jnp.concatenate([mean, log_sigma], axis=-1))
        return z, log_q - log_det

    def elbo_terms(self, key: Key[Array, ""], x: ArrayLike) -> tuple[Nats, Nats]:
        """(ln p(x|z) at one z ~ q(z|x), KL(q(z|x)‖N(0, I)) in closed form): their difference estimates L(x)."""
        return self._terms(key, x, *self.encode(x))

    def _terms(self, key: Key[Array, ""], x: ArrayLike, mean: Array, log_sigma: Array) -> tuple[Nats, Nats]:
        z, log_q = self.draw(key, mean, log_sigma)
        if self.flow is not None:
            return self.log_likelihood(x, z), log_q - standard_normal_log_prob(z)
        return self.log_likelihood(x, z), kl_standard_normal(mean, log_sigma).sum(axis=-1)

    def elbo(self, key: Key[Array, ""], x: ArrayLike, num_samples: int = 1) -> Nats:
        """Unbiased estimate of L(x) from `num_samples` draws of z for each x."""
        whole_number(num_samples, "num_samples")
        return _elbo(self, key, as_floats(x), self.encode(x), num_samples)

    def iwae(self, key: Key[Array, ""], x: ArrayLike, num_samples: int) -> Nats:
        """Importance-weighted bound: L(x) ≤ E iwae ≤ ln p(x), and it reaches ln p(x) as `num_samples` grows.

        Numerics: 50 samples at a time (`lax.map`), so that memory does not grow with `num_samples` × inputs.
        Source: Burda et al., arXiv:1509.00519, eq. 8. Taught in: 05_variational_autoencoder, "The loss read as bits".
        """
        whole_number(num_samples, "num_samples")
        return _iwae(self, key, as_floats(x), self.encode(x), num_samples)

    def sample(self, key: Key[Array, ""], shape: tuple[int, ...] = ()) -> Float[Array, "*shape d"]:
        """Draw z ~ N(0, I), then x ~ p(x|z): shape (*shape, d)."""
        return _sample(self, key, tuple(whole_number(size, "an entry of shape", 0) for size in shape))


def negative_elbo(model: Vae, batch: ArrayLike, key: Key[Array, ""]) -> Float[Array, ""]:
    """−L(x), one draw of z for each x, averaged over the batch, in nats: the loss for `course_lib.training.fit`."""
    return -model.elbo(key, batch).mean()


@compiled
def _encode(model: Vae, x: Array) -> tuple[Array, Array]:
    return model.encoder(model.likelihood.as_input(x))


@compiled
def _decode(model: Vae, z: Array) -> Array:
    return model.decoder(z)


@compiled(static=("shape",))
def _sample(model: Vae, key: Key[Array, ""], shape: tuple[int, ...]) -> Array:
    z_key, x_key = jax.random.split(key)
    return model.likelihood.sample(x_key, model.decoder(jax.random.normal(z_key, (*shape, model.num_latents))))


@compiled(static=("num_samples",))
def _elbo(model: Vae, key: Key[Array, ""], x: Array, encoded: tuple[Array, Array], num_samples: int) -> Nats:
    keys = jax.random.split(key, num_samples)
    reconstruction, kl = jax.vmap(lambda key: model._terms(key, x, *encoded))(keys)
    return (reconstruction - kl).mean(axis=0)


@compiled(static=("num_samples",))
def _iwae(model: Vae, key: Key[Array, ""], x: Array, encoded: tuple[Array, Array], num_samples: int) -> Nats:
    def log_joint_and_q(i: Array) -> tuple[Array, Array]:
        z, log_q = model.draw(jax.random.fold_in(key, i), *encoded)
        return model.log_likelihood(x, z) + standard_normal_log_prob(z), log_q

    return iwae_bound(*jax.lax.map(log_joint_and_q, jnp.arange(num_samples), batch_size=50))
