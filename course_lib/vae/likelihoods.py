"""The distribution of one pixel given z: what the number that the decoder puts out for it stands for."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from course_lib.autoregressive.discretized import LogisticMixture
from course_lib.initial_weights import zeros
from course_lib.probability import bernoulli_log_prob, normal_log_prob
from course_lib.validation import require_binary, require_finite, whole_number

Pixels = Float[Array, "*batch d"]


class Bernoulli(nnx.Module):
    """Ink with probability σ(a), a the decoder's number."""

    def check(self, x) -> None:
        """Raises ValueError for anything but 0 and 1."""
        require_binary(x)

    def log_prob(self, x: Pixels, a: Pixels) -> Pixels:
        return bernoulli_log_prob(x, a)

    def mean(self, a: Pixels) -> Pixels:
        return jax.nn.sigmoid(a)

    def sample(self, key: Key[Array, ""], a: Pixels) -> Pixels:
        return jax.random.bernoulli(key, self.mean(a)).astype(a.dtype)


class Gaussian(nnx.Module):
    """N(a, σ²) with one σ for all pixels: given, or, with `sigma` None, a parameter ln σ that starts at −1.

    Taught in: 05b_better_bounds, "Which likelihood for grey pixels?".
    """

    def __init__(self, sigma: float | None):
        self.log_sigma = nnx.Param(jnp.asarray(-1.0)) if sigma is None else math.log(sigma)

    def check(self, x) -> None:
        """Raises ValueError for NaN or infinity."""
        require_finite(x)

    def log_prob(self, x: Pixels, a: Pixels) -> Pixels:
        return normal_log_prob(x, a, self._log_sigma())

    def mean(self, a: Pixels) -> Pixels:
        return a

    def sample(self, key: Key[Array, ""], a: Pixels) -> Pixels:
        return a + jnp.exp(self._log_sigma()) * jax.random.normal(key, a.shape)

    def _log_sigma(self) -> Array | float:
        return self.log_sigma[...] if isinstance(self.log_sigma, nnx.Param) else self.log_sigma


class DiscretizedLogistic(nnx.Module):
    """A logistic density of mean a and a learned scale for each pixel, cut into L grey levels 0, 1/(L − 1), …, 1.

    p(level) = σ((v + δ − a)/s) − σ((v − δ − a)/s) with v = 2x − 1 and δ = 1/(L − 1); the first and the last level get
    the tails. It is `LogisticMixture` with one component, and a probability: at most 1, unlike a density.
    Source: Kingma et al. 2016, arXiv:1606.04934, §5.2.
    Taught in: 05b_better_bounds, "Which likelihood for grey pixels?".
    """

    def __init__(self, num_inputs: int, levels: int):
        whole_number(levels, "levels", 2)
        self.levels, self.log_scale = levels, nnx.Param(zeros(None, (num_inputs,)) - 1)

    def check(self, x) -> None:
        """Raises ValueError for NaN or infinity; `log_prob` for values that are no level."""
        require_finite(x)

    def _parameters(self, a: Pixels) -> Float[Array, "*batch d 3"]:
        log_scale = jnp.broadcast_to(self.log_scale[...], a.shape)
        return jnp.stack([jnp.zeros_like(a), a, log_scale], axis=-1)

    def log_prob(self, x: Pixels, a: Pixels) -> Pixels:
        return LogisticMixture(self.levels, 1).log_prob(x, self._parameters(a))

    def mean(self, a: Pixels) -> Pixels:
        p = jnp.exp(LogisticMixture(self.levels, 1).level_log_probs(self._parameters(a)))
        return p @ jnp.linspace(0, 1, self.levels)

    def sample(self, key: Key[Array, ""], a: Pixels) -> Pixels:
        v = a + jnp.exp(self._parameters(a)[..., 2]) * jax.random.logistic(key, a.shape)
        return jnp.clip(jnp.round((v + 1) / 2 * (self.levels - 1)) / (self.levels - 1), 0.0, 1.0)
