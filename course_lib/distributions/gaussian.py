"""Real numbers: one normal distribution, or several mixed."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Key

from course_lib.distributions.base import Distribution
from course_lib.probability import normal_log_prob
from course_lib.validation import as_floats, require_finite, require_positive, whole_number


@dataclass(frozen=True)
class Gaussian(Distribution):
    """N(μ, σ²). Its numbers are μ and ln σ; with σ given, μ alone.

    Args: sigma: σ > 0, or None. Raises: ValueError: another σ.
    Taught in: 05b_better_bounds, "Which likelihood for grey pixels?".
    """

    sigma: float | None = None

    def __post_init__(self) -> None:
        if self.sigma is not None:
            require_positive(self.sigma, "sigma")

    @property
    def num_parameters(self) -> int:
        """μ and ln σ, or μ."""
        return 2 if self.sigma is None else 1

    def check(self, x: Float[Array, "..."], name: str = "x") -> None:
        """Raises: ValueError: NaN and infinity."""
        require_finite(x, name)

    def log_sigma(self, parameters: Float[Array, "*batch p"]) -> Any:
        """ln σ."""
        return parameters[..., 1] if self.sigma is None else math.log(self.sigma)

    def log_prob(self, x: ArrayLike, parameters: Float[Array, "*batch p"]) -> Float[Array, "..."]:
        """ln N(x; μ, σ²) in nats. Raises: ValueError: NaN and infinity."""
        x = as_floats(x)
        self.check(x)
        return normal_log_prob(x, parameters[..., 0], self.log_sigma(parameters))

    def mean(self, parameters: Float[Array, "*batch p"]) -> Float[Array, "*batch"]:
        """μ."""
        return parameters[..., 0]

    def noise(self, key: Key[Array, ""], shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """ε ~ N(0, 1)."""
        return jax.random.normal(key, shape)

    def draw(self, noise: Any, parameters: Float[Array, "*batch p"], temperature: Any = 1.0) -> Float[Array, "*batch"]:
        """μ + σ √T ε, since N(μ, σ²)^(1/T) is N(μ, T σ²) but for a factor."""
        return parameters[..., 0] + jnp.exp(self.log_sigma(parameters)) * jnp.sqrt(temperature) * noise


@dataclass(frozen=True)
class GaussianMixture(Distribution):
    """Σ_k π_k N(x; μ_k, σ_k²) of K components: K logits of π, K means μ, K numbers ln σ.

    Args: components: K ≥ 1. Raises: ValueError: fewer.
    Source: Bishop 1994, mixture density networks; Papamakarios et al. 2017 (arXiv:1705.07057), sec. 4 (MADE MoG).
    """

    components: int = 5

    def __post_init__(self) -> None:
        whole_number(self.components, "components")

    @property
    def num_parameters(self) -> int:
        """3 K numbers a variable."""
        return 3 * self.components

    def check(self, x: Float[Array, "..."], name: str = "x") -> None:
        """Raises: ValueError: NaN and infinity."""
        require_finite(x, name)

    def log_prob(self, x: ArrayLike, parameters: Float[Array, "*batch p"]) -> Float[Array, "..."]:
        """logsumexp_k (ln π_k + ln N(x; μ_k, σ_k²)) in nats. Raises: ValueError: NaN and infinity."""
        x = as_floats(x)
        self.check(x)
        logits, mean, log_sigma = jnp.split(parameters, 3, axis=-1)
        log_weight = jax.nn.log_softmax(logits, axis=-1)
        return jax.nn.logsumexp(log_weight + normal_log_prob(x[..., None], mean, log_sigma), axis=-1)

    def mean(self, parameters: Float[Array, "*batch p"]) -> Float[Array, "*batch"]:
        """Σ_k π_k μ_k."""
        logits, mean, _ = jnp.split(parameters, 3, axis=-1)
        return (jax.nn.softmax(logits, axis=-1) * mean).sum(axis=-1)

    def noise(self, key: Key[Array, ""], shape: tuple[int, ...]) -> tuple[Array, Array]:
        """A uniform number, which chooses the component, and ε ~ N(0, 1)."""
        uniform_key, normal_key = jax.random.split(key)
        return jax.random.uniform(uniform_key, shape), jax.random.normal(normal_key, shape)

    def draw(self, noise: Any, parameters: Float[Array, "*batch p"], temperature: Any = 1.0) -> Float[Array, "*batch"]:
        """μ_k + σ_k √T ε for a component k. It is the pair (k, x) that is tempered: p(k) ∝ π_k^(1/T) σ_k^(1 − 1/T)."""
        uniform, normal = noise
        logits, mean, log_sigma = jnp.split(parameters, 3, axis=-1)
        p = jax.nn.softmax(logits / temperature + (1 - 1 / jnp.asarray(temperature)) * log_sigma, axis=-1)
        k = (jnp.cumsum(p, axis=-1)[..., :-1] <= uniform[..., None]).sum(axis=-1, keepdims=True)
        mean, log_sigma = (jnp.take_along_axis(a, k, axis=-1)[..., 0] for a in (mean, log_sigma))
        return mean + jnp.exp(log_sigma) * jnp.sqrt(temperature) * normal

    def start(self, rngs: nnx.Rngs, shape: tuple[int, ...]) -> Float[Array, "*shape p"]:
        """Means apart: components that start in the same place would stay together."""
        means = jax.random.normal(rngs.params(), (*shape, self.components)) * (self.components > 1)
        return jnp.concatenate([jnp.zeros_like(means), means, jnp.zeros_like(means)], axis=-1)
