"""Logistic densities cut into grey levels: few numbers, however many levels there are."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from course_lib.distributions.discrete import Discrete, level_of
from course_lib.validation import whole_number


def discretized_logistic_mixture_log_prob(
    level: ArrayLike, parameters: Float[Array, "*batch p"], levels: int
) -> Float[Array, "..."]:
    """log Σ_k π_k [σ(b_k) − σ(a_k)] in nats; see `LogisticMixture`. `parameters`: K logits, K means, K log-scales.

    Numerics: σ(b) − σ(a) = σ(b) σ(−a) (1 − e^{a−b}), each factor in log space, so nothing is lost far from the mean.
    Log-scales below −7 count as −7, as in the paper.
    Source: Salimans et al. 2017 (arXiv:1701.05517), sec. 2.1. Taught in: 02b_pixelcnn, "Grey levels".
    """
    logits, mean, log_scale = jnp.split(parameters, 3, axis=-1)
    log_scale, level, half = jnp.maximum(log_scale, -7.0), jnp.asarray(level)[..., None], 1 / (levels - 1)
    centred = (2 * half * level - 1) - mean
    upper, lower = ((centred + side) * jnp.exp(-log_scale) for side in (half, -half))
    below_upper = jnp.where(level == levels - 1, 0.0, jax.nn.log_sigmoid(upper))
    above_lower = jnp.where(level == 0, 0.0, jax.nn.log_sigmoid(-lower))
    inner = (level > 0) & (level < levels - 1)
    overlap = jnp.where(inner, jnp.log(-jnp.expm1(-2 * half * jnp.exp(-log_scale))), 0.0)
    return jax.nn.logsumexp(jax.nn.log_softmax(logits, axis=-1) + below_upper + above_lower + overlap, axis=-1)


@dataclass(frozen=True)
class LogisticMixture(Discrete):
    """K logistic densities, mixed, and cut into L levels: 3K numbers a variable.

    p(level) = Σ_k π_k [σ((v + δ − μ_k)/s_k) − σ((v − δ − μ_k)/s_k)] with v = 2x − 1 and δ = 1/(L − 1); the first and
    the last level get the tails, so that the levels sum to 1.

    Source: Salimans et al. 2017 (arXiv:1701.05517), sec. 2.1. Taught in: 02b_pixelcnn, "Grey levels".
    """

    components: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number(self.components, "components")

    @property
    def num_parameters(self) -> int:
        """K logits of π, K means, K log-scales."""
        return 3 * self.components

    def log_prob(self, x: ArrayLike, parameters: Float[Array, "*batch p"]) -> Float[Array, "..."]:
        """Log-probability in nats. Raises: ValueError: values that are no level."""
        return discretized_logistic_mixture_log_prob(level_of(x, self.levels), parameters, self.levels)

    def level_log_probs(self, parameters: Float[Array, "*batch p"]) -> Float[Array, "*batch levels"]:
        """Log-probability of every level in nats."""
        each = jnp.broadcast_to(jnp.arange(self.levels), (*parameters.shape[:-1], self.levels))
        return discretized_logistic_mixture_log_prob(each, parameters[..., None, :], self.levels)


@dataclass(frozen=True)
class Logistic(Discrete):
    """`LogisticMixture` with one component: its mean and its log-scale are the two numbers.

    Source: Kingma et al. 2016 (arXiv:1606.04934), sec. 5.2. Taught in: 05b_better_bounds, "Which likelihood for grey
        pixels?".
    """

    @property
    def num_parameters(self) -> int:
        """Mean and log-scale."""
        return 2

    def _as_mixture(self, parameters: Float[Array, "*batch p"]) -> Float[Array, "*batch three"]:
        return jnp.concatenate([jnp.zeros_like(parameters[..., :1]), parameters], axis=-1)

    def log_prob(self, x: ArrayLike, parameters: Float[Array, "*batch p"]) -> Float[Array, "..."]:
        """Log-probability in nats. Raises: ValueError: values that are no level."""
        return LogisticMixture(self.levels, 1).log_prob(x, self._as_mixture(parameters))

    def level_log_probs(self, parameters: Float[Array, "*batch p"]) -> Float[Array, "*batch levels"]:
        """Log-probability of every level in nats."""
        return LogisticMixture(self.levels, 1).level_log_probs(self._as_mixture(parameters))
